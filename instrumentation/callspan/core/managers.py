"""Methods that return a context manager, which makes the request when it is entered (anthropic's ``stream()``)."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from callspan.core import call_ids, guard, raw
from callspan.core.call import Call
from callspan.core.model import Client, Operation, Wrapper
from callspan.core.shims import begin, run, run_async
from callspan.core.streams import Absent, Proxy
from callspan_semconv import attributes as attr


class SyncManager(Proxy):  # type: ignore[misc]  # see Proxy
    """Proxy of a manager for ``with``; what it opens is the library's own object, over bytes that we see."""

    __aenter__ = __aexit__ = Absent()

    def __init__(self, wrapped: Any, call: Call) -> None:
        super().__init__(wrapped)
        self._self_call = call

    def __enter__(self) -> Any:
        call = self._self_call
        if call.ended:  # entered again: a request of its own, which began without us
            return self.__wrapped__.__enter__()
        opened = run(call, self.__wrapped__.__enter__, (), {})
        _observe(call, opened)
        return opened

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> Any:
        return self.__wrapped__.__exit__(exc_type, exc, traceback)


class AsyncManager(Proxy):  # type: ignore[misc]  # see Proxy
    """Proxy of a manager for ``async with``."""

    __enter__ = __exit__ = Absent()

    def __init__(self, wrapped: Any, call: Call) -> None:
        super().__init__(wrapped)
        self._self_call = call

    async def __aenter__(self) -> Any:
        call = self._self_call
        if call.ended:
            return await self.__wrapped__.__aenter__()
        opened = await run_async(call, self.__wrapped__.__aenter__, (), {})
        _observe(call, opened)
        return opened

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> Any:
        return await self.__wrapped__.__aexit__(exc_type, exc, traceback)


def manager_wrapper(client: Client, operation: Operation, *, is_async: bool) -> Wrapper:
    """A wrapper for a method that returns a manager.

    The call starts here, because its headers are settled here; the request is made inside it. A manager that is
    never entered makes no request, so its span is never ended and nobody sees it.
    """
    proxy = AsyncManager if is_async else SyncManager

    def wrapper(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call, kwargs = begin(client, operation, instance, args, kwargs, is_async=is_async)
        if not isinstance(call, Call):
            return wrapped(*args, **kwargs)
        manager = run(call, wrapped, args, kwargs)
        call.attributes[attr.GEN_AI_REQUEST_STREAM] = True  # the method's name says what elsewhere a parameter says
        return proxy(manager, call)

    return wrapper


def _observe(call: Call, opened: Any) -> None:
    """Read the call from the bytes of the response that ``opened`` reads."""
    try:
        call.read_headers(opened.response.headers)
        raw.observe(call, opened.response)
        call_ids.remember(opened, call.call_id)
    except Exception as error:  # noqa: BLE001 - the boundary: the application gets its stream
        guard.report(f"{call.operation.name}.result", error)
        call.incomplete("result")
        call.finish()
