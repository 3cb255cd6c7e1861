"""The one guard at each boundary between callspan and the application.

A failure of ours never reaches the user's call. It is counted, and logged once per site and exception type: the type
and the place in our code, never a message, which could quote content.
"""

import logging
import threading
from collections import Counter

_logger = logging.getLogger("callspan")

_lock = threading.Lock()
_failures: Counter[tuple[str, str]] = Counter()


def report(site: str, error: BaseException) -> None:
    """Count a failure of ours at ``site`` and log the first of its kind."""
    kind = type(error).__qualname__
    with _lock:
        _failures[site, kind] += 1
        first = _failures[site, kind] == 1
    if first:
        _logger.warning("callspan failed at %s: %s (%s); the call itself is unharmed", site, kind, place(error))


def failures() -> dict[tuple[str, str], int]:
    """How often each (site, exception type) has failed in this process."""
    with _lock:
        return dict(_failures)


def place(error: BaseException) -> str:
    """Where it was raised, as ``module.py:line``."""
    trace = error.__traceback__
    if trace is None:
        return "unknown place"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
