"""However a streamed call ends, it is one span that says how, with what had come by then."""

import asyncio
import contextvars
import gc
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from opentelemetry.trace import get_current_span

from callspan_semconv import attributes as attr
from tests.instrumentation import ways
from tests.instrumentation.support import MODEL, Read, Spans, collect, collect_garbage, httpx, settle
from tests.instrumentation.ways import APIS, CHAT, PROXIED, SAID, STREAMS, USAGE, Api, name

each_api = pytest.mark.parametrize("api", APIS, ids=name)
each_way = pytest.mark.parametrize("way", STREAMS, ids=name)


def check_partial(span: Read, api: Api, *, end: str) -> None:
    """The span of a stream that was left early: well, and with the beginning of the text."""
    assert (span.end, span.ok) == (end, True)
    assert SAID.startswith(span.text)
    assert span.text != SAID
    assert span[attr.GEN_AI_REQUEST_STREAM] is True
    assert span[attr.GEN_AI_RESPONSE_MODEL].startswith(MODEL)
    assert not [name for name in USAGE if name in span.attributes]
    assert attr.GEN_AI_RESPONSE_FINISH_REASONS not in span.attributes


@each_api
@each_way
async def test_read_to_the_end(api: Api, way: Any, spans: Spans, either: Any) -> None:
    """All text, the finish reason, the tokens, and the time to the first chunk."""
    opened = await way(api.resource(either), {**api.arguments(f"!say {SAID}"), **api.usage})
    await collect(opened.items)
    await opened.leave()
    span = spans.one()
    assert (span.end, span.ok, span.text) == ("exhausted", True, SAID)
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("stop",)
    assert span[attr.OPENAI_API_TYPE] == api.api_type
    assert all(span[name] > 0 for name in USAGE)
    assert 0 < span[attr.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] < 5
    assert span[attr.CALLSPAN_PROVIDER_REQUEST_ID].startswith("req_")


@each_way
async def test_no_usage_is_made_up(way: Any, spans: Spans, either: Any) -> None:
    """A chat stream without stream_options brings no usage, so the span has none."""
    opened = await way(CHAT.resource(either), CHAT.arguments("Hi"))
    await collect(opened.items)
    await opened.leave()
    assert not [name for name in USAGE if name in spans.one().attributes]


@each_api
@each_way
async def test_closed(api: Api, way: Any, spans: Spans, either: Any) -> None:
    """Closed after a few items."""
    opened = await way(api.resource(either), api.arguments(f"!say {SAID}"))
    await read_some(opened, api)
    await settle(opened.close())
    check_partial(spans.take(), api, end="closed")
    await settle(opened.close())
    assert not spans.all


@each_api
@each_way
async def test_left_with_block(api: Api, way: Any, spans: Spans, either: Any) -> None:
    """The ``with`` block ends in the middle."""
    opened = await way(api.resource(either), api.arguments(f"!say {SAID}"))
    await read_some(opened, api)
    await opened.leave()
    check_partial(spans.one(), api, end="closed")


async def read_some(opened: ways.Opened, api: Api) -> None:
    """Read until there is some text (the Responses API begins with four events about it), not to the end."""
    await collect(opened.items, 6 if api is ways.RESPONSES else 3)


@each_api
@each_way
async def test_loop_again_after_break(api: Api, way: Any, spans: Spans, either: Any) -> None:
    """A ``break`` leaves the stream open; another loop goes on where the first one stopped, to the end."""
    plain = await way(api.resource(either), api.arguments(f"!say {SAID}"))
    everything = await collect(plain.items)
    spans.exporter.clear()
    opened = await way(api.resource(either), api.arguments(f"!say {SAID}"))
    first = await collect(opened.items, 3)
    assert not spans.all
    rest = await collect(opened.items)
    # Lines of bytes are a generator, which ends with its loop.
    assert way is ways.streaming_response_lines or len(first + rest) == len(everything)
    assert await collect(opened.items) == []
    await settle(opened.close())
    assert spans.one().ok


@each_api
@each_way
async def test_dropped(api: Api, way: Any, spans: Spans, either: Any) -> None:
    """The application forgets the stream: the span ends when the garbage collector finds it, and is no error."""
    opened: Any = await way(api.resource(either), api.arguments(f"!say {SAID}"))
    await read_some(opened, api)
    assert not spans.all
    del opened
    await collect_garbage(spans)
    span = spans.one()
    # Where the application holds the SDK's own stream, that closes the connection first.
    assert span.end in (("abandoned",) if way is ways.stream else ("abandoned", "closed"))
    check_partial(span, api, end=span.end)


@pytest.mark.parametrize("status", [400, 429])
@each_api
@each_way
async def test_refused(api: Api, way: Any, status: int, spans: Spans, either: Any) -> None:
    """The provider refuses: the application sees the SDK's exception, the span its class and status."""
    expected = openai.RateLimitError if status == 429 else openai.BadRequestError
    with pytest.raises(expected) as caught:
        await way(api.resource(either), api.arguments(f"!error {status}"))
    span = spans.one()
    assert span[attr.ERROR_TYPE] == f"openai.{expected.__name__}"
    assert span[attr.HTTP_RESPONSE_STATUS_CODE] == status
    assert span[attr.CALLSPAN_PROVIDER_REQUEST_ID] == caught.value.request_id
    assert caught.value.message in str(span.span.status.description)
    assert [event.name for event in span.span.events] == ["exception"]
    assert attr.CALLSPAN_STREAM_END not in span.attributes


@each_api
@each_way
async def test_connection_lost_in_the_middle(api: Api, way: Any, spans: Spans, either: Any) -> None:
    """The exception reaches the application as it is, and the span keeps the text that came before."""
    opened = await way(api.resource(either), api.arguments(f"!reset-midstream !say {SAID}"))
    with pytest.raises((openai.APIConnectionError, httpx.TransportError)) as caught:
        await collect(opened.items)
    await settle(opened.close())
    span = spans.one()
    kind = type(caught.value if way in PROXIED else caught.value.__cause__ or caught.value)
    assert span[attr.ERROR_TYPE].rpartition(".")[2] == kind.__name__
    assert (span.end, span.ok) == ("error", False)
    assert SAID.startswith(span.text)
    assert span.text


@each_api
@pytest.mark.parametrize("way", [way for way in STREAMS if way is not ways.streaming_response_lines], ids=name)
async def test_error_event_in_the_middle(api: Api, way: Any, spans: Spans, either: Any) -> None:
    """An error event: the SDK raises where the application reads, and the span says what it says."""
    opened = await way(api.resource(either), api.arguments(f"!stream-error nested !say {SAID}"))
    with pytest.raises(openai.APIError, match="server had an error"):
        await collect(opened.items)
    await settle(opened.close())
    span = spans.one()
    assert not span.ok
    assert span[attr.ERROR_TYPE] == ("openai.APIError" if way in PROXIED else "server_error")
    assert SAID.startswith(span.text)
    assert span.text


@each_api
@each_way
async def test_cancelled(api: Api, way: Any, spans: Spans, fake_openai: Any) -> None:
    """A task is cancelled while it waits for the next item: the cancellation goes through, with the text so far."""
    client = openai.AsyncOpenAI(base_url=fake_openai.base_url, api_key="sk-local", max_retries=0)
    reading = asyncio.Event()

    async def read() -> None:
        opened = await way(api.resource(client), api.arguments(f"!slow 0.02 !say {SAID}"))
        await read_some(opened, api)
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
    assert SAID.startswith(span.text)
    assert span.text != SAID
    assert (span.end, span.ok) == ("error", False)
    assert span[attr.ERROR_TYPE] == "asyncio.exceptions.CancelledError"


@each_api
async def test_generator_closed_from_another_task(api: Api, spans: Spans, fake_openai: Any) -> None:
    """A web framework closes the application's generator in another task: nothing is detached in a foreign context."""
    client = openai.AsyncOpenAI(base_url=fake_openai.base_url, api_key="sk-local")

    async def answer() -> AsyncIterator[Any]:
        async with await api.resource(client).create(stream=True, **api.arguments(f"!say {SAID}")) as stream:
            async for item in stream:
                assert not get_current_span().get_span_context().is_valid
                yield item

    generator: Any = answer()
    await asyncio.create_task(anext(generator))
    await asyncio.create_task(anext(generator))
    await asyncio.create_task(generator.aclose())
    await client.close()
    assert (spans.one().end, spans.one().ok) == ("closed", True)


async def test_call_thrown_away(spans: Spans, fake_openai: Any) -> None:
    """A coroutine that is closed while it waits ends its span, in whatever context that happens."""
    client = openai.AsyncOpenAI(base_url=fake_openai.base_url, api_key="sk-local")
    waiting = client.responses.create(model=MODEL, input="Hi")
    contextvars.copy_context().run(waiting.send, None)
    waiting.close()
    await client.close()
    assert spans.one()[attr.ERROR_TYPE] == "GeneratorExit"
