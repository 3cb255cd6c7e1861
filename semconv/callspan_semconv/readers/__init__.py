"""One reader per dialect: each knows its own spans and turns them into the same `CallRecord`.

A new dialect is one new module with `matches` and `read`, and one entry in `READERS`.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from opentelemetry.sdk.trace import ReadableSpan

from callspan_semconv import attributes as attr
from callspan_semconv.readers import genai, litellm, older, openinference, openllmetry
from callspan_semconv.record import CallRecord


class Reader(Protocol):
    """A dialect."""

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Whether this is a model call in this dialect. A few look-ups: it runs for every span of the process."""

    def read(self, span: ReadableSpan, attributes: Mapping[str, Any]) -> CallRecord:
        """The call. ``attributes`` are the span's, as a plain mapping."""


# Whoever writes the conventions' names beside its own comes before those.
READERS: Final[tuple[Reader, ...]] = (litellm, openllmetry, openinference, older, genai)


def find_reader(attributes: Mapping[str, Any]) -> Reader | None:
    """The first reader that knows the span as a model call; none for one around calls that have spans of their own."""
    if attr.CALLSPAN_ENCLOSES_CALLS in attributes:
        return None
    if attr.CALLSPAN_CALL_ID in attributes and genai.matches(attributes):
        return genai
    for reader in READERS:
        if reader.matches(attributes):
            return reader
    return None


def is_llm_span(span: ReadableSpan) -> bool:
    """Whether a span is a model call, of which sinks get one payload.

    True for inference, embeddings, images, audio, moderation and reranking, and for an operation of another name that
    says which model it asked. False for agents, tools, workflows, retrieval and memory. ``fetch_response`` re-reads an
    answer that was already counted, so it is no call of its own, except where it delivers the result of a background
    response: the instrumentation marks exactly that one with ``callspan.call_type``. It marks a framework's own span
    around calls that it records with ``callspan.encloses_calls``; such a span is none either.
    """
    # The SDK's containers copy themselves many times faster than they answer look-ups.
    copy = getattr(span.attributes, "copy", dict)
    return find_reader(copy()) is not None
