"""LLM spans made with nothing but the OpenTelemetry API, as any instrumentation makes them."""

import json
from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import Status, StatusCode, TracerProvider

SECRET = "the secret plan"


def attributes() -> Mapping[str, Any]:
    """What stands on the span of a chat call."""
    message = [{"role": "user", "parts": [{"type": "text", "content": SECRET}]}]
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5-mini",
        "gen_ai.input.messages": json.dumps(message),
    }


def call(provider: TracerProvider, more: Mapping[str, Any] | None = None, *, fails: bool = False) -> None:
    """Make one LLM call's span, with ``more`` attributes."""
    tracer = provider.get_tracer("app")
    with tracer.start_as_current_span("chat gpt-5-mini", attributes={**attributes(), **(more or {})}) as span:
        if fails:
            span.set_status(Status(StatusCode.ERROR))
