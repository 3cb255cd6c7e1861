"""Anthropic's Messages API as LiteLLM offers it for every model: answers are dicts, streams the bytes of the events.

Source: https://docs.litellm.ai/docs/anthropic_unified
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from callspan.core import raw
from callspan.core.call import Call
from callspan.core.model import Parameters
from callspan.core.view import view
from callspan.shapes.anthropic.messages import MESSAGES as _MESSAGES
from callspan.shapes.anthropic.stream import MessageAccumulator
from callspan.shapes.litellm.request import reading
from callspan.shapes.litellm.result import read_around
from callspan_semconv import attributes as attr

_read = reading(_MESSAGES.request)


def _request(call: Call, parameters: Parameters) -> None:
    call.attributes[attr.CALLSPAN_CALL_TYPE] = "anthropic_messages"  # also of the async function
    _read(call, parameters)


def _response(call: Call, result: Any) -> None:
    _MESSAGES.response(call, view(result))


class _SentEvents:
    """Collects server-sent events, as they go over the wire, or already parsed."""

    def __init__(self, call: Call) -> None:
        self._inner = MessageAccumulator(call)
        self._pieces: list[bytes] = []

    def feed(self, chunk: Any) -> None:
        """Take a piece of the text, or an event."""
        if isinstance(chunk, str):
            chunk = chunk.encode()
        if isinstance(chunk, bytes):
            self._pieces.append(chunk)
        else:
            self._inner.feed(view(chunk))

    def finish(self, call: Call) -> None:
        """Write what came."""
        for event in raw.events(b"".join(self._pieces).decode(errors="replace")):
            self._inner.feed(event)
        self._inner.finish(call)


MESSAGES = replace(
    _MESSAGES,
    request=_request,
    response=_response,
    stream=_SentEvents,
    positional=("max_tokens", "messages", "model"),
    around=read_around,
)
