"""The calls that callspan records in this process: a model span beneath one of theirs is the same call once more.

Another library's instrumentation that looks for none of the marks by which others are told to be silent makes such
a span. It stays in the trace, and is no second call to count or to bill.
"""

import threading
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from callspan_semconv import is_llm_span

_MAX_REMEMBERED: Final = 10_000  # such a span ends little later than the call's own

_lock = threading.Lock()
_span_ids: dict[int, None] = {}  # in order of time


def remember(span_id: int) -> None:
    """Take note of a call's span."""
    with _lock:
        _span_ids[span_id] = None
        if len(_span_ids) > _MAX_REMEMBERED:
            del _span_ids[next(iter(_span_ids))]


def is_call(span: ReadableSpan) -> bool:
    """Whether a span is a model call, and not one that has been told by the span that it is beneath."""
    return is_llm_span(span) and (span.parent is None or span.parent.span_id not in _span_ids)
