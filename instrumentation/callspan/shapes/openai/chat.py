"""Chat Completions: ``client.chat.completions.create`` and ``parse`` (``stream()`` runs on ``create``).

Source: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import Any

from callspan.core.call import Call
from callspan.core.model import Operation, Parameters
from callspan.core.view import field, fields
from callspan.shapes.openai.common import (
    OUTPUT_TYPES,
    blob,
    content_parts,
    plain,
    read_error,
    read_identity,
    read_parameters,
    read_usage,
    set_json,
    tool_call,
)
from callspan_semconv import attributes as attr

# Shared with text completions.
PARAMETERS = {
    "temperature": attr.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": attr.GEN_AI_REQUEST_TOP_P,
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
        set_json(call, attr.GEN_AI_INPUT_MESSAGES, [_message(message) for message in parameters.get("messages", ())])
        if tools := parameters.get("tools"):
            set_json(call, attr.GEN_AI_TOOL_DEFINITIONS, [_tool(tool) for tool in tools])


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


def _message(message: Any) -> dict[str, Any]:
    # Nearly all messages are a role and a text.
    if type(message) is dict and len(message) == 2 and type(text := message.get("content")) is str:
        return {"role": message.get("role"), "parts": [{"type": "text", "content": text}]}
    role = field(message, "role")
    content = field(message, "content")
    if role in ("tool", "function"):
        response = content if isinstance(content, str) or content is None else content_parts(content)
        part = {"type": "tool_call_response", "response": response}
        if (call_id := field(message, "tool_call_id")) is not None:
            part["id"] = call_id
        result = {"role": role, "parts": [part]}
    else:
        result = {"role": role, "parts": _assistant_parts(message, content)}
    if (name := field(message, "name")) is not None:
        result["name"] = name
    return result


def _assistant_parts(message: Any, content: Any) -> list[dict[str, Any]]:
    """Parts of an assistant's message, in a prompt or in an answer."""
    known = fields(message)
    parts: list[dict[str, Any]] = []
    if reasoning := _reasoning(message):
        parts.append({"type": "reasoning", "content": reasoning})
    if content is not None:
        parts += content_parts(content)
    if refusal := known.get("refusal"):
        parts.append({"type": "refusal", "content": refusal})
    if (audio := known.get("audio")) is not None:
        parts.append(_audio_part(audio))
    if tool_calls := known.get("tool_calls"):
        parts += [_tool_call(item) for item in tool_calls]
    if (function := known.get("function_call")) is not None:
        parts.append(tool_call(field(function, "name"), None, field(function, "arguments")))
    return parts


def _tool_call(item: Any) -> dict[str, Any]:
    """A function call, or a custom tool's call with its free-form input."""
    if (custom := field(item, "custom")) is not None:
        return tool_call(field(custom, "name"), field(item, "id"), field(custom, "input"))
    function = field(item, "function")
    return tool_call(field(function, "name"), field(item, "id"), field(function, "arguments"))


def _audio_part(audio: Any) -> dict[str, Any]:
    """Spoken output: its transcript, and its data where the answer carries them."""
    part = blob("audio", None, field(audio, "data") or "")
    for name in ("id", "transcript"):
        if (value := field(audio, name)) is not None:
            part[name] = value
    return part


def _reasoning(message: Any) -> Any:
    """Thinking, as OpenAI-compatible servers add it to messages and deltas (DeepSeek, vLLM, OpenRouter)."""
    extra = message if isinstance(message, dict) else getattr(message, "__pydantic_extra__", None)
    return (extra.get("reasoning_content") or extra.get("reasoning")) if extra else None


def _tool(tool: Any) -> dict[str, Any]:
    """A tool definition: functions flattened as the conventions have them, others as they are."""
    function = field(tool, "function")
    return {"type": "function", **plain(function)} if function is not None else plain(tool)


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
    parts = _assistant_parts(message, getattr(message, "content", None))
    role = getattr(message, "role", None) or "assistant"
    return {"role": role, "parts": parts, "finish_reason": choice.finish_reason}


def _beside_messages(choices: Any) -> dict[str, Any]:
    """Content that no message part holds: log probabilities and annotations, per choice."""
    found = []
    for choice in choices:
        extra = {}
        if (logprobs := getattr(choice, "logprobs", None)) is not None:
            extra["logprobs"] = plain(logprobs)
        if annotations := getattr(choice.message, "annotations", None):
            extra["annotations"] = [plain(annotation) for annotation in annotations]
        found.append(extra)
    return {"choices": found} if any(found) else {}


class _Choice:
    """One choice of a stream."""

    __slots__ = ("annotations", "audio", "finish_reason", "logprobs", "reasoning", "refusal", "role", "text", "tools")

    def __init__(self) -> None:
        self.role: str | None = None
        self.text: list[str] = []
        self.refusal: list[str] = []
        self.reasoning: list[str] = []
        self.tools: dict[int, dict[str, Any]] = {}
        self.audio: dict[str, str] = {}
        self.annotations: list[Any] = []
        self.logprobs: list[Any] = []
        self.finish_reason: str | None = None


class ChatAccumulator:
    """Collects a stream of ``chat.completion.chunk``."""

    def __init__(self, _call: Call) -> None:
        self._choices: dict[int, _Choice] = {}
        self._first: Any = None
        self._last: Any = None
        self._usage: Any = None

    def feed(self, chunk: Any) -> None:
        """Take a chunk. Text first: it is nearly all there is."""
        self._last = chunk
        if self._first is None:
            self._first = chunk
        for part in getattr(chunk, "choices", None) or ():
            delta = part.delta
            index = part.index or 0  # compatible servers with one choice leave it out
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = _Choice()
                choice.role = getattr(delta, "role", None)
            if text := getattr(delta, "content", None):
                choice.text.append(text)
            if not text or getattr(delta, "tool_calls", None) or getattr(delta, "__pydantic_extra__", None):
                self._feed_rest(choice, delta)
            if reason := getattr(part, "finish_reason", None):
                choice.finish_reason = reason
            if logprobs := getattr(part, "logprobs", None):
                choice.logprobs.append(logprobs)
        if usage := getattr(chunk, "usage", None):
            self._usage = usage

    def _feed_rest(self, choice: _Choice, delta: Any) -> None:
        """Everything but text; servers nearly always send it in chunks of its own."""
        if refusal := getattr(delta, "refusal", None):
            choice.refusal.append(refusal)
        if reasoning := _reasoning(delta):
            choice.reasoning.append(reasoning)
        for item in getattr(delta, "tool_calls", None) or ():
            _merge_tool(_tool_of(choice.tools, item), item)
        if (function := getattr(delta, "function_call", None)) is not None:
            _merge_function(choice.tools.setdefault(0, {"arguments": []}), function)
        if (audio := getattr(delta, "audio", None)) is not None:
            _merge_audio(choice.audio, audio)
        choice.annotations += getattr(delta, "annotations", None) or ()

    def finish(self, call: Call) -> None:
        """Write what came, however far the stream got."""
        if self._first is None:
            return
        read_identity(call, self._first)
        # The tier and the fingerprint may come late, and the id of the first chunk is empty on Azure.
        read_identity(call, self._last)
        read_usage(call, self._usage)
        read_error(call, getattr(self._last, "error", None))  # the SDK raises it, raw responses hand it on
        choices = [self._choices[index] for index in sorted(self._choices)]
        if any(choice.finish_reason for choice in choices):
            reasons = tuple(choice.finish_reason or "error" for choice in choices)
            call.attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = reasons
        if call.captures_content:
            set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, list(map(_streamed_output, choices)))
            beside = list(map(_beside_streamed, choices))
            set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, {"choices": beside} if any(beside) else None)


def _tool_of(tools: dict[int, dict[str, Any]], item: Any) -> dict[str, Any]:
    """The call that a delta belongs to. Some compatible servers (Gemini's) give no index, or every call the same."""
    index = max(tools, default=0) if item.index is None else item.index
    begun = tools.get(index)
    if begun is not None and item.id and begun.get("id") not in (None, item.id):
        index = max(tools) + 1
    return tools.setdefault(index, {"arguments": []})


def _merge_tool(tool: dict[str, Any], item: Any) -> None:
    if item.id:
        tool["id"] = item.id
    if (function := getattr(item, "function", None)) is not None:
        _merge_function(tool, function)
    extra = getattr(item, "__pydantic_extra__", None)
    if extra and (custom := extra.get("custom")) is not None:
        tool["name"] = custom.get("name") or tool.get("name")
        tool["arguments"].append(custom.get("input") or "")


def _merge_audio(audio: dict[str, str], delta: Any) -> None:
    for name in ("data", "transcript"):
        if piece := field(delta, name):
            audio[name] = audio.get(name, "") + piece
    if audio_id := field(delta, "id"):
        audio["id"] = audio_id


def _beside_streamed(choice: _Choice) -> dict[str, Any]:
    """What `_beside_messages` finds in a plain answer, put together."""
    logprobs = {
        name: [plain(entry) for piece in choice.logprobs for entry in field(piece, name) or ()]
        for name in ("content", "refusal")
    }
    found: dict[str, Any] = {"logprobs": {name: entries for name, entries in logprobs.items() if entries}}
    found["annotations"] = [plain(annotation) for annotation in choice.annotations]
    return {name: value for name, value in found.items() if value}


def _merge_function(tool: dict[str, Any], function: Any) -> None:
    if function.name:
        tool["name"] = function.name
    if function.arguments:
        tool["arguments"].append(function.arguments)


def _streamed_output(choice: _Choice) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if choice.reasoning:
        parts.append({"type": "reasoning", "content": "".join(choice.reasoning)})
    if choice.text:
        parts.append({"type": "text", "content": "".join(choice.text)})
    if choice.refusal:
        parts.append({"type": "refusal", "content": "".join(choice.refusal)})
    if choice.audio:
        parts.append(_audio_part(choice.audio))
    for index in sorted(choice.tools):
        tool = choice.tools[index]
        parts.append(tool_call(tool.get("name"), tool.get("id"), "".join(tool["arguments"])))
    output: dict[str, Any] = {"role": choice.role or "assistant", "parts": parts}
    if choice.finish_reason:
        output["finish_reason"] = choice.finish_reason
    return output


CHAT = Operation(name="chat", call_type="completion", request=_request, response=_response, stream=ChatAccumulator)
