"""The Responses API: ``client.responses.create``, ``parse`` and ``retrieve`` (``stream()`` runs on them).

Source: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callspan.core.call import Call
from callspan.core.model import Operation, Parameters
from callspan.core.view import field
from callspan.shapes.openai.background import Background
from callspan.shapes.openai.common import OUTPUT_TYPES, read_error, read_identity, read_parameters, read_usage
from callspan.shapes.openai.items import input_messages, item_parts, output_parts
from callspan.shapes.parts import plain, set_json
from callspan_semconv import attributes as attr

_PARAMETERS = {
    "temperature": attr.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": attr.GEN_AI_REQUEST_TOP_P,
    "max_output_tokens": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "previous_response_id": attr.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID,
    "service_tier": attr.OPENAI_REQUEST_SERVICE_TIER,
}
_READ_HERE = frozenset({"model", "input", "instructions", "tools", "stream", "metadata", "conversation"})

_background = Background()


def _request(call: Call, parameters: Parameters) -> None:
    attributes = call.attributes
    attributes[attr.OPENAI_API_TYPE] = "responses"
    read_parameters(call, parameters, _PARAMETERS, _READ_HERE)
    if parameters.get("stream"):
        attributes[attr.GEN_AI_REQUEST_STREAM] = True
    if (reasoning := parameters.get("reasoning")) and (effort := field(reasoning, "effort")):
        attributes[attr.GEN_AI_REQUEST_REASONING_LEVEL] = effort
    if (conversation := parameters.get("conversation")) is not None:
        attributes[attr.GEN_AI_CONVERSATION_ID] = (
            conversation if isinstance(conversation, str) else field(conversation, "id")
        )
    if (output := _output_type(parameters)) is not None:
        attributes[attr.GEN_AI_OUTPUT_TYPE] = output
    if call.captures_content:
        _read_content(call, parameters)


def _read_content(call: Call, parameters: Parameters) -> None:
    if (instructions := parameters.get("instructions")) is not None:
        set_json(call, attr.GEN_AI_SYSTEM_INSTRUCTIONS, [{"type": "text", "content": instructions}])
    set_json(call, attr.GEN_AI_INPUT_MESSAGES, input_messages(parameters.get("input")))
    set_json(call, attr.GEN_AI_TOOL_DEFINITIONS, [_tool(tool) for tool in parameters.get("tools", ())])


def _tool(tool: Any) -> Any:
    """A tool definition; the helper's pydantic tools carry theirs under ``function``, as Chat Completions do."""
    function = field(tool, "function")
    return {"type": "function", **plain(function)} if function is not None else plain(tool)


def _output_type(parameters: Parameters) -> str | None:
    if "text_format" in parameters:  # parse(text_format=Model)
        return "json"
    wanted = field(parameters.get("text") or {}, "format")
    return OUTPUT_TYPES.get(str(field(wanted, "type"))) if wanted is not None else None


def _response(call: Call, response: Any) -> None:
    """A response object, whatever its state."""
    read_identity(call, response)
    status = getattr(response, "status", None)
    if status in ("queued", "in_progress"):
        call.attributes[attr.GEN_AI_RESPONSE_STATUS] = status
        _background.start(response.id, call.call_id, call.span.get_span_context())
        return
    if getattr(response, "background", None):  # finished in the stream, or at once: a later retrieve counts nothing
        _background.count(response.id)
    _read_outcome(call, response)


def _read_outcome(call: Call, response: Any) -> None:
    read_usage(call, getattr(response, "usage", None))
    items = getattr(response, "output", None) or ()
    reason = _finish_reason(response, items)
    if reason is not None:
        call.attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = (reason,)
    if (conversation := getattr(response, "conversation", None)) is not None:
        call.attributes[attr.GEN_AI_CONVERSATION_ID] = field(conversation, "id")
    read_error(call, getattr(response, "error", None))
    if call.captures_content:
        _write_output(call, output_parts(items), reason)
        set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, _beside_parts(items))


def _write_output(call: Call, parts: list[dict[str, Any]], reason: str | None) -> None:
    if parts:
        message: dict[str, Any] = {"role": "assistant", "parts": parts}
        if reason is not None:
            message["finish_reason"] = reason
        set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, [message])


def _finish_reason(response: Any, items: Any) -> str | None:
    """The API has a status and no finish reason; in the conventions' words."""
    status = getattr(response, "status", None)
    if status == "completed":
        called = any(field(item, "type") in ("function_call", "custom_tool_call") for item in items)
        return "tool_call" if called else "stop"
    if status == "incomplete":
        reason = field(getattr(response, "incomplete_details", None) or {}, "reason")
        return "length" if reason == "max_output_tokens" else str(reason or "incomplete")
    return "error" if status == "failed" else None


def _beside_parts(items: Any) -> dict[str, Any]:
    """Annotations (citations) and log probabilities of the answer's texts, which no message part holds."""
    texts = [
        {
            name: [plain(entry) for entry in value]
            for name in ("annotations", "logprobs")
            if (value := field(part, name))
        }
        for item in items
        if field(item, "type") == "message"
        for part in field(item, "content") or ()
    ]
    return {"output_texts": texts} if any(texts) else {}


class ResponsesAccumulator:
    """Collects a stream of ``response.*`` events. The last brings the whole response; the rest is for early ends."""

    def __init__(self, _call: Call) -> None:
        self._started: Any = None
        self._final: Any = None
        self._error: Any = None
        self._items: dict[int, Any] = {}
        self._deltas: dict[tuple[int, str], list[str]] = {}

    def feed(self, event: Any) -> None:
        """Take an event."""
        if (take := _EVENTS.get(event.type)) is not None:
            take(self, event)

    def started(self, event: Any) -> None:
        """The response exists: its id and model are known."""
        self._started = event.response

    def final(self, event: Any) -> None:
        """The response in full: completed, incomplete or failed."""
        self._final = event.response

    def failed(self, event: Any) -> None:
        """An error event, in its documented form or with the error inside."""
        self._error = getattr(event, "error", None) or event

    def item(self, event: Any) -> None:
        """An item began, or is complete; what came of it in pieces is then superseded."""
        self._items[event.output_index] = event.item

    def delta(self, event: Any) -> None:
        """A piece of text, reasoning, refusal or arguments."""
        key = (event.output_index, event.type)
        if (pieces := self._deltas.get(key)) is None:
            pieces = self._deltas[key] = []
        pieces.append(event.delta)

    def finish(self, call: Call) -> None:
        """Write the whole response, or what there is of it."""
        if self._final is not None:
            _response(call, self._final)
        else:
            if self._started is not None:
                read_identity(call, self._started)
            if call.captures_content:
                _write_output(call, self._partial(), None)
        read_error(call, self._error)

    def _partial(self) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        for index in sorted({*self._items, *(index for index, _ in self._deltas)}):
            item = self._items.get(index)
            pieces = {kind: "".join(text) for (at, kind), text in self._deltas.items() if at == index}
            if item is not None and (field(item, "status") == "completed" or not pieces):
                parts += item_parts(item)
            else:
                parts += [_DELTA_PARTS[kind](item, text) for kind, text in pieces.items()]
        return parts


_EVENTS: dict[str, Callable[[ResponsesAccumulator, Any], None]] = {
    **dict.fromkeys(("response.created", "response.queued", "response.in_progress"), ResponsesAccumulator.started),
    **dict.fromkeys(("response.completed", "response.incomplete", "response.failed"), ResponsesAccumulator.final),
    "error": ResponsesAccumulator.failed,
    **dict.fromkeys(("response.output_item.added", "response.output_item.done"), ResponsesAccumulator.item),
    **dict.fromkeys(
        (
            "response.output_text.delta",
            "response.refusal.delta",
            "response.reasoning_text.delta",
            "response.reasoning_summary_text.delta",
            "response.function_call_arguments.delta",
            "response.custom_tool_call_input.delta",
        ),
        ResponsesAccumulator.delta,
    ),
}


def _partial_call(item: Any, text: str) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "tool_call", "name": field(item, "name"), "arguments": text}
    if call_id := field(item, "call_id"):
        part["id"] = call_id
    return part


_DELTA_PARTS: dict[str, Callable[[Any, str], dict[str, Any]]] = {
    "response.output_text.delta": lambda _, text: {"type": "text", "content": text},
    "response.refusal.delta": lambda _, text: {"type": "refusal", "content": text},
    "response.reasoning_text.delta": lambda _, text: {"type": "reasoning", "content": text},
    "response.reasoning_summary_text.delta": lambda _, text: {"type": "reasoning", "content": text},
    "response.function_call_arguments.delta": _partial_call,
    "response.custom_tool_call_input.delta": _partial_call,
}


def _retrieve_request(call: Call, parameters: Parameters) -> None:
    call.attributes[attr.OPENAI_API_TYPE] = "responses"
    if (response_id := parameters.get("response_id")) is not None:
        call.attributes[attr.GEN_AI_RESPONSE_ID] = response_id
    if (cursor := parameters.get("starting_after")) is not None:
        call.attributes[attr.GEN_AI_REQUEST_STREAM_CURSOR] = str(cursor)
    if parameters.get("stream"):
        call.attributes[attr.GEN_AI_REQUEST_STREAM] = True


def _retrieved(call: Call, response: Any) -> None:
    """A read of a stored response: no tokens, unless it is the first sight of a finished background response."""
    read_identity(call, response)
    status = getattr(response, "status", None)
    if status is not None:
        call.attributes[attr.GEN_AI_RESPONSE_STATUS] = status
    finished = status not in (None, "queued", "in_progress")
    if not (finished and getattr(response, "background", None) and _background.count(response.id)):
        return
    call.set_call_type("responses")
    if (origin := _background.origin(response.id)) is not None:
        call_id, span = origin
        call.continue_as(call_id, span)
    _read_outcome(call, response)


class _RetrievedAccumulator(ResponsesAccumulator):
    """A stored response that is streamed again."""

    def finish(self, call: Call) -> None:
        """Write the whole response, if the stream got that far."""
        if self._final is not None:
            _retrieved(call, self._final)
        elif self._started is not None:
            read_identity(call, self._started)


RESPONSES = Operation(
    name="chat", call_type="responses", request=_request, response=_response, stream=ResponsesAccumulator
)
RETRIEVE = Operation(
    name="fetch_response",
    call_type=None,
    request=_retrieve_request,
    response=_retrieved,
    stream=_RetrievedAccumulator,
    positional=("response_id",),
)
