"""Chat Completions: ``client.chat.completions.create`` and ``parse`` (``stream()`` runs on ``create``).

Source: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import Any

from callspan.core.call import Call
from callspan.core.model import Operation, Parameters
from callspan.core.view import field
from callspan.shapes.openai.chat_parts import assistant_parts, input_message, tool_definition
from callspan.shapes.openai.chat_stream import ChatAccumulator
from callspan.shapes.openai.common import OUTPUT_TYPES, read_identity, read_parameters, read_usage
from callspan.shapes.parts import plain, set_json
from callspan_semconv import attributes as attr

# Shared with text completions.
PARAMETERS = {
    "temperature": attr.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": attr.GEN_AI_REQUEST_TOP_P,
    "top_k": attr.GEN_AI_REQUEST_TOP_K,
    "frequency_penalty": attr.GEN_AI_REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": attr.GEN_AI_REQUEST_PRESENCE_PENALTY,
    "max_tokens": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "max_completion_tokens": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "seed": attr.GEN_AI_REQUEST_SEED,
    "reasoning_effort": attr.GEN_AI_REQUEST_REASONING_LEVEL,
    "service_tier": attr.OPENAI_REQUEST_SERVICE_TIER,
}
READ_HERE = frozenset({"model", "messages", "tools", "stop", "n", "stream", "metadata"})


def _request(call: Call, parameters: Parameters) -> None:
    call.attributes[attr.OPENAI_API_TYPE] = "chat_completions"
    read_parameters(call, parameters, PARAMETERS, READ_HERE)
    read_common(call, parameters)
    if (output := _output_type(parameters)) is not None:
        call.attributes[attr.GEN_AI_OUTPUT_TYPE] = output
    if call.captures_content:
        set_json(call, attr.GEN_AI_INPUT_MESSAGES, list(map(input_message, parameters.get("messages", ()))))
        if tools := parameters.get("tools"):
            set_json(call, attr.GEN_AI_TOOL_DEFINITIONS, list(map(tool_definition, tools)))


def read_common(call: Call, parameters: Parameters) -> None:
    """Parameters that need more than a name: stream, n, stop."""
    attributes = call.attributes
    if parameters.get("stream"):
        attributes[attr.GEN_AI_REQUEST_STREAM] = True
    if (count := parameters.get("n")) is not None and count != 1:
        attributes[attr.GEN_AI_REQUEST_CHOICE_COUNT] = count
    if (stop := parameters.get("stop")) is not None:
        attributes[attr.GEN_AI_REQUEST_STOP_SEQUENCES] = (stop,) if isinstance(stop, str) else tuple(stop)


def _output_type(parameters: Parameters) -> str | None:
    """The modality asked for: ``gen_ai.output.type``."""
    if "audio" in (parameters.get("modalities") or ()):
        return "speech"
    if (wanted := parameters.get("response_format")) is None:
        return None
    if isinstance(wanted, type):  # parse(response_format=Model)
        return "json"
    return OUTPUT_TYPES.get(str(field(wanted, "type")))


def _response(call: Call, response: Any) -> None:
    read_identity(call, response)
    read_usage(call, getattr(response, "usage", None))
    choices = getattr(response, "choices", None) or ()
    reasons = tuple(getattr(choice, "finish_reason", None) or "error" for choice in choices)
    if reasons:
        call.attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = reasons
    if call.captures_content:
        set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, [_output(choice) for choice in choices])
        set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, _beside_messages(choices))


def _output(choice: Any) -> dict[str, Any]:
    message = choice.message
    parts = assistant_parts(message, getattr(message, "content", None))
    role = getattr(message, "role", None) or "assistant"
    return {"role": role, "parts": parts, "finish_reason": choice.finish_reason}


def _beside_messages(choices: Any) -> dict[str, Any]:
    """Content that no message part holds: log probabilities and annotations, per choice."""
    found = []
    for choice in choices:
        extra = {}
        if logprobs := getattr(choice, "logprobs", None):
            extra["logprobs"] = plain(logprobs)
        if annotations := getattr(choice.message, "annotations", None):
            extra["annotations"] = [plain(annotation) for annotation in annotations]
        found.append(extra)
    return {"choices": found} if any(found) else {}


CHAT = Operation(name="chat", call_type="completion", request=_request, response=_response, stream=ChatAccumulator)
