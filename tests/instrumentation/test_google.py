"""Calls of google-genai: each request to a model is one span, however it is made and however it ends."""

import asyncio
import gc
import inspect
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from google.genai import errors, types
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_current_span

import callspan
from callspan.core import call_ids
from callspan.instrumentors import instrument
from callspan_semconv import attributes as attr
from tests.instrumentation.google import answering_client, httpx
from tests.instrumentation.support import Spans, collect, settle

MODEL = "gemini-2.5-flash"
USAGE = {
    "promptTokenCount": 20,
    "cachedContentTokenCount": 8,
    "toolUsePromptTokenCount": 5,
    "candidatesTokenCount": 7,
    "thoughtsTokenCount": 3,
    "totalTokenCount": 35,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 12}, {"modality": "IMAGE", "tokenCount": 8}],
}
WORDS = ["one ", "two ", "three ", "four"]


def answer(*parts: Any, reason: str | None = "STOP", usage: Any = None, **more: Any) -> Any:
    """An answer, or a piece of one, with one candidate."""
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **more}
    if reason:
        candidate["finishReason"] = reason
    body = {"candidates": [candidate], "modelVersion": f"{MODEL}-001", "responseId": "r-1"}
    return {**body, "usageMetadata": usage} if usage else body


def events(*bodies: Any) -> list[bytes]:
    return [b"data: " + json.dumps(body).encode() + b"\r\n\r\n" for body in bodies]


def words() -> list[bytes]:
    last = len(WORDS) - 1
    return events(
        *(
            answer({"text": word}, reason="STOP" if n == last else None, usage=USAGE if n == last else None)
            for n, word in enumerate(WORDS)
        )
    )


class Server:
    """Answers with the bodies it was given, in turn; a list of bytes is a stream."""

    def __init__(self, *answers: Any, status: int = 200) -> None:
        self.answers = list(answers)
        self.status = status
        self.requests: list[Any] = []

    def __call__(self, request: Any) -> Any:
        self.requests.append(request)
        body = self.answers.pop(0)
        if isinstance(body, list):
            return self.status, {"content-type": "text/event-stream"}, Pieces(body)
        return self.status, {"content-type": "application/json"}, json.dumps(body).encode()


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):  # type: ignore[misc]  # chosen by version
    """A streamed body for either kind of client; it waits after ``pause`` pieces."""

    def __init__(self, pieces: list[bytes], pause: int | None = None) -> None:
        self._pieces = pieces
        self._pause = pause

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number, piece in enumerate(self._pieces):
            if number == self._pause:
                await asyncio.Event().wait()
            yield piece


def models(server: Any, way: str, **options: Any) -> Any:
    client = answering_client(server, **options)
    found: Any = client.aio.models if way == "async" else client.models
    found.client = client  # which closes itself when nobody holds it
    return found


either = pytest.mark.parametrize("way", ["sync", "async"])


@either
async def test_answer(way: str, spans: Spans) -> None:
    """Model, ids, totals of tokens, thoughts, text, function calls, and what stands beside them."""
    call = {"functionCall": {"id": "c1", "name": "look", "args": {"at": "sky"}}}
    body = answer(
        {"text": "Hm.", "thought": True},
        {"text": "Look."},
        call,
        {"executableCode": {"language": "PYTHON", "code": "1+1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        usage=USAGE,
        groundingMetadata={"webSearchQueries": ["sky"]},
    )
    second = {"content": {"role": "model", "parts": [{"text": "No."}]}, "index": 1, "finishReason": "SAFETY"}
    body["candidates"].append(second)
    result = await settle(models(Server(body), way).generate_content(model=MODEL, contents="Why?"))
    assert type(result) is types.GenerateContentResponse
    span = spans.one()
    assert span.ok
    assert span.span.name == f"generate_content {MODEL}"
    assert call_ids.call_id(result) == span[attr.CALLSPAN_CALL_ID]
    assert span[attr.CALLSPAN_CALL_TYPE] == ("agenerate_content" if way == "async" else "generate_content")
    assert span[attr.GEN_AI_PROVIDER_NAME] == "gcp.gemini"
    assert span[attr.SERVER_ADDRESS] == "generativelanguage.googleapis.com"
    assert span[attr.GEN_AI_RESPONSE_MODEL] == f"{MODEL}-001"
    assert span[attr.GEN_AI_RESPONSE_ID] == "r-1"
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("STOP", "SAFETY")
    assert span[attr.GEN_AI_USAGE_INPUT_TOKENS] == 25
    assert span[attr.GEN_AI_USAGE_OUTPUT_TOKENS] == 10
    assert span[attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 8
    assert span[attr.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS] == 3
    assert span[attr.GEN_AI_USAGE_IMAGE_INPUT_TOKENS] == 8
    assert span[attr.CALLSPAN_COST_TOTAL] > 0
    assert span.input == [{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}]
    first, other = span.output
    assert first["parts"] == [
        {"type": "reasoning", "content": "Hm."},
        {"type": "text", "content": "Look."},
        {"type": "tool_call", "name": "look", "arguments": {"at": "sky"}, "id": "c1"},
        {
            "type": "server_tool_call",
            "name": "code_execution",
            "server_tool_call": {"type": "code_execution", "language": "PYTHON", "code": "1+1"},
        },
        {
            "type": "server_tool_call_response",
            "server_tool_call_response": {"type": "code_execution", "outcome": "OUTCOME_OK", "output": "2"},
        },
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"},
    ]
    assert other == {"role": "model", "parts": [{"type": "text", "content": "No."}], "finish_reason": "SAFETY"}
    beside = span.json(attr.CALLSPAN_RESPONSE_CONTENT)["candidates"][0]
    assert beside["grounding_metadata"] == {"web_search_queries": ["sky"]}


# The first versions know no levels of thinking.
LEVEL = {"thinking_level": "HIGH"} if "thinking_level" in types.ThinkingConfig.model_fields else {}
CONFIG: Any = {
    "temperature": 0.0,
    "topP": 0.9,
    "top_k": 3,
    "max_output_tokens": 50,
    "stop_sequences": ["END"],
    "candidate_count": 2,
    "seed": 7,
    "thinking_config": {"include_thoughts": True, **LEVEL},
    "response_mime_type": "application/json",
    "system_instruction": "Be brief.",
    "tools": [{"function_declarations": [{"name": "look", "description": "Looks."}]}, {"google_search": {}}],
}


@pytest.mark.parametrize("config", [CONFIG, types.GenerateContentConfig(**CONFIG)], ids=["dict", "object"])
async def test_request(config: Any, spans: Spans) -> None:
    """Every option is on the span, however the config is given, and the config is as it was."""
    before = repr(config)
    contents = [
        types.Content(
            role="user",
            parts=[types.Part.from_text(text="Hi"), types.Part.from_bytes(data=b"x", mime_type="audio/wav")],
        ),
        {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {}}}]},
        types.Part.from_function_response(name="look", response={"result": "blue"}),
        "And now?",
        types.Part.from_uri(file_uri="gs://b/a.pdf", mime_type="application/pdf"),
    ]
    models(Server(answer({"text": "{}"})), "sync").generate_content(model=MODEL, contents=contents, config=config)
    assert repr(config) == before
    span = spans.one()
    assert span[attr.GEN_AI_REQUEST_TEMPERATURE] == 0.0
    assert span[attr.GEN_AI_REQUEST_TOP_P] == 0.9
    assert span[attr.GEN_AI_REQUEST_TOP_K] == 3
    assert span[attr.GEN_AI_REQUEST_MAX_TOKENS] == 50
    assert span[attr.GEN_AI_REQUEST_STOP_SEQUENCES] == ("END",)
    assert span[attr.GEN_AI_REQUEST_CHOICE_COUNT] == 2
    assert span[attr.GEN_AI_REQUEST_SEED] == 7
    assert span.get(attr.GEN_AI_REQUEST_REASONING_LEVEL) == LEVEL.get("thinking_level")
    assert span[attr.GEN_AI_OUTPUT_TYPE] == "json"
    assert span.parameters["response_mime_type"] == "application/json"
    assert span.json(attr.GEN_AI_SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Be brief."}]
    assert span.json(attr.GEN_AI_TOOL_DEFINITIONS) == [
        {"type": "function", "name": "look", "description": "Looks."},
        {"type": "google_search"},
    ]
    assert [message["role"] for message in span.input] == ["user", "model", "user"]
    assert [part["type"] for message in span.input for part in message["parts"]] == [
        *("text", "blob", "tool_call", "tool_call_response", "text", "uri")
    ]


@either
async def test_stream(way: str, spans: Spans) -> None:
    """All text in one message, the usage of the last chunk, and the SDK's generator in the application's hands."""
    stream = await settle(models(Server(words()), way).generate_content_stream(model=MODEL, contents="Count"))
    assert inspect.isasyncgen(stream) if way == "async" else inspect.isgenerator(stream)
    chunks = await collect(stream)
    assert "".join(chunk.text for chunk in chunks) == "".join(WORDS)
    span = spans.one()
    assert (span.end, span.ok, span.text) == ("exhausted", True, "".join(WORDS))
    assert span[attr.GEN_AI_REQUEST_STREAM] is True
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("STOP",)
    assert (span[attr.GEN_AI_USAGE_INPUT_TOKENS], span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]) == (25, 10)
    assert span[attr.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] > 0
    assert call_ids.call_id(stream) == span[attr.CALLSPAN_CALL_ID]


@either
@pytest.mark.parametrize("end", ["closed", "abandoned"])
async def test_stream_left_early(way: str, end: str, spans: Spans) -> None:
    """Closed, or broken off and forgotten: the text so far, and no error."""
    stream = await settle(models(Server(words()), way).generate_content_stream(model=MODEL, contents="Count"))
    await collect(stream, 2)
    assert not spans.all
    if end == "closed":
        await settle(stream.aclose() if way == "async" else stream.close())
    del stream
    for _ in range(4):
        gc.collect()
        await asyncio.sleep(0)
    span = spans.one()
    assert (span.end, span.ok, span.text) == (end, True, "one two ")


@either
async def test_what_was_current_at_the_call_counts(way: str, spans: Spans, tracer_provider: TracerProvider) -> None:
    """A stream that is read after the block it was made in belongs to that block."""
    tracer = tracer_provider.get_tracer("app")
    with tracer.start_as_current_span("app") as outer, callspan.context(user="ann"):
        stream = await settle(models(Server(words()), way).generate_content_stream(model=MODEL, contents="Count"))
    await collect(stream)
    span = next(span for span in spans.all if span.name != "app")
    assert span.parent is not None
    assert span.parent.span_id == outer.get_span_context().span_id
    assert span.attributes is not None
    assert span.attributes[attr.CALLSPAN_USER] == "ann"


async def test_request_of_a_stream_runs_beneath_its_span(spans: Spans) -> None:
    """HTTP instrumentations nest under the call."""
    seen = []

    def respond(request: Any) -> Any:
        seen.append(get_current_span().get_span_context().span_id)
        return 200, {"content-type": "text/event-stream"}, Pieces(words())

    for way in ("sync", "async"):
        await collect(await settle(models(respond, way).generate_content_stream(model=MODEL, contents="Count")))
    assert seen == [span.context.span_id for span in spans.all if span.context]


@either
async def test_cancelled(way: str, spans: Spans) -> None:
    """A task is cancelled while it waits for the next chunk."""
    if way == "sync":
        return
    reading = asyncio.Event()

    def respond(request: Any) -> Any:
        return 200, {"content-type": "text/event-stream"}, Pieces(words(), pause=2)

    async def read() -> None:
        stream = await models(respond, "async").generate_content_stream(model=MODEL, contents="Count")
        async for _ in stream:
            reading.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(reading.wait(), 5)
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    span = spans.one()
    assert (span.end, span[attr.ERROR_TYPE]) == ("error", "asyncio.exceptions.CancelledError")
    assert span.text.startswith("one")


@either
@pytest.mark.parametrize("method", ["generate_content", "generate_content_stream"])
async def test_refused(way: str, method: str, spans: Spans) -> None:
    """The application sees the SDK's exception, the span its class, status and message."""
    body = {"error": {"code": 429, "message": "Too fast.", "status": "RESOURCE_EXHAUSTED"}}

    async def make() -> None:
        await collect(await settle(getattr(models(Server(body, status=429), way), method)(model=MODEL, contents="Hi")))

    with pytest.raises(errors.ClientError):
        await make()
    span = spans.one()
    assert span[attr.ERROR_TYPE] == "google.genai.errors.ClientError"
    assert span[attr.HTTP_RESPONSE_STATUS_CODE] == 429
    assert span.span.status.description == "Too fast."


def look(at: str) -> str:
    """Looks at something.

    Args:
        at: what.
    """
    return f"{at} is blue"


@either
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
async def test_automatic_function_calling(way: str, streams: bool, spans: Spans) -> None:
    """Each request is a call: the second one's prompt holds the function's result, and each has its own tokens."""
    called = answer({"functionCall": {"name": "look", "args": {"at": "sky"}}}, usage={"promptTokenCount": 5})
    said = answer({"text": "Blue."}, usage={"promptTokenCount": 9})
    server = Server(events(called), events(said)) if streams else Server(called, said)
    method = "generate_content_stream" if streams else "generate_content"
    result = await settle(getattr(models(server, way), method)(model=MODEL, contents="Sky?", config={"tools": [look]}))
    if streams:
        await collect(result)
    first, second = spans.all
    assert [span.attributes[attr.GEN_AI_USAGE_INPUT_TOKENS] for span in (first, second) if span.attributes] == [5, 9]
    assert second.attributes is not None
    prompt = json.loads(str(second.attributes[attr.GEN_AI_INPUT_MESSAGES]))
    assert [part["type"] for message in prompt for part in message["parts"]] == [
        "text",
        "tool_call",
        "tool_call_response",
    ]
    (tool,) = json.loads(str(second.attributes[attr.GEN_AI_TOOL_DEFINITIONS]))
    assert (tool["name"], list(tool["parameters"]["properties"])) == ("look", ["at"])


@either
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
async def test_chat(way: str, streams: bool, spans: Spans) -> None:
    """A chat runs on the model's methods: one call for each message, with the history in its prompt."""
    texts = [answer({"text": "Hello."}), answer({"text": "Bye."})]
    client = answering_client(Server(*map(events, texts)) if streams else Server(*texts))
    chat: Any = (client.aio if way == "async" else client).chats.create(model=MODEL)
    for text in ("Hi", "Bye"):
        result = await settle((chat.send_message_stream if streams else chat.send_message)(text))
        if streams:
            await collect(result)
    _, second = spans.all
    assert second.attributes is not None
    prompt = json.loads(str(second.attributes[attr.GEN_AI_INPUT_MESSAGES]))
    assert [message["parts"][0]["content"] for message in prompt] == ["Hi", "Hello.", "Bye"]


@either
async def test_embeddings(way: str, spans: Spans) -> None:
    """The number of vectors, their length, and the texts."""
    body = {"embeddings": [{"values": [0.1, 0.2]}, {"values": [0.3, 0.4]}]}
    await settle(models(Server(body), way).embed_content(model="text-embedding-004", contents=["a", "b"]))
    span = spans.one()
    assert span[attr.GEN_AI_OPERATION_NAME] == "embeddings"
    assert (span[attr.CALLSPAN_EMBEDDING_VECTORS], span[attr.CALLSPAN_EMBEDDING_DIMENSIONS]) == (2, 2)
    assert [message["parts"][0]["content"] for message in span.input] == ["a", "b"]


@either
@pytest.mark.filterwarnings("ignore::google.genai._common.ExperimentalWarning")
async def test_images(way: str, spans: Spans) -> None:
    """What was asked for and what was drawn."""
    body = {"predictions": [{"bytesBase64Encoded": "AAAA", "mimeType": "image/png"}]}
    await settle(
        models(Server(body), way, vertex=True).generate_images(
            model="imagen-4", prompt="A cat", config={"aspect_ratio": "1:1"}
        )
    )
    span = spans.one()
    assert span[attr.GEN_AI_OPERATION_NAME] == "image_generation"
    assert span[attr.GEN_AI_OUTPUT_TYPE] == "image"
    assert span.parameters == {"aspect_ratio": "1:1"}
    assert span.output[0]["parts"] == [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"}
    ]


async def test_vertex(spans: Spans) -> None:
    """Vertex AI is a provider of its own."""
    models(Server(answer({"text": "Hi"})), "sync", vertex=True).generate_content(model=MODEL, contents="Hi")
    span = spans.one()
    assert span[attr.GEN_AI_PROVIDER_NAME] == "gcp.vertex_ai"
    assert span[attr.SERVER_ADDRESS].endswith("aiplatform.googleapis.com")


async def test_blocked_prompt(spans: Spans) -> None:
    """No candidate: why is on the span, and no finish reason is made up."""
    body = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    models(Server(body), "sync").generate_content(model=MODEL, contents="Hi")
    span = spans.one()
    assert attr.GEN_AI_RESPONSE_FINISH_REASONS not in span.attributes
    assert span.json(attr.CALLSPAN_RESPONSE_CONTENT) == {"prompt_feedback": {"block_reason": "SAFETY"}}


async def test_http_response_alone(spans: Spans) -> None:
    """The application asked for the HTTP response: the call is read from its body."""
    config = types.GenerateContentConfig(should_return_http_response=True)
    server = Server(answer({"text": "Hi"}, usage=USAGE))
    result = models(server, "sync").generate_content(model=MODEL, contents="Hi", config=config)
    assert result.sdk_http_response.body
    assert (spans.one().text, spans.one()[attr.GEN_AI_USAGE_INPUT_TOKENS]) == ("Hi", 25)


@pytest.mark.parametrize(
    "config", [None, {"http_options": {"headers": {"x-a": "1"}}}, types.GenerateContentConfig(seed=1)]
)
@pytest.mark.parametrize("method", ["generate_content", "embed_content"])
async def test_traceparent(method: str, config: Any, exported: Spans, tracer_provider: TracerProvider) -> None:
    """Sent where it was asked for, beside the application's own headers; the config is as it was."""
    if method == "embed_content" and isinstance(config, types.GenerateContentConfig):
        config = types.EmbedContentConfig(output_dimensionality=1)
    instrument(tracer_provider=tracer_provider, clients=["google_genai"])
    server = Server(answer({"text": "Hi"}), answer({"text": "Hi"}))
    model = models(server, "sync")
    before = repr(config)
    getattr(model, method)(model=MODEL, contents="Hi", config=config)
    assert "traceparent" not in server.requests[0].headers
    from callspan.instrumentors import activate, uninstrument

    activate(["google_genai"], forward_traceparent=True)
    getattr(model, method)(model=MODEL, contents="Hi", config=config)
    uninstrument()
    headers = server.requests[1].headers
    span = exported.all[-1]
    assert span.context is not None
    assert f"{span.context.span_id:016x}" in headers["traceparent"]
    assert headers.get("x-a") == ("1" if isinstance(config, dict) else None)
    assert repr(config) == before
