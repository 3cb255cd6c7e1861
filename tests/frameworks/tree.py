"""Spans as a tree, and which of them count as calls."""

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan

from callspan_semconv import StandardLoggingPayload, to_payload


def payloads(spans: Sequence[ReadableSpan]) -> list[StandardLoggingPayload]:
    """What the payload sinks get."""
    return [payload for span in spans if (payload := to_payload(span)) is not None]


def tree(spans: Sequence[ReadableSpan]) -> list[tuple[str, list[str]]]:
    """Each span that counts as a call, with the names of the spans around it, from the inside out."""
    by_id = {span.context.span_id: span for span in spans if span.context is not None}
    found = []
    for span in spans:
        if to_payload(span) is None:
            continue
        around = []
        parent = span.parent
        while parent is not None and parent.span_id in by_id:
            around.append(by_id[parent.span_id].name)
            parent = by_id[parent.span_id].parent
        found.append((span.name, around))
    return found
