"""Streams of the Messages API: events that build a message up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callspan.core.call import Call
from callspan.core.view import field, fields
from callspan.shapes.anthropic.answer import read_identity, write_outcome
from callspan.shapes.anthropic.usage import read_usage
from callspan.shapes.parts import tool_arguments


class _Block:
    """A content block and what its deltas add."""

    __slots__ = ("citations", "pieces", "start")

    def __init__(self, start: Any) -> None:
        self.start = start
        self.pieces: dict[str, list[str]] = {}
        self.citations: list[Any] = []

    def whole(self) -> dict[str, Any]:
        """The block as it would stand in a complete message."""
        block = {name: value for name, value in fields(self.start).items() if value is not None}
        for name, pieces in self.pieces.items():
            text = "".join(pieces)
            # A tool's input begins as {} and comes as JSON, which is cut off where the stream was.
            block[name] = tool_arguments(text) if name == "input" else (block.get(name) or "") + text
        if self.citations:
            block["citations"] = [*(block.get("citations") or ()), *self.citations]
        return block


# Kinds of deltas -> the delta's field that holds the piece, and the block's field that it adds to.
_PIECES = {
    "text_delta": ("text", "text"),
    "input_json_delta": ("partial_json", "input"),
    "thinking_delta": ("thinking", "thinking"),
    "compaction_delta": ("content", "content"),
}


class MessageAccumulator:
    """Collects the events of a stream."""

    def __init__(self, _call: Call) -> None:
        self._message: Any = None
        self._blocks: dict[int, _Block] = {}
        self._outcome: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._error: Any = None

    def feed(self, event: Any) -> None:
        """Take an event."""
        if (take := _EVENTS.get(field(event, "type"))) is not None:
            take(self, event)

    def delta(self, event: Any) -> None:
        """A piece of a block: nearly all events."""
        delta = field(event, "delta")
        kind = field(delta, "type")
        block = self._blocks.get(field(event, "index"))
        if block is None:
            return
        if (names := _PIECES.get(kind)) is not None:
            piece, target = names
            block.pieces.setdefault(target, []).append(field(delta, piece) or "")
        elif kind == "citations_delta":
            block.citations.append(field(delta, "citation"))

    def block(self, event: Any) -> None:
        """A block begins; blocks without deltas are complete with it."""
        self._blocks[field(event, "index")] = _Block(field(event, "content_block"))

    def started(self, event: Any) -> None:
        """The message exists: its id and model, and the input's tokens."""
        self._message = field(event, "message")
        self._add_usage(field(self._message, "usage"))
        # A placeholder: the number of tokens is known at the end.
        self._usage.pop("output_tokens", None)
        self._usage.pop("output_tokens_details", None)

    def outcome(self, event: Any) -> None:
        """Why the model stopped, and the final usage: totals, without what has not changed."""
        known = {**fields(field(event, "delta")), "context_management": field(event, "context_management")}
        self._outcome.update((name, value) for name, value in known.items() if value is not None)
        self._add_usage(field(event, "usage"))

    def failed(self, event: Any) -> None:
        """The provider gave up in the middle."""
        self._error = field(event, "error")

    def _add_usage(self, usage: Any) -> None:
        self._usage.update((name, value) for name, value in fields(usage).items() if value is not None)

    def finish(self, call: Call) -> None:
        """Write what came, however far the stream got."""
        if self._message is not None:
            read_identity(call, self._message)
        read_usage(call, self._usage)
        write_outcome(call, self._outcome, [self._blocks[index].whole() for index in sorted(self._blocks)])
        if self._error is not None:
            call.error(str(field(self._error, "type") or "_OTHER"), field(self._error, "message"))


_EVENTS: dict[Any, Callable[[MessageAccumulator, Any], None]] = {
    "content_block_delta": MessageAccumulator.delta,
    "content_block_start": MessageAccumulator.block,
    "message_start": MessageAccumulator.started,
    "message_delta": MessageAccumulator.outcome,
    "error": MessageAccumulator.failed,
}
