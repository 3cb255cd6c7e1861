"""Chat, version 2: messages in and out.

Source: https://docs.cohere.com/v2/reference/chat and https://docs.cohere.com/v2/reference/chat-stream
"""

from __future__ import annotations

from typing import Any

from callspan.core.call import Call
from callspan.core.model import Operation, Parameters
from callspan.core.view import field, fields
from callspan.shapes.cohere.common import read_request, read_usage
from callspan.shapes.openai.chat_parts import assistant_parts, input_message, tool_definition
from callspan.shapes.parts import plain, set_json, tool_call
from callspan_semconv import attributes as attr

_CONTENT = frozenset({"messages", "tools"})


def _request(call: Call, parameters: Parameters) -> None:
    read_request(call, parameters, _CONTENT)
    if call.captures_content:
        set_json(call, attr.GEN_AI_INPUT_MESSAGES, list(map(_message, parameters.get("messages", ()))))
        set_json(call, attr.GEN_AI_TOOL_DEFINITIONS, list(map(tool_definition, parameters.get("tools") or ())))


def _stream_request(call: Call, parameters: Parameters) -> None:
    _request(call, parameters)
    call.attributes[attr.GEN_AI_REQUEST_STREAM] = True


def _message(message: Any) -> dict[str, Any]:
    read = input_message(message)
    read["parts"] = _plan(field(message, "tool_plan")) + read["parts"]
    return read


def _plan(text: Any) -> list[dict[str, Any]]:
    """The tool plan is the model's reasoning before it calls tools."""
    return [{"type": "reasoning", "content": text}] if text else []


def _response(call: Call, response: Any) -> None:
    message = field(response, "message")
    parts = _plan(field(message, "tool_plan")) + assistant_parts(message, field(message, "content"))
    beside = {"citations": field(message, "citations"), "logprobs": field(response, "logprobs")}
    _write(call, response, parts, beside)


def _write(call: Call, answer: Any, parts: list[dict[str, Any]], beside: dict[str, Any]) -> None:
    """Write an answer: ``id``, ``finish_reason`` and ``usage`` of ``answer``, its parts, and what is no part."""
    attributes = call.attributes
    if answer_id := field(answer, "id"):
        attributes[attr.GEN_AI_RESPONSE_ID] = answer_id
    read_usage(call, field(answer, "usage"))
    output: dict[str, Any] = {"role": "assistant", "parts": parts}
    if reason := field(answer, "finish_reason"):
        attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = (reason,)
        output["finish_reason"] = reason
    set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, [output])
    found = {name: [plain(item) for item in items] for name, items in beside.items() if items}
    set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, found)


class _Accumulator:
    """Collects the events of a stream."""

    def __init__(self, _call: Call) -> None:
        self._answer: dict[str, Any] = {}
        self._texts: dict[str, list[str]] = {"text": [], "thinking": [], "tool_plan": []}
        self._tools: list[dict[str, Any]] = []
        self._beside: dict[str, list[Any]] = {"citations": [], "logprobs": []}

    def feed(self, event: Any) -> None:
        """Take an event: its type says little that its fields do not."""
        delta = fields(event.delta) if getattr(event, "delta", None) is not None else {}
        if answer_id := getattr(event, "id", None):
            self._answer["id"] = answer_id
        for name in ("finish_reason", "usage"):
            if (value := delta.get(name)) is not None:
                self._answer[name] = value
        if (message := delta.get("message")) is not None:
            self._feed_message(fields(message))
        if (logprobs := getattr(event, "logprobs", None)) is not None:
            self._beside["logprobs"].append(logprobs)

    def _feed_message(self, message: Any) -> None:
        content = message.get("content")
        for name in ("text", "thinking"):
            if content and (piece := field(content, name)):
                self._texts[name].append(piece)
        if plan := message.get("tool_plan"):
            self._texts["tool_plan"].append(plan)
        if call := message.get("tool_calls"):
            self._feed_tool(call)
        if citation := message.get("citations"):
            self._beside["citations"].append(citation)

    def _feed_tool(self, call: Any) -> None:
        """The start of a call has its id and name; what follows are pieces of its arguments."""
        function = field(call, "function")
        if call_id := field(call, "id"):
            self._tools.append({"id": call_id, "name": field(function, "name"), "arguments": []})
        if self._tools and (piece := field(function, "arguments")):
            self._tools[-1]["arguments"].append(piece)

    def finish(self, call: Call) -> None:
        """Write what came."""
        parts = _plan("".join(self._texts["thinking"])) + _plan("".join(self._texts["tool_plan"]))
        if self._texts["text"]:
            parts.append({"type": "text", "content": "".join(self._texts["text"])})
        parts += [tool_call(tool["name"], tool["id"], "".join(tool["arguments"])) for tool in self._tools]
        if self._answer or parts:
            _write(call, self._answer, parts, self._beside)


CHAT = Operation("chat", "completion", _request, _response)
CHAT_STREAM = Operation("chat", "completion", _stream_request, _response, _Accumulator)
