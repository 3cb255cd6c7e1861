"""Where a call stands in Langfuse: the ids of its trace, of itself and of its parent.

Source: LiteLLM's Langfuse callback for the metadata keys and for how free text becomes an id.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

_TRACE_ID: Final = re.compile(r"(?=.*[1-9a-f])[0-9a-f]{32}")
_OBSERVATION_ID: Final = re.compile(r"(?=.*[1-9a-f])[0-9a-f]{16}")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


@dataclass(frozen=True, slots=True)
class Place:
    """A call's position.

    Attributes:
        context: its own ids.
        parent: its parent's ids, or None.
        is_app_root: its parent is no observation of Langfuse's, as far as is known.
    """

    context: SpanContext
    parent: SpanContext | None
    is_app_root: bool


def trace_id(text: object) -> int:
    """32 hex digits (dashes aside) are an id; other text becomes the first 16 bytes of its SHA-256."""
    return _id(str(text).replace("-", "").lower(), str(text), _TRACE_ID, 16)


def observation_id(text: object) -> int:
    """16 hex digits are an id; other text becomes the first 8 bytes of its SHA-256."""
    return _id(str(text).lower(), str(text), _OBSERVATION_ID, 8)


def place(span: ReadableSpan, metadata: Mapping[str, Any]) -> Place:
    """Work out the ids, the same every time.

    ``trace_id`` or ``existing_trace_id`` moves the call to that trace. Its span's parent stays behind in the old one,
    so the call then has the parent that ``parent_observation_id`` names or none. In an existing trace it must not look
    like the root: without a named parent it gets one that is never sent.
    """
    own = span.get_span_context()
    existing = metadata.get("existing_trace_id")
    wanted = existing or metadata.get("trace_id")
    span_trace, span_id = (own.trace_id, own.span_id) if own else (0, 0)
    new_trace = trace_id(wanted) if wanted else span_trace
    if generation := metadata.get("generation_id"):
        span_id = observation_id(generation)
    named = metadata.get("parent_observation_id")
    parent = None
    if named:
        parent = observation_id(named)
    elif existing:
        parent = observation_id(f"parent of {span_id:016x}")
    elif span.parent and new_trace == span_trace:
        parent = span.parent.span_id
    return Place(
        context=_context(new_trace, span_id),
        parent=_context(new_trace, parent) if parent else None,
        is_app_root=not (named or existing),
    )


def _id(candidate: str, text: str, pattern: re.Pattern[str], size: int) -> int:
    if pattern.fullmatch(candidate):
        return int(candidate, 16)
    return int.from_bytes(hashlib.sha256(text.encode(errors="replace")).digest()[:size], "big")


def _context(trace: int, span: int) -> SpanContext:
    return SpanContext(trace, span, is_remote=False, trace_flags=_SAMPLED)
