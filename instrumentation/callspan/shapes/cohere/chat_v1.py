"""Chat, version 1: a message and the history before it.

Source: https://docs.cohere.com/v1/reference/chat and https://docs.cohere.com/v1/reference/chat-stream
"""

from __future__ import annotations

from typing import Any

from callspan.core.call import Call
from callspan.core.model import Operation, Parameters
from callspan.core.view import field, fields
from callspan.shapes.cohere.common import read_request, read_usage
from callspan.shapes.parts import plain, set_json, tool_call
from callspan_semconv import attributes as attr

_CONTENT = frozenset({"message", "chat_history", "preamble", "tools", "tool_results", "accepts"})


def _request(call: Call, parameters: Parameters) -> None:
    read_request(call, parameters, _CONTENT)
    if not call.captures_content:
        return
    if preamble := parameters.get("preamble"):
        set_json(call, attr.GEN_AI_SYSTEM_INSTRUCTIONS, [{"type": "text", "content": preamble}])
    messages = [_message(message) for message in parameters.get("chat_history") or ()]
    parts = _text(parameters.get("message")) + _tool_results(parameters.get("tool_results"))
    set_json(call, attr.GEN_AI_INPUT_MESSAGES, [*messages, {"role": "user", "parts": parts}])
    tools = [{"type": "function", **plain(tool)} for tool in parameters.get("tools") or ()]
    set_json(call, attr.GEN_AI_TOOL_DEFINITIONS, tools)


def _stream_request(call: Call, parameters: Parameters) -> None:
    _request(call, parameters)
    call.attributes[attr.GEN_AI_REQUEST_STREAM] = True


def _message(message: Any) -> dict[str, Any]:
    """A message of the history, or an answer."""
    parts = _text(field(message, "message")) + _tool_results(field(message, "tool_results"))
    return {"role": field(message, "role"), "parts": parts + _tool_calls(field(message, "tool_calls"))}


def _text(text: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "content": text}] if text else []


def _tool_calls(calls: Any) -> list[dict[str, Any]]:
    """Tool calls, which have no ids in version 1."""
    return [tool_call(field(call, "name"), None, field(call, "parameters")) for call in calls or ()]


def _tool_results(results: Any) -> list[dict[str, Any]]:
    return [{"type": "tool_call_response", "response": plain(result)} for result in results or ()]


_BESIDE = ("citations", "documents", "search_queries", "search_results")


def _response(call: Call, response: Any) -> None:
    attributes, known = call.attributes, fields(response)
    if answer_id := known.get("response_id") or known.get("generation_id"):
        attributes[attr.GEN_AI_RESPONSE_ID] = answer_id
    read_usage(call, known.get("meta"))
    output: dict[str, Any] = {"role": "assistant"}
    output["parts"] = _text(known.get("text")) + _tool_calls(known.get("tool_calls"))
    if reason := known.get("finish_reason"):
        attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = (reason,)
        output["finish_reason"] = reason
    set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, [output])
    beside = {name: [plain(item) for item in items] for name in _BESIDE if (items := known.get(name))}
    set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, beside)


class _Accumulator:
    """Collects the events of a stream, the last of which brings the whole answer."""

    def __init__(self, _call: Call) -> None:
        self._so_far: dict[str, Any] = {}
        self._text: list[str] = []
        self._whole: Any = None

    def feed(self, event: Any) -> None:
        """Take an event."""
        known = fields(event)
        if generation_id := known.get("generation_id"):
            self._so_far["generation_id"] = generation_id
        if text := known.get("text"):
            self._text.append(text)
        if tool_calls := known.get("tool_calls"):
            self._so_far["tool_calls"] = tool_calls
        if (whole := known.get("response")) is not None:
            self._whole = whole

    def finish(self, call: Call) -> None:
        """Write what came."""
        if self._whole is not None:
            _response(call, self._whole)
        elif self._so_far or self._text:
            _response(call, {**self._so_far, "text": "".join(self._text)})


CHAT_V1 = Operation("chat", "completion", _request, _response)
CHAT_STREAM_V1 = Operation("chat", "completion", _stream_request, _response, _Accumulator)
