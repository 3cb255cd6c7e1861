"""Results that are dicts and hold a stream of events, or a body of bytes, for the application to read: botocore's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callspan.core import streams
from callspan.core.call import Call
from callspan.core.raw import Body
from callspan.core.streams import Absent, AsyncStream, Proxy, SyncStream
from callspan_semconv import jsonio


class _Events(SyncStream):
    """Proxy of an iterable that has a ``close`` and nothing else of a stream."""

    __next__ = __enter__ = __exit__ = Absent()


class _AsyncEvents(AsyncStream):
    """`_Events`, async; it is closed at once all the same."""

    __aenter__ = __aexit__ = Absent()

    def close(self) -> Any:
        """Close the stream; the call ends with what has been read."""
        result = self.__wrapped__.close()
        self._self_call.end_stream("closed")
        return result


def hand_over(call: Call, result: dict[str, Any], key: str) -> object:
    """Tie ``call`` to what ``result`` holds under ``key``.

    Returns:
        What the application reads the answer from.
    """
    held = result[key]
    if call.operation.stream is not None:
        accumulator = call.operation.stream(call)
        call.open_stream(accumulator)
        kind = _AsyncEvents if hasattr(type(held), "__anext__") else _Events
        result[key] = held = kind(held, call, accumulator)
    else:
        body = Body(_read)
        call.open_stream(body)
        _observe(held, call, body)
    return held


def _read(call: Call, content: bytes) -> None:
    """Read the call from a JSON answer, if all of it is there."""
    try:
        answer = jsonio.loads(content)
    except ValueError:
        call.incomplete("body")
    else:
        call.operation.response(call, answer)


def _observe(body: Any, call: Call, accumulator: Body) -> None:
    """See every byte that is read from ``body``, a ``StreamingBody``, which stays as it is: its source is replaced."""
    expected = _length(body)
    # Older versions of aiobotocore have a proxy of the HTTP response instead.
    owner = body if hasattr(body, "_raw_stream") else None
    source = body._raw_stream if owner is not None else body.__wrapped__  # noqa: SLF001 - it has no other place
    if hasattr(source, "aiter_raw"):  # httpx
        streams.tee(source, call, accumulator)
    elif hasattr(getattr(source, "content", None), "readany"):  # aiohttp
        source.content = _AsyncSource(source.content, call, accumulator, expected)
    else:
        body._raw_stream = _Source(source, call, accumulator, expected)  # noqa: SLF001


def _length(body: Any) -> int | None:
    length = getattr(body, "_content_length", None)
    return None if length is None else int(length)


class _Observed(Proxy):  # type: ignore[misc]  # see Proxy
    """Proxy of a source of bytes that shows an accumulator what is read."""

    def __init__(self, wrapped: Any, call: Call, accumulator: Body, expected: int | None) -> None:
        super().__init__(wrapped)
        self._self_call = call
        self._self_take = streams.feeder(call, accumulator)
        self._self_body = accumulator
        self._self_expected = expected

    def _took(self, data: bytes, amount: int | None) -> bytes:
        if data:
            self._self_take(bytes(data))
        whole = self._self_expected is not None and self._self_body.size >= self._self_expected
        if whole or amount is None or amount < 0 or (amount > 0 and not data):
            self._self_call.end_stream("exhausted")
        return data

    def close(self) -> Any:
        result = self.__wrapped__.close()
        self._self_call.end_stream("closed")
        return result

    def __del__(self) -> None:
        self._self_call.end_stream("abandoned")


class _Source(_Observed):
    """A response of urllib3, or a file."""

    def read(self, amt: int | None = None, *args: Any, **kwargs: Any) -> bytes:
        try:
            data = self.__wrapped__.read(amt, *args, **kwargs)
        except BaseException as error:
            self._self_call.end_stream("error", error)
            raise
        return self._took(data, amt)

    def readinto(self, buffer: Any) -> int:
        count: int = self.__wrapped__.readinto(buffer)
        self._took(bytes(memoryview(buffer)[:count]), len(buffer))
        return count

    def readlines(self, *args: Any) -> list[bytes]:
        lines: list[bytes] = self.__wrapped__.readlines(*args)
        self._took(b"".join(lines), None)
        return lines


class _AsyncSource(_Observed):
    """The content of an answer that aiohttp reads."""

    async def read(self, n: int = -1) -> bytes:
        try:
            data = await self.__wrapped__.read(n)
        except BaseException as error:
            self._self_call.end_stream("error", error)
            raise
        return self._took(data, n)


def metadata(result: Any) -> Mapping[str, Any]:
    """What botocore says about the HTTP exchange: ``RequestId``, ``HTTPStatusCode``, ``HTTPHeaders``."""
    found = result.get("ResponseMetadata") if isinstance(result, Mapping) else None
    return found if isinstance(found, Mapping) else {}
