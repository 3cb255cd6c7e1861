"""Who is called, by the client's class and host; stored and background responses."""

from typing import Any

import openai
import pytest
from opentelemetry.trace import SpanKind

from callspan_semconv import attributes as attr
from tests.instrumentation.support import MODEL, Spans, answering, async_answering, collect, httpx, settle, user
from tests.instrumentation.ways import USAGE

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
}


def answer(_request: Any) -> Any:
    return httpx.Response(200, json=COMPLETION)


@pytest.mark.parametrize(
    ("base_url", "provider", "port"),
    [
        (None, "openai", 443),
        ("https://api.groq.com/openai/v1", "groq", 443),
        ("https://api.deepseek.com", "deepseek", 443),
        ("https://name.openai.azure.com/openai/v1", "azure.ai.openai", 443),
        ("https://openrouter.ai/api/v1", "openrouter", 443),
        ("https://llm.example.com:8443/v1", "openai_compatible", 8443),
        ("http://localhost:8000/v1", "openai_compatible", 8000),
    ],
)
async def test_provider_by_host(base_url: str | None, provider: str, port: int, spans: Spans) -> None:
    """Whose model it is follows from the host; a host that nobody knows is said to be just that."""
    http_client = async_answering(answer)
    client = openai.AsyncOpenAI(base_url=base_url, api_key="sk-local", http_client=http_client)
    await client.chat.completions.create(model=MODEL, messages=user("Hi"))
    await client.close()
    span = spans.one()
    assert span[attr.GEN_AI_PROVIDER_NAME] == provider
    assert (span[attr.SERVER_ADDRESS], span[attr.SERVER_PORT]) == (client.base_url.host, port)
    assert span.span.kind is SpanKind.CLIENT
    # 1000 input tokens at 0.15 USD and 100 output tokens at 0.60 USD a million, where this model is to be had.
    priced = provider in ("openai", "azure.ai.openai", "openai_compatible")
    assert span.get(attr.CALLSPAN_COST_TOTAL) == (pytest.approx(0.00021) if priced else None)


def test_base_url_changed_later(spans: Spans) -> None:
    """A client whose base URL is replaced is another endpoint from then on."""
    with openai.OpenAI(api_key="sk-local", http_client=answering(answer)) as client:
        client.chat.completions.create(model=MODEL, messages=user("Hi"))
        client.base_url = "https://api.groq.com/openai/v1"
        client.chat.completions.create(model=MODEL, messages=user("Hi"))
    assert [(span.attributes or {})[attr.GEN_AI_PROVIDER_NAME] for span in spans.all] == ["openai", "groq"]


@pytest.mark.parametrize("kind", ["AzureOpenAI", "AsyncAzureOpenAI", "subclass"])
@pytest.mark.parametrize("stream", [False, True])
async def test_azure(kind: str, stream: bool, spans: Spans, fake_openai: Any) -> None:
    """Azure's classes, and the application's own subclasses of them, are Azure whatever the host."""
    classes: Any = {"subclass": type("Ours", (openai.AzureOpenAI,), {})}
    make = classes.get(kind) or getattr(openai, kind)
    client = make(azure_endpoint=fake_openai.url, api_key="azure", api_version="2024-10-21")
    result = await settle(
        client.chat.completions.create(model="deployment", messages=user("!say Hi there"), stream=stream)
    )
    if stream:
        await collect(result)
    await settle(client.close())
    span = spans.one()
    assert fake_openai.requests[0].path.startswith("/openai/deployments/deployment/")
    assert span[attr.GEN_AI_PROVIDER_NAME] == "azure.ai.openai"
    assert span[attr.AZURE_RESOURCE_PROVIDER_NAMESPACE] == "Microsoft.CognitiveServices"
    assert span[attr.GEN_AI_REQUEST_MODEL] == "deployment"
    assert span[attr.GEN_AI_RESPONSE_MODEL] == "gpt-4.1-mini-2025-04-14"
    assert span[attr.GEN_AI_RESPONSE_ID].startswith("chatcmpl-")  # a stream begins with a chunk whose id is empty
    assert span.text == "Hi there"
    assert "api-key" not in str(span.attributes)


# --- stored responses -------------------------------------------------------------------------------------------------


async def test_retrieve_has_no_tokens(spans: Spans, either: Any) -> None:
    """Reading a stored response again is no second use of the model."""
    created = await settle(either.responses.create(model=MODEL, input="!say Hi"))
    assert spans.take()[USAGE[0]] > 0
    again = await settle(either.responses.retrieve(created.id))
    assert again.output_text == "Hi"
    span = spans.one()
    assert span.span.name == "fetch_response"
    assert span[attr.GEN_AI_RESPONSE_ID] == created.id
    assert span[attr.GEN_AI_RESPONSE_STATUS] == "completed"
    unwanted = {*USAGE, attr.CALLSPAN_COST_TOTAL, attr.GEN_AI_OUTPUT_MESSAGES, attr.CALLSPAN_CALL_TYPE}
    assert not unwanted & set(span.attributes)


async def test_background_response_is_counted_once(spans: Spans, either: Any) -> None:
    """The first retrieve that brings the answer carries its tokens, under the create's call id; later ones none."""
    queued = await settle(either.responses.create(model=MODEL, input="!say Hi", background=True))
    assert queued.status == "queued"
    created = spans.take()
    assert created[attr.GEN_AI_RESPONSE_STATUS] == "queued"
    assert not set(USAGE) & set(created.attributes)
    for first in (True, False):
        await settle(either.responses.retrieve(queued.id))
        span = spans.take()
        assert (span.get(USAGE[0]) is not None) == first
        assert (span.text == "Hi") == first
        assert (span[attr.CALLSPAN_CALL_ID] == created[attr.CALLSPAN_CALL_ID]) == first
        links = [link.context.span_id for link in span.span.links]
        assert links == ([created.span.context.span_id] if first and created.span.context else [])


async def test_background_stream_is_counted_by_itself(spans: Spans, either: Any) -> None:
    """A streamed background response brings its tokens in the stream; a retrieve afterwards has none."""
    stream = await settle(either.responses.create(model=MODEL, input="!say Hi", background=True, stream=True))
    events = await collect(stream)
    span = spans.take()
    assert (span.text, span[USAGE[1]] > 0) == ("Hi", True)
    await settle(either.responses.retrieve(events[0].response.id))
    assert not set(USAGE) & set(spans.one().attributes)


@pytest.mark.parametrize("how", ["create", "helper"])
async def test_stored_response_streamed_again(how: str, spans: Spans, either: Any) -> None:
    """A stored response can be streamed from any event on; still no tokens."""
    created = await settle(either.responses.create(model=MODEL, input="!say Hi"))
    spans.take()
    if how == "create":
        stream = await settle(either.responses.retrieve(created.id, stream=True, starting_after=1))
        await collect(stream)
    elif isinstance(either, openai.AsyncOpenAI):
        async with either.responses.stream(response_id=created.id) as helper:
            await collect(helper)
    else:
        with either.responses.stream(response_id=created.id) as helper:
            await collect(helper)
    span = spans.one()
    assert (span.span.name, span.end, span.ok) == ("fetch_response", "exhausted", True)
    assert span.get(attr.GEN_AI_REQUEST_STREAM_CURSOR) == ("1" if how == "create" else None)
    assert not set(USAGE) & set(span.attributes)


@pytest.mark.parametrize("stream", [False, True])
async def test_failed_response(stream: bool, spans: Spans, either: Any) -> None:
    """An answer of status 200 that reports a failed run is an error."""
    result = await settle(either.responses.create(model=MODEL, input="!fail", stream=stream))
    if stream:
        await collect(result)
    span = spans.one()
    assert (span.ok, span[attr.ERROR_TYPE]) == (False, "server_error")
    assert span.span.status.description == "The run failed."
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("error",)


async def test_error_event(spans: Spans, either: Any) -> None:
    """The documented form of the error event, which the SDK hands to the application."""
    stream = await settle(either.responses.create(model=MODEL, input="!stream-error Hi", stream=True))
    assert (await collect(stream))[-1].type == "error"
    assert not spans.one().ok
