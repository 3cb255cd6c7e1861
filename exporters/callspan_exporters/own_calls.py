"""The calls that callspan records in this process, to know another library's model span of one of them.

Such a span is beneath callspan's own, made by a library that looks for none of the marks by which others are told to
be silent; or it is LiteLLM's own, which has the call's id. It stays in the trace, and is no second call to count.
"""

import threading
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from callspan_semconv import is_llm_span

_MAX_REMEMBERED: Final = 20_000  # two for each call; such a span ends little later than the call's own
_LITELLM_CALL_ID: Final = "litellm.call_id"

_lock = threading.Lock()
_ids: dict[int | str, None] = {}  # of spans and of calls, in order of time


def remember(span_id: int, call_id: str) -> None:
    """Take note of a call."""
    with _lock:
        _ids[span_id] = _ids[call_id] = None
        while len(_ids) > _MAX_REMEMBERED:
            del _ids[next(iter(_ids))]


def is_call(span: ReadableSpan) -> bool:
    """Whether a span is a model call, and not once more one that callspan has recorded."""
    if not is_llm_span(span) or (span.parent is not None and span.parent.span_id in _ids):
        return False
    call_id = (span.attributes or {}).get(_LITELLM_CALL_ID)
    return not isinstance(call_id, str) or call_id not in _ids
