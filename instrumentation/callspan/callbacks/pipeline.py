"""From a callback to its pipelines: one for the ends of calls, like every sink's, and one for the moments before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from callspan.callbacks.exporter import CallbackExporter, Subscriptions
from callspan.callbacks.moments import Moments
from callspan.callbacks.targets import POST, PRE, STREAM, Moment, subscription
from callspan.core.listeners import Listener
from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.delivery.queue import RedactionPolicy
from callspan_exporters.redaction import none

_BEFORE_THE_END: tuple[Moment, ...] = (PRE, POST, STREAM)

# Makes the pipeline of an exporter, with the process's limits.
Deliver = Callable[[CallbackExporter, RedactionPolicy], DeliveryProcessor]


class LoggerPolicy:
    """A sink's policy, and no content where the callback itself says so, whatever a call asks for.

    Args:
        policy: the sink's.
        subscriptions: who hears of a call.
    """

    deferred = False  # never asked: `for_call` comes first

    def __init__(self, policy: RedactionPolicy, subscriptions: Subscriptions) -> None:
        self._policy = policy
        self._subscriptions = subscriptions

    def for_call(self, span: ReadableSpan) -> RedactionPolicy:
        """The policy of one call; the callback is asked each time, because it may change its mind."""
        policy = self._policy.for_call(span)
        if not any(each.target.withholds for each in self._subscriptions(span)):
            return policy
        return none(redact_user_api_key_info=getattr(policy, "redact_user_api_key_info", False))

    def redact(self, span: ReadableSpan) -> ReadableSpan:
        """What `for_call` leaves."""
        return self.for_call(span).redact(span)


def exporter_for(callback: Any, events: Iterable[str], *, name: str) -> CallbackExporter:
    """The sink that a callback is.

    Args:
        callback: what `callbacks.targets.is_callback` accepts.
        events: what it was registered for; see `callbacks.targets.subscription`.
        name: in reports and in ``callback_settings``.
    """
    only = (subscription(callback, events),)
    early = any(only[0].hook(moment, awaited) for moment in _BEFORE_THE_END for awaited in (True, False))
    exporter = CallbackExporter(lambda _span: only, name=name, early=early)
    exporter.callback = (callback, only[0].moments)
    return exporter


def connect(
    exporter: CallbackExporter,
    policy: RedactionPolicy,
    deliver: Deliver,
    allows: Callable[[ReadableSpan], bool] | None = None,
) -> DeliveryProcessor:
    """Make the pipelines of a callback: the one for the ends of calls is returned.

    Args:
        exporter: the callback.
        policy: the sink's.
        deliver: makes a pipeline, with `LoggerPolicy`.
        allows: which calls it is to hear of at all; default: every one.
    """
    exporter.allows = allows
    if exporter.early:
        moments = CallbackExporter(exporter.subscriptions, name=f"{exporter.name}.moments", sink=exporter.name)
        moments.allows = allows
        exporter.before = deliver(moments, policy)
        exporter.listener = Moments(moments, exporter.before, LoggerPolicy(policy, exporter.subscriptions))
    return deliver(exporter, policy)


def listeners(exporters: Iterable[object]) -> tuple[Listener, ...]:
    """Those of the callbacks among the exporters of a process that have a hook for calls that go on."""
    return tuple(
        each.listener for each in exporters if isinstance(each, CallbackExporter) and each.listener is not None
    )
