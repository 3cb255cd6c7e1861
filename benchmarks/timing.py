"""Paired measurement: every arm does the same work in turn, so that the machine's moods fall on all of them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

_WARM_UP = 3


@dataclass(frozen=True)
class Arm:
    """One way to run the calls.

    Attributes:
        name: for the table.
        active: instruments the client for as long as it is entered.
    """

    name: str
    active: Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Spread:
    """The median of some measurements, and their quartiles."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        low, median, high = statistics.quantiles(values, n=4)
        return Spread(median, low, high)

    @staticmethod
    def of_differences(values: Sequence[float], bases: Sequence[float]) -> Spread:
        """Round by round, so that what slows the machine for a while falls out."""
        return Spread.of([value - base for value, base in zip(values, bases, strict=True)])


Work = Callable[[int], int]
"""Makes that many calls and returns the CPU time of the calling thread, in nanoseconds."""


def timed(call: Callable[[], object]) -> Work:
    """Work that is measured from its first call to its last."""

    def work(count: int) -> int:
        started = time.thread_time_ns()
        for _ in range(count):
            call()
        return time.thread_time_ns() - started

    return work


def paired(arms: Sequence[Arm], work: Work, *, rounds: int, calls: int) -> dict[str, list[float]]:
    """Run blocks of ``calls`` calls, arm after arm, ``rounds`` times.

    Garbage is collected before each block and the collector stays on within it: what an arm leaves behind, it pays for.

    Args:
        arms: what to compare; their order turns from round to round.
        work: makes the calls.
        rounds: how often each arm has its turn.
        calls: calls per block.

    Returns:
        Per arm the CPU time of the calling thread per call, in microseconds, in order of the rounds.
    """
    times: dict[str, list[float]] = {arm.name: [] for arm in arms}
    gc.collect()
    gc.freeze()
    try:
        for number in range(rounds):
            turn = number % len(arms)
            for arm in (*arms[turn:], *arms[:turn]):
                with arm.active():
                    work(_WARM_UP)
                    gc.collect()
                    times[arm.name].append(work(calls) / calls / 1000)
    finally:
        gc.unfreeze()
    return times
