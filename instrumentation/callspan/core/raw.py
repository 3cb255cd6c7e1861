"""Raw responses: the application holds the HTTP response, so the call is read from its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from callspan.core import eventstream
from callspan.core.call import Call
from callspan.core.model import Accumulator
from callspan.core.streams import tee
from callspan.core.view import view
from callspan_semconv import attributes as attr
from callspan_semconv import jsonio

_DONE = "[DONE]"

# More than any answer in text; past it the rest of the body is not kept.
MAX_BODY_BYTES = 32 * 1024 * 1024


def observe(call: Call, http_response: Any) -> None:
    """Read ``call`` from ``http_response``: now if its body is here, else as the application reads it."""
    if http_response.is_stream_consumed:
        call.read_now(_read, http_response)
        return
    # The response itself must not be kept alive by its own stream.
    make, headers = type(http_response), http_response.headers

    def read(call: Call, content: bytes) -> None:
        if content:
            _read(call, make(200, headers=headers, content=content))

    body = Body(read, keeps=is_text(http_response))
    call.open_stream(body)
    tee(http_response, call, body)


def _read(call: Call, http_response: Any) -> None:
    """Read ``call`` from a complete response."""
    kind = media_type(http_response)
    stream = call.operation.stream
    if kind == "text/event-stream" and stream is not None:
        text = http_response.text
        _collect(call, stream(call), events(text))
        if text.rstrip().endswith(_DONE):  # the SDKs stop reading here, which looks like a close
            call.attributes[attr.CALLSPAN_STREAM_END] = "exhausted"
    elif kind == eventstream.MEDIA_TYPE and stream is not None:
        _collect(call, stream(call), eventstream.events(http_response.content))
    elif kind.endswith("json"):
        call.operation.response(call, view(jsonio.loads(http_response.content)))
    elif kind.startswith("text/"):
        call.operation.response(call, http_response.text)


def _collect(call: Call, accumulator: Accumulator, found: Iterator[Any]) -> None:
    for event in found:
        accumulator.feed(event)
    accumulator.finish(call)


class Body:
    """Accumulates the bytes of an answer and reads them once at the end.

    Args:
        read: reads the call from them.
        keeps: whether they say anything about the call.
    """

    def __init__(self, read: Callable[[Call, bytes], None], *, keeps: bool = True) -> None:
        self._read = read
        self._keeps = keeps
        self._chunks: list[bytes] = []
        self.size = 0

    def feed(self, chunk: bytes) -> None:
        """Keep a chunk of the body, as it came over the wire."""
        self.size += len(chunk)
        if self._keeps and self.size <= MAX_BODY_BYTES:
            self._chunks.append(chunk)

    def finish(self, call: Call) -> None:
        """Read the call from what came."""
        if self.size > MAX_BODY_BYTES:
            call.incomplete("body")
        self._read(call, b"".join(self._chunks))


def media_type(http_response: Any) -> str:
    """The media type of the body, without parameters."""
    return str(http_response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def is_text(http_response: Any) -> bool:
    """Whether the body says something about the call; audio and images do not."""
    kind = media_type(http_response)
    return kind.startswith("text/") or kind.endswith("json") or kind == eventstream.MEDIA_TYPE


def events(text: str) -> Iterator[Any]:
    """The JSON events of a server-sent event stream, up to ``[DONE]`` or to where the text was cut off."""
    for line in text.split("\n"):  # only: JSON may hold what str.splitlines() takes for a line's end
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == _DONE:
            return
        try:
            yield view(jsonio.loads(data))
        except ValueError:  # the application stopped reading in the middle of an event
            return
