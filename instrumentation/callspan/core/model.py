"""The tables that a client module fills in: data, not flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.context import Context

from callspan.call_context import CallContext
from callspan_semconv import attributes as attr

if TYPE_CHECKING:
    from callspan.core.call import Call

Parameters = Mapping[str, Any]


class Accumulator(Protocol):
    """Collects a stream: one `feed` per chunk on the application's thread, one `finish` at the end."""

    def feed(self, chunk: Any) -> None:
        """Take note of a chunk. Keep it cheap: it runs between the user's chunks."""

    def finish(self, call: Call) -> None:
        """Write what was collected, however far the stream came, to ``call``."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of call and how to read it.

    Attributes:
        name: ``gen_ai.operation.name``.
        call_type: LiteLLM's name of the operation, without the ``a`` of async calls; None: no model works in it.
        request: reads the parameters into the call, before the request is sent.
        response: reads a complete answer (the SDK's object, or an `callspan.core.view.View` of raw JSON).
        stream: makes the accumulator for a streamed answer; None if the operation never streams.
        positional: names of parameters that the method also takes by position, in order.
        model: the parameter that names the model.
        within: the parameter that holds all others, if there is one.
        held: where a result, a dict, holds the stream; without ``stream``, a body of JSON that the application reads,
            and ``response`` takes. None: the result is the answer, or the stream.
        around: reads what a result holds beside that.
        unsent: whether the library has raised an exception in place of sending anything, to have the call made in
            another way: then there was no call. By default it never does.
    """

    name: str
    call_type: str | None
    request: Callable[[Call, Parameters], None]
    response: Callable[[Call, Any], None]
    stream: Callable[[Call], Accumulator] | None = None
    positional: tuple[str, ...] = ()
    model: str = "model"
    within: str | None = None
    held: str | None = None
    around: Callable[[Call, Any], None] | None = None
    unsent: Callable[[BaseException], bool] = lambda _error: False


Choice = Callable[[Any, tuple[Any, ...], dict[str, Any]], Operation | None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a client object sends its requests, and whose conventions it speaks.

    Attributes:
        provider: ``gen_ai.provider.name``.
        address: host name, empty if unknown.
        attributes: what every span from this client object starts with.
        forwards: whether requests may carry a ``traceparent`` at all: false where it would be signed, or where the
            application has told the client so. The process's rule (`callspan.core.propagation`) applies besides.
    """

    provider: str
    address: str
    attributes: Mapping[str, Any]
    forwards: bool = True


def endpoint(provider: str, address: str = "", port: int | None = None, **more: Any) -> Endpoint:
    """Make an `Endpoint`; ``more`` holds further start attributes."""
    attributes = {attr.GEN_AI_PROVIDER_NAME: provider, **more}
    if address:
        attributes[attr.SERVER_ADDRESS] = address
        if port is not None:
            attributes[attr.SERVER_PORT] = port
    return Endpoint(provider, address, attributes)


@dataclass(frozen=True, slots=True)
class Target:
    """A public method to wrap: ``module`` and ``Class.method`` (or a function's name).

    Attributes:
        module: where it is defined.
        path: its name there.
        operation: what a call of it is; or a function that tells by the object and the positional and keyword
            arguments, for a method that all calls of a library pass through: None for those that are no model's.
        is_async: whether it returns an awaitable, or a context manager to enter with ``async with``.
        opens: it returns at once, with a context manager that makes the request when it is entered.
        generates: it returns at once, with an async generator: there is nothing to await but its items.
    """

    module: str
    path: str
    operation: Operation | Choice
    is_async: bool
    opens: bool = False
    generates: bool = False


# As wrapt calls it: the wrapped callable, the object that it is bound to, positional and keyword arguments.
Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Hook:
    """A method on the way of every request, with a wrapper of the client module's own.

    For libraries that trace themselves: the wrapper keeps their span from being made where `Call` makes one.

    Attributes:
        module: where the method is defined.
        path: its name there, ``Class.method``.
        wrapper: what runs in its place.
        innermost: the wrapper goes beneath those of others, and stays when they come and go.
    """

    module: str
    path: str
    wrapper: Wrapper
    innermost: bool = False


@dataclass(frozen=True, slots=True)
class Plugin:
    """A public function of a framework that takes observers of its work.

    Attributes:
        module: where it is defined.
        path: its name there.
        plug: registers callspan's observer, given the function.
        unplug: takes it out again.
    """

    module: str
    path: str
    plug: Callable[[Callable[..., Any]], None]
    unplug: Callable[[], None]


def _nowhere(_object: Any) -> Endpoint:
    return endpoint("")


@dataclass(frozen=True, slots=True)
class Client:
    """One client library, or a framework: that has plugins, and its models are called through client libraries.

    Attributes:
        name: the library's import name; also the name in ``instrument(clients=[...])``.
        targets: what to wrap.
        endpoint: where the object that the method is called on sends its requests.
        by_call: the same and the parameters, of one call, given the endpoint, the object and the call's parameters: for
            libraries whose objects hold a model for all calls, or whose calls may go elsewhere.
        raw_response: the HTTP response inside a raw result, None if the result is an ordinary one; by default it
            always is.
        with_headers: the keyword arguments of a call, with HTTP headers added; by default without, for libraries that
            take none per call.
        surroundings: what a call belongs to, given its parameters and what is current: for libraries whose parameters
            name a parent, or say what `callspan.context` says.
        arguments: the keyword arguments to go on with, given the call: for libraries that take the call's id.
        hooks: what else to wrap.
        plugins: where to register.
        package: the module whose import shows that the library is used; by default its targets' topmost. None: no
            import shows that, since most of its users call no model.
        distribution: the package whose version counts; by default the one of the library's name.
        newest: the newest major version that callspan was made for; a newer one is tried, see `callspan.core.versions`.
    """

    name: str
    targets: tuple[Target, ...] = ()
    endpoint: Callable[[Any], Endpoint] = _nowhere
    by_call: Callable[[Endpoint, Any, Parameters], tuple[Endpoint, Parameters]] = lambda endpoint, _, parameters: (
        endpoint,
        parameters,
    )
    raw_response: Callable[[Any], Any] = lambda _result: None
    with_headers: Callable[[dict[str, Any], Mapping[str, str]], dict[str, Any]] = lambda kwargs, _headers: kwargs
    surroundings: Callable[[Parameters, Context, CallContext], tuple[Context, CallContext]] = lambda _, parent, said: (
        parent,
        said,
    )
    arguments: Callable[[Call, dict[str, Any]], dict[str, Any]] = lambda _call, kwargs: kwargs
    hooks: tuple[Hook, ...] = ()
    plugins: tuple[Plugin, ...] = ()
    package: str | None = ""
    distribution: str = ""
    newest: int | None = None


def methods(
    module: str, class_name: str, operations: Mapping[str, Operation], *, opens: bool = False
) -> tuple[Target, ...]:
    """Targets for the methods of ``class_name`` and of its twin ``Async<class_name>``; see `Target`."""
    return tuple(
        Target(module, f"{prefix}{class_name}.{method}", operation, is_async=bool(prefix), opens=opens)
        for prefix in ("", "Async")
        for method, operation in operations.items()
    )
