"""Calls to deliver, each with a marker that can be found in any sink's wire format."""

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import Status, StatusCode

from callspan_semconv import attributes as attr
from callspan_semconv import jsonio


class _Collect(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def call_attributes(number: int, text: str = "hello") -> dict[str, Any]:
    message = {"role": "user", "parts": [{"type": "text", "content": f"marker-{number}; {text}"}]}
    return {
        attr.GEN_AI_OPERATION_NAME: "chat",
        attr.GEN_AI_PROVIDER_NAME: "openai",
        attr.GEN_AI_REQUEST_MODEL: "gpt-4o",
        attr.GEN_AI_USAGE_INPUT_TOKENS: 10,
        attr.GEN_AI_USAGE_OUTPUT_TOKENS: 5,
        attr.CALLSPAN_CALL_ID: f"call-{number}",
        attr.CALLSPAN_USER: f"marker-{number}; {text}",  # for sinks that take no content
        attr.GEN_AI_INPUT_MESSAGES: jsonio.dumps([message]),
    }


def record(provider: TracerProvider, number: int, attributes: Mapping[str, Any] | None = None) -> None:
    """Make one call under a provider."""
    tracer = provider.get_tracer("tests")
    with tracer.start_as_current_span("chat gpt-4o", attributes={**call_attributes(number), **(attributes or {})}):
        pass


def calls(count: int, texts: dict[int, str] | None = None, *, failed: Sequence[int] = ()) -> list[ReadableSpan]:
    """Ended spans numbered from 0; ``texts`` by number, which those that ``failed`` have in their error too."""
    provider, collect = TracerProvider(shutdown_on_exit=False), _Collect()
    provider.add_span_processor(collect)
    for number in range(count):
        span = provider.get_tracer("tests").start_span(
            "chat gpt-4o", attributes=call_attributes(number, (texts or {}).get(number, "hello"))
        )
        if number in failed:
            text = (texts or {}).get(number, "hello")
            span.set_status(Status(StatusCode.ERROR, f"marker-{number}; {text}"))
        span.end()
    return collect.spans
