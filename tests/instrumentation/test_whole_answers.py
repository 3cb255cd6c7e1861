"""Calls that are not streamed: one span each, and the application gets what it would get without us."""

import asyncio
import copy
import inspect
import pickle
from typing import Any

import openai
import pytest
from openai import OpenAI
from opentelemetry.trace import get_current_span

from callspan.core.call_ids import call_id
from callspan_semconv import attributes as attr
from tests.instrumentation import ways
from tests.instrumentation.support import MODEL, OPENAI_MAJOR, Spans, collect, httpx, settle, user
from tests.instrumentation.ways import APIS, CHAT, SAID, USAGE, WHOLE, Api, name

each_api = pytest.mark.parametrize("api", APIS, ids=name)
each_way = pytest.mark.parametrize("way", WHOLE, ids=name)


@each_api
@each_way
async def test_answered(api: Api, way: Any, spans: Spans, either: Any) -> None:
    """One span with the answer, whatever the way."""
    result = await way(api.resource(either), api.arguments(f"!say {SAID}"))
    span = spans.one()
    assert span.ok
    assert span.span.name == f"chat {MODEL}"
    assert span.text == SAID
    assert span[attr.GEN_AI_RESPONSE_ID] == result.id
    assert span[attr.GEN_AI_RESPONSE_MODEL] == result.model
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("stop",)
    assert tuple(span[name] for name in USAGE) == numbers(result.usage)
    assert span[attr.CALLSPAN_PROVIDER_REQUEST_ID].startswith("req_")
    assert not {attr.GEN_AI_REQUEST_STREAM, attr.CALLSPAN_STREAM_END} & set(span.attributes)
    assert get_current_span().get_span_context().is_valid is False


def numbers(usage: Any) -> tuple[int, int]:
    named = (
        ("prompt_tokens", "completion_tokens") if hasattr(usage, "prompt_tokens") else ("input_tokens", "output_tokens")
    )
    first, second = (getattr(usage, name) for name in named)
    return first, second


@pytest.mark.parametrize("status", [400, 429])
@each_api
@each_way
async def test_refused(api: Api, way: Any, status: int, spans: Spans, without: Any, either: Any) -> None:
    """The exception is the SDK's, as without us; the span has its class, status and message."""
    with without(), pytest.raises(openai.APIStatusError) as plain:
        await way(api.resource(either.copy()), api.arguments(f"!error {status}"))
    with pytest.raises(openai.APIStatusError) as caught:
        await way(api.resource(either), api.arguments(f"!error {status}"))
    assert (caught.type, str(caught.value), caught.value.body) == (plain.type, str(plain.value), plain.value.body)
    assert caught.value.__cause__ is None
    span = spans.one()
    assert not span.ok
    assert span[attr.ERROR_TYPE] == f"openai.{caught.type.__name__}"
    assert span[attr.HTTP_RESPONSE_STATUS_CODE] == status
    assert span.span.status.description == caught.value.message
    assert not {attr.GEN_AI_OUTPUT_MESSAGES, *USAGE} & set(span.attributes)


@each_api
@each_way
async def test_connection_lost(api: Api, way: Any, spans: Spans, either: Any) -> None:
    """No answer at all: one span, ended by the connection error."""
    with pytest.raises(openai.APIConnectionError):
        await way(api.resource(either), api.arguments("!reset-midstream"))
    span = spans.one()
    assert span[attr.ERROR_TYPE] == "openai.APIConnectionError"
    assert attr.HTTP_RESPONSE_STATUS_CODE not in span.attributes


@each_api
@each_way
async def test_cancelled(api: Api, way: Any, spans: Spans, fake_openai: Any) -> None:
    """A task is cancelled while it waits for the answer."""
    arrived = asyncio.Event()

    async def sent(_request: Any) -> None:
        arrived.set()

    http_client = httpx.AsyncClient(event_hooks={"request": [sent]})
    client = openai.AsyncOpenAI(base_url=fake_openai.base_url, api_key="sk-local", http_client=http_client)
    task = asyncio.create_task(way(api.resource(client), api.arguments("!slow 0.5")))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.close()
    assert spans.one()[attr.ERROR_TYPE] == "asyncio.exceptions.CancelledError"


async def test_retries_are_one_call(spans: Spans, fake_openai: Any) -> None:
    """The SDK tries again after a 500: one span, of the answer."""
    with OpenAI(base_url=fake_openai.base_url, api_key="sk-local", max_retries=2) as client:
        client.chat.completions.create(model=MODEL, messages=user("!flaky 500"))
    assert len(fake_openai.requests) == 2
    assert spans.one().ok


# --- the application's objects --------------------------------------------------------------------------------------


def stable(dump: Any) -> Any:
    """A dump without what differs from call to call."""
    if isinstance(dump, dict):
        varying = {"id", "created", "created_at", "completed_at", "item_id", "response_id"}
        return {key: stable(value) for key, value in dump.items() if key not in varying}
    return [stable(item) for item in dump] if isinstance(dump, list) else dump


@each_api
@each_way
async def test_same_result_as_without(api: Api, way: Any, spans: Spans, without: Any, either: Any) -> None:
    """Type and value of the result are those of the uninstrumented call."""
    with without():
        plain = await way(api.resource(either.copy()), api.arguments(f"!say {SAID}"))
    result = await way(api.resource(either), api.arguments(f"!say {SAID}"))
    assert type(result) is type(plain)
    assert stable(result.model_dump()) == stable(plain.model_dump())
    assert (result.__dict__.keys(), result._request_id is None) == (plain.__dict__.keys(), plain._request_id is None)


@pytest.mark.parametrize("way", ways.STREAMS, ids=name)
@each_api
async def test_same_stream_as_without(api: Api, way: Any, spans: Spans, without: Any, either: Any) -> None:
    """Type, items and abilities of the stream are those of the uninstrumented call."""
    with without():
        plain = await way(api.resource(either.copy()), api.arguments(f"!say {SAID}"))
        expected = await collect(plain.items)
    opened = await way(api.resource(either), api.arguments(f"!say {SAID}"))
    items = await collect(opened.items)
    assert opened.items.__class__ is plain.items.__class__
    assert isinstance(opened.items, type(plain.items))
    for method in (
        "__iter__",
        "__next__",
        "__aiter__",
        "__anext__",
        "__enter__",
        "__exit__",
        "__aenter__",
        "__aexit__",
    ):
        assert hasattr(opened.items, method) == hasattr(plain.items, method), method
    for item, other in zip(items, expected, strict=True):
        assert type(item) is type(other)
        if hasattr(item, "model_dump"):
            # Pydantic warns about its own types here: events of the helper hold parsed answers.
            assert stable(item.model_dump(warnings=False)) == stable(other.model_dump(warnings=False))
    await settle(plain.close())
    await settle(opened.close())


def test_stream_is_the_sdks(spans: Spans, client: OpenAI) -> None:
    """``isinstance``, ``next``, ``response`` and a ``for`` after the end work as on the SDK's stream."""
    stream = client.chat.completions.create(model=MODEL, messages=user("Hi"), stream=True)
    assert isinstance(stream, openai.Stream)
    assert next(stream).object == "chat.completion.chunk"
    assert stream.response.status_code == 200
    assert stream.response.headers["x-request-id"]
    with stream as entered:
        assert entered is stream
        list(stream)
    assert list(stream) == []
    with pytest.raises(StopIteration):
        next(stream)
    assert len(spans.all) == 1


async def test_async_stream_is_the_sdks(spans: Spans, fake_openai: Any) -> None:
    """The async stream likewise."""
    async with openai.AsyncOpenAI(base_url=fake_openai.base_url, api_key="sk-local") as client:
        stream = await client.chat.completions.create(model=MODEL, messages=user("Hi"), stream=True)
        assert isinstance(stream, openai.AsyncStream)
        assert (await anext(stream)).object == "chat.completion.chunk"
        async with stream as entered:
            assert entered is stream
            await collect(stream)
        assert await collect(stream) == []
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        await (stream.aclose() if OPENAI_MAJOR >= 3 else stream.close())
    assert len(spans.all) == 1


@each_api
async def test_raw_response_is_the_sdks(api: Api, spans: Spans, either: Any) -> None:
    """Headers, body, ``parse`` and ``http_response`` of a raw response."""
    response = await settle(api.resource(either).with_raw_response.create(**api.arguments("Hi")))
    assert response.headers["x-request-id"] == spans.one()[attr.CALLSPAN_PROVIDER_REQUEST_ID]
    assert response.parse().id in response.text
    assert response.http_response.json()["id"] == response.parse().id
    assert response.status_code == 200
    assert response.content == response.http_response.content


@each_api
@pytest.mark.parametrize("read", ["read", "text", "json", "iter_bytes", "iter_lines", "iter_text"])
async def test_streaming_response_is_the_sdks(api: Api, read: str, spans: Spans, either: Any) -> None:
    """However the application reads the body, it gets all of it, and so does the span."""
    manager = api.resource(either).with_streaming_response.create(**api.arguments(f"!say {SAID}"))
    response = await ways.enter(manager)
    assert not spans.all
    body = getattr(response, read)()
    body = await collect(body) if read.startswith("iter") else await settle(body)
    await ways.leaving(manager)()
    text = b"".join(map(bytes_of, body)) if isinstance(body, list) else bytes_of(body)
    assert SAID.encode() in text
    span = spans.one()
    assert (span.text, span.ok, span.end) == (SAID, True, None)


def bytes_of(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


async def test_body_left_unread(spans: Spans, either: Any) -> None:
    """A streaming response whose body nobody reads: a span without an answer, and no error."""
    manager = either.chat.completions.with_streaming_response.create(**CHAT.arguments("Hi"))
    response = await ways.enter(manager)
    assert response.headers["content-type"] == "application/json"
    await ways.leaving(manager)()
    span = spans.one()
    assert span.ok
    assert attr.GEN_AI_OUTPUT_MESSAGES not in span.attributes


@each_api
async def test_result_can_be_pickled_and_copied(api: Api, spans: Spans, either: Any) -> None:
    """Results are plain objects of the SDK."""
    result = await settle(api.resource(either).create(**api.arguments("Hi")))
    assert pickle.loads(pickle.dumps(result)) == result
    assert copy.deepcopy(result) == result


@pytest.mark.parametrize("method", ["create", "parse", "stream"])
@each_api
def test_signatures_stay(api: Api, method: str, spans: Spans, without: Any, client: OpenAI) -> None:
    """Editors, FastAPI and other tools see the SDK's signature and documentation."""
    wrapped = getattr(api.resource(client), method)
    signature, doc = inspect.signature(wrapped), wrapped.__doc__
    with without():
        original = getattr(api.resource(client), method)
    assert (signature, doc) == (inspect.signature(original), original.__doc__)


async def test_call_ids(spans: Spans, either: Any) -> None:
    """``call_id`` finds the span of a result and of a stream; of anything else it knows nothing."""
    result = await settle(either.chat.completions.create(model=MODEL, messages=user("Hi")))
    assert call_id(result) == spans.take()[attr.CALLSPAN_CALL_ID]
    stream = await settle(either.responses.create(model=MODEL, input="Hi", stream=True))
    known = call_id(stream)
    await collect(stream)
    assert known == spans.one()[attr.CALLSPAN_CALL_ID]
    assert [call_id(other) for other in (copy.copy(result), None, "text", 7)] == [None] * 4
