"""Background responses: created in one call, delivered by a later ``retrieve``; counted once.

``create(background=True)`` returns without usage. The first ``retrieve`` in this process that brings the finished
response carries its usage, cost and content, under the call id of the ``create``; further ones are plain reads.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from opentelemetry.trace import SpanContext

_MAX_KNOWN = 10_000


class Background:
    """Which background responses this process has started and which it has counted; bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: OrderedDict[str, tuple[str, SpanContext]] = OrderedDict()
        self._counted: OrderedDict[str, None] = OrderedDict()

    def start(self, response_id: str, call_id: str, span: SpanContext) -> None:
        """Note a response that was queued by the call ``call_id``."""
        with self._lock:
            self._started[response_id] = (call_id, span)
            if len(self._started) > _MAX_KNOWN:
                self._started.popitem(last=False)

    def count(self, response_id: str) -> bool:
        """True for the first who asks about a finished response."""
        with self._lock:
            if response_id in self._counted:
                return False
            self._counted[response_id] = None
            if len(self._counted) > _MAX_KNOWN:
                self._counted.popitem(last=False)
            return True

    def origin(self, response_id: str) -> tuple[str, SpanContext] | None:
        """Call id and span of the call that started the response, if it was this process."""
        with self._lock:
            return self._started.pop(response_id, None)
