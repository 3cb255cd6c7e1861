"""Proxies of the SDKs' stream objects: same type to ``isinstance``, same behaviour, and the call ends when they do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any

import wrapt

from callspan.core import guard
from callspan.core.call import Call
from callspan.core.contexts import await_in, run_in
from callspan.core.model import Accumulator

# Without ``__iter__`` where there is a choice (wrapt 2): an async stream must not pass for an iterable. Any: the type
# parameters of wrapt's class exist in its stubs only.
Proxy: Any = getattr(wrapt, "BaseObjectProxy", wrapt.ObjectProxy)


_END: Any = object()


class Absent:
    """Hides a method of wrapt's class that the SDK's stream does not have: applications ask with ``hasattr``."""

    def __get__(self, instance: object, owner: type) -> Any:
        raise AttributeError


def feeder(call: Call, accumulator: Accumulator) -> Callable[[Any], None]:
    """`Accumulator.feed` that notes the first chunk's time and gives up on the stream if it ever fails."""
    feed: Callable[[Any], None] | None = accumulator.feed
    waiting = True

    def take(chunk: Any) -> None:
        nonlocal feed, waiting
        if waiting:
            waiting = False
            call.first_chunk()
        if feed is not None:
            try:
                feed(chunk)
            except Exception as error:  # noqa: BLE001 - the boundary: a reader's failure must not reach the stream
                guard.report(f"{call.operation.name}.chunk", error)
                feed = None
                call.incomplete("chunk")

    def take_and_tell(chunk: Any) -> None:
        take(chunk)
        call.tell("chunk", chunk)

    return take_and_tell if call.listeners else take


# A generator sends its request with its first chunk, and what it does belongs beneath the span.
def _first(stream: Iterator[Any], call: Call) -> Any:
    """The first chunk."""
    return run_in(call.context, next, (stream, _END), {})


async def _async_first(stream: AsyncIterator[Any], call: Call) -> Any:
    """`_first`, async."""
    return await await_in(call.context, anext, (stream, _END), {})


def _chunks(stream: Iterator[Any], call: Call, accumulator: Accumulator) -> Iterator[Any]:
    """Hand the chunks on. Holds no reference to the proxy, so that dropping the proxy ends the call at once."""
    take = feeder(call, accumulator)
    try:
        call.reading = True
        chunk = _first(stream, call)
        while chunk is not _END:
            call.reading = False
            take(chunk)
            yield chunk
            call.reading = True
            chunk = next(stream, _END)
    except GeneratorExit:  # the proxy is gone, and its end said so
        raise
    except BaseException as error:
        call.end_stream("error", error)
        raise
    call.end_stream("exhausted")


async def _async_chunks(stream: AsyncIterator[Any], call: Call, accumulator: Accumulator) -> AsyncIterator[Any]:
    """`_chunks`, async."""
    take = feeder(call, accumulator)
    try:
        call.reading = True
        chunk = await _async_first(stream, call)
        while chunk is not _END:
            call.reading = False
            take(chunk)
            yield chunk
            call.reading = True
            chunk = await anext(stream, _END)
    except GeneratorExit:
        raise
    except BaseException as error:
        call.end_stream("error", error)
        raise
    call.end_stream("exhausted")


class SyncStream(Proxy):  # type: ignore[misc]  # see Proxy
    """Proxy of a synchronous stream."""

    __aenter__ = __aexit__ = Absent()
    __len__ = __getitem__ = None  # a stream is neither sized nor a sequence, whatever wrapt's class can pass on

    def __init__(self, wrapped: Any, call: Call, accumulator: Accumulator) -> None:
        super().__init__(wrapped)
        self._self_call = call
        self._self_chunks = _chunks(iter(wrapped), call, accumulator)

    def __iter__(self) -> Iterator[Any]:
        # A loop of its own, as the SDKs have it: a ``break`` leaves the stream open for another loop.
        for chunk in self._self_chunks:  # noqa: UP028 - ``yield from`` would close the chunks with the loop
            yield chunk

    def __next__(self) -> Any:
        return next(self._self_chunks)

    def __enter__(self) -> SyncStream:
        self.__wrapped__.__enter__()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> Any:
        result = self.__wrapped__.__exit__(exc_type, exc, traceback)
        self._self_call.end_stream("closed")
        return result

    def close(self) -> Any:
        """Close the stream; the call ends with what has been read."""
        result = self.__wrapped__.close()
        self._self_call.end_stream("closed")
        return result

    def __del__(self) -> None:
        self._self_call.end_stream("abandoned")


class AsyncStream(Proxy):  # type: ignore[misc]  # see Proxy
    """Proxy of an asynchronous stream."""

    __enter__ = __exit__ = Absent()
    __len__ = __getitem__ = None

    def __init__(self, wrapped: Any, call: Call, accumulator: Accumulator) -> None:
        super().__init__(wrapped)
        self._self_call = call
        self._self_chunks = _async_chunks(aiter(wrapped), call, accumulator)

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for chunk in self._self_chunks:
            yield chunk

    async def __anext__(self) -> Any:
        return await self._self_chunks.__anext__()

    async def __aenter__(self) -> AsyncStream:
        await self.__wrapped__.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> Any:
        result = await self.__wrapped__.__aexit__(exc_type, exc, traceback)
        self._self_call.end_stream("closed")
        return result

    async def close(self) -> Any:
        """Close the stream; the call ends with what has been read."""
        result = await self.__wrapped__.close()
        self._self_call.end_stream("closed")
        return result

    def __del__(self) -> None:
        self._self_call.end_stream("abandoned")


class EitherStream(Proxy):  # type: ignore[misc]  # see Proxy
    """Proxy of a stream that can be read either way, and is its own iterator (LiteLLM's)."""

    __enter__ = __exit__ = __aenter__ = __aexit__ = Absent()
    __len__ = __getitem__ = None

    def __init__(self, wrapped: Any, call: Call, accumulator: Accumulator) -> None:
        super().__init__(wrapped)
        self._self_call = call
        self._self_chunks = _chunks(iter(wrapped), call, accumulator)
        self._self_async_chunks = _async_chunks(aiter(wrapped), call, accumulator)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._self_chunks)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return await self._self_async_chunks.__anext__()

    @property
    def aclose(self) -> Callable[[], Awaitable[Any]]:
        """Close the stream, where the library's own can be closed; the call ends with what has been read."""
        close = self.__wrapped__.aclose

        async def closing() -> Any:
            result = await close()
            self._self_call.end_stream("closed")
            return result

        return closing

    def __del__(self) -> None:
        self._self_call.end_stream("abandoned")


class SyncGenerator(SyncStream):
    """Proxy of a generator."""

    __enter__ = __exit__ = Absent()  # a generator has none

    def __iter__(self) -> Iterator[Any]:
        return self

    def send(self, _value: Any) -> Any:
        """The next chunk; the SDKs' generators take nothing."""
        return next(self)

    def throw(self, *exception: Any) -> Any:
        """Raise inside the generator; the call ends with what comes out."""
        try:
            return self.__wrapped__.throw(*exception)
        except BaseException as error:
            self._self_call.end_stream("error", error)
            raise


class AsyncGenerator(AsyncStream):
    """Proxy of an async generator."""

    __aenter__ = __aexit__ = close = Absent()  # an async generator has none

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def asend(self, _value: Any) -> Any:
        """The next chunk; the SDKs' generators take nothing."""
        return await anext(self)

    async def athrow(self, *exception: Any) -> Any:
        """Raise inside the generator; the call ends with what comes out."""
        try:
            return await self.__wrapped__.athrow(*exception)
        except BaseException as error:
            self._self_call.end_stream("error", error)
            raise

    async def aclose(self) -> None:
        """Close the generator; the call ends with what has been read."""
        await self.__wrapped__.aclose()
        self._self_call.end_stream("closed")


class _Watch(Proxy):  # type: ignore[misc]  # see Proxy
    """Proxy of an HTTP response's byte stream that tells the call when the transport is closed.

    Helpers of the SDKs (``chat.completions.stream()``) close the response and never the stream object.
    """

    def __init__(self, wrapped: Any, call: Call) -> None:
        super().__init__(wrapped)
        self._self_call = call

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.__wrapped__)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self.__wrapped__)

    def close(self) -> None:
        self.__wrapped__.close()
        self._self_call.closed()

    async def aclose(self) -> None:
        await self.__wrapped__.aclose()
        self._self_call.closed()


class _Tee(_Watch):
    """A `_Watch` that also shows the accumulator every byte the application reads."""

    def __init__(self, wrapped: Any, call: Call, accumulator: Accumulator) -> None:
        super().__init__(wrapped, call)
        self._self_take = feeder(call, accumulator)

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self.__wrapped__:
                self._self_take(chunk)
                yield chunk
        except GeneratorExit:  # the application stopped reading; close() says the rest
            raise
        except BaseException as error:
            self._self_call.end_stream("error", error)
            raise
        self._self_call.end_stream("exhausted")

    async def _read(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self.__wrapped__:
                self._self_take(chunk)
                yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            self._self_call.end_stream("error", error)
            raise
        self._self_call.end_stream("exhausted")

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._read()

    def __del__(self) -> None:
        self._self_call.end_stream("abandoned")


def watch(http_response: Any, call: Call) -> None:
    """End ``call`` when ``http_response`` (httpx or httpx2) is closed."""
    http_response.stream = _Watch(http_response.stream, call)


def tee(http_response: Any, call: Call, accumulator: Accumulator) -> None:
    """Show ``accumulator`` the raw bytes of ``http_response`` (httpx or httpx2) as the application reads them."""
    http_response.stream = _Tee(http_response.stream, call, accumulator)
