"""Finished spans for tests of sinks, made by the real SDK."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.util.types import AttributeValue

START_NS = 1_795_230_599_861_563_000  # 2026-11-21T03:09:59.861563Z


def finished_span(
    name: str,
    attributes: Mapping[str, AttributeValue],
    *,
    error: str | None = None,
    start_ns: int = START_NS,
    duration_ns: int = 163_621_000,
    child_of_app: bool = False,
    sampler: Sampler = ALWAYS_ON,
) -> ReadableSpan:
    """One span that ended; with ``child_of_app`` its parent is a span of the application."""
    provider = TracerProvider(sampler=sampler, resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    tracer = provider.get_tracer("callspan", "1")
    context = set_span_in_context(tracer.start_span("GET /")) if child_of_app else None
    span = tracer.start_span(name, context, SpanKind.CLIENT, dict(attributes), start_time=start_ns)
    if error:
        span.set_attribute("error.type", "RateLimitError")
        span.add_event("exception", {"exception.type": "openai.RateLimitError", "exception.message": error})
        span.set_status(Status(StatusCode.ERROR, error))
    span.end(start_ns + duration_ns)
    assert isinstance(span, ReadableSpan)
    return span


def llm_span(
    attributes: Mapping[str, AttributeValue] | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    tags: Sequence[str] = (),
    error: str | None = None,
    **options: Any,
) -> ReadableSpan:
    """A chat call as callspan's instrumentation records it; ``attributes`` win."""
    chat: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.temperature": 0.2,
        "callspan.call_id": "11111111-2222-4333-8444-555555555555",
        "gen_ai.input.messages": text_messages("user", "what llm are you"),
    }
    if error is None:
        chat |= {
            "gen_ai.response.id": "chatcmpl-1",
            "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.output.messages": text_messages("assistant", "I am a test."),
        }
    if metadata is not None:
        chat["callspan.metadata"] = json.dumps(metadata)
    if tags:
        chat["callspan.tags"] = tuple(tags)
    return finished_span("chat gpt-4o-mini", {**chat, **(attributes or {})}, error=error, **options)


def text_messages(role: str, *texts: str) -> str:
    """Message attributes of one text each."""
    parts = [{"role": role, "parts": [{"type": "text", "content": text}], "finish_reason": "stop"} for text in texts]
    return json.dumps(
        parts if role == "assistant" else [{k: v for k, v in p.items() if k != "finish_reason"} for p in parts]
    )
