"""What the tests of frameworks share: spans as trees, and running sync and async work with one code."""

import inspect
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from tests.instrumentation.support import Read, Spans

CHAT = "chat gpt-4o-mini"


def tree(spans: Spans) -> list[str]:
    """The names of all spans, each indented by its depth, siblings by their names.

    Every parent is there: one that is missing was left open, or belongs to another trace.
    """
    by_parent: dict[int | None, list[ReadableSpan]] = {}
    known = {span.context.span_id: span for span in spans.all if span.context is not None}
    for span in spans.all:
        if span.parent is not None:
            parent = known[span.parent.span_id]
            assert parent.context is not None
            assert span.context is not None
            assert parent.context.trace_id == span.context.trace_id
        by_parent.setdefault(span.parent.span_id if span.parent is not None else None, []).append(span)
    return _lines(by_parent, None, "")


def _lines(by_parent: dict[int | None, list[ReadableSpan]], parent: int | None, indent: str) -> list[str]:
    below = []
    for span in by_parent.get(parent, []):
        assert span.context is not None
        below.append([indent + span.name, *_lines(by_parent, span.context.span_id, indent + "  ")])
    return [line for lines in sorted(below) for line in lines]


def named(spans: Spans, name: str) -> Read:
    """The only span of this name."""
    (span,) = (span for span in spans.all if span.name == name)
    return Read(span)


async def result_of(value: Any) -> Any:
    """The value itself; what an awaitable brings; all items of a stream of either kind."""
    if inspect.isawaitable(value):
        return await value
    if hasattr(value, "__aiter__"):
        return [item async for item in value]
    return list(value) if inspect.isgenerator(value) else value
