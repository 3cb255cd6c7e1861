"""groq and together: their own clients and classes, the shapes of OpenAI."""

import asyncio
import gc
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import groq
import httpx
import pytest
import together

from callspan.cli.fake_openai import FakeOpenAI
from callspan_semconv import attributes as attr
from tests.instrumentation import recordings, ways
from tests.instrumentation.replay import STAINLESS_WAYS, Stainless, differences
from tests.instrumentation.support import Spans, collect, settle, user
from tests.instrumentation.ways import SAID, USAGE, name
from tests.instrumentation.wire import Wire

MODEL = "llama-3.3-70b-versatile"
WHOLE = [ways.create, ways.raw, ways.streaming_response]
STREAMS = [ways.stream, ways.raw_stream, ways.streaming_response_stream, ways.streaming_response_lines]


@dataclass(frozen=True)
class Library:
    """One of the two: its package, its sync and async client, and its provider's name."""

    module: Any
    kinds: tuple[Any, Any]
    provider: str

    def __str__(self) -> str:
        return self.provider


GROQ = Library(groq, (groq.Groq, groq.AsyncGroq), "groq")
TOGETHER = Library(together, (together.Together, together.AsyncTogether), "together_ai")


@pytest.fixture(params=[GROQ, TOGETHER], ids=str)
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


@dataclass(frozen=True)
class Subject:
    """A client of one of the two libraries."""

    library: Library
    client: Any
    is_async: bool

    @property
    def chat(self) -> Any:
        return self.client.chat.completions


@pytest.fixture(params=["sync", "async"])
async def subject(request: pytest.FixtureRequest, library: Library, fake_openai: FakeOpenAI) -> Any:
    is_async = request.param == "async"
    client = library.kinds[is_async](base_url=fake_openai.url, api_key="sk-local", max_retries=0)
    yield Subject(library, client, is_async)
    await settle(client.close())


def asked(text: str, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": user(text), **more}


@pytest.mark.parametrize("way", WHOLE, ids=name)
async def test_whole_answer(way: Any, spans: Spans, subject: Subject) -> None:
    """One complete span, of all that was asked and answered."""
    arguments = asked("!say It rains", temperature=0.0, top_p=0.9, stop=["X"], max_tokens=20, seed=3)
    result = await way(subject.chat, arguments)
    assert result.choices[0].message.content == "It rains"
    span = spans.one()
    assert span.span.name == f"chat {MODEL}"
    assert span[attr.GEN_AI_PROVIDER_NAME] == subject.library.provider
    assert (span.ok, span.text) == (True, "It rains")
    assert span[attr.GEN_AI_RESPONSE_ID] == result.id
    assert span[attr.GEN_AI_RESPONSE_MODEL] == result.model
    assert tuple(span[name] for name in USAGE) == (result.usage.prompt_tokens, result.usage.completion_tokens)
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("stop",)
    assert span[attr.GEN_AI_REQUEST_TEMPERATURE] == 0.0
    assert span[attr.GEN_AI_REQUEST_STOP_SEQUENCES] == ("X",)
    assert span[attr.CALLSPAN_CALL_TYPE] == ("acompletion" if subject.is_async else "completion")


@pytest.mark.parametrize("way", STREAMS, ids=name)
async def test_stream_to_the_end(way: Any, spans: Spans, subject: Subject) -> None:
    """All text, the tokens, the finish reason and the time to the first chunk; the stream passes for the SDK's."""
    opened = await way(subject.chat, asked(f"!say {SAID}", extra_body={"stream_options": {"include_usage": True}}))
    if way is ways.stream:
        module = subject.library.module
        assert isinstance(opened.items, module.AsyncStream if subject.is_async else module.Stream)
    await collect(opened.items)
    await opened.leave()
    span = spans.one()
    assert (span.end, span.ok, span.text) == ("exhausted", True, SAID)
    assert all(span[name] > 0 for name in USAGE)
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("stop",)
    assert 0 < span[attr.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] < 5


async def closed(opened: ways.Opened) -> None:
    await settle(opened.close())


async def left(opened: ways.Opened) -> None:
    await opened.leave()


@pytest.mark.parametrize("leave", [closed, left])
@pytest.mark.parametrize("way", STREAMS, ids=name)
async def test_stream_left_early(way: Any, leave: Callable[[Any], Any], spans: Spans, subject: Subject) -> None:
    """``break`` and then close(), or the end of the ``with`` block: the text so far."""
    opened = await way(subject.chat, asked(f"!say {SAID}"))
    await collect(opened.items, 3)
    assert not spans.all
    await leave(opened)
    span = spans.one()
    assert (span.end, span.ok) == ("closed", True)
    assert SAID.startswith(span.text)
    assert span.text != SAID


async def test_stream_dropped(spans: Spans, subject: Subject) -> None:
    """The application forgets the stream."""
    stream: Any = await settle(subject.chat.create(stream=True, **asked(f"!say {SAID}")))
    await collect(stream, 3)
    del stream
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0)
    span = spans.one()
    assert (span.end, span.ok) == ("abandoned", True)
    assert SAID.startswith(span.text)


@pytest.mark.parametrize("way", [*WHOLE, *STREAMS], ids=name)
async def test_refused(way: Any, spans: Spans, subject: Subject) -> None:
    """The SDK's exception reaches the application; the span has its class, status and message."""
    with pytest.raises(subject.library.module.RateLimitError) as caught:
        await way(subject.chat, asked("!error 429"))
    span = spans.one()
    assert span[attr.ERROR_TYPE] == f"{subject.library.module.__name__}.RateLimitError"
    assert span[attr.HTTP_RESPONSE_STATUS_CODE] == 429
    assert span.span.status.description == caught.value.message


async def test_connection_lost(spans: Spans, subject: Subject) -> None:
    """The connection breaks in the middle of a stream."""
    stream = await settle(subject.chat.create(stream=True, **asked(f"!reset-midstream !say {SAID}")))
    with pytest.raises(httpx.TransportError):
        await collect(stream)
    span = spans.one()
    assert (span.end, span.ok) == ("error", False)
    assert SAID.startswith(span.text)
    assert span.text


async def test_cancelled(library: Library, spans: Spans, fake_openai: FakeOpenAI) -> None:
    """A task is cancelled while it waits for the next chunk."""
    client = library.kinds[True](base_url=fake_openai.url, api_key="sk-local", max_retries=0)
    reading = asyncio.Event()

    async def read() -> None:
        async with await client.chat.completions.create(stream=True, **asked(f"!slow 0.02 !say {SAID}")) as stream:
            async for _ in stream:
                reading.set()

    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.close()
    span = spans.one()
    assert (span.end, span[attr.ERROR_TYPE]) == ("error", "asyncio.exceptions.CancelledError")


TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize("stream", [False, True])
async def test_tool_calls(stream: bool, spans: Spans, subject: Subject) -> None:
    """Tool calls in order, their arguments parsed."""
    result = await settle(subject.chat.create(stream=stream, **asked("!tools 2", tools=[TOOL])))
    if stream:
        await collect(result)
    parts = spans.one().output[0]["parts"]
    assert [(part["type"], part["name"]) for part in parts] == [("tool_call", "weather")] * 2
    assert all(part["id"] and isinstance(part["arguments"], dict) for part in parts)


@pytest.mark.parametrize("stream", [False, True])
async def test_reasoning(stream: bool, spans: Spans, subject: Subject) -> None:
    """Thinking, a field of these SDKs' messages."""
    result = await settle(subject.chat.create(stream=stream, **asked("!reasoning-content !say Yes")))
    if stream:
        await collect(result)
    assert [part["type"] for part in spans.one().output[0]["parts"]] == ["reasoning", "text"]


async def test_embeddings(spans: Spans, subject: Subject) -> None:
    """Vectors are counted and measured."""
    await settle(subject.client.embeddings.create(model="bge", input=["one", "two"]))
    span = spans.one()
    assert span.span.name == "embeddings bge"
    assert (span[attr.CALLSPAN_EMBEDDING_VECTORS], span[attr.CALLSPAN_EMBEDDING_DIMENSIONS]) == (2, 1536)


async def test_speech_and_transcription(spans: Spans, subject: Subject) -> None:
    """Sound out, where the version has it, and in."""
    if hasattr(subject.client.audio, "speech"):
        await settle(subject.client.audio.speech.create(model="tts", input="Hello", voice="v"))
        assert spans.take().input[0]["parts"] == [{"type": "text", "content": "Hello"}]
    result = await settle(subject.client.audio.transcriptions.create(model="w", file=("a.wav", b"RIFF")))
    assert spans.one().text == result.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_together_completions(is_async: bool, stream: bool, spans: Spans, fake_openai: FakeOpenAI) -> None:
    """Together's text completions."""
    client = TOGETHER.kinds[is_async](base_url=fake_openai.url, api_key="sk-local", max_retries=0)
    result = await settle(client.completions.create(model="m", prompt=f"!say {SAID}", stream=stream, top_k=4))
    if stream:
        await collect(result)
    span = spans.one()
    assert (span.span.name, span.text, span[attr.GEN_AI_REQUEST_TOP_K]) == ("text_completion m", SAID, 4)
    await settle(client.close())


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_together_rerank(is_async: bool, spans: Spans) -> None:
    """The query, and how the documents rank."""
    ranked = {"index": 1, "relevance_score": 0.9, "document": {"text": "Cats purr."}}
    usage = {"prompt_tokens": 8, "completion_tokens": 0, "total_tokens": 8}
    wire = Wire(
        httpx,
        json.dumps({"id": "r1", "model": "rank", "object": "rerank", "results": [ranked], "usage": usage}).encode(),
    )
    made = TOGETHER.kinds[is_async](api_key="k", http_client=wire.client(is_async=is_async))
    await settle(made.rerank.create(model="rank", query="Who purrs?", documents=["Dogs bark.", "Cats purr."], top_n=1))
    span = spans.one()
    assert (span.span.name, span[attr.CALLSPAN_CALL_TYPE]) == ("rerank rank", "arerank" if is_async else "rerank")
    assert span.input[0]["parts"] == [{"type": "text", "content": "Who purrs?"}]
    assert span.json(attr.CALLSPAN_RESPONSE_CONTENT)["results"][0]["index"] == 1
    assert (span[attr.GEN_AI_RESPONSE_ID], span[attr.GEN_AI_USAGE_INPUT_TOKENS]) == ("r1", 8)
    assert span.parameters == {"documents": ["Dogs bark.", "Cats purr."], "top_n": 1}
    await settle(made.close())


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_together_speech_in_pieces(is_async: bool, spans: Spans) -> None:
    """The call lasts as long as its sound."""
    piece = b'data: {"object": "audio.tts.chunk", "model": "tts", "b64": "UklGRg=="}\n\n'
    wire = Wire(httpx, piece, piece, b"data: [DONE]\n\n", kind="text/event-stream")
    made = TOGETHER.kinds[is_async](api_key="k", http_client=wire.client(is_async=is_async))
    stream = await settle(made.audio.speech.create(model="tts", input="Hello", voice="v", stream=True))
    assert not spans.all
    await collect(stream)
    span = spans.one()
    assert (span.span.name, span.end) == ("speech tts", "exhausted")
    assert span[attr.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] > 0
    await settle(made.close())


async def test_together_images(spans: Spans, fake_openai: FakeOpenAI) -> None:
    """Together's images."""
    with together.Together(base_url=fake_openai.url, api_key="sk-local") as client:
        client.images.generate(model="m", prompt="A bird", response_format="base64")
    assert spans.one().output[0]["parts"][0]["modality"] == "image"


def compound(request: httpx.Request) -> httpx.Response:
    """What Groq's compound systems stream: chunks with ids of their own, tools that ran, usage under ``x_groq``."""
    tool = {"index": 0, "type": "search", "arguments": '{"query": "sky"}'}
    deltas = [
        {"role": "assistant", "reasoning": "Look it up."},
        {"executed_tools": [tool]},
        {"executed_tools": [{**tool, "output": "Title: Sky"}]},
        {"content": "Blue"},
        {},
    ]
    chunks: list[dict[str, Any]] = [
        {"id": f"chatcmpl-{n}", "object": "chat.completion.chunk", "created": 1, "model": "groq/compound"}
        | {"choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}]}
        for n, delta in enumerate(deltas)
    ]
    usage = {"prompt_tokens": 50, "completion_tokens": 7, "total_tokens": 57}
    chunks[-1] |= {"id": "stub", "x_groq": {"id": "req_1", "usage": usage}}
    body = "".join(f"data: {httpx.Response(200, json=chunk).text}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=body)


def test_groq_compound(spans: Spans) -> None:
    """Tools that ran at Groq are server tools; the first chunk names the answer; usage needs no option."""
    http_client = httpx.Client(transport=httpx.MockTransport(compound))
    with groq.Groq(api_key="k", http_client=http_client) as client:
        list(client.chat.completions.create(model="groq/compound", messages=user("Why?"), stream=True))
    span = spans.one()
    assert [part["type"] for part in span.output[0]["parts"]] == [
        "reasoning",
        "server_tool_call",
        "server_tool_call_response",
        "text",
    ]
    assert span.output[0]["parts"][1]["server_tool_call"] == {"type": "search", "arguments": {"query": "sky"}}
    assert (span[attr.GEN_AI_RESPONSE_ID], span[attr.CALLSPAN_PROVIDER_REQUEST_ID]) == ("chatcmpl-0", "req_1")
    assert tuple(span[name] for name in USAGE) == (50, 7)
    assert span[attr.SERVER_ADDRESS] == "api.groq.com"


GROQ_REPLAY = Stainless(
    *GROQ.kinds, groq.GroqError, {"chat": ("chat.completions", "/openai/v1/chat/completions")}, httpx
)
TOGETHER_REPLAY = Stainless(
    *TOGETHER.kinds, together.TogetherError, {"chat": ("chat.completions", "/v1/chat/completions")}, httpx
)


@recordings.needed
@pytest.mark.parametrize("way", STAINLESS_WAYS)
@pytest.mark.parametrize(("provider", "call"), [("groq", GROQ_REPLAY), ("together", TOGETHER_REPLAY)])
async def test_every_exchange_is_recorded_right(provider: str, call: Any, way: str, replayed: Any) -> None:
    """Every recorded exchange gives a span with all that the provider said, and the application sees no difference."""
    await replayed(recordings.load(provider), way, call, differences)
