"""LiteLLM: which trace a call belongs to, whether the provider hears of it, and where the call went."""

from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from callspan.cli.fake_openai import FakeOpenAI
from callspan.instrumentors import activate
from callspan_semconv import attributes as attr
from callspan_semconv import to_payload
from tests.exporters.servers import refused_port
from tests.instrumentation.litellm_calls import QUIET, LiteLLM, litellm, llm
from tests.instrumentation.support import Spans, settle, user

__all__ = ["llm"]
pytestmark = QUIET

FUNCTIONS: dict[str, dict[str, Any]] = {
    "completion": {"model": "openai/gpt-4o-mini", "messages": user("hi")},
    "text_completion": {"model": "text-completion-openai/gpt-3.5-turbo-instruct", "prompt": "hi"},
    "embedding": {"model": "openai/text-embedding-3-small", "input": ["hi"]},
    "responses": {"model": "openai/gpt-4o-mini", "input": "hi"},
    "anthropic_messages": {"model": "openai/gpt-4o-mini", "messages": user("hi"), "max_tokens": 9},
}
TAKE_NO_HEADERS: dict[str, dict[str, Any]] = {
    "image_generation": {"model": "openai/gpt-image-1", "prompt": "hi"},
    "speech": {"model": "openai/tts-1", "input": "hi", "voice": "alloy"},
}


async def test_a_router_s_attempts_belong_together(llm: LiteLLM, spans: Spans, tracer_provider: TracerProvider) -> None:
    """By the trace that the application is in, else by an id of the router's; one of the caller's always counts."""
    down = f"http://127.0.0.1:{refused_port()}"
    complete = llm.router({"name": "a", "api_base": down}, {"name": "b"}, fallbacks=[{"a": ["b"]}])

    async def trace_ids(**said: Any) -> tuple[set[str], set[str]]:
        await complete("a", **said)
        made = list(spans.all)
        spans.exporter.clear()
        assert len(made) == 2
        shown = {payload["trace_id"] for span in made if (payload := to_payload(span)) is not None}
        return shown, {f"{span.context.trace_id:032x}" for span in made if span.context is not None}

    shown, made = await trace_ids()
    assert (len(shown), len(made)) == (1, 2)
    with tracer_provider.get_tracer("app").start_as_current_span("work"):
        shown, made = await trace_ids()
        assert shown == made
        shown, _ = await trace_ids(litellm_trace_id="mine")
        assert shown == {"mine"}


@pytest.mark.parametrize(("forward", "sent"), [(None, False), (False, False), (True, True), (["127.0.0.1"], True)])
@pytest.mark.parametrize("function", FUNCTIONS)
async def test_the_provider_hears_of_the_trace_where_asked(
    function: str, forward: Any, sent: bool, llm: LiteLLM, spans: Spans
) -> None:
    """As by LiteLLM's own setting, a private host gets it no more than others; bodies never change."""
    activate(forward_traceparent=forward)
    await llm(function, **FUNCTIONS[function])
    request = llm.server.requests[-1]
    context = spans.one().span.context
    assert context is not None
    expected = [f"{context.trace_id:032x}", f"{context.span_id:016x}"] if sent else []
    assert request.headers.get("traceparent", "").split("-")[1:3] == expected
    assert "headers" not in str(request.json)


@pytest.mark.parametrize("function", TAKE_NO_HEADERS)
async def test_functions_without_headers(function: str, llm: LiteLLM, spans: Spans) -> None:
    """What LiteLLM would put into the body stays away."""
    activate(forward_traceparent=True)
    await llm(function, **TAKE_NO_HEADERS[function])
    assert "traceparent" not in str(llm.server.requests[-1])
    assert spans.one().ok


async def test_where_a_call_went(
    llm: LiteLLM, spans: Spans, fake_openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address from the environment, not the provider's usual one."""
    monkeypatch.setenv("OPENAI_BASE_URL", fake_openai.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-local")
    function = litellm.acompletion if llm.is_async else litellm.completion
    await settle(function(model="gpt-4o-mini", messages=user("hi")))
    assert spans.one()[attr.CALLSPAN_API_BASE] == fake_openai.base_url
