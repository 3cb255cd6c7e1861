"""Copies of spans: with other fields, or without what protobuf cannot carry."""

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status

from callspan_semconv import attributes as names

# Prompts and answers in the words of the GenAI conventions; a sink that says them in others leaves these out.
CONTENT: Final = frozenset(
    {
        names.GEN_AI_INPUT_MESSAGES,
        names.GEN_AI_OUTPUT_MESSAGES,
        names.GEN_AI_SYSTEM_INSTRUCTIONS,
        names.GEN_AI_TOOL_DEFINITIONS,
    }
)
_INT64: Final = range(-(2**63), 2**63)


def with_changes(span: ReadableSpan, **changes: Any) -> ReadableSpan:
    """A copy of a span with some of the constructor arguments of `ReadableSpan` replaced."""
    arguments: dict[str, Any] = {
        "name": span.name,
        "context": span.get_span_context(),
        "parent": span.parent,
        "resource": span.resource,
        "attributes": span.attributes,
        "events": span.events,
        "links": span.links,
        "kind": span.kind,
        "status": span.status,
        "start_time": span.start_time,
        "end_time": span.end_time,
        "instrumentation_scope": span.instrumentation_scope,
    }
    return ReadableSpan(**(arguments | changes))


def encodable(span: ReadableSpan) -> ReadableSpan:
    """The span itself, or a copy without what protobuf refuses.

    A lone surrogate in a name fails the whole batch, and one in an attribute loses the attribute. Surrogates become
    U+FFFD, integers over 64 bits decimal text.
    """
    if _is_encodable(_texts(span)):
        return span
    return with_changes(
        span,
        name=_repaired(span.name),
        attributes=_repaired(dict(span.attributes or {})),
        events=[
            Event(_repaired(event.name), _repaired(dict(event.attributes or {})), event.timestamp)
            for event in span.events
        ],
        status=Status(span.status.status_code, _repaired(span.status.description)),
    )


def _texts(span: ReadableSpan) -> list[Any]:
    texts = [span.name, span.status.description, span.attributes]
    for event in span.events:
        texts += (event.name, event.attributes)
    return texts


def _is_encodable(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, int):
        return value in _INT64
    if isinstance(value, Mapping):
        return all(_is_encodable(key) and _is_encodable(entry) for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_encodable, value))
    return True


def _repaired(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int):
        return value if value in _INT64 else str(value)
    if isinstance(value, Mapping):
        return {_repaired(key): _repaired(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_repaired(entry) for entry in value]
    return value
