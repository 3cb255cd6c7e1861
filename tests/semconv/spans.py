"""Spans for tests: real `ReadableSpan`s with fixed ids and times."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from callspan_semconv import StandardLoggingPayload, to_payload
from callspan_semconv import attributes as names

TRACE_ID = 0x2F0B6A31171143D9A1A124CA397F5A28
SPAN_ID = 0x00F067AA0BA902B7
START_NS = 1_795_230_597_121_329_000
SECOND = 1_000_000_000

CHAT: dict[str, Any] = {
    names.GEN_AI_OPERATION_NAME: "chat",
    names.GEN_AI_PROVIDER_NAME: "openai",
    names.GEN_AI_REQUEST_MODEL: "gpt-4o-mini",
}


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}


def messages(*items: Mapping[str, Any]) -> str:
    return json.dumps(items)


def make_span(
    attributes: Mapping[str, Any],
    *,
    duration_s: float = 1.0,
    error: str | None = None,
    events: Sequence[Event] = (),
    context: SpanContext | None = None,
) -> ReadableSpan:
    return ReadableSpan(
        "chat gpt-4o-mini",
        context=context or SpanContext(TRACE_ID, SPAN_ID, is_remote=False, trace_flags=TraceFlags(1)),
        attributes=dict(attributes),
        start_time=START_NS,
        end_time=START_NS + round(duration_s * SECOND),
        status=Status(StatusCode.ERROR, error) if error is not None else Status(StatusCode.UNSET),
        events=events,
    )


def payload_of(attributes: Mapping[str, Any], **more: Any) -> StandardLoggingPayload:
    payload = to_payload(make_span(attributes, **more))
    assert payload is not None
    return payload


def chat_payload(**attributes: Any) -> StandardLoggingPayload:
    """The payload of a chat call; keyword ``GEN_AI_X`` sets the attribute of that constant."""
    return payload_of(CHAT | {getattr(names, name): value for name, value in attributes.items()})
