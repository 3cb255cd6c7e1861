"""``generate_content``: one request for an answer, whole or streamed.

Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from functools import partial
from typing import Any

from callspan.core.call import Call
from callspan.core.model import Operation, Parameters
from callspan.shapes.google.common import options, read_options, read_usage
from callspan.shapes.google.content import get, messages, part, parts, system_parts, text_of, tools
from callspan.shapes.parts import plain, set_json
from callspan_semconv import attributes as attr
from callspan_semconv import jsonio

_NAMES = {
    "temperature": attr.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": attr.GEN_AI_REQUEST_TOP_P,
    "max_output_tokens": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "presence_penalty": attr.GEN_AI_REQUEST_PRESENCE_PENALTY,
    "frequency_penalty": attr.GEN_AI_REQUEST_FREQUENCY_PENALTY,
    "seed": attr.GEN_AI_REQUEST_SEED,
}
_READ_HERE = frozenset({"system_instruction", "tools", "top_k", "candidate_count", "stop_sequences"})
_MODALITIES = {"TEXT": "text", "IMAGE": "image", "AUDIO": "speech"}


def _request(streams: bool, call: Call, parameters: Parameters) -> None:
    given = options(parameters.get("config"))
    read_options(call, given, _NAMES, _READ_HERE)
    attributes = call.attributes
    if streams:
        attributes[attr.GEN_AI_REQUEST_STREAM] = True
    if (top_k := given.get("top_k")) is not None:
        attributes[attr.GEN_AI_REQUEST_TOP_K] = int(top_k)  # the SDK makes it a float, the conventions an integer
    if (count := given.get("candidate_count", 1)) != 1:
        attributes[attr.GEN_AI_REQUEST_CHOICE_COUNT] = count
    if stop := given.get("stop_sequences"):
        attributes[attr.GEN_AI_REQUEST_STOP_SEQUENCES] = tuple(stop)
    if (level := get(given.get("thinking_config"), "thinking_level")) is not None:
        attributes[attr.GEN_AI_REQUEST_REASONING_LEVEL] = text_of(level)
    if (output := _output_type(given)) is not None:
        attributes[attr.GEN_AI_OUTPUT_TYPE] = output
    if call.captures_content:
        set_json(call, attr.GEN_AI_INPUT_MESSAGES, messages(parameters.get("contents")))
        set_json(call, attr.GEN_AI_SYSTEM_INSTRUCTIONS, system_parts(given.get("system_instruction")))
        set_json(call, attr.GEN_AI_TOOL_DEFINITIONS, tools(given.get("tools", ())))


def _output_type(given: dict[str, Any]) -> str | None:
    """The modality asked for: ``gen_ai.output.type``."""
    if given.get("response_mime_type") == "application/json":
        return "json"
    wanted = [str(text_of(modality)).upper() for modality in given.get("response_modalities", ())]
    return _MODALITIES.get(wanted[-1]) if wanted else None


def _response(call: Call, response: Any) -> None:
    response = _parsed(response)
    _read_answer(call, response)
    candidates = response.candidates or ()
    if candidates:
        reasons = tuple(text_of(candidate.finish_reason) or "error" for candidate in candidates)
        call.attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = reasons
    if call.captures_content:
        outputs = [_output(each.content, parts(_parts(each)), text_of(each.finish_reason)) for each in candidates]
        set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, outputs)
        _write_beside(call, response, list(map(_beside, candidates)))


def _parsed(response: Any) -> Any:
    """The answer, also where the application asked for the HTTP response alone (``should_return_http_response``)."""
    body = getattr(getattr(response, "sdk_http_response", None), "body", None)
    return response if not body else type(response).model_validate(jsonio.loads(body))


def _read_answer(call: Call, response: Any) -> None:
    """What every chunk of a stream repeats; the last one counts."""
    for name, attribute in (("response_id", attr.GEN_AI_RESPONSE_ID), ("model_version", attr.GEN_AI_RESPONSE_MODEL)):
        if value := getattr(response, name, None):
            call.attributes[attribute] = value
    read_usage(call, response.usage_metadata)


def _parts(candidate: Any) -> Any:
    return (candidate.content and candidate.content.parts) or ()


def _output(content: Any, made: list[dict[str, Any]], reason: Any) -> dict[str, Any]:
    output = {"role": get(content, "role") or "model", "parts": made}
    return {**output, "finish_reason": reason} if reason else output


# Content of a candidate that no message part holds.
_BESIDE = (
    "finish_message",
    "citation_metadata",
    "grounding_metadata",
    "url_context_metadata",
    "safety_ratings",
    "avg_logprobs",
    "logprobs_result",
)


def _beside(candidate: Any) -> dict[str, Any]:
    return {name: value for name in _BESIDE if (value := getattr(candidate, name, None)) is not None}


def _write_beside(call: Call, response: Any, candidates: list[dict[str, Any]]) -> None:
    found: dict[str, Any] = {}
    if any(candidates):
        found["candidates"] = [{name: _dumped(value) for name, value in each.items()} for each in candidates]
    if (feedback := response.prompt_feedback) is not None:
        found["prompt_feedback"] = plain(feedback)
    set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, found)


def _dumped(value: Any) -> Any:
    return [plain(item) for item in value] if isinstance(value, list) else plain(value)


class _Candidate:
    """One candidate of a stream."""

    __slots__ = ("beside", "content", "finish_reason", "parts")

    def __init__(self) -> None:
        self.content: Any = None
        self.parts: list[Any] = []
        self.finish_reason: Any = None
        self.beside: dict[str, Any] = {}


class _Chunks:
    """Collects a stream of answers, each a piece of the whole."""

    def __init__(self, _call: Call) -> None:
        self._candidates: dict[int, _Candidate] = {}
        self._last: Any = None
        self._usage: Any = None
        self._feedback: Any = None

    def feed(self, chunk: Any) -> None:
        """Take a chunk."""
        self._last = chunk
        if chunk.usage_metadata is not None:
            self._usage = chunk.usage_metadata
        if chunk.prompt_feedback is not None:
            self._feedback = chunk
        for candidate in chunk.candidates or ():
            known = self._candidates.setdefault(candidate.index or 0, _Candidate())
            if candidate.content is not None:
                known.content = known.content or candidate.content
                known.parts += candidate.content.parts or ()
            known.finish_reason = text_of(candidate.finish_reason) or known.finish_reason
            known.beside.update(_beside(candidate))

    def finish(self, call: Call) -> None:
        """Write what came, however far the stream got."""
        if self._last is None:
            return
        _read_answer(call, self._last)
        read_usage(call, self._usage)
        candidates = [self._candidates[index] for index in sorted(self._candidates)]
        if any(candidate.finish_reason for candidate in candidates):
            reasons = tuple(candidate.finish_reason or "error" for candidate in candidates)
            call.attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = reasons
        if call.captures_content:
            outputs = [_output(each.content, _joined(each.parts), each.finish_reason) for each in candidates]
            set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, outputs)
            _write_beside(call, self._feedback or self._last, [candidate.beside for candidate in candidates])


def _joined(pieces: list[Any]) -> list[dict[str, Any]]:
    """Parts, with the pieces of a text put together."""
    joined: list[dict[str, Any]] = []
    for made in map(part, pieces):
        if joined and made["type"] in ("text", "reasoning") and joined[-1]["type"] == made["type"]:
            joined[-1]["content"] += made["content"]
        elif made.get("content") != "" or made["type"] == "blob":
            joined.append(made)
    return joined


GENERATE = Operation(
    name="generate_content", call_type="generate_content", request=partial(_request, False), response=_response
)
GENERATE_STREAM = Operation(
    name="generate_content",
    call_type="generate_content",
    request=partial(_request, True),
    response=_response,
    stream=_Chunks,
)
