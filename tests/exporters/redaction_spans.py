"""Spans to redact, made by the SDK or by hand, and everything that could be read from one."""

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

from callspan_semconv import attributes as attr
from callspan_semconv import jsonio, to_payload

CONTEXT = SpanContext(0x1234, 0x5678, is_remote=False, trace_flags=TraceFlags(1))
RESOURCE = Resource({"service.name": "shop"})

# What must survive every policy, unchanged.
MEASUREMENTS: dict[str, Any] = {
    attr.GEN_AI_OPERATION_NAME: "chat",
    attr.GEN_AI_PROVIDER_NAME: "openai",
    attr.GEN_AI_REQUEST_MODEL: "gpt-4o",
    attr.GEN_AI_RESPONSE_MODEL: "gpt-4o-2024-08-06",
    attr.GEN_AI_REQUEST_TEMPERATURE: 0.2,
    attr.GEN_AI_RESPONSE_ID: "chatcmpl-4111111111111111",
    attr.GEN_AI_RESPONSE_FINISH_REASONS: ("stop",),
    attr.GEN_AI_USAGE_INPUT_TOKENS: 120,
    attr.GEN_AI_USAGE_OUTPUT_TOKENS: 40,
    attr.CALLSPAN_CALL_ID: "0fb0d7af-5caa-4e0e-973a-6fa35f4160bd",
    attr.CALLSPAN_COST_TOTAL: 3.72e-05,
    attr.SERVER_ADDRESS: "api.openai.com",
    attr.SERVER_PORT: 443,
}


def span(
    attributes: Mapping[str, Any] | None = None,
    *,
    name: str = "chat gpt-4o",
    events: Sequence[Event] = (),
    links: Sequence[Link] = (),
    status: Status | None = None,
    scope: str = "app",
) -> ReadableSpan:
    """A span that ended."""
    return ReadableSpan(
        name=name,
        context=CONTEXT,
        resource=RESOURCE,
        attributes=dict(attributes or {}),
        events=events,
        links=links,
        status=status or Status(StatusCode.UNSET),
        start_time=1_000,
        end_time=2_000,
        instrumentation_scope=InstrumentationScope(scope),
    )


def chat(attributes: Mapping[str, Any] | None = None, **rest: Any) -> ReadableSpan:
    """A span about an LLM call."""
    return span({**MEASUREMENTS, **(attributes or {})}, **rest)


def contents(of: ReadableSpan) -> tuple[Any, ...]:
    """All of a span that a policy may change."""
    return (
        of.name,
        dict(of.attributes or {}),
        [(event.name, event.timestamp, dict(event.attributes or {})) for event in of.events],
        [dict(link.attributes or {}) for link in of.links],
        of.status.status_code,
        of.status.description,
    )


def readable(of: ReadableSpan) -> str:
    """Whatever a sink could read from a span or from its payload."""
    return repr(contents(of)) + jsonio.dumps(to_payload(of))


def messages(*texts: str, role: str = "user") -> str:
    """Messages with one text part each, as JSON."""
    return jsonio.dumps([{"role": role, "parts": [{"type": "text", "content": text}]} for text in texts])
