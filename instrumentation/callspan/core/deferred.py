"""Methods that send nothing when they are called, but later, through other targets, when their result is read.

Generators are such: the application calls them in one place and reads them in another, perhaps in another thread or
after its `callspan.context` block has ended. What was current at the call counts for the requests that it makes.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar, Token
from typing import Any

from opentelemetry.context import Context, attach, detach, get_current

from callspan.call_context import CallContext, current_context
from callspan.core import call_ids, guard, state, util_genai
from callspan.core.call import Call
from callspan.core.model import Wrapper
from callspan.core.streams import Proxy


class Origin:
    """Where the application called a method of ``client`` that makes its requests later."""

    __slots__ = ("_call", "_here", "_parent", "_result", "_said", "client")

    def __init__(self, client: str) -> None:
        self.client = client
        self._parent = self._here = get_current()
        self._said = current_context()
        self._call: Call | None = None
        self._result: weakref.ref[object] | None = None

    def surroundings(self, here: Context) -> tuple[Context, CallContext]:
        """What was current at the application's call; a span begun since (a tool's) is the closer parent."""
        return (self._parent if here is self._here else here), self._said

    def begun(self, call: Call) -> None:
        """A request goes out."""
        self._call = call
        if self._result is not None and (result := self._result()) is not None:
            call_ids.remember(result, call.call_id)

    def brought(self, result: object) -> None:
        """The application gets ``result``, to read."""
        self._result = weakref.ref(result)
        if self._call is not None:
            self.begun(self._call)

    def close(self) -> None:
        """The application closes the result, and so the call that it is reading."""
        if self._call is not None:
            self._call.end_stream("closed")

    def enter(self) -> _Tokens:
        """The result is being read, here; OpenTelemetry's instrumentation of the method itself makes no span of it."""
        token = attach(util_genai.marked(get_current()))
        self._here = get_current()
        return token, _origin.set(self)


_origin: ContextVar[Origin | None] = ContextVar("callspan_origin", default=None)


def origin_of(client: str) -> Origin | None:
    """Where the application made the call of ``client`` that is being read now; None if it is made right here."""
    origin = _origin.get()
    return origin if origin is not None and origin.client == client else None


_Tokens = tuple[Token[Context], Token[Origin | None]]


def _leave(tokens: _Tokens) -> None:
    context, origin = tokens
    try:
        _origin.reset(origin)
    except ValueError:  # a coroutine that is thrown away from another context; its own is gone
        return
    detach(context)


class _Generator(Proxy):  # type: ignore[misc]  # see Proxy
    """Proxy of a generator, read where the application reads it, with what was current where it was made."""

    __len__ = __getitem__ = None  # as `SyncStream`

    def __init__(self, wrapped: Any, origin: Origin) -> None:
        super().__init__(wrapped)
        self._self_origin = origin

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        token = self._self_origin.enter()
        try:
            return next(self.__wrapped__)
        finally:
            _leave(token)

    def close(self) -> None:
        self._self_origin.close()
        self.__wrapped__.close()


class _AsyncGenerator(Proxy):  # type: ignore[misc]  # see Proxy
    """`_Generator`, async."""

    __len__ = __getitem__ = None  # as `SyncStream`

    def __init__(self, wrapped: Any, origin: Origin) -> None:
        super().__init__(wrapped)
        self._self_origin = origin

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        token = self._self_origin.enter()
        try:
            return await self.__wrapped__.__anext__()
        finally:
            _leave(token)

    async def aclose(self) -> None:
        self._self_origin.close()
        await self.__wrapped__.aclose()


def deferred(client: str) -> Wrapper:
    """A wrapper for a method of ``client`` that returns a generator."""

    def wrapper(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if (origin := _start(client)) is None:
            return wrapped(*args, **kwargs)
        tokens = origin.enter()
        try:
            result = wrapped(*args, **kwargs)
        finally:
            _leave(tokens)
        return _bring(origin, result, _Generator)

    return wrapper


def async_deferred(client: str) -> Wrapper:
    """A wrapper for a method of ``client`` that returns an awaitable of an async generator."""

    async def wrapper(
        wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if (origin := _start(client)) is None:
            return await wrapped(*args, **kwargs)
        token = origin.enter()  # some versions send the first request right away
        try:
            result = await wrapped(*args, **kwargs)
        finally:
            _leave(token)
        return _bring(origin, result, _AsyncGenerator)

    return wrapper


def _start(client: str) -> Origin | None:
    """The origin of a call; None if it is not ours, or is made by another one that is being read."""
    telemetry = state.telemetry
    if telemetry is None or client not in telemetry.clients or origin_of(client) is not None:
        return None
    return Origin(client)


def _bring(origin: Origin | None, result: Any, proxy: Callable[..., Any]) -> Any:
    """The result that the application gets."""
    if origin is None:
        return result
    try:
        proxied = proxy(result, origin)
        origin.brought(proxied)
    except Exception as error:  # noqa: BLE001 - the boundary: the application gets its result
        guard.report(f"{origin.client}.deferred", error)
        return result
    return proxied
