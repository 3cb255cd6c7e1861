"""Callbacks of single calls: ``callspan.context(callbacks=[...])``. They never become the process's.

All of them share the pipelines made here, one for each policy in force, however many functions a program makes. Who is
to hear of a call is looked up by its span.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from callspan.callbacks import targets
from callspan.callbacks.exporter import CallbackExporter
from callspan.callbacks.pipeline import Deliver, connect
from callspan.callbacks.targets import (
    ON_FAILURE,
    ON_REQUESTS,
    ON_SUCCESS,
    Callback,
    Subscription,
    name_of,
    subscription,
)
from callspan.core.call import Call, end_open_streams
from callspan.core.listeners import Listener, Moment
from callspan_exporters.delivery.queue import RedactionPolicy
from callspan_exporters.sink import Request, Response

NAME: Final = "context"

# Calls that never ended, or found no room in the queue, are forgotten when so many came after them.
_MAX_CALLS: Final = 100_000


# What the arguments of `callspan.context` mean; see `callbacks.targets.subscription`.
_EVENTS: Final[Mapping[str, frozenset[str]]] = {
    "callbacks": frozenset({ON_SUCCESS, ON_FAILURE, ON_REQUESTS}),
    "success_callback": frozenset({ON_SUCCESS}),
    "failure_callback": frozenset({ON_FAILURE}),
}


class PerCall:
    """A `callspan.core.listeners.Listener` for the calls of a block.

    Args:
        given: the callbacks, by the argument of `callspan.context`; one that is named twice gets the events of both.
        outer: the listeners of the blocks around it, whose callbacks hear of the calls too.
    """

    def __init__(self, given: Mapping[str, Sequence[Callback]], outer: Sequence[Listener]) -> None:
        found = {key: value for each in outer if isinstance(each, PerCall) for key, value in each.callbacks.items()}
        for name, callbacks in given.items():
            for callback in callbacks:
                _, events = found.get(id(callback), (callback, frozenset()))
                found[id(callback)] = (callback, events | _EVENTS[name])
        self.callbacks: Mapping[int, tuple[Callback, frozenset[str]]] = found
        self._subscriptions = [(each, subscription(each, events)) for each, events in found.values()]

    def begun(self, call: Call) -> None:
        """Sort the callbacks by the policy that each has, and tell them."""
        groups: dict[_Group, list[Subscription]] = {}
        for callback, each in self._subscriptions:
            _, heard = _everywhere.get(id(callback), (None, frozenset()))
            if missing := each.moments - heard:
                group = _group(name_of(callback), withholds=each.target.withholds)
                groups.setdefault(group, []).append(Subscription(each.target, missing))
        for group, subscriptions in groups.items():
            group.remember(call, subscriptions)
            group.tell("begun", call)

    def answered(self, call: Call) -> None:
        """Hand on."""
        _tell_all("answered", call)

    def chunk(self, call: Call, chunk: Any) -> None:
        """Hand on."""
        _tell_all("chunk", call, chunk)

    def ended(self, call: Call) -> None:
        """Queue the call."""
        for group in list(_groups.values()):
            group.end(call)


class _Group:
    """The pipelines of all callbacks with one policy."""

    def __init__(self, policy: RedactionPolicy, deliver: Deliver) -> None:
        self._calls = _Calls()
        self._exporter = _Exporter(self._calls)
        self._processor = connect(self._exporter, policy, deliver)

    def remember(self, call: Call, subscriptions: Sequence[Subscription]) -> None:
        """These are to hear of the call."""
        self._calls.remember(call.span.get_span_context(), subscriptions)

    def tell(self, moment: Moment, call: Call, *more: Any) -> None:
        """Tell those who are to hear of the call."""
        getattr(self._exporter.listener, moment)(call, *more)

    def end(self, call: Call) -> None:
        """Queue the call, if anybody is to hear of it."""
        if isinstance(call.span, ReadableSpan) and self._processor.wants(call.span):
            self._processor.on_end(call.span)
        else:
            self._calls.forget(call.span.get_span_context())

    def close(self) -> None:
        """Settle what is queued."""
        self._processor.shutdown()


class _Calls:
    """Who is to hear of which call, from its beginning until they have heard of its end."""

    def __init__(self) -> None:
        self._subscriptions: OrderedDict[tuple[int, int], Sequence[Subscription]] = OrderedDict()

    def remember(self, context: SpanContext, subscriptions: Sequence[Subscription]) -> None:
        with _lock:
            self._subscriptions[context.trace_id, context.span_id] = subscriptions
            if len(self._subscriptions) > _MAX_CALLS:
                self._subscriptions.popitem(last=False)

    def of(self, span: ReadableSpan) -> Sequence[Subscription]:
        context = span.context
        return self._subscriptions.get((context.trace_id, context.span_id), ()) if context is not None else ()

    def forget(self, context: SpanContext | None) -> None:
        if context is not None:
            with _lock:
                self._subscriptions.pop((context.trace_id, context.span_id), None)


class _Exporter(CallbackExporter):
    """Takes every call that somebody is to hear of, even if its end is not what they asked for: then it is over."""

    def __init__(self, calls: _Calls) -> None:
        super().__init__(calls.of, name=NAME)
        self._calls = calls

    def accepts(self, span: ReadableSpan) -> bool:
        return bool(self.subscriptions(span))

    def send(self, request: Request, timeout_s: float) -> Response:
        response = super().send(request, timeout_s)
        for item in request.items:
            self._calls.forget(item.span.context)
        return response


_lock = threading.Lock()
_groups: dict[Hashable, _Group] = {}
# The callbacks of the process, by identity, and what they hear of anyway; replaced as a whole.
_everywhere: Mapping[int, tuple[object, frozenset[targets.Moment]]] = {}


def begin_anew(exporters: Iterable[object]) -> None:
    """The settings have changed: settle what is queued; single calls no longer tell those that hear of every call.

    Args:
        exporters: of the process.
    """
    global _everywhere  # noqa: PLW0603 - one process, one configuration
    registered = [each.callback for each in exporters if isinstance(each, CallbackExporter) and each.callback]
    _everywhere = {id(callback): (callback, moments) for callback, moments in registered}
    close()


def close() -> None:
    """Settle what is queued."""
    with _lock:
        groups = list(_groups.values())
        _groups.clear()
    for group in groups:
        group.close()


def _group(name: str, *, withholds: bool) -> _Group:
    from callspan.setup.callbacks import deliver, policy_named, with_tenants  # noqa: PLC0415 - set-up knows callbacks

    policy = policy_named(name)
    with _lock:
        if not _groups:
            atexit.unregister(_close_at_exit)
            atexit.register(_close_at_exit)
        if (policy, withholds) not in _groups:
            _groups[policy, withholds] = _Group(with_tenants(policy), deliver)
        return _groups[policy, withholds]


def _close_at_exit() -> None:
    end_open_streams()  # their ends are still to be told
    close()


def _tell_all(moment: Moment, call: Call, *more: Any) -> None:
    for group in list(_groups.values()):
        group.tell(moment, call, *more)


def _renew_after_fork() -> None:
    global _lock  # noqa: PLW0603 - another thread may have held the parent's
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)
