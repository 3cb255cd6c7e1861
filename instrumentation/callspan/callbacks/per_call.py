"""Callbacks of single calls: ``callspan.context(callbacks=[...])``. They never become the process's.

All of them share the pipelines made here, one for each policy in force, however many functions a program makes. Who is
to hear of a call is looked up by its span.
"""

from __future__ import annotations

import atexit
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from callspan.callbacks.exporter import CallbackExporter
from callspan.callbacks.pipeline import Deliver, connect
from callspan.callbacks.targets import ON_COURSE, ON_FAILURE, ON_SUCCESS, Callback, Subscription, name_of, subscription
from callspan.core.call import Call, end_open_streams
from callspan.core.listeners import Listener, Moment
from callspan_exporters.delivery.queue import RedactionPolicy

NAME: Final = "context"

# Calls that never ended, or found no room in the queue, are forgotten when so many came after them.
_MAX_CALLS: Final = 100_000


# What the arguments of `callspan.context` mean; see `callbacks.targets.subscription`.
_EVENTS: Final[Mapping[str, frozenset[str]]] = {
    "callbacks": frozenset({ON_SUCCESS, ON_FAILURE, ON_COURSE}),
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
        self._subscriptions = [
            (name_of(callback), subscription(callback, events)) for callback, events in found.values()
        ]

    def begun(self, call: Call) -> None:
        """Sort the callbacks by the policy that each has, and tell them."""
        groups: dict[_Group, list[Subscription]] = {}
        for name, each in self._subscriptions:
            groups.setdefault(_group(name, withholds=each.target.withholds), []).append(each)
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
        self._lock = threading.Lock()
        self._calls: OrderedDict[tuple[int, int], Sequence[Subscription]] = OrderedDict()
        self._exporter = CallbackExporter(self._of, name=NAME)
        self._processor = connect(self._exporter, policy, deliver)

    def remember(self, call: Call, subscriptions: Sequence[Subscription]) -> None:
        """These are to hear of the call."""
        with self._lock:
            self._calls[_key(call.span.get_span_context())] = subscriptions
            if len(self._calls) > _MAX_CALLS:
                self._calls.popitem(last=False)

    def tell(self, moment: Moment, call: Call, *more: Any) -> None:
        """Tell those who are to hear of the call."""
        getattr(self._exporter.listener, moment)(call, *more)

    def end(self, call: Call) -> None:
        """Queue the call, if anybody is to hear of it."""
        if isinstance(call.span, ReadableSpan):
            self._processor.on_end(call.span)

    def close(self) -> None:
        """Settle what is queued."""
        self._processor.shutdown()

    def _of(self, span: ReadableSpan) -> Sequence[Subscription]:
        return self._calls.get(_key(span.context), ())


_lock = threading.Lock()
_groups: dict[Hashable, _Group] = {}


def close() -> None:
    """Settle what is queued, and begin anew: the settings change, or the process ends."""
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


def _key(context: SpanContext | None) -> tuple[int, int]:
    return (context.trace_id, context.span_id) if context is not None else (0, 0)
