"""The sinks of tenants: each made with the first call for it, closed when it is idle, and no more than so many open."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from callspan.core import guard
from callspan.errors import ConfigurationError
from callspan.setup.routes import Routes, TenantPlan
from callspan_exporters.delivery import DeliveryProcessor, SinkReport, live
from callspan_exporters.delivery.processor import QUEUE_FULL
from callspan_exporters.delivery.report import Counters

_logger = logging.getLogger("callspan")

# Why the calls of a tenant were dropped whose sink cannot be made; a counter's name.
NOT_AVAILABLE: Final = "tenant_sink_not_available"
# How many calls wait for a sink that is being made, which takes as long as importing its library.
_MAX_WAITING: Final = 1_000
# How many sinks may be about to close, each with its queue, before calls for others are refused.
_MAX_CLOSING: Final = 1_000

Make = Callable[[TenantPlan], DeliveryProcessor]


class TenantSink:
    """One sink of one tenant. Known to `callspan_exporters.delivery.live`, so that a flush reaches it.

    Args:
        each: which.
        make: makes its delivery; may take its time, and never runs on a thread that ends spans.
    """

    def __init__(self, each: TenantPlan, make: Make) -> None:
        self.each = each
        self.used_at = time.monotonic()
        self._make = make
        self._delivery: DeliveryProcessor | None = None
        self._made = False
        self._closed = False
        self.renew_after_fork()
        live.register(self)

    @property
    def name(self) -> str:
        """As in reports."""
        return self.each.name

    def renew_after_fork(self) -> None:
        """Fresh locks, nothing waiting; what it delivers by renews itself."""
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._waiting: deque[ReadableSpan] = deque()
        self._counters = Counters(self.each.plan.name)

    def take(self, span: ReadableSpan) -> bool:
        """Deliver a call, or let it wait for the sink; False if the sink has been closed."""
        with self._lock:
            if self._closed:
                return False
            self.used_at = time.monotonic()
            if self._made:
                self._deliver(span)
            elif len(self._waiting) < _MAX_WAITING:
                self._waiting.append(span)
            else:
                self._drop(QUEUE_FULL)
        return True

    @property
    def made(self) -> bool:
        """Whether calls do not wait for it any more."""
        return self._made

    def make(self) -> None:
        """Make the sink and hand on what waits for it; if it cannot be made, say so once. Waits for who is at it."""
        with self._making:
            if self._made:
                return
            self._delivery = self._attempt()
            while not self._made:
                # Outside the lock: nobody who ends a span waits for the others.
                with self._lock:
                    self._made = not self._waiting
                    span = self._waiting.popleft() if self._waiting else None
                if span is not None:
                    self._deliver(span)

    def _attempt(self) -> DeliveryProcessor | None:
        try:
            with suppress_instrumentation():
                return self._make(self.each)
        except ConfigurationError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - the boundary to every sink's library: one tenant's sink is lost
            reason = f"{self.each.plan.settings.where}: {type(error).__name__}"
        _logger.error("callspan: %s; the calls of %s are not delivered there", reason, self.each.tenant.value)
        return None

    def _deliver(self, span: ReadableSpan) -> None:
        if self._delivery is not None:
            self._delivery.on_end(span)
        else:
            self._drop(NOT_AVAILABLE)

    def _drop(self, reason: str) -> None:
        self._counters.offered()
        self._counters.dropped(reason)

    def hurry(self) -> None:
        """Hand on what waits, and begin to send."""
        if (delivery := self._handed_on()) is not None:
            delivery.hurry()

    def expect_shutdown(self) -> None:
        """The same by `shutdown`."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Hand on what waits, and wait until it is settled."""
        deadline = time.monotonic() + timeout_millis / 1000
        delivery = self._handed_on()
        return delivery is None or delivery.force_flush(max(0, int((deadline - time.monotonic()) * 1000)))

    def shutdown(self, timeout_s: float | None = None) -> None:
        """Deliver what is there; what comes later is dropped, and counted."""
        if (delivery := self._handed_on()) is not None:
            delivery.shutdown(timeout_s)

    def _handed_on(self) -> DeliveryProcessor | None:
        """The delivery of a sink for which no call waits any more."""
        if self._waiting:
            self.make()
        with self._making:  # the last that waited may be on its way
            return self._delivery

    def retire(self) -> None:
        """Take no more calls, deliver what is there, close the sink, and leave its numbers to `retired_name`."""
        with self._lock:
            self._closed = True
        if (delivery := self._handed_on()) is not None:
            delivery.retire()
            live.retire(delivery, retired_name(self.each))
        live.retire(self, retired_name(self.each))

    def report(self) -> SinkReport:
        """What was dropped before delivery began; delivery has a report of its own, under the same name."""
        waiting, report = len(self._waiting), self._counters.report()
        return replace(report, offered=report.offered + waiting, outstanding=report.outstanding + waiting)


def retired_name(each: TenantPlan) -> str:
    """Where reports have the numbers of sinks that were closed because nobody used them: one name for all tenants."""
    return f"{each.plan.name}@closed"


class TenantSinks(SpanProcessor):
    """Gives each call to the sinks of its tenant. Making and closing them is done on a thread of its own.

    Args:
        routes: of all tenants.
        make: makes the delivery of a sink.
        max_open: how many sinks are open at once.
        idle_s: after how many seconds without a call one is closed; 0: never.
        shutdown_timeout_s: how long `shutdown` waits for one that is being closed, in seconds.
    """

    def __init__(self, routes: Routes, make: Make, *, max_open: int, idle_s: float, shutdown_timeout_s: float) -> None:
        self._routes = routes
        self._make = make
        self._max_open = max_open
        self._idle_s = idle_s or math.inf
        self._shutdown_timeout_s = shutdown_timeout_s
        self._open: OrderedDict[int, TenantSink] = OrderedDict()  # by plan; the one unused for longest first
        self._ended = False
        self.renew_after_fork()
        _all.add(self)

    def renew_after_fork(self) -> None:
        """Fresh locks and no thread; what the parent was making or closing, the parent does."""
        for key in [key for key, sink in self._open.items() if not sink.made]:
            del self._open[key]
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._to_make: deque[TenantSink] = deque()
        self._to_close: deque[TenantSink] = deque()

    def on_end(self, span: ReadableSpan) -> None:
        """Hand the call to the sinks of its tenant, or let it wait until they are made."""
        try:
            route = self._routes.of(span)
            for each in route.plans_for(span) if route is not None else ():
                self._offer(each, span)
        except Exception as error:  # noqa: BLE001 - the boundary to the user's call
            guard.report("tenants", error)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Deliver what every sink has."""
        deadline = time.monotonic() + timeout_millis / 1000
        settled = True
        for sink in self._all_sinks():
            settled &= sink.force_flush(max(0, int((deadline - time.monotonic()) * 1000)))
        return settled

    def shutdown(self) -> None:
        """Deliver what every sink has, and close them."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for sink in self._all_sinks():
            sink.shutdown()
        if self._thread is not None:
            self._thread.join(self._shutdown_timeout_s)  # it may be closing one

    def _all_sinks(self) -> list[TenantSink]:
        with self._changed:
            return [*self._to_close, *self._open.values()]

    def _offer(self, each: TenantPlan, span: ReadableSpan) -> None:
        while True:
            sink = self._sink(each)
            if sink is None:
                lost = Counters(each.plan.name)
                lost.offered()
                lost.dropped(NOT_AVAILABLE)
                live.add(retired_name(each), lost.report())
                return
            if sink.take(span):
                return

    def _sink(self, each: TenantPlan) -> TenantSink | None:
        """The sink of a plan; None while so many are being closed that memory would have no bound."""
        with self._changed:
            sink = self._open.get(id(each))
            if sink is None:
                if len(self._to_close) >= _MAX_CLOSING:
                    return None
                sink = self._open[id(each)] = TenantSink(each, self._make)
                self._to_make.append(sink)
                while len(self._open) > self._max_open:
                    self._to_close.append(self._open.popitem(last=False)[1])
                self._ensure_started()
                self._changed.notify_all()
            self._open.move_to_end(id(each))
            return sink

    def _ensure_started(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="callspan-tenants", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is past starting threads; `shutdown` makes what waits
                self._thread = None

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Exception as error:  # noqa: BLE001, PERF203 - the boundary of the thread: it outlives any sink
                guard.report("tenants", error)

    def _next(self) -> Callable[[], None] | None:
        """Wait for something to do: make a sink, which comes first, or close one; None at the end."""
        with self._changed:
            while not self._ended:
                self._let_go_of_idle()
                if self._to_make:
                    return self._to_make.popleft().make
                if self._to_close:
                    return self._close_first
                self._changed.wait(self._until_idle_s())
        return None

    def _close_first(self) -> None:
        # It stays in sight until it is closed.
        self._to_close[0].retire()
        with self._changed:
            self._to_close.popleft()

    def _let_go_of_idle(self) -> None:
        while self._open and (wait_s := self._until_idle_s()) is not None and wait_s <= 0:
            self._to_close.append(self._open.popitem(last=False)[1])

    def _until_idle_s(self) -> float | None:
        oldest = next(iter(self._open.values()), None)
        if oldest is None or self._idle_s == math.inf:
            return None
        return oldest.used_at + self._idle_s - time.monotonic()


# Weak: they live as long as their provider. One fork hook for all, because hooks cannot be taken back.
_all: weakref.WeakSet[TenantSinks] = weakref.WeakSet()


def _renew_all_after_fork() -> None:
    for each in list(_all):
        each.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all_after_fork)
