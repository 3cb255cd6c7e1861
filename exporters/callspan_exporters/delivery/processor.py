"""The span processor in front of one sink."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from multiprocessing import process
from pathlib import Path
from sys import getsizeof
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.util.types import Attributes

from callspan_exporters.delivery import live
from callspan_exporters.delivery.dead_letter import DeadLetters
from callspan_exporters.delivery.log import log_at_most_every
from callspan_exporters.delivery.plain import MAX_FAILURES, PlainSink
from callspan_exporters.delivery.queue import BoundedQueue, RedactionPolicy
from callspan_exporters.delivery.report import Counters, SinkReport
from callspan_exporters.delivery.worker import RetryLimits, Worker
from callspan_exporters.sink import Batching, SinkExporter
from callspan_semconv.attributes import CALLSPAN_DISABLED_SINKS, CALLSPAN_SINKS

_logger = logging.getLogger(__name__)

DEFAULT_MAX_QUEUE_BYTES: Final = 64 * 1024 * 1024
DEFAULT_MAX_QUEUE_ITEMS: Final = 100_000

# Why a call was not taken; these are counters' names.
QUEUE_FULL: Final = "queue_full"
SHUT_DOWN: Final = "shutdown"
ERROR: Final = "error"

# What a span holds besides its texts: the objects for its ids, context, times and numbers; and the payload that one
# sink makes of it and others with the same policy share, which repeats the texts.
_SPAN_BYTES: Final = 4_500
_PAYLOAD_BYTES: Final = 6_000
# Sinks that shut down one after another within this time share the deadline of the first.
_SHUTDOWN_WINDOW_S: Final = 60.0
_MIN_SHUTDOWN_S: Final = 1.0
_NEVER: Final = float("-inf")


class DeliveryProcessor(SpanProcessor):
    """Queues the spans that a sink accepts and delivers them on a thread of its own.

    At least once, in order of arrival, bounded in memory. The sink being slow or away costs neither the application
    nor another sink anything; see ``docs/delivery.md``.

    Args:
        exporter: a callspan sink, or any other `SpanExporter`, which gets every sampled span.
        policy: redacts each span before the sink, or a file, sees it, on this thread or, where the policy that the call
            gets is deferred, on the worker's; None: the spans are redacted already.
        name: the sink's name in reports; default: the exporter's.
        batching: when a plain exporter's worker sends; callspan's sinks know themselves.
        max_queue_items: bound on waiting spans.
        max_queue_bytes: bound on their memory, in bytes.
        max_retry_age_s: when a span that cannot be delivered becomes a dead letter, in seconds.
        shutdown_timeout_s: how long `shutdown` may take, in seconds.
        dead_letter_path: where refused calls are kept; default: ``dead-letters.jsonl`` in ``CALLSPAN_SPOOL_DIR`` or
            the platform's state folder.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        *,
        policy: RedactionPolicy | None = None,
        name: str | None = None,
        batching: Batching | None = None,
        max_queue_items: int = DEFAULT_MAX_QUEUE_ITEMS,
        max_queue_bytes: int = DEFAULT_MAX_QUEUE_BYTES,
        max_retry_age_s: float = 3600.0,
        shutdown_timeout_s: float = 10.0,
        dead_letter_path: Path | None = None,
    ) -> None:
        plain = not isinstance(exporter, SinkExporter)
        self._sink = (
            exporter if isinstance(exporter, SinkExporter) else PlainSink(exporter, name=name, batching=batching)
        )
        self._name = name or self._sink.name
        self._policy = policy
        self._max_queue_items = max_queue_items
        self._max_queue_bytes = max_queue_bytes
        self._limits = RetryLimits(max_retry_age_s, MAX_FAILURES if plain else None)
        self._shutdown_timeout_s = shutdown_timeout_s
        self._dead_letters = DeadLetters(dead_letter_path)
        self._shut_down = False
        self.renew_after_fork()
        live.register(self)

    @property
    def name(self) -> str:
        """The sink's name."""
        return self._name

    def renew_after_fork(self) -> None:
        """Start with an empty queue, fresh locks and no thread; what the parent has queued is the parent's to send."""
        self._counters = Counters(self._sink.name)
        self._queue = BoundedQueue(
            self._max_queue_items, self._max_queue_bytes, self._sink.batching, closed=self._shut_down
        )
        self._worker = Worker(
            self._sink,
            self._queue,
            name=self._name,
            counters=self._counters,
            dead_letters=self._dead_letters,
            limits=self._limits,
        )
        self._finalized = False
        self._expected_at = _NEVER

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is known of a call yet."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, if the sink takes it; costs a few microseconds and never raises."""
        wanted = False
        try:
            wanted = self.wants(span)
            if wanted:
                self._counters.offered()
                self._take(span)
        except Exception as error:  # noqa: BLE001 - the boundary to the user's call
            if not wanted:
                self._counters.offered()  # nobody knows; but the numbers add up
            self._counters.dropped(ERROR)
            log_at_most_every(60.0, _logger, f"on_end:{self._name}", "%s: a call was not taken: %s",
                              self._name, type(error).__name__)  # fmt: skip

    def wants(self, span: ReadableSpan) -> bool:
        """Whether the sink takes the span, and the call did not say otherwise."""
        if not self._sink.accepts(span):
            return False
        attributes = span.attributes or {}
        only, never = attributes.get(CALLSPAN_SINKS), attributes.get(CALLSPAN_DISABLED_SINKS)
        return (only is None or self._is_among(only, default=True)) and not (never and self._is_among(never))

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what is queued now has been delivered or refused for good.

        The worker sends; the calling thread only waits.

        Args:
            timeout_millis: how long to wait, in milliseconds.

        Returns:
            Whether nothing of it is left.
        """
        deadline = time.monotonic() + timeout_millis / 1000
        number = self._worker.flush_soon()
        return self._worker.wait_until_settled(number, deadline)

    def hurry(self) -> None:
        """Begin to send what is queued, without waiting for it."""
        self._worker.flush_soon()

    def expect_shutdown(self) -> None:
        """Begin to send because another sink is shutting down; the first time counts towards what `shutdown` has."""
        self._worker.flush_soon()
        now = time.monotonic()
        if now - self._expected_at >= _SHUTDOWN_WINDOW_S:
            self._expected_at = now

    def shutdown(self, timeout_s: float | None = None) -> None:
        """Deliver what is queued, within the deadline, keep the rest as dead letters, and shut the exporter down.

        The SDK shuts its processors down one after another. So the first lets all others begin to send as well, and
        the time that they have counts from then.

        Args:
            timeout_s: how long it may take, in seconds; default: the processor's ``shutdown_timeout_s``.
        """
        if self._shut_down:
            return
        now = time.monotonic()
        started = self._expected_at if now - self._expected_at < _SHUTDOWN_WINDOW_S else now
        live.expect_shutdown_of_all()
        allowed = self._shutdown_timeout_s if timeout_s is None else timeout_s
        self._close(max(started + allowed, now + _MIN_SHUTDOWN_S))

    def retire(self) -> None:
        """The same for a sink that is not used any more, while the process and the other sinks go on."""
        if not self._shut_down:
            self._close(time.monotonic() + self._shutdown_timeout_s)

    def _close(self, deadline: float) -> None:
        self._shut_down = True
        self._worker.close(deadline)
        self._sink.shutdown()

    def report(self) -> SinkReport:
        """The sink's numbers in this process."""
        return self._counters.report()

    def _is_among(self, names: object, *, default: bool = False) -> bool:
        if not isinstance(names, (tuple, list)):
            return default
        # The name in reports, the one that everybody calls it, and its kind.
        return not {self._name, self._sink.name, self._sink.sink}.isdisjoint(names)

    def _take(self, span: ReadableSpan) -> None:
        policy = self._policy.for_call(span) if self._policy is not None else None
        if policy is not None and not policy.deferred:
            span, policy = policy.redact(span), None
        self._expected_at = _NEVER  # calls go on: the sink that shut down was replaced, the process is not ending
        if not self._queue.put(span, _size_bytes(span), policy):
            self._refuse()
        elif self._worker.ensure_started() and not self._finalized:
            self._finalized = True
            _call_at_multiprocessing_exit(self.shutdown)

    def _refuse(self) -> None:
        """The one place where it is decided what happens to a span that the queue does not take."""
        if self._queue.closed:
            self._counters.dropped(SHUT_DOWN)
            return
        self._counters.dropped(QUEUE_FULL)
        log_at_most_every(
            60.0, _logger, f"full:{self._name}", "%s: the queue is full, newest calls are not taken", self._name
        )


def _size_bytes(span: ReadableSpan) -> int:
    """Estimate what a span and its payload hold in memory; nearly all of it is texts of attributes and events."""
    texts = _values_bytes(span.attributes)
    for event in span.events:
        texts += _values_bytes(event.attributes)
    return _SPAN_BYTES + _PAYLOAD_BYTES + 2 * texts


def _values_bytes(attributes: Attributes) -> int:
    # The SDK's containers copy themselves many times faster than they answer look-ups; a mapping proxy has `copy`.
    copy = getattr(attributes, "copy", None)
    values = copy().values() if copy is not None else (attributes or {}).values()
    return sum(map(getsizeof, values))


def _call_at_multiprocessing_exit(function: Callable[[], None]) -> None:
    """Let a forked worker of multiprocessing deliver: such processes end without running ``atexit`` hooks."""
    if process.parent_process() is not None:
        sys.modules["multiprocessing.util"].Finalize(None, function, exitpriority=0)
