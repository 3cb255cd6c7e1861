"""The two wrappers, sync and async, and what they share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import chain
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from opentelemetry.baggage import get_all
from opentelemetry.context import Context, attach, detach, get_current

from callspan.call_context import current_context, here, said_of
from callspan.core import call_ids, enclosing, guard, held, outgoing, quiet, raw, runs, state, util_genai
from callspan.core.call import Call, Unrecorded
from callspan.core.contexts import await_in
from callspan.core.deferred import origin_of
from callspan.core.model import Choice, Client, Operation, Parameters, Wrapper
from callspan.core.propagation import inject
from callspan.core.streams import AsyncGenerator, AsyncStream, EitherStream, SyncGenerator, SyncStream, watch
from callspan.core.telemetry import Telemetry

_logger = logging.getLogger("callspan")


def sync_wrapper(client: Client, operation: Operation, *, is_async: bool = False) -> Wrapper:
    """A wrapper for a method that returns its result; ``is_async``: that is an async generator."""

    def wrapper(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call, kwargs = begin(client, operation, instance, args, kwargs, is_async=is_async)
        if call is None:
            return wrapped(*args, **kwargs)
        result = run(call, wrapped, args, kwargs)
        return _hand_over(client, call, result) if isinstance(call, Call) else result

    return wrapper


def run(call: Call | Unrecorded, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What ``function`` returns, called inside ``call``, which fails with it."""
    token = attach(quiet.quiet(call.context) if call.quiet else call.context)
    try:
        return function(*args, **kwargs)
    except BaseException as error:
        call.fail(error)
        raise
    finally:
        detach(token)


def async_wrapper(client: Client, operation: Operation) -> Wrapper:
    """A wrapper for a method that returns an awaitable of its result."""

    async def wrapper(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call, kwargs = begin(client, operation, instance, args, kwargs, is_async=True)
        if call is None:
            return await wrapped(*args, **kwargs)
        result = await run_async(call, wrapped, args, kwargs)
        return _hand_over(client, call, result) if isinstance(call, Call) else result

    return wrapper


async def run_async(
    call: Call | Unrecorded, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """`run`, async."""
    context = quiet.quiet(call.context) if call.quiet else call.context
    try:
        return await await_in(context, function, args, kwargs)
    except BaseException as error:
        call.fail(error)
        raise


def choosing_wrapper(client: Client, choose: Choice, *, is_async: bool) -> Wrapper:
    """A wrapper for a method that many other calls pass through: those cost as little as can be."""
    make = async_wrapper if is_async else sync_wrapper
    wrappers: dict[Operation, Wrapper] = {}

    def wrapper(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            operation = choose(instance, args, kwargs)
        except Exception as error:  # noqa: BLE001 - the boundary: the application's call goes on without us
            guard.report(f"{client.name}.choose", error)
            operation = None
        if operation is None:
            return wrapped(*args, **kwargs)
        if (chosen := wrappers.get(operation)) is None:
            chosen = wrappers[operation] = make(client, operation)
        return chosen(wrapped, instance, args, kwargs)

    return wrapper


def begin(
    client: Client,
    operation: Operation,
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    is_async: bool,
) -> tuple[Call | Unrecorded | None, dict[str, Any]]:
    """Start the call, unless it is not ours to record; and the keyword arguments to go on with."""
    call = None
    try:
        telemetry = state.telemetry
        if telemetry is None or client.name not in telemetry.clients:
            return None, kwargs
        parent, said = here(), current_context()
        if (origin := origin_of(client.name)) is not None:
            parent, said = origin.surroundings(parent)
        parent, said = runs.surroundings(parent, said)
        is_quiet = client.name in state.sending
        if quiet.silenced(parent):
            # Part of another call: those are to be silent here too who are so only up to where requests are sent.
            return Unrecorded(parent, is_quiet=True) if is_quiet and parent.get(quiet.CALL_KEY) else None, kwargs
        kwargs, given = _readable(kwargs)
        named = dict(zip(operation.positional, args, strict=False)) if args else {}
        parameters: Parameters = {**named, **given} if named else given
        if operation.within is not None:
            parameters = parameters.get(operation.within) or {}
        parent, said = client.surroundings(parameters, parent, said)
        said = said_of(said, get_all(parent), given, telemetry.leave)
        if said.no_log:
            _logger.info("callspan: no-log request: this call is not recorded: %s", operation.name)
            enclosing.mark(parent, operation.name)
            return Unrecorded(parent, is_quiet=is_quiet), kwargs
        endpoint, parameters = client.by_call(client.endpoint(instance), instance, parameters)
        outer = util_genai.enclosing(operation.name, parent)
        telemetry = _inside(outer, parent, telemetry, operation)
        call = Call(telemetry, operation, endpoint, parameters, parent=parent, said=said, is_async=is_async)
        call.quiet = is_quiet
        if outer is not None:
            call.span.set_attributes(call.attributes)  # it may end before this call does
        if origin is not None:
            origin.begun(call)
        kwargs = client.arguments(call, kwargs)
        if endpoint.forwards and telemetry.propagation.allows(endpoint.address):
            kwargs = client.with_headers(kwargs, inject(call.context))
        _announce(call, endpoint.address)
    except Exception as error:  # noqa: BLE001 - the boundary: the application's call goes on without us
        guard.report(f"{operation.name}.begin", error)
    return call, kwargs


def _inside(outer: Any, parent: Context, telemetry: Telemetry, operation: Operation) -> Telemetry:
    """What a call needs that another library may have a span around: either that counts, or the call's own."""
    if outer is not None:
        return util_genai.contributing(telemetry, outer, parent)
    enclosing.mark(parent, operation.name)
    return telemetry


def _announce(call: Call, address: str) -> None:
    """The request goes out next."""
    if call.log_raw_request and call.captures_content and call.span.is_recording():
        call.context = outgoing.keep(call, address)
    if call.listeners:
        call.tell("begun")


def recorded_elsewhere(client_name: str) -> bool:
    """Whether a request made now belongs to a call that has its span, or shall have none: for `Hook` wrappers."""
    telemetry = state.telemetry
    if telemetry is None or client_name not in telemetry.clients:
        return False
    return bool(get_current().get(quiet.CALL_KEY)) or current_context().no_log


def _hand_over(client: Client, call: Call, result: Any) -> Any:
    """End the call with its result, or tie it to the stream that the application gets instead."""
    try:
        operation = call.operation
        if operation.around is not None:
            call.guarded("around", operation.around, call, result)
        if operation.held is not None and isinstance(result, dict) and operation.held in result:
            call_ids.remember(held.hand_over(call, result, operation.held), call.call_id)
            return result
        if (http_response := client.raw_response(result)) is not None:
            call.read_headers(http_response.headers)
            raw.observe(call, http_response)
        elif call.operation.stream is not None and (proxy := _proxy(type(result))) is not None:
            accumulator = call.operation.stream(call)
            if (http_response := getattr(result, "response", None)) is not None:
                call.read_headers(http_response.headers)
                watch(http_response, call)
            call.open_stream(accumulator)
            result = proxy(result, call, accumulator)
        else:
            call.succeed(result)
        call_ids.remember(result, call.call_id)
    except Exception as error:  # noqa: BLE001 - the boundary: the application gets its result
        guard.report(f"{call.operation.name}.result", error)
        call.incomplete("result")
        call.finish()
    return result


# Asked once per type: attribute misses are slow on pydantic classes.
_PROXIES: dict[type, Callable[..., Any] | None] = {GeneratorType: SyncGenerator, AsyncGeneratorType: AsyncGenerator}


def _proxy(kind: type) -> Callable[..., Any] | None:
    """The proxy of a type of streams; None for a type of other results."""
    if kind not in _PROXIES:
        ways = hasattr(kind, "__next__"), hasattr(kind, "__anext__")
        _PROXIES[kind] = {(True, True): EitherStream, (True, False): SyncStream, (False, True): AsyncStream}.get(ways)
    return _PROXIES[kind]


# Kinds of arguments, by type: an SDK's mark for "not given", something that can be read only once, or a plain value.
_NOT_GIVEN, _ONE_SHOT, _PLAIN = range(3)
_KINDS: dict[type, int] = {type(None): _NOT_GIVEN, str: _PLAIN, int: _PLAIN, float: _PLAIN, list: _PLAIN, dict: _PLAIN}


def _kind(value: object) -> int:
    """The kind of a value whose type is not in `_KINDS`."""
    kind = type(value)
    if kind.__name__ in ("NotGiven", "Omit", "Unset"):
        return _NOT_GIVEN
    # An open file iterates over its lines, but is uploaded as a whole.
    return _ONE_SHOT if hasattr(kind, "__next__") and not hasattr(kind, "read") else _PLAIN


def _readable(kwargs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments to pass on, and those that were given a value, for reading.

    An iterator can be read once, and the request needs it: it is read here, and a list goes on in its place.
    """
    given = {}
    for name, value in kwargs.items():
        if (kind := _KINDS.get(type(value))) is None:
            kind = _kind(value)
        if kind == _PLAIN:
            given[name] = value
        elif kind == _ONE_SHOT:
            given[name], rest = _drain(value)
            kwargs = {**kwargs, name: rest}
    return kwargs, given


def _drain(iterator: Iterator[Any]) -> tuple[list[Any], Any]:
    """All items, and what to give to the SDK: the items again, then the iterator's own exception if it raised."""
    items: list[Any] = []
    try:
        items.extend(iterator)
    except Exception as error:  # noqa: BLE001 - the application's own exception, raised again where the SDK reads
        return items, chain(items, _raise(error))
    return items, items


def _raise(error: Exception) -> Iterator[Any]:
    raise error
    yield  # makes this a generator
