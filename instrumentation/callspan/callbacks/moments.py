"""Telling callbacks of a call while it goes on."""

from __future__ import annotations

import time
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan, Span
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from callspan.callbacks.arguments import CHUNK
from callspan.callbacks.exporter import CallbackExporter, scope_of
from callspan.callbacks.running import run
from callspan.callbacks.targets import POST, PRE, STREAM, Moment
from callspan.core.call import Call
from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.delivery.queue import RedactionPolicy
from callspan_exporters.sink import Item
from callspan_semconv import jsonio


class Moments:
    """A `callspan.core.listeners.Listener` that makes a span of what is known of a call, for the callback's pipeline.

    The request is told at once, on the application's thread, as LiteLLM does it. All else, and requests that have to be
    masked or have an async hook, goes through the queue; hooks of one call run in order.

    Args:
        exporter: of the moments; knows the hooks.
        processor: its queue.
        policy: redacts what is told at once.
    """

    def __init__(self, exporter: CallbackExporter, processor: DeliveryProcessor, policy: RedactionPolicy) -> None:
        self._exporter = exporter
        self._processor = processor
        self._policy = policy

    def begun(self, call: Call) -> None:
        """Tell of the request."""
        span = self._span(call, PRE)
        if span is None or not self._processor.wants(span):
            return
        policy = self._policy.for_call(span)
        if policy.deferred or any(hook.is_async for _, hook in self._exporter.hooks(span)):
            self._processor.on_end(span)
            return
        for job in self._exporter.jobs(Item(policy.redact(span))):
            run(job, None)

    def answered(self, call: Call) -> None:
        """Tell that there is an answer."""
        if (span := self._span(call, POST)) is not None:
            self._processor.on_end(span)

    def chunk(self, call: Call, chunk: Any) -> None:
        """Tell of a chunk; the bytes of a raw response are none."""
        if not isinstance(chunk, bytes) and (span := self._span(call, STREAM, chunk)) is not None:
            self._processor.on_end(span)

    def ended(self, call: Call) -> None:
        """The pipeline of the callback's calls tells of that."""

    def _span(self, call: Call, moment: Moment, chunk: Any = None) -> ReadableSpan | None:
        """The call as it is known now, for whoever listens; None if nobody does."""
        span = call.span
        if not isinstance(span, Span) or not span.is_recording():
            return None
        if not any(each.hook(moment, call.is_async) for each in self._exporter.subscriptions(span)):
            return None
        known = call.known()
        if chunk is not None and call.captures_content:
            known[CHUNK] = jsonio.dumps(chunk)
        return ReadableSpan(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=known,
            kind=span.kind,
            start_time=span.start_time,
            events=[Event(moment, timestamp=time.time_ns())],
            instrumentation_scope=InstrumentationScope(scope_of(moment)),
        )
