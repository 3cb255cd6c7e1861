"""Libraries that make a model span of a call that callspan records, whatever they are told: the call counts once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider

import callspan
from callspan.cli.fake_openai import FakeOpenAI
from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.local import LocalSpanExporter
from callspan_exporters.local_store import LocalStore

MODEL_SPAN = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 4}
ASKED: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}


def _inside(client: Callable[..., Any], tracer: Any) -> None:
    with client() as asking:
        asking.event_hooks = {"request": [lambda _: tracer.start_span("chat", attributes=MODEL_SPAN).end()]}
        openai.OpenAI(http_client=asking, max_retries=0).chat.completions.create(**ASKED)


def _around(client: Callable[..., Any], tracer: Any) -> None:
    with client() as asking, tracer.start_as_current_span("chat", attributes=MODEL_SPAN):
        openai.OpenAI(http_client=asking, max_retries=0).chat.completions.create(**ASKED)


def _after(client: Callable[..., Any], tracer: Any) -> None:
    answer = openai.OpenAI(max_retries=0).chat.completions.create(**ASKED)
    tracer.start_span("litellm_request", attributes={**MODEL_SPAN, "litellm.call_id": callspan.call_id(answer)}).end()


@pytest.mark.parametrize("makes_a_span", [_inside, _around, _after])
def test_one_payload(makes_a_span: Callable[..., None], server: FakeOpenAI, tmp_path: Path) -> None:
    """The sinks have the call once: callspan's own record of it."""
    provider = TracerProvider()
    provider.add_span_processor(DeliveryProcessor(LocalSpanExporter(tmp_path / "calls.sqlite3")))
    callspan.instrument(tracer_provider=provider, clients=["openai"])
    try:
        makes_a_span(httpx2.Client, provider.get_tracer("deaf"))
    finally:
        callspan.uninstrument()
        provider.shutdown()
    (call,) = LocalStore(tmp_path / "calls.sqlite3").list()
    assert call.provider == "custom_openai"
