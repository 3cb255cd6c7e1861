"""LiteLLM: what a call says about itself, its router's attempts, and its cache."""

import asyncio
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_current_span

import callspan
from callspan_semconv import attributes as attr
from callspan_semconv import to_payload
from tests.instrumentation.litellm_calls import CHAT, KEY, QUIET, LiteLLM, litellm, llm
from tests.instrumentation.support import Read, Spans, collect_garbage

__all__ = ["llm"]
pytestmark = QUIET

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HASH = "a" * 64


async def test_metadata_tags_user_and_session(llm: LiteLLM, spans: Spans) -> None:
    """From LiteLLM's parameters, over what `callspan.context` says, to the payload's fields."""
    with callspan.context(metadata={"app": "a", "x": 0}, tags=["outer"]):
        await llm.chat(
            user="u-1",
            metadata={"x": 1, "tags": ["t"], "session_id": "s-1", "generation_name": "g"},
            litellm_trace_id="t-1",
        )
    span = spans.one()
    assert span[attr.CALLSPAN_TAGS] == ("outer", "t")
    assert (span[attr.CALLSPAN_USER], span[attr.GEN_AI_CONVERSATION_ID]) == ("u-1", "s-1")
    assert span.json(attr.CALLSPAN_METADATA).items() >= {"app": "a", "x": 1, "generation_name": "g"}.items()
    payload = to_payload(span.span)
    assert payload is not None
    assert (payload["trace_id"], payload["request_tags"], payload["end_user"]) == ("t-1", ["outer", "t"], "u-1")


async def test_a_gateways_metadata(llm: LiteLLM, spans: Spans) -> None:
    """Who called is in the payload; keys, headers, objects and bookkeeping are nowhere."""
    stamped = {
        "user_api_key": HASH,
        "user_api_key_team_id": "team-1",
        "user_api_key_alias": "alias",
        "user_api_key_auth": object(),
        "headers": {"authorization": f"Bearer {KEY}"},
        "previous_models": [{"api_key": KEY}],
        "model_group": "fast",
        "model_info": {"id": "deployment-1"},
    }
    await llm.chat(metadata=stamped, proxy_server_request={"headers": {"user-agent": "agent/1"}, "body": {"x": KEY}})
    span = spans.one()
    assert KEY not in span.span.to_json()
    payload = to_payload(span.span)
    assert payload is not None
    metadata = payload["metadata"]
    assert (metadata["user_api_key_hash"], metadata["user_api_key_team_id"]) == (HASH, "team-1")
    assert (payload["model_group"], payload["model_id"], payload["user_agent"]) == ("fast", "deployment-1", "agent/1")
    assert payload["request_tags"] == ["User-Agent: agent", "User-Agent: agent/1"]
    assert metadata["requester_metadata"] is None


async def test_the_request_that_a_proxy_got_is_the_parent(
    llm: LiteLLM, spans: Spans, tracer_provider: TracerProvider
) -> None:
    """Unless a span is current already."""
    request = {"headers": {"Traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}}
    await llm.chat(proxy_server_request=request)
    span = spans.take().span
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    with tracer_provider.get_tracer("app").start_as_current_span("work"):
        here = get_current_span().get_span_context()
        await llm.chat(proxy_server_request=request)
    call, _ = spans.all
    assert call.parent is not None
    assert call.parent.span_id == here.span_id


@pytest.mark.parametrize("said", [{"no-log": True}, {"metadata": {"no-log": True}}])
async def test_no_log(llm: LiteLLM, spans: Spans, said: Any) -> None:
    """No span, of no client beneath either; streams too."""
    await llm.chat(**said)
    await llm.read(await llm.chat(stream=True, **said))
    assert not spans.all


@pytest.mark.parametrize(
    ("said", "policy"),
    [
        ({"turn_off_message_logging": True}, "none"),
        ({"proxy_server_request": {"headers": {"x-litellm-enable-message-redaction": "true"}}}, "none"),
        ({"metadata": {"turn_off_message_logging": False}}, "full"),
    ],
)
async def test_redaction(llm: LiteLLM, spans: Spans, said: Any, policy: str) -> None:
    """What the call or its request asks is on the span, for the processors that redact it."""
    await llm.chat(**said)
    assert spans.one()[attr.CALLSPAN_REDACT] == policy


class Callback(litellm.integrations.custom_logger.CustomLogger):  # type: ignore[misc]  # the base is untyped
    """A callback of the application's."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bool]] = []

    def log_pre_api_call(self, model: str, messages: Any, kwargs: Any) -> None:
        self.seen.append((model, kwargs["litellm_call_id"], get_current_span().is_recording()))


async def test_litellms_callbacks(llm: LiteLLM, spans: Spans) -> None:
    """They are called as before, inside the span, with its call id."""
    callback = Callback()
    litellm.callbacks = [callback]
    await llm.chat()
    assert callback.seen == [("gpt-4o-mini", spans.one()[attr.CALLSPAN_CALL_ID], True)]


# --- the router -----------------------------------------------------------------------------------------------------


async def test_a_router(llm: LiteLLM, spans: Spans) -> None:
    """Its calls are spans, with the deployment and the group."""
    await llm.router({"name": "fast", "model_info": {"id": "d-1"}})("fast", metadata={"x": 1})
    payload = to_payload(spans.one().span)
    assert payload is not None
    assert (payload["model_group"], payload["model"]) == ("fast", "gpt-4o-mini")
    assert payload["model_id"] == payload["hidden_params"]["model_id"] != ""
    own: Any = payload["metadata"]["requester_metadata"]
    assert own == {"x": 1} | ({"trace_id": payload["trace_id"]} if "trace_id" in own else {})


@pytest.mark.parametrize("stream", [False, True])
async def test_fallbacks_of_a_router(llm: LiteLLM, spans: Spans, stream: bool) -> None:
    """Each attempt is a model call, and a span: the failed one, then the one that answered."""
    nowhere = f"{llm.server.base_url}/nowhere"
    complete = llm.router({"name": "bad", "api_base": nowhere}, {"name": "good"}, fallbacks=[{"bad": ["good"]}])
    result = await complete("bad", stream=stream)
    if stream:
        await llm.read(result)
    failed, answered = map(Read, spans.all)
    assert (failed.ok, failed[attr.ERROR_TYPE]) == (False, "litellm.exceptions.NotFoundError")
    assert (answered.ok, answered.text) == (True, "You said: hi")
    assert failed[attr.CALLSPAN_CALL_ID] != answered[attr.CALLSPAN_CALL_ID]


async def test_retries_of_a_router(llm: LiteLLM, spans: Spans) -> None:
    """Each is a span."""
    complete = llm.router({"name": "m"})
    with pytest.raises(openai.InternalServerError):
        await complete("m", "!error 500", num_retries=2)
    assert [Read(span)[attr.HTTP_RESPONSE_STATUS_CODE] for span in spans.all] == [500, 500, 500]


async def test_a_stream_of_a_router_that_is_left(llm: LiteLLM, spans: Spans) -> None:
    """It is one span."""
    stream = await llm.router({"name": "m"})("m", "!chunks 50", stream=True)
    await llm.read(stream, limit=3)
    if llm.is_async and hasattr(stream, "aclose"):
        await stream.aclose()
    del stream
    await collect_garbage(spans)
    assert spans.one().end in ("closed", "abandoned")


async def test_fallbacks_of_a_call(llm: LiteLLM, spans: Spans) -> None:
    """``fallbacks=`` makes a call of each model in turn; the one around them is none of its own."""
    await llm.chat(model="openai/gpt-4o", fallbacks=[{"model": CHAT}])
    assert Read(spans.all[-1])[attr.GEN_AI_REQUEST_MODEL] == "gpt-4o"
    assert len(spans.all) == 1


# --- the cache ------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(llm: LiteLLM) -> None:
    litellm.cache = litellm.Cache()


async def _cached() -> None:
    """Wait for the answer to be cached, which LiteLLM leaves to a task or a thread of its own."""

    async def there() -> None:
        while not litellm.cache.cache.cache_dict:  # noqa: ASYNC110 - of LiteLLM
            await asyncio.sleep(0.01)

    await asyncio.wait_for(there(), 10)


async def test_a_hit(llm: LiteLLM, spans: Spans, cache: None) -> None:
    """It costs nothing, and says what it saved; its payload's id is its own."""
    await llm.chat("cache this")
    first = to_payload(spans.take().span)
    await _cached()
    hit = await llm.chat("cache this")
    span = spans.one()
    assert (span[attr.CALLSPAN_CACHE_HIT], span.text) == (True, "You said: cache this")
    assert span[attr.CALLSPAN_CACHE_KEY] == hit._hidden_params["cache_key"]
    payload = to_payload(span.span)
    assert first is not None
    assert payload is not None
    assert (payload["cache_hit"], payload["response_cost"]) == (True, 0.0)
    assert payload["saved_cache_cost"] == first["response_cost"] > 0
    assert (first["cache_hit"], first["saved_cache_cost"]) == (None, 0.0)
    assert payload["id"].startswith(f"{first['id']}_cache_hit")
    assert len(llm.server.requests) == 1


async def test_a_hit_of_some_inputs(fake_openai: Any, spans: Spans, cache: None) -> None:
    """What the others took is not known, so nothing is said of tokens and cost."""
    embed: Any = LiteLLM(fake_openai, is_async=True)
    for inputs in (["a", "b"], ["a", "c"]):
        spans.exporter.clear()
        await embed("embedding", model="openai/text-embedding-3-small", input=inputs)
        await _cached()
    span = spans.one()
    assert span[attr.CALLSPAN_CACHE_HIT] is False
    assert (span.get(attr.GEN_AI_USAGE_INPUT_TOKENS), span.get(attr.CALLSPAN_COST_TOTAL)) == (None, None)
    assert len(fake_openai.requests) == 2


async def test_a_hit_that_is_streamed(llm: LiteLLM, spans: Spans, cache: None) -> None:
    """The same, and the provider is the one that answered first."""
    for _ in range(2):
        spans.exporter.clear()
        await llm.read(await llm.chat("cache this", stream=True))
        await _cached()
    span = spans.one()
    assert (span[attr.CALLSPAN_CACHE_HIT], span.text, span[attr.CALLSPAN_COST_TOTAL]) == (
        True,
        "You said: cache this",
        0.0,
    )
    assert span[attr.GEN_AI_PROVIDER_NAME] == "openai"
