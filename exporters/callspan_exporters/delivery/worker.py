"""The worker of one sink: waits for a batch, sends it, and settles each item."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from callspan_exporters.delivery.dead_letter import DeadLetters
from callspan_exporters.delivery.engine import Attempt, Backoff, attempt
from callspan_exporters.delivery.log import log_at_most_every
from callspan_exporters.delivery.queue import BoundedQueue, Entry
from callspan_exporters.delivery.report import Counters
from callspan_exporters.sink import Item, SinkExporter

_logger = logging.getLogger(__name__)

REDACTION_FAILED: Final = "redaction_failed"


@dataclass(frozen=True)
class RetryLimits:
    """When an item that cannot be delivered becomes a dead letter.

    Attributes:
        max_age_s: how long after it was queued, in seconds.
        max_failures: after how many tries; None: only its age counts.
    """

    max_age_s: float = 3600.0
    max_failures: int | None = None


class Worker:
    """Owns a sink's queue and the one thread that empties it. After a fork the child makes a new one.

    Args:
        exporter: the sink.
        queue: where spans arrive.
        name: the sink's, for threads, logs and dead letters.
        counters: the sink's numbers.
        dead_letters: where refused items go.
        limits: when to give up on an item.
    """

    def __init__(
        self,
        exporter: SinkExporter,
        queue: BoundedQueue,
        *,
        name: str,
        counters: Counters,
        dead_letters: DeadLetters,
        limits: RetryLimits,
    ) -> None:
        self._exporter = exporter
        self._queue = queue
        self._name = name
        self._counters = counters
        self._dead_letters = dead_letters
        self._limits = limits
        self._backoff = Backoff()
        self._thread: threading.Thread | None = None
        # Held while items are settled, so that a shutdown that runs out of time does not settle them once more.
        self._settling = threading.Lock()
        self._preparing = threading.Lock()
        # The rest is guarded by the queue's condition.
        self._flush_up_to = 0
        self._paused_until = 0.0
        self._pause_is_the_sinks_wish = False
        self._closing_deadline: float | None = None
        self._stopped = False
        self._max_items = exporter.batching.max_items
        self._last_reason = ""

    def ensure_started(self) -> bool:
        """Start the thread at the first item; False where the interpreter is past starting threads (at its exit)."""
        if self._thread is not None:
            return True
        with self._queue.changed:
            if self._thread is not None:
                return True
            thread = threading.Thread(target=self._run, name=f"callspan-{self._name}", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
        return True

    def flush_soon(self) -> int:
        """Send what is queued now without waiting for more; a delay that the sink asked for is kept.

        Returns:
            The number of the newest entry, for `wait_until_settled`.
        """
        with self._queue.changed:
            self._flush_up_to = self._queue.last_number
            if not self._pause_is_the_sinks_wish:
                self._paused_until = 0.0
            self._queue.changed.notify_all()
            return self._flush_up_to

    def wait_until_settled(self, number: int, deadline: float) -> bool:
        """Wait until nothing up to that entry is queued; False at the deadline, or if nobody is there to send it."""
        if len(self._queue) and not self.ensure_started():
            return False
        with self._queue.changed:
            return self._queue.changed.wait_for(
                lambda: not self._queue.holds_any_up_to(number), max(0.0, deadline - time.monotonic())
            )

    def close(self, deadline: float) -> None:
        """Send what is queued until the deadline, then make dead letters of the rest."""
        self.flush_soon()
        with self._queue.changed:
            self._closing_deadline = deadline
            self._backoff.reset()  # an outage's long delays would let the last seconds pass unused
            empty = not len(self._queue)
            self._queue.changed.notify_all()
        if not empty:
            if self.ensure_started():
                with self._queue.changed:
                    self._queue.changed.wait_for(lambda: self._stopped, max(0.0, deadline - time.monotonic()))
            else:
                self._run()
        with self._settling:
            with self._queue.changed:
                self._stopped = True
                left = self._queue.close()
            reason = f"shutdown ({self._last_reason})" if self._last_reason else "shutdown"
            self._bury([(item, reason) for item in self._ready(left)])

    def _run(self) -> None:
        with suppress_instrumentation():
            while batch := self._next_batch():
                try:
                    self._send(batch)
                except Exception as error:  # noqa: BLE001, PERF203 - the boundary of the thread: it outlives any batch
                    items = [entry.item for entry in batch if entry.item is not None]
                    self._settle(batch, Attempt(pending=items, reason=type(error).__name__))

    def _next_batch(self) -> list[Entry]:
        """Wait until a batch is due; empty when the worker is to end."""
        with self._queue.changed:
            while not self._at_end():
                wait_s = self._due_in_s()
                if wait_s <= 0:
                    return self._queue.head(self._max_items)
                self._queue.changed.wait(None if wait_s == math.inf else wait_s)
            self._stopped = True
            self._queue.changed.notify_all()
            return []

    def _at_end(self) -> bool:
        if self._stopped or self._closing_deadline is None:
            return self._stopped
        # Waiting for a time after the deadline would only delay the exit.
        return not len(self._queue) or max(time.monotonic(), self._paused_until) >= self._closing_deadline

    def _due_in_s(self) -> float:
        oldest = self._queue.oldest()
        if oldest is None:
            return math.inf
        # One that has an item was due before: the rest of a batch does not wait for another interval.
        at_once = (
            oldest.item is not None
            or self._closing_deadline is not None
            or oldest.number <= self._flush_up_to
            or self._queue.holds_a_batch()
        )
        due = 0.0 if at_once else oldest.queued_at + self._exporter.batching.interval_s
        return max(due, self._paused_until) - time.monotonic()

    def _send(self, batch: Sequence[Entry]) -> None:
        items = self._ready(batch)
        self._settle(batch, attempt(self._exporter, items, self._deadline))

    def _deadline(self) -> float:
        if self._stopped:
            return 0.0
        return math.inf if self._closing_deadline is None else self._closing_deadline

    def _ready(self, batch: Sequence[Entry]) -> list[Item]:
        for entry in batch:
            with self._preparing:
                self._prepare(entry)
        return [entry.item for entry in batch if entry.item is not None]

    def _prepare(self, entry: Entry) -> None:
        """Redact and wrap, once; a span that cannot be redacted goes nowhere, not even to a dead letter."""
        if entry.span is None:
            return
        span, entry.span = entry.span, None
        try:
            entry.item = Item(entry.policy.redact(span) if entry.policy else span)
        except Exception:  # noqa: BLE001 - the boundary to policies: fail closed
            self._counters.dropped(REDACTION_FAILED)

    def _settle(self, batch: Sequence[Entry], result: Attempt) -> None:
        with self._settling:
            if self._stopped:
                return
            pending = {id(item) for item in result.pending}
            waiting = [entry for entry in batch if id(entry.item) in pending]
            keep = [entry for entry in waiting if not self._gives_up_on(entry)]
            kept = {id(entry) for entry in keep}
            given_up = [entry.item for entry in waiting if entry.item is not None and id(entry) not in kept]
            self._counters.delivered(len(result.delivered))
            self._counters.retried(len(keep))
            self._bury([*result.refused, *((item, f"gave up: {result.reason}") for item in given_up)])
            self._log(result, len(keep))
            with self._queue.changed:
                self._pace(result, retrying=bool(waiting))
                # One that the server fails on even alone lets the others pass.
                self._queue.settle(batch, keep, at_tail=result.suspect and len(batch) == 1)

    def _gives_up_on(self, entry: Entry) -> bool:
        entry.failures += 1
        too_often = self._limits.max_failures is not None and entry.failures >= self._limits.max_failures
        return too_often or time.monotonic() - entry.queued_at > self._limits.max_age_s

    def _pace(self, result: Attempt, *, retrying: bool) -> None:
        """Say when to go on, and with how many items: fewer while the server answers 500, more after a success."""
        self._last_reason = result.reason
        if not retrying:
            self._backoff.reset()
            self._paused_until = 0.0
            self._max_items = min(self._max_items * 2, self._exporter.batching.max_items)
            return
        if result.suspect:
            self._max_items = max(1, min(self._max_items, len(result.pending)) // 2)
        self._pause_is_the_sinks_wish = result.retry_after_s is not None
        self._paused_until = time.monotonic() + self._backoff.next_delay_s(result.retry_after_s)

    def _bury(self, items: Sequence[tuple[Item, str]]) -> None:
        if not items:
            return
        lost = self._dead_letters.write(self._name, items)
        for reason, count in lost.items():
            self._counters.dropped(reason, count)
        self._counters.dead(len(items) - sum(lost.values()))

    def _log(self, result: Attempt, waiting: int) -> None:
        name = self._name
        if result.refused:
            reason = result.refused[0][1]
            # Once per kind, which is the status: a wrong key refuses every call.
            log_at_most_every(3600.0, _logger, f"refused:{name}:{reason[:3]}", "%s: refused %d calls: %s",
                              name, len(result.refused), reason)  # fmt: skip
        if waiting and self._closing_deadline is None:
            log_at_most_every(60.0, _logger, f"retry:{name}", "%s: not delivered yet, will be sent again: %s",
                              name, result.reason)  # fmt: skip
