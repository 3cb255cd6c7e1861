"""Proof of delivery: counters per sink, and the answer of ``flush``."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from opentelemetry import metrics

_items = metrics.get_meter("callspan").create_counter(
    "callspan.delivery.items", unit="{item}", description="LLM calls by sink and by what became of them"
)


@dataclass(frozen=True)
class SinkReport:
    """What became of the calls that one sink was offered, since the process began.

    ``offered == delivered + dead + sum(dropped.values()) + outstanding``.

    Attributes:
        offered: accepted for this sink.
        delivered: acknowledged by the sink.
        retried: sent once more, counted each time.
        spooled: waiting on disk.
        dead: kept in the dead-letter file, because the sink refused them or could not be reached in time.
        dropped: lost, by reason.
        outstanding: not settled yet.
    """

    offered: int = 0
    delivered: int = 0
    retried: int = 0
    spooled: int = 0
    dead: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    outstanding: int = 0

    @property
    def ok(self) -> bool:
        """Nothing waits and nothing was lost or refused."""
        return not (self.outstanding or self.spooled or self.dead or any(self.dropped.values()))


@dataclass(frozen=True)
class DeliveryReport(Mapping[str, SinkReport]):
    """The report of each sink, by name; true if all went well."""

    sinks: Mapping[str, SinkReport] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Every sink has everything."""
        return all(report.ok for report in self.sinks.values())

    def __bool__(self) -> bool:
        return self.ok

    def __getitem__(self, name: str) -> SinkReport:
        return self.sinks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sinks)

    def __len__(self) -> int:
        return len(self.sinks)


class Counters:
    """The running numbers of one sink; thread-safe.

    Args:
        sink: the sink's name, which is also the metric's attribute.
    """

    def __init__(self, sink: str) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._offered = 0
        self._delivered = 0
        self._retried = 0
        self._dead = 0
        self._dropped: dict[str, int] = {}

    def offered(self) -> None:
        """Count one call that the sink accepts."""
        with self._lock:
            self._offered += 1

    def delivered(self, count: int) -> None:
        """Count acknowledged items."""
        with self._lock:
            self._delivered += count
        self._emit("delivered", count)

    def retried(self, count: int) -> None:
        """Count items that will be sent again."""
        with self._lock:
            self._retried += count
        self._emit("retried", count)

    def dead(self, count: int) -> None:
        """Count items kept as dead letters."""
        with self._lock:
            self._dead += count
        self._emit("dead", count)

    def dropped(self, reason: str, count: int = 1) -> None:
        """Count lost items; ``reason`` is one of a few fixed names."""
        with self._lock:
            self._dropped[reason] = self._dropped.get(reason, 0) + count
        self._emit("dropped", count)

    def report(self) -> SinkReport:
        """The numbers now."""
        with self._lock:
            settled = self._delivered + self._dead + sum(self._dropped.values())
            return SinkReport(
                offered=self._offered,
                delivered=self._delivered,
                retried=self._retried,
                dead=self._dead,
                dropped=dict(self._dropped),
                outstanding=self._offered - settled,
            )

    def _emit(self, outcome: str, count: int) -> None:
        if count:
            _items.add(count, {"sink": self._sink, "outcome": outcome})
