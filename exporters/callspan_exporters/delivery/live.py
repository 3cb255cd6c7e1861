"""The delivery processors of this process: flush them, report on them, renew them after a fork."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import Counter
from typing import Protocol

from callspan_exporters.delivery.report import DeliveryReport, SinkReport


class Pipeline(Protocol):
    """What is known here of a `DeliveryProcessor`."""

    @property
    def name(self) -> str:
        """The sink's name."""

    def hurry(self) -> None:
        """Begin to send what is queued, without waiting for it."""

    def expect_shutdown(self) -> None:
        """The same, because the process is probably ending."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what is queued is settled."""

    def shutdown(self, timeout_s: float | None = None) -> None:
        """Deliver what is queued, and keep the rest as dead letters."""

    def report(self) -> SinkReport:
        """The sink's numbers."""

    def renew_after_fork(self) -> None:
        """Start with an empty queue in a child process."""


# Weak: a processor lives as long as its provider. One fork hook for all, because hooks cannot be taken back.
_pipelines: weakref.WeakSet[Pipeline] = weakref.WeakSet()
_retired: dict[str, SinkReport] = {}
_retired_lock = threading.Lock()


def register(pipeline: Pipeline) -> None:
    """Remember a processor for as long as somebody else does."""
    _pipelines.add(pipeline)


def retire(pipeline: Pipeline, name: str) -> None:
    """Let go of a processor that is shut down; its numbers go on under another name.

    Args:
        pipeline: which.
        name: under which reports add it up with others.
    """
    _pipelines.discard(pipeline)
    add(name, pipeline.report())


def add(name: str, report: SinkReport) -> None:
    """Add numbers to those that reports have under a name."""
    with _retired_lock:
        _retired[name] = _sum(_retired.get(name, SinkReport()), report)


def expect_shutdown_of_all() -> None:
    """Let every sink send what it has while the first shuts down."""
    for pipeline in list(_pipelines):
        pipeline.expect_shutdown()


def flush(timeout_s: float = 30.0) -> DeliveryReport:
    """Deliver what is queued for every sink, all sinks at once.

    Args:
        timeout_s: how long to wait in all, in seconds.

    Returns:
        The numbers of each sink since the process began.
    """
    deadline = time.monotonic() + timeout_s
    for pipeline in list(_pipelines):
        pipeline.hurry()
    for pipeline in list(_pipelines):
        pipeline.force_flush(max(0, int((deadline - time.monotonic()) * 1000)))
    return reports()


def shutdown(timeout_s: float) -> None:
    """Deliver what is queued for every sink, and keep as dead letters what could not be delivered.

    Args:
        timeout_s: how long to wait in all, in seconds.
    """
    for pipeline in list(_pipelines):
        pipeline.shutdown(timeout_s)


def reports() -> DeliveryReport:
    """The numbers of each sink now; sinks of the same name are added up."""
    by_name = dict(_retired)
    for pipeline in list(_pipelines):
        report = pipeline.report()
        by_name[pipeline.name] = _sum(by_name[pipeline.name], report) if pipeline.name in by_name else report
    return DeliveryReport(dict(sorted(by_name.items())))


def _sum(a: SinkReport, b: SinkReport) -> SinkReport:
    return SinkReport(
        offered=a.offered + b.offered,
        delivered=a.delivered + b.delivered,
        retried=a.retried + b.retried,
        spooled=a.spooled + b.spooled,
        dead=a.dead + b.dead,
        dropped=dict(Counter(a.dropped) + Counter(b.dropped)),
        outstanding=a.outstanding + b.outstanding,
    )


def _renew_all_after_fork() -> None:
    global _retired_lock  # noqa: PLW0603 - another thread may have held it
    _retired_lock = threading.Lock()
    _retired.clear()
    for pipeline in list(_pipelines):
        pipeline.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all_after_fork)
