"""Calls through the anthropic package: one span each, however they are made and however they end."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import pydantic
import pytest

import callspan
from callspan.cli.fake_openai import FakeOpenAI
from callspan_semconv import attributes as attr
from tests.instrumentation import anthropic_server, ways
from tests.instrumentation.anthropic_server import MODEL, SNAPSHOT
from tests.instrumentation.support import Read, Spans, collect, collect_garbage, settle, user
from tests.instrumentation.ways import SAID, STREAMS, name

RESOURCES: dict[str, Callable[[Any], Any]] = {
    "messages": lambda client: client.messages,
    "beta.messages": lambda client: client.beta.messages,
}
# The application holds a proxy of ours in this way; in the others the SDK's object, over bytes that we see.
PROXIED = {ways.stream}


@pytest.fixture(scope="session")
def _anthropic_server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        anthropic_server.install(server)
        yield server


@pytest.fixture
def server(_anthropic_server: FakeOpenAI) -> FakeOpenAI:
    _anthropic_server.requests.clear()
    return _anthropic_server


@pytest.fixture(params=["sync", "async"])
async def client(request: pytest.FixtureRequest, server: FakeOpenAI) -> Any:
    # Loading certificates, which loopback has no use for, takes longer than most of these tests.
    client: Any
    if request.param == "sync":
        client = anthropic.Anthropic(http_client=httpx2.Client(verify=False), **local(server))
    else:
        client = anthropic.AsyncAnthropic(http_client=httpx2.AsyncClient(verify=False), **local(server))
    yield client
    await settle(client.close())


@pytest.fixture(params=RESOURCES)
def messages(request: pytest.FixtureRequest, client: Any) -> Any:
    return RESOURCES[request.param](client)


def local(server: FakeOpenAI) -> dict[str, Any]:
    return {"base_url": server.url, "auth_token": "sk-local", "max_retries": 0}


def asked(text: str, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 64, "messages": user(text), **more}


class Weather(pydantic.BaseModel):
    sky: str


async def parse(resource: Any, arguments: dict[str, Any]) -> Any:
    return await settle(resource.parse(**arguments, output_format=Weather))


@pytest.mark.parametrize("way", [ways.create, parse, ways.raw, ways.streaming_response], ids=name)
async def test_whole_answer(way: Any, spans: Spans, without: Any, messages: Any) -> None:
    """One complete span, and the application has what it has without."""
    arguments = asked('!say {"sky":"blue"}', system="Be brief.", stop_sequences=["X"], metadata={"user_id": "u1"})
    with without():
        plain = await way(type(messages)(messages._client), arguments)  # a resource keeps what it wrapped for raw use
    result = await way(messages, arguments)
    assert type(result) is type(plain)
    assert result.content == plain.content
    span = spans.one()
    assert span.span.name == f"chat {MODEL}"
    assert span[attr.GEN_AI_PROVIDER_NAME] == "anthropic"
    assert (span.ok, span.text) == (True, '{"sky":"blue"}')
    assert span[attr.GEN_AI_RESPONSE_ID] == result.id
    assert (span[attr.GEN_AI_REQUEST_MODEL], span[attr.GEN_AI_RESPONSE_MODEL]) == (MODEL, SNAPSHOT)
    assert (span[attr.GEN_AI_USAGE_INPUT_TOKENS], span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]) == (19, 10)
    assert span[attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 5
    assert span[attr.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS] == 3
    assert span[attr.CALLSPAN_COST_TOTAL] == pytest.approx((11 + 5 * 0.1 + 3 * 1.25 + 10 * 5) / 1e6)
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("end_turn",)
    assert span.json(attr.GEN_AI_SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Be brief."}]
    assert span[attr.GEN_AI_REQUEST_STOP_SEQUENCES] == ("X",)
    assert span[attr.CALLSPAN_USER] == "u1"
    assert span.get(attr.GEN_AI_OUTPUT_TYPE) == ("json" if way is parse else None)
    assert span[attr.CALLSPAN_PROVIDER_REQUEST_ID].startswith("req_")
    assert span[attr.CALLSPAN_CALL_TYPE] in ("completion", "acompletion")


@pytest.mark.parametrize("way", STREAMS, ids=name)
async def test_stream_to_the_end(way: Any, spans: Spans, messages: Any) -> None:
    """All text, the tokens, the stop reason and the time to the first chunk."""
    opened = await way(messages, asked(f"!say {SAID}"))
    await collect(opened.items)
    await opened.leave()
    span = spans.one()
    assert (span.end, span.ok, span.text) == ("exhausted", True, SAID)
    assert (span[attr.GEN_AI_USAGE_INPUT_TOKENS], span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]) == (19, 10)
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("end_turn",)
    assert span[attr.GEN_AI_REQUEST_STREAM] is True
    assert 0 < span[attr.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] < 5


async def text_stream(stream: Any) -> Any:
    return "".join(await collect(stream.text_stream))


async def final_text(stream: Any) -> Any:
    return await settle(stream.get_final_text())


async def until_done(stream: Any) -> Any:
    await settle(stream.until_done())
    return stream.current_message_snapshot.content[0].text


@pytest.mark.parametrize("read", [text_stream, final_text, until_done])
async def test_ways_to_read_a_message_stream(read: Any, spans: Spans, without: Any, messages: Any) -> None:
    """However the helper's stream is read, it is the SDK's own object and one span."""
    manager = messages.stream(**asked(f"!say {SAID}"))
    stream = await ways.enter(manager)
    with without():
        plain = await ways.enter(other := messages.stream(**asked("Hi")))
        await ways.leaving(other)()
    assert type(stream) is type(plain)
    assert isinstance(manager, type(other))
    assert await read(stream) == SAID
    await ways.leaving(manager)()
    span = spans.one()
    assert (span.end, span.ok, span.text) == ("exhausted", True, SAID)
    assert callspan.call_id(stream) == span[attr.CALLSPAN_CALL_ID]


async def closed(opened: ways.Opened) -> None:
    await settle(opened.close())


async def left(opened: ways.Opened) -> None:
    await opened.leave()


@pytest.mark.parametrize("leave", [closed, left])
@pytest.mark.parametrize("way", STREAMS, ids=name)
async def test_stream_left_early(way: Any, leave: Callable[[Any], Any], spans: Spans, messages: Any) -> None:
    """``break``, and then close() or the end of the ``with`` block: the text so far."""
    opened = await way(messages, asked(f"!say {SAID}"))
    await collect(opened.items, 7)
    assert not spans.all
    await leave(opened)
    check_partial(spans.one(), "closed")


@pytest.mark.parametrize("way", STREAMS, ids=name)
async def test_stream_forgotten(way: Any, spans: Spans, messages: Any) -> None:
    """The span ends when the garbage collector finds the stream, and is no error."""
    opened: Any = await way(messages, asked(f"!say {SAID}"))
    await collect(opened.items, 7)
    del opened
    await collect_garbage(spans)
    check_partial(spans.one(), "abandoned", "closed")


def check_partial(span: Read, *ends: str) -> None:
    """The span of a stream that was left early: well, and without counts that were not final."""
    assert span.end in ends
    assert span.ok
    assert SAID.startswith(span.text)
    assert span.text != SAID
    assert span[attr.GEN_AI_USAGE_INPUT_TOKENS] == 19
    assert attr.GEN_AI_USAGE_OUTPUT_TOKENS not in span.attributes
    assert attr.GEN_AI_RESPONSE_FINISH_REASONS not in span.attributes


async def test_manager_that_is_never_entered(spans: Spans, server: FakeOpenAI) -> None:
    """No request, no span."""
    with anthropic.Anthropic(**local(server)) as client:
        client.messages.stream(**asked("Hi"))
        gc.collect()
    assert not spans.all
    assert not server.requests


async def test_request_that_the_package_does_not_make(spans: Spans, server: FakeOpenAI, messages: Any) -> None:
    """An answer that may take long has to be streamed: nothing was asked of a model yet, so there is no call."""
    with pytest.raises(ValueError, match="Streaming is required"):
        await ways.create(messages, {**asked("Hi"), "max_tokens": 64_000})
    assert not spans.all
    assert not server.requests


@pytest.mark.parametrize("way", [ways.create, ways.raw, *STREAMS], ids=name)
async def test_refused(way: Any, spans: Spans, messages: Any) -> None:
    """The application sees the SDK's exception, the span its class, status and message."""
    with pytest.raises(anthropic.RateLimitError) as caught:
        await way(messages, asked("!error 429"))
    span = spans.one()
    assert span[attr.ERROR_TYPE] == "anthropic.RateLimitError"
    assert span[attr.HTTP_RESPONSE_STATUS_CODE] == 429
    assert caught.value.message in str(span.span.status.description)


@pytest.mark.parametrize("way", STREAMS, ids=name)
async def test_connection_lost_in_the_middle(way: Any, spans: Spans, messages: Any) -> None:
    """The exception reaches the application as it is, and the span keeps the text that came before."""
    opened = await way(messages, asked(f"!reset-midstream !say {SAID}"))
    with pytest.raises((anthropic.APIConnectionError, httpx2.TransportError)):
        await collect(opened.items)
    await opened.leave()
    span = spans.one()
    assert (span.end, span.ok) == ("error", False)
    assert SAID.startswith(span.text)
    assert span.text


@pytest.mark.parametrize("way", [way for way in STREAMS if way is not ways.streaming_response_lines], ids=name)
async def test_overloaded_in_the_middle(way: Any, spans: Spans, messages: Any) -> None:
    """An error event: the SDK raises where the application reads, and the span says what it says."""
    opened = await way(messages, asked(f"!stream-error !say {SAID}"))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded") as caught:
        await collect(opened.items)
    await opened.leave()
    span = spans.one()
    assert not span.ok
    kind = type(caught.value)
    assert span[attr.ERROR_TYPE] == (f"{kind.__module__}.{kind.__name__}" if way in PROXIED else "overloaded_error")
    assert SAID.startswith(span.text)


@pytest.mark.parametrize("way", STREAMS, ids=name)
async def test_cancelled(way: Any, spans: Spans, server: FakeOpenAI) -> None:
    """A task is cancelled while it waits for the next item: the cancellation goes through, with the text so far."""
    client = anthropic.AsyncAnthropic(http_client=httpx2.AsyncClient(verify=False), **local(server))
    reading = asyncio.Event()

    async def read() -> None:
        opened = await way(client.messages, asked(f"!slow 0.02 !say {SAID}"))
        await collect(opened.items, 5)
        reading.set()
        await collect(opened.items)

    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.close()
    gc.collect()
    span = spans.one()
    assert (span.end, span.ok) == ("error", False)
    assert span[attr.ERROR_TYPE] == "asyncio.exceptions.CancelledError"


@pytest.mark.parametrize("streaming", [False, True])
async def test_tool_runner(streaming: bool, spans: Spans, client: Any) -> None:
    """Each step of the package's tool loop is a call: the one that asks for the tool, the one that has its result."""
    decorate = anthropic.beta_async_tool if isinstance(client, anthropic.AsyncAnthropic) else anthropic.beta_tool
    runner = client.beta.messages.tool_runner(tools=[_weather(decorate)], stream=streaming, **asked("Weather?"))
    if streaming:
        async for stream in _each(runner):
            await settle(stream.get_final_message())
    else:
        await collect(runner)
    first, second = (each for each in map(Read, spans.all) if each[attr.GEN_AI_OPERATION_NAME] == "chat")
    (call,) = first.output[0]["parts"]
    assert (call["type"], call["name"], call["arguments"]) == ("tool_call", "weather", {"city": "Oslo"})
    assert first[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("tool_use",)
    assert first.json(attr.GEN_AI_TOOL_DEFINITIONS)[0]["parameters"]["required"] == ["city"]
    assert [part["id"] for part in second.input[-1]["parts"]] == [call["id"]]
    assert second.text == "Hello"


def _weather(decorate: Any) -> Any:
    if decorate is anthropic.beta_tool:

        def weather(city: str) -> str:
            """Tell the weather."""
            return f"rain in {city}"

        return decorate(weather)

    async def async_weather(city: str) -> str:
        """Tell the weather."""
        return f"rain in {city}"

    return decorate(async_weather, name="weather")


async def _each(items: Any) -> Any:
    if hasattr(items, "__aiter__"):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
