"""Log a recurring trouble once per interval."""

from __future__ import annotations

import logging
import time

_last: dict[str, float] = {}


def log_at_most_every(interval_s: float, logger: logging.Logger, site: str, message: str, *args: object) -> None:
    """Log a warning unless the same site did within the interval.

    Args:
        interval_s: in seconds.
        logger: the caller's logger.
        site: what recurs: a fixed text, with the sink's name in it.
        message: with ``%``-style placeholders.
        args: values for the placeholders; never content.
    """
    now = time.monotonic()
    if now - _last.get(site, -interval_s) >= interval_s:
        _last[site] = now
        logger.warning(message, *args)
