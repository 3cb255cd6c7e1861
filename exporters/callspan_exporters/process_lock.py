"""A lock that is free in a forked child."""

import os
import threading
from types import TracebackType


class ProcessLock:
    """`threading.Lock` for ``with``, one per process.

    A thread that holds a lock while another forks is not there in the child to release it: a worker there would wait
    for good.
    """

    def __init__(self) -> None:
        self._locks: dict[int, threading.Lock] = {}

    def __enter__(self) -> None:
        self._locks.setdefault(os.getpid(), threading.Lock()).acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._locks[os.getpid()].release()
