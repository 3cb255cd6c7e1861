"""For applications in processes of their own: prints what spans they made, one line of JSON, when they end."""

import atexit
import json

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from callspan_semconv import is_llm_span, to_payload

_memory = InMemorySpanExporter()


def collect() -> None:
    """Begin with the provider that is in force."""
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(SimpleSpanProcessor(_memory))
    atexit.register(_print)


def _print() -> None:
    print(json.dumps([_facts(span) for span in _memory.get_finished_spans()], default=str))


def _facts(span: ReadableSpan) -> dict[str, object]:
    context, scope = span.get_span_context(), span.instrumentation_scope
    assert context is not None
    assert scope is not None
    return {
        "name": span.name,
        "scope": scope.name,
        "id": context.span_id,
        "parent": span.parent.span_id if span.parent else None,
        "llm": is_llm_span(span),
        "attributes": dict(span.attributes or {}),
        "payload": to_payload(span),
    }
