"""A provider at the transport seam of httpx and httpx2, and what every client's streams must do."""

import abc
import asyncio
import gc
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from callspan_semconv import attributes as attr
from tests.instrumentation.support import Read, Spans, collect, settle

FOREVER = "forever"
LOST = "lost"


class Wire:
    """Answers every request with the same pieces, and keeps the requests.

    Args:
        httpx: the HTTP library of the client.
        pieces: the body, as it comes.
        kind: its media type.
        status: the HTTP status.
        end: what comes after the pieces: LOST: the connection breaks; FOREVER: nothing, ever.
        headers: further headers.
    """

    def __init__(
        self,
        httpx: Any,
        *pieces: bytes,
        kind: str = "application/json",
        status: int = 200,
        end: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.httpx = httpx
        self.requests: list[Any] = []
        self.waiting = asyncio.Event()
        self._pieces = pieces
        self._head = {"status_code": status, "headers": {"content-type": kind, **(headers or {})}}
        self._end = end

    def __call__(self, request: Any) -> Any:
        request.read()
        self.requests.append(request)
        wire, httpx = self, self.httpx

        class Body(httpx.SyncByteStream, httpx.AsyncByteStream):  # type: ignore[misc,name-defined]  # a parameter's
            def __iter__(self) -> Iterator[bytes]:
                yield from wire._pieces
                if wire._end is LOST:
                    raise httpx.ReadError("connection lost")

            async def __aiter__(self) -> AsyncIterator[bytes]:
                for piece in wire._pieces:
                    yield piece
                if wire._end is LOST:
                    raise httpx.ReadError("connection lost")
                if wire._end is FOREVER:
                    wire.waiting.set()
                    await asyncio.Event().wait()

        return httpx.Response(**self._head, stream=Body())

    @property
    def transport(self) -> Any:
        return self.httpx.MockTransport(self)

    def client(self, *, is_async: bool) -> Any:
        """An HTTP client that reaches this provider only."""
        return (self.httpx.AsyncClient if is_async else self.httpx.Client)(transport=self.transport)


class StreamContract(abc.ABC):
    """What holds for the streams of every client; a test class says how its client makes one.

    Attributes:
        httpx: the HTTP library of the client.
        kind: the media type of the stream.
        pieces: what the provider sends, a chunk each; the last one ends the answer.
        said: the text of the answer.
        refused: the exception for status 429, and the body that goes with it.
        generator: whether the library returns generators.
    """

    httpx: Any
    kind: str
    pieces: tuple[bytes, ...]
    said: str
    refused: tuple[type[Exception], bytes]
    generator: bool

    @abc.abstractmethod
    def start(self, wire: Wire, *, is_async: bool) -> Any:
        """Make the call: a stream, or an awaitable of one."""

    def wire(self, *pieces: bytes, end: str | None = None) -> Wire:
        return Wire(self.httpx, *pieces, kind=self.kind, end=end)

    def check_partial(self, span: Read, end: str) -> None:
        assert (span.end, span.ok) == (end, True)
        assert span.text
        assert self.said.startswith(span.text)
        assert span.text != self.said
        assert attr.GEN_AI_USAGE_OUTPUT_TOKENS not in span.attributes

    @pytest.fixture(params=["sync", "async"])
    def is_async(self, request: pytest.FixtureRequest) -> bool:
        return bool(request.param == "async")

    async def test_looks_like_the_librarys(self, is_async: bool, spans: Spans, without: Any) -> None:
        """Same type, same chunks of the same types; the span starts at the call, before anything is read."""
        with without():
            plain = await collect(await settle(self.start(self.wire(*self.pieces), is_async=is_async)))
        stream = await settle(self.start(self.wire(*self.pieces), is_async=is_async))
        assert hasattr(stream, "__anext__" if is_async else "__next__")
        if self.generator:
            kind: type = types.AsyncGeneratorType if is_async else types.GeneratorType
            assert issubclass(stream.__class__, kind)
            assert (aiter(stream) if is_async else iter(stream)) is stream
            assert not hasattr(stream, "__enter__")
            assert hasattr(stream, "close") is not is_async
        chunks = await collect(stream)
        assert [type(chunk) for chunk in chunks] == [type(chunk) for chunk in plain]
        assert chunks == plain
        assert spans.one().span.start_time

    async def test_read_to_the_end(self, is_async: bool, spans: Spans) -> None:
        """All text, the tokens, the finish reason."""
        wire = self.wire(*self.pieces)
        await collect(await settle(self.start(wire, is_async=is_async)))
        span = spans.one()
        assert (span.end, span.ok, span.text) == ("exhausted", True, self.said)
        assert span[attr.GEN_AI_REQUEST_STREAM] is True
        assert span[attr.GEN_AI_USAGE_INPUT_TOKENS] > 0
        assert span[attr.GEN_AI_USAGE_OUTPUT_TOKENS] > 0
        assert len(span[attr.GEN_AI_RESPONSE_FINISH_REASONS]) == 1
        assert 0 < span[attr.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] < 5
        assert len(wire.requests) == 1

    async def test_break_then_close(self, is_async: bool, spans: Spans) -> None:
        """``break`` leaves the stream open; closing it ends the span with the text so far."""
        stream = await settle(self.start(self.wire(*self.pieces), is_async=is_async))
        await collect(stream, len(self.pieces) // 2)
        assert not spans.all
        if self.generator or not is_async:
            await settle(stream.aclose() if is_async else stream.close())
        else:
            await stream.__aexit__(None, None, None)
        self.check_partial(spans.one(), "closed")

    async def test_dropped(self, is_async: bool, spans: Spans) -> None:
        """The application forgets the stream."""
        stream = await settle(self.start(self.wire(*self.pieces), is_async=is_async))
        await collect(stream, len(self.pieces) // 2)
        del stream
        for _ in range(4):
            gc.collect()
            await asyncio.sleep(0)
        span = spans.one()
        assert span.end in ("abandoned", "closed")
        self.check_partial(span, span.end)

    async def test_never_read(self, is_async: bool, spans: Spans) -> None:
        """The application never reads what it asked for."""
        stream = await settle(self.start(self.wire(*self.pieces), is_async=is_async))
        assert not spans.all
        del stream
        for _ in range(4):
            gc.collect()
            await asyncio.sleep(0)
        assert (spans.one().end, spans.one().ok) == ("abandoned", True)

    async def test_connection_lost(self, is_async: bool, spans: Spans) -> None:
        """The exception reaches the application, and the span keeps the text that came before."""
        wire = self.wire(*self.pieces[: len(self.pieces) // 2], end=LOST)
        stream = await settle(self.start(wire, is_async=is_async))
        with pytest.raises(self.httpx.ReadError):
            await collect(stream)
        span = spans.one()
        assert (span.end, span.ok) == ("error", False)
        assert span.text
        assert self.said.startswith(span.text)
        assert span[attr.ERROR_TYPE].endswith("ReadError")

    async def test_refused(self, is_async: bool, spans: Spans) -> None:
        """The library's exception, where the library raises it: at the call, or when a generator is first read."""
        kind, body = self.refused
        wire = Wire(self.httpx, body, status=429)

        async def read() -> None:
            await collect(await settle(self.start(wire, is_async=is_async)))

        with pytest.raises(kind):
            await read()
        span = spans.one()
        assert span[attr.ERROR_TYPE] == f"{kind.__module__}.{kind.__qualname__}"
        assert span[attr.HTTP_RESPONSE_STATUS_CODE] == 429
        assert not span.ok

    async def test_cancelled(self, spans: Spans) -> None:
        """A task is cancelled while it waits for the next chunk."""
        wire = self.wire(*self.pieces[: len(self.pieces) // 2], end=FOREVER)

        async def read() -> None:
            await collect(await settle(self.start(wire, is_async=True)))

        task = asyncio.create_task(read())
        await wire.waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        span = spans.one()
        assert (span.end, span[attr.ERROR_TYPE]) == ("error", "asyncio.exceptions.CancelledError")
        assert self.said.startswith(span.text)
        assert span.text
