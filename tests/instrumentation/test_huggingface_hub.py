"""The huggingface_hub package's inference clients, against the wire formats of its servers and of the router."""

import io
import json
from collections.abc import Callable
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import GenerationError, HfHubHTTPError
from huggingface_hub.inference import _common
from huggingface_hub.utils import _http
from PIL import Image

from callspan_semconv import attributes as attr
from tests.instrumentation.support import Spans, collect, settle, user
from tests.instrumentation.wire import StreamContract, Wire

# The async client sends bytes in a way that its HTTP library no longer likes.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

httpx: Any = getattr(_common, "httpx2", None) or _common.httpx  # type: ignore[attr-defined]  # 2.x has the first only
MODEL = "meta-llama/Llama-3.1-8B-Instruct"
HOST = "http://tgi.example:8080"
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALLED = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


# A client that is dropped closes its streams.
_alive: list[Any] = []


def client(wire: Any, is_async: bool, *arguments: Any, **options: Any) -> Any:
    transport = httpx.MockTransport(wire)
    if is_async:
        huggingface_hub.set_async_client_factory(lambda: httpx.AsyncClient(transport=transport))
        made: Any = huggingface_hub.AsyncInferenceClient(*arguments, **options)
    else:
        huggingface_hub.set_client_factory(lambda: httpx.Client(transport=transport))
        made = huggingface_hub.InferenceClient(*arguments, **options)
    _alive.append(made)
    return made


@pytest.fixture(autouse=True)
def factories(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package's own HTTP clients come back after each test."""
    for name in ("_GLOBAL_CLIENT_FACTORY", "_GLOBAL_ASYNC_CLIENT_FACTORY"):
        monkeypatch.setattr(_http, name, getattr(_http, name))
    yield
    _alive.clear()
    huggingface_hub.close_session()


@pytest.fixture(params=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "async")


def event(data: Any) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def delta(finish: str | None = None, **message: Any) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", **message}, "finish_reason": finish}
    return event({"id": "c1", "model": MODEL, "created": 1, "system_fingerprint": "3.1-sha", "choices": [choice]})


def token(text: str, *, special: bool = False, **more: Any) -> bytes:
    return event({"index": 1, "token": {"id": 5, "text": text, "logprob": -0.5, "special": special}, **more})


DETAILS = {"finish_reason": "eos_token", "generated_tokens": 5, "input_length": 7, "seed": None}


class TestChatStream(StreamContract):
    httpx = httpx
    kind = "text/event-stream"
    pieces: tuple[bytes, ...] = (
        delta(content="It "),
        delta(content="rains "),
        delta(content="in "),
        delta(content="Spain"),
        delta("stop", content=""),
        event({"id": "c1", "model": MODEL, "choices": [], "usage": USAGE}) + b"data: [DONE]\n\n",
    )
    said = "It rains in Spain"
    refused = (HfHubHTTPError, b'{"error": "busy"}')
    generator = True

    def start(self, wire: Wire, *, is_async: bool) -> Any:
        return client(wire, is_async, HOST).chat.completions.create(user("Weather?"), stream=True)


class TestTextStream(TestChatStream):
    pieces = (
        *(token(text) for text in ("It ", "rains ", "in ", "Spain")),
        token("</s>", special=True, generated_text="It rains in Spain", details=DETAILS),
    )

    def start(self, wire: Wire, *, is_async: bool) -> Any:
        return client(wire, is_async, HOST).text_generation("Weather?", stream=True, details=True)


async def test_chat(is_async: bool, spans: Spans) -> None:
    """One span of all that was asked and answered."""
    message = {"role": "assistant", "content": "Hm", "reasoning": "Well", "tool_calls": [CALLED]}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
    answer = {"id": "c1", "model": f"{MODEL}-x", "system_fingerprint": "sha", "choices": [choice], "usage": USAGE}
    wire = Wire(httpx, json.dumps(answer).encode())
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/p.png?sig=1"}}]},
        {"role": "assistant", "tool_calls": [CALLED]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    result = await settle(
        client(wire, is_async, HOST).chat_completion(
            messages,
            model=MODEL,
            tools=[TOOL],
            temperature=0.0,
            max_tokens=9,
            stop=["X"],
            seed=3,
            response_format={"type": "json", "value": {}},
            extra_body={"min_p": 0.1},
        )
    )
    assert type(result) is huggingface_hub.ChatCompletionOutput
    span = spans.one()
    assert span.span.name == f"chat {MODEL}"
    assert span[attr.GEN_AI_PROVIDER_NAME] == "huggingface"
    assert (span[attr.SERVER_ADDRESS], span[attr.SERVER_PORT]) == ("tgi.example", 8080)
    assert span[attr.CALLSPAN_CALL_TYPE] == ("acompletion" if is_async else "completion")
    assert (span[attr.GEN_AI_REQUEST_TEMPERATURE], span[attr.GEN_AI_REQUEST_MAX_TOKENS]) == (0.0, 9)
    assert (span[attr.GEN_AI_REQUEST_SEED], span[attr.GEN_AI_REQUEST_STOP_SEQUENCES]) == (3, ("X",))
    assert span[attr.GEN_AI_OUTPUT_TYPE] == "json"
    assert span.parameters == {"response_format": {"type": "json", "value": {}}, "min_p": 0.1}
    asked = {"type": "tool_call", "name": "weather", "arguments": {"city": "Rome"}, "id": "call_1"}
    assert span.input == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": "https://a.example/p.png"}]},
        {"role": "assistant", "parts": [asked]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "response": "sunny", "id": "call_1"}]},
    ]
    assert span.json(attr.GEN_AI_TOOL_DEFINITIONS) == [
        {"type": "function", "name": "weather", "parameters": {"type": "object"}}
    ]
    (output,) = span.output
    assert output["parts"] == [{"type": "reasoning", "content": "Well"}, {"type": "text", "content": "Hm"}, asked]
    assert (span[attr.GEN_AI_RESPONSE_ID], span[attr.GEN_AI_RESPONSE_MODEL]) == ("c1", f"{MODEL}-x")
    assert (span[attr.GEN_AI_USAGE_INPUT_TOKENS], span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]) == (9, 4)
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("tool_calls",)
    assert span.get(attr.OPENAI_API_TYPE) is None


async def test_streamed_tool_call(is_async: bool, spans: Spans) -> None:
    """The arguments come in pieces."""
    pieces = [{**CALLED, "index": 0, "function": {"name": "weather", "arguments": '{"city"'}}]
    pieces.append({"index": 0, "id": "", "type": "function", "function": {"name": None, "arguments": ': "Rome"}'}})
    wire = Wire(httpx, *(delta(tool_calls=[piece]) for piece in pieces), delta("tool_calls"), kind="text/event-stream")
    await collect(await settle(client(wire, is_async, HOST).chat_completion(user("Hi"), stream=True, tools=[TOOL])))
    (output,) = spans.one().output
    assert output["parts"] == [{"type": "tool_call", "name": "weather", "arguments": {"city": "Rome"}, "id": "call_1"}]


def hub(request: Any) -> Any:
    """The Hub, which tells who serves the model, the router and the providers."""
    if "/api/models/" in request.url.path:
        task = {"status": "live", "providerId": "llama-8b", "task": "conversational"}
        return httpx.Response(200, json={"id": MODEL, "inferenceProviderMapping": {"together": task, "groq": task}})
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": str(request.url)}}
    return httpx.Response(200, json={"id": "c1", "model": "llama-8b", "choices": [choice], "usage": USAGE})


@pytest.mark.parametrize(
    ("options", "provider", "parameters"),
    [
        ({"token": "hf_x"}, "huggingface", None),
        ({"token": "hf_x", "provider": "together"}, "huggingface", {"provider": "together"}),
        ({"token": "key", "provider": "together"}, "together_ai", {"provider": "together"}),
        ({"token": "key", "provider": "groq"}, "groq", {"provider": "groq"}),
    ],
)
async def test_providers(options: Any, provider: str, parameters: Any, is_async: bool, spans: Spans) -> None:
    """Through the router, or at the provider itself; the client's model is the calls'."""
    # The mapping is asked for by the sync client, by either kind.
    client(hub, False)
    result = await settle(client(hub, is_async, MODEL, **options).chat_completion(user("Hi")))
    span = spans.one()
    assert span[attr.GEN_AI_PROVIDER_NAME] == provider
    assert span[attr.SERVER_ADDRESS] == httpx.URL(result.choices[0].message.content).host
    assert span[attr.GEN_AI_REQUEST_MODEL] == MODEL
    assert span.parameters == parameters


@pytest.mark.parametrize(
    ("own", "asked", "address", "name"),
    [
        (HOST, None, "tgi.example", None),
        (HOST, MODEL, "router.huggingface.co", MODEL),
        (MODEL, HOST, "tgi.example", MODEL),
    ],
)
async def test_models_that_are_urls(own: Any, asked: Any, address: str, name: Any, spans: Spans) -> None:
    """``text_generation(model=...)`` goes before the client's own; a URL is no model's name."""

    def tgi(request: Any) -> Any:
        if "/api/models/" in request.url.path:
            return httpx.Response(200, json={"id": MODEL, "pipeline_tag": "text-generation", "tags": []})
        return httpx.Response(200, json=[{"generated_text": request.url.host}])

    said = client(tgi, False, own, provider="hf-inference").text_generation("Hi", model=asked)
    assert said == address
    span = spans.one()
    assert (span[attr.SERVER_ADDRESS], span.get(attr.GEN_AI_REQUEST_MODEL)) == (address, name)


@pytest.mark.parametrize("details", [False, True])
async def test_text_generation(details: bool, is_async: bool, spans: Spans) -> None:
    """The text alone, or with counts, tokens and the finish reason."""
    found = {
        "finish_reason": "length",
        "generated_tokens": 3,
        "prefill": [{"id": 1, "text": "Why", "logprob": None}] * 2,
    }
    answer = [{"generated_text": "It rains", **({"details": {**found, "tokens": []}} if details else {})}]
    wire = Wire(httpx, json.dumps(answer).encode())
    grammar = {"type": "json", "value": {"type": "object"}}
    result = await settle(
        client(wire, is_async, HOST).text_generation(
            "Why?", details=details, max_new_tokens=3, stop=["X"], seed=4, grammar=grammar, do_sample=True
        )
    )
    assert (result.generated_text if details else result) == "It rains"
    span = spans.one()
    assert (span.span.name, span.text) == ("text_completion", "It rains")
    assert span.input == [{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}]
    assert (span[attr.GEN_AI_REQUEST_MAX_TOKENS], span[attr.GEN_AI_REQUEST_SEED]) == (3, 4)
    assert (span[attr.GEN_AI_REQUEST_STOP_SEQUENCES], span[attr.GEN_AI_OUTPUT_TYPE]) == (("X",), "json")
    assert span.parameters == {"details": details, "grammar": grammar, "do_sample": True}
    assert span.get(attr.GEN_AI_USAGE_INPUT_TOKENS) == (2 if details else None)
    assert span.get(attr.GEN_AI_USAGE_OUTPUT_TOKENS) == (3 if details else None)
    assert span.get(attr.GEN_AI_RESPONSE_FINISH_REASONS) == (("length",) if details else None)
    assert bool(span.json(attr.CALLSPAN_RESPONSE_CONTENT)) is details


async def test_text_without_details(is_async: bool, spans: Spans) -> None:
    """A stream of plain texts."""
    wire = Wire(
        httpx, token("It "), token("rains", generated_text="It rains", details=DETAILS), kind="text/event-stream"
    )
    texts = await collect(await settle(client(wire, is_async, HOST).text_generation("Why?", stream=True)))
    assert texts == ["It ", "rains"]
    assert (spans.one().text, spans.one().get(attr.GEN_AI_USAGE_OUTPUT_TOKENS)) == ("It rains", None)


async def test_refused_parameters(is_async: bool, spans: Spans) -> None:
    """The package asks again without what an old server does not know: one span of the whole call."""
    answers = [
        httpx.Response(400, json={"error": "The following `model_kwargs` are not used by the model: ['watermark']"}),
        httpx.Response(200, json={"generated_text": "Hi"}),
    ]
    made = client(lambda _request: answers.pop(0), is_async, HOST)
    with pytest.warns(UserWarning, match="watermark"):
        said = await settle(made.text_generation("Why?", model=f"{HOST}/{is_async}", watermark=True))
    assert said == "Hi"
    assert spans.one().text == "Hi"


async def test_server_of_text_generation_fails(is_async: bool, spans: Spans) -> None:
    """The package's own exception, with the status of the answer that it was made from."""
    wire = Wire(httpx, b'{"error": "out of memory", "error_type": "generation"}', status=424)
    with pytest.raises(GenerationError):
        await settle(client(wire, is_async, HOST).text_generation("Why?"))
    span = spans.one()
    assert span[attr.ERROR_TYPE] == "huggingface_hub.errors.GenerationError"
    assert span[attr.HTTP_RESPONSE_STATUS_CODE] == 424


async def test_error_in_the_middle(is_async: bool, spans: Spans) -> None:
    """The server reports an error in an event of a stream."""
    wire = Wire(
        httpx, delta(content="It "), event({"error": "gone", "error_type": "generation"}), kind=TestChatStream.kind
    )
    stream = await settle(client(wire, is_async, HOST).chat_completion(user("Hi"), stream=True))
    with pytest.raises(GenerationError):
        await collect(stream)
    assert (spans.one().end, spans.one().text) == ("error", "It ")


@pytest.mark.parametrize(
    ("texts", "vectors", "counted"),
    [("one", [0.5, 0.5, 0.5], 1), (["one", "two"], [[0.1, 0.2, 0.3]] * 2, 2), ("one", [[[0.1, 0.2, 0.3]] * 4], 4)],
)
async def test_embeddings(texts: Any, vectors: Any, counted: int, is_async: bool, spans: Spans) -> None:
    """Vectors are counted and measured, not recorded; a model may give one for each token."""
    wire = Wire(httpx, json.dumps(vectors).encode())
    array = await settle(client(wire, is_async, HOST).feature_extraction(texts, normalize=True))
    assert array.tolist()
    span = spans.one()
    assert span[attr.GEN_AI_OPERATION_NAME] == "embeddings"
    assert (span[attr.CALLSPAN_EMBEDDING_VECTORS], span[attr.CALLSPAN_EMBEDDING_DIMENSIONS]) == (counted, 3)
    assert len(span.input) == (1 if isinstance(texts, str) else 2)
    assert span.parameters == {"normalize": True}


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 3)).save(file, "PNG")
    return file.getvalue()


PICTURE = [{"role": "assistant", "parts": [{"type": "image", "width": 4, "height": 3, "mime_type": "image/png"}]}]


@pytest.mark.parametrize(
    ("call", "operation", "asked"),
    [
        (lambda made: made.text_to_image("A cat", seed=3), "image_generation", {"type": "text", "content": "A cat"}),
        (
            lambda made: made.image_to_image(png(), prompt="A cat"),
            "image_edit",
            {"type": "text", "content": "A cat"},
        ),
    ],
)
async def test_images(call: Callable[[Any], Any], operation: str, asked: Any, is_async: bool, spans: Spans) -> None:
    """The picture is Pillow's, and is measured, not recorded."""
    wire = Wire(httpx, png(), kind="image/png")
    image = await settle(call(client(wire, is_async, HOST)))
    assert image.size == (4, 3)
    span = spans.one()
    assert span[attr.GEN_AI_OPERATION_NAME] == operation
    assert span.input[0]["parts"][0] == asked
    assert span.output == PICTURE


async def test_audio(is_async: bool, spans: Spans, tmp_path: Any) -> None:
    """Speech in, text out: the file is named, not read."""
    sound = tmp_path / "hello.flac"
    sound.write_bytes(b"fLaC")
    wire = Wire(httpx, b'{"text": "Hello"}')
    await settle(client(wire, is_async, HOST).automatic_speech_recognition(str(sound)))
    span = spans.take()
    assert (span[attr.GEN_AI_OPERATION_NAME], span.text) == ("transcription", "Hello")
    (part,) = span.input[0]["parts"]
    assert (part["type"], part["name"]) == ("upload", "hello.flac")
    wire = Wire(httpx, b"fLaC", kind="audio/flac")
    assert await settle(client(wire, is_async, HOST).text_to_speech("Hello")) == b"fLaC"
    span = spans.one()
    assert (span[attr.GEN_AI_OPERATION_NAME], span.input[0]["parts"][0]["content"]) == ("speech", "Hello")
