"""What was made of a span once, kept with the span.

Every pipeline gets the same span object from the SDK. Pipelines with equal policies share one redacted copy, and what
they make of the copy (a payload) they may share the same way.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, Final, Generic, TypeVar, cast

from opentelemetry.sdk.trace import ReadableSpan

T = TypeVar("T")
_SLOT: Final = "_callspan_memo"


def remember(span: ReadableSpan, key: Hashable, make: Callable[[], T]) -> T:
    """Return what ``make`` made for this span and key, making it at most once, also between threads.

    Args:
        span: whose memory to use.
        key: what is remembered, equal keys being the same thing.
        make: makes it; must not hold on to more than it needs, and must not ask for the same key again.

    Raises:
        Exception: whatever ``make`` raises; nothing is remembered then.
    """
    cell: _Cell[T] = _memory(span).cells.setdefault(key, _Cell())
    # A lock per cell: a slow mask holds up whoever wants the same mask, and nobody else.
    with cell.lock:
        if not cell.made:
            cell.value = make()
            cell.made = True
        return cast("T", cell.value)


class _Cell(Generic[T]):
    __slots__ = ("lock", "made", "value")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made = False
        self.value: T | None = None


class _Memory:
    """The memory of one span as it is now.

    `copy.copy` takes the memory along to the copy, and others' processors change a span in place by replacing its
    attributes; both are different spans, for which nothing here holds.
    """

    __slots__ = ("attributes", "cells", "owner")

    def __init__(self, span: ReadableSpan) -> None:
        self.owner = weakref.ref(span)
        self.attributes = getattr(span, "_attributes", None)
        self.cells: dict[Hashable, _Cell[Any]] = {}

    def belongs_to(self, span: ReadableSpan) -> bool:
        return self.owner() is span and self.attributes is getattr(span, "_attributes", None)


def _memory(span: ReadableSpan) -> _Memory:
    fields: dict[str, Any] = getattr(span, "__dict__", {})
    memory = fields.get(_SLOT)
    if memory is None or not memory.belongs_to(span):
        memory = fields[_SLOT] = _Memory(span)
    return cast("_Memory", memory)
