"""Deliver items to one sink: encode, send, classify, and account for every item.

`attempt` makes one pass and is what a worker repeats; `deliver` repeats it until a deadline, for a sink that is used
alone.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from callspan_exporters.delivery.log import log_at_most_every
from callspan_exporters.sink import CannotEncodeError, Item, Outcome, Request, SinkExporter, Verdict

_logger = logging.getLogger(__name__)

# "Something in this request is malformed": one item may spoil the batch. Every other refusal is about the whole.
_ONE_ITEM_MAY_BE_BAD: Final = frozenset({400, 422})
_SERVER_FAILED_ON_IT: Final = 500
NOTHING_TO_SEND: Final = "nothing to send"


@dataclass
class Attempt:
    """What one pass over items came to. Each item is in exactly one of the three lists, in the order given.

    Attributes:
        delivered: acknowledged by the sink.
        refused: items that the sink will never take, with the reason.
        pending: items to send again.
        retry_after_s: how long the sink asked to wait before that, in seconds.
        reason: why items are pending.
        suspect: the sink answered 500, so the request itself may be what it cannot digest.
    """

    delivered: list[Item] = field(default_factory=list)
    refused: list[tuple[Item, str]] = field(default_factory=list)
    pending: list[Item] = field(default_factory=list)
    retry_after_s: float | None = None
    reason: str = ""
    suspect: bool = False


@dataclass
class Report:
    """What `deliver` came to, in numbers of items; `reason` is the last failure's."""

    offered: int = 0
    delivered: int = 0
    retried: int = 0
    refused: int = 0
    undelivered: int = 0
    reason: str = ""


class Backoff:
    """Exponential backoff with full jitter; a sink's own Retry-After is the least it waits.

    Args:
        base_s: upper bound of the first delay, in seconds.
        max_s: upper bound of every delay, in seconds.
    """

    def __init__(self, base_s: float = 1.0, max_s: float = 60.0) -> None:
        self._base_s = base_s
        self._max_s = max_s
        self._failures = 0

    def next_delay_s(self, retry_after_s: float | None = None) -> float:
        """Return how long to wait after one more failure, in seconds."""
        bound = min(self._max_s, self._base_s * 2 ** min(self._failures, 30))
        self._failures += 1
        return max(retry_after_s or 0.0, random.uniform(0.0, bound))  # noqa: S311 - jitter, not cryptography

    def reset(self) -> None:
        """Begin anew after a success."""
        self._failures = 0


def deliver(exporter: SinkExporter, items: Sequence[Item], deadline_s: float) -> Report:
    """Deliver now, on this thread, retrying until the deadline.

    Args:
        exporter: the sink.
        items: what to deliver, already redacted.
        deadline_s: how long it may take, retries and waiting included, in seconds. A sink that asks to wait for longer
            ends it at once.

    Returns:
        What became of the items; ``delivered == offered`` only if the sink acknowledged every one.
    """
    deadline = time.monotonic() + deadline_s
    backoff = Backoff(base_s=0.5)
    report = Report(offered=len(items))
    pending = list(items)
    while pending:
        result = attempt(exporter, pending, lambda: deadline)
        report.delivered += len(result.delivered)
        report.refused += len(result.refused)
        report.reason = result.refused[-1][1] if result.refused else result.reason or report.reason
        pending = result.pending
        delay_s = backoff.next_delay_s(result.retry_after_s)
        if not pending or time.monotonic() + delay_s >= deadline:
            break
        report.retried += len(pending)
        time.sleep(delay_s)
    report.undelivered = len(pending)
    if report.delivered < report.offered:
        lost = report.offered - report.delivered
        log_at_most_every(60.0, _logger, f"deliver:{exporter.name}", "%s: %d of %d calls not delivered: %s",
                          exporter.name, lost, report.offered, report.reason)  # fmt: skip
    return report


def attempt(exporter: SinkExporter, items: Sequence[Item], deadline: Callable[[], float]) -> Attempt:
    """Send items once, splitting requests that are too large and isolating an item that spoils its batch.

    After the first answer that asks for a retry nothing more is sent. Nothing here is traced.

    Args:
        exporter: the sink.
        items: what to send.
        deadline: says, on the clock of `time.monotonic`, when to stop: no request starts later, and none gets a
            longer timeout. Asked before each request, because a shutdown may bring it forward.
    """
    work = _Pass(exporter, items, deadline)
    with suppress_instrumentation():
        work.prepare()
        helpers = _start(work.send_all, min(exporter.concurrency, work.size) - 1)
        work.send_all()
    for helper in helpers:
        helper.join()
    return work.result()


def _start(target: Callable[[], None], count: int) -> list[threading.Thread]:
    """Start helpers as far as the interpreter lets us; at its shutdown Python 3.12 does not."""

    def untraced() -> None:
        with suppress_instrumentation():
            target()

    threads: list[threading.Thread] = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=untraced, name="callspan-send", daemon=True)
            thread.start()
            threads.append(thread)
    except RuntimeError:
        _logger.debug("no more threads: sending with %d", len(threads) + 1)
    return threads


class _Pass:
    """One pass: a stack of requests that several threads may work off, and what became of the items."""

    def __init__(self, exporter: SinkExporter, items: Sequence[Item], deadline: Callable[[], float]) -> None:
        self._exporter = exporter
        self._items = items
        self._deadline = deadline
        self._lock = threading.Lock()
        self._stack: deque[Request] = deque()  # the next request is at the left end
        self._delivered: set[int] = set()
        self._refused: dict[int, str] = {}
        self._retry: Outcome | None = None
        self._suspect = False
        self._refusals_in_a_row = 0
        # One bad item costs about log2(n) refusals before a neighbour goes through; a sink that refuses everything
        # must not cost 2n requests.
        self._patience = 2 * len(items).bit_length() + 8

    @property
    def size(self) -> int:
        return len(self._stack)

    def prepare(self) -> None:
        """Encode batch by batch: used alone, a sink may be handed more than it takes at once."""
        size = self._exporter.batching.max_items
        for start in reversed(range(0, len(self._items), size)):
            self._push(self._items[start : start + size])

    def send_all(self) -> None:
        while (request := self._next()) is not None:
            self._handle(request, *self._ask(request))

    def result(self) -> Attempt:
        result = Attempt()
        for item in self._items:
            if id(item) in self._refused:
                result.refused.append((item, self._refused[id(item)]))
            elif id(item) in self._delivered:
                result.delivered.append(item)
            else:
                result.pending.append(item)
        result.suspect = self._suspect
        result.reason = "deadline" if result.pending else ""
        if self._retry is not None:
            result.retry_after_s, result.reason = self._retry.retry_after_s, self._retry.reason
        return result

    def _next(self) -> Request | None:
        with self._lock:
            if self._retry is not None or not self._stack or time.monotonic() >= self._deadline():
                return None
            return self._stack.popleft()

    def _ask(self, request: Request) -> tuple[Outcome, int]:
        remaining_s = self._deadline() - time.monotonic()
        timeout_s = max(0.001, min(self._exporter.request_timeout_s, remaining_s))
        try:
            response = self._exporter.send(request, timeout_s)
            return self._exporter.classify(response), response.status
        except Exception as error:  # noqa: BLE001 - the boundary to transports: whatever they raise is retryable
            return Outcome(Verdict.RETRY, type(error).__name__), 0

    def _handle(self, request: Request, outcome: Outcome, status: int) -> None:
        with self._lock:
            if outcome.verdict is Verdict.DELIVERED:
                self._accept(request, outcome)
            elif outcome.verdict is Verdict.RETRY:
                self._retry = outcome
                self._suspect = status == _SERVER_FAILED_ON_IT
            elif len(request.items) > 1 and self._worth_halving(outcome, status):
                self._halve(request)
            else:
                self._refuse(request.items, outcome.reason)

    def _accept(self, request: Request, outcome: Outcome) -> None:
        self._refusals_in_a_row = 0
        if outcome.unprocessed:
            self._retry = outcome
        for index, item in enumerate(request.items):
            if index in outcome.refused:
                self._refused[id(item)] = outcome.refused[index]
            elif index not in outcome.unprocessed:
                self._delivered.add(id(item))

    def _refuse(self, items: Sequence[Item], reason: str) -> None:
        self._refused.update((id(item), reason) for item in items)

    def _worth_halving(self, outcome: Outcome, status: int) -> bool:
        if outcome.verdict is Verdict.SPLIT:
            return True
        self._refusals_in_a_row += 1
        return status in _ONE_ITEM_MAY_BE_BAD and self._refusals_in_a_row <= self._patience

    def _halve(self, request: Request) -> None:
        middle = len(request.items) // 2
        self._push(request.items[middle:])
        self._push(request.items[:middle])

    def _push(self, items: Sequence[Item]) -> None:
        requests = self._encode(items)
        sent = {id(item) for request in requests for item in request.items}
        self._refuse(
            [item for item in items if id(item) not in sent and id(item) not in self._refused], NOTHING_TO_SEND
        )
        self._stack.extendleft(reversed(requests))

    def _encode(self, items: Sequence[Item]) -> list[Request]:
        """Encode; where that fails, halve until the items that cannot be encoded stand alone, and refuse only these."""
        try:
            return list(self._exporter.encode(items))
        except Exception as error:  # noqa: BLE001 - the boundary to encoders: one odd call must not cost the others
            if len(items) == 1:
                what = str(error) if isinstance(error, CannotEncodeError) else type(error).__name__
                self._refuse(items, f"cannot be encoded: {what}")
                return []
        middle = len(items) // 2
        return self._encode(items[:middle]) + self._encode(items[middle:])
