"""The ollama package, its clients and its module's functions, against its real wire format: JSON and JSON lines."""

import importlib
import json
import sys
from typing import Any

import httpx
import ollama
import pytest

from callspan_semconv import attributes as attr
from tests.instrumentation import recordings
from tests.instrumentation.replay import Outcome, Provider, answer_usage, plain
from tests.instrumentation.support import Read, Spans, collect, settle, user
from tests.instrumentation.wire import StreamContract, Wire

MODEL = "llama3.2"
COUNTS = {"done": True, "done_reason": "stop", "prompt_eval_count": 26, "eval_count": 12, "total_duration": 5}


def piece(**more: Any) -> bytes:
    return json.dumps({"model": MODEL, "created_at": "2026-01-01T00:00:00Z", "done": False, **more}).encode() + b"\n"


def said(text: str, **more: Any) -> bytes:
    return piece(message={"role": "assistant", "content": text, **more.pop("message", {})}, **more)


def client(wire: Wire, *, is_async: bool) -> Any:
    return (ollama.AsyncClient if is_async else ollama.Client)(
        host="http://llama.example:1234", transport=wire.transport
    )


@pytest.fixture(params=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "async")


class TestChatStream(StreamContract):
    httpx = httpx
    kind = "application/x-ndjson"
    pieces: tuple[bytes, ...] = (said("It "), said("rains "), said("in "), said("Spain"), said("", **COUNTS))
    said = "It rains in Spain"
    refused = (ollama.ResponseError, b'{"error": "busy"}')
    generator = True

    def start(self, wire: Wire, *, is_async: bool) -> Any:
        return client(wire, is_async=is_async).chat(MODEL, user("Weather?"), stream=True)


class TestGenerateStream(TestChatStream):
    pieces = (*(piece(response=text) for text in ("It ", "rains ", "in ", "Spain")), piece(response="", **COUNTS))

    def start(self, wire: Wire, *, is_async: bool) -> Any:
        return client(wire, is_async=is_async).generate(MODEL, "Weather?", stream=True)


async def test_chat(is_async: bool, spans: Spans) -> None:
    """One span of all that was asked and answered."""
    call = {"function": {"name": "weather", "arguments": {"city": "Rome"}}}
    wire = Wire(httpx, said("Hm", message={"thinking": "Well", "tool_calls": [call]}, **COUNTS))
    options = {"temperature": 0, "num_predict": 5, "stop": ["X"], "top_k": 3, "num_ctx": 2048}
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Look", "images": [b"PNG"]},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_name": "weather", "content": "sunny"},
    ]
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    result = await settle(
        client(wire, is_async=is_async).chat(
            MODEL, messages, tools=[tool, later], options=options, think="high", format="json", keep_alive="5m"
        )
    )
    assert type(result) is ollama.ChatResponse
    span = spans.one()
    assert span.span.name == f"chat {MODEL}"
    assert span[attr.GEN_AI_PROVIDER_NAME] == "ollama"
    assert (span[attr.SERVER_ADDRESS], span[attr.SERVER_PORT]) == ("llama.example", 1234)
    assert span[attr.CALLSPAN_CALL_TYPE] == ("acompletion" if is_async else "completion")
    assert span[attr.GEN_AI_REQUEST_TEMPERATURE] == 0
    assert (span[attr.GEN_AI_REQUEST_MAX_TOKENS], span[attr.GEN_AI_REQUEST_TOP_K]) == (5, 3)
    assert span[attr.GEN_AI_REQUEST_STOP_SEQUENCES] == ("X",)
    assert span[attr.GEN_AI_REQUEST_REASONING_LEVEL] == "high"
    assert span[attr.GEN_AI_OUTPUT_TYPE] == "json"
    assert span.parameters == {"options": {"num_ctx": 2048}, "think": "high", "format": "json", "keep_alive": "5m"}
    asked = {"type": "tool_call", "name": "weather", "arguments": {"city": "Rome"}}
    assert span.input == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "Look"},
                {"type": "blob", "modality": "image", "content": "UE5H"},
            ],
        },
        {"role": "assistant", "parts": [asked]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "response": "sunny"}], "name": "weather"},
    ]
    assert span.json(attr.GEN_AI_TOOL_DEFINITIONS) == [
        {"type": "function", **tool["function"]},  # type: ignore[dict-item]  # a literal of mixed values
        {"type": "function", "name": "later", "description": "Do it later."},
    ]
    assert span.output == [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "Well"}, {"type": "text", "content": "Hm"}, asked],
            "finish_reason": "stop",
        }
    ]
    assert (span[attr.GEN_AI_USAGE_INPUT_TOKENS], span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]) == (26, 12)
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("stop",)


def later() -> None:
    """Do it later."""


async def test_generate(is_async: bool, spans: Spans) -> None:
    """Prompt and system prompt."""
    wire = Wire(httpx, piece(response="Blue", context=[1, 2], **COUNTS))
    options = ollama.Options(seed=3)
    await settle(client(wire, is_async=is_async).generate(MODEL, "Why?", system="Be brief.", options=options))
    span = spans.one()
    assert (span.span.name, span.text) == (f"text_completion {MODEL}", "Blue")
    assert span.json(attr.GEN_AI_SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Be brief."}]
    assert span.input == [{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}]
    assert span[attr.GEN_AI_REQUEST_SEED] == 3


@pytest.mark.parametrize(
    ("method", "arguments", "answer", "texts"),
    [
        ("embed", {"input": ["one", "two"]}, {"embeddings": [[0.1, 0.2], [0.3, 0.4]], "prompt_eval_count": 4}, 2),
        ("embeddings", {"prompt": "one"}, {"embedding": [0.1, 0.2]}, 1),
    ],
)
async def test_embeddings(method: str, arguments: Any, answer: Any, texts: int, is_async: bool, spans: Spans) -> None:
    """Vectors are counted and measured, not recorded."""
    wire = Wire(httpx, json.dumps({"model": MODEL, **answer}).encode())
    await settle(getattr(client(wire, is_async=is_async), method)(MODEL, **arguments))
    span = spans.one()
    assert span.span.name == f"embeddings {MODEL}"
    assert (span[attr.CALLSPAN_EMBEDDING_VECTORS], span[attr.CALLSPAN_EMBEDDING_DIMENSIONS]) == (texts, 2)
    assert span.get(attr.GEN_AI_USAGE_INPUT_TOKENS) == answer.get("prompt_eval_count")
    assert len(span.input) == texts


async def test_refused(is_async: bool, spans: Spans) -> None:
    """An unknown model."""
    wire = Wire(httpx, b'{"error": "model not found"}', status=404)
    with pytest.raises(ollama.ResponseError):
        await settle(client(wire, is_async=is_async).chat("none", user("Hi")))
    span = spans.one()
    assert (span[attr.ERROR_TYPE], span[attr.HTTP_RESPONSE_STATUS_CODE]) == ("ollama._types.ResponseError", 404)


async def test_error_in_the_middle(is_async: bool, spans: Spans) -> None:
    """The server reports an error in a line of a stream."""
    wire = Wire(httpx, said("It "), b'{"error": "out of memory"}\n')
    stream = await settle(client(wire, is_async=is_async).chat(MODEL, user("Hi"), stream=True))
    with pytest.raises(ollama.ResponseError):
        await collect(stream)
    assert (spans.one().end, spans.one().text) == ("error", "It ")


@pytest.mark.parametrize("stream", [False, True])
def test_functions_of_the_module(stream: bool, spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """``ollama.chat`` is a bound method of a client that the package made when it was imported: one span."""
    wire = Wire(httpx, said("Hi", **COUNTS))
    monkeypatch.setattr(ollama.chat.__self__, "_client", httpx.Client(transport=wire.transport, base_url="http://h:1"))  # type: ignore[attr-defined]  # a bound method
    result: Any = ollama.chat(MODEL, user("Hi"), stream=stream)  # type: ignore[call-overload]  # a bool of either kind
    if stream:
        list(result)
    span = spans.one()
    assert (span.text, span[attr.SERVER_ADDRESS], span[attr.GEN_AI_REQUEST_MODEL]) == ("Hi", "h", MODEL)


def test_function_that_was_imported_before(
    spans: Spans, without: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """``from ollama import chat`` in a module of the application, before anything was instrumented."""
    (tmp_path / "app_of_ollama.py").write_text("from ollama import chat\n")
    monkeypatch.syspath_prepend(tmp_path)
    with without():
        application = importlib.import_module("app_of_ollama")
        original = application.chat
    wire = Wire(httpx, said("Hi", **COUNTS))
    monkeypatch.setattr(original.__self__, "_client", httpx.Client(transport=wire.transport, base_url="http://h:1"))
    application.chat(MODEL, user("Hi"))
    assert spans.one().text == "Hi"
    with without():
        assert application.chat is original
    del sys.modules["app_of_ollama"]


async def call(exchange: recordings.Json, way: str) -> Outcome:
    """Make a recorded call."""
    provider = Provider(exchange, httpx)
    transport = httpx.MockTransport(provider)
    made = (ollama.AsyncClient if way == "async" else ollama.Client)(transport=transport)
    result = await settle(getattr(made, exchange["operation"])(**exchange["request"]))
    return plain(await collect(result) if exchange["streaming"] else result), provider.bodies, None


def differences(exchange: recordings.Json, span: Read, error: BaseException | None) -> list[str]:
    """What the span of a recorded ``generate`` lacks or has wrong."""
    lines = [json.loads(line) for line in exchange["body"].splitlines()]
    request, last = exchange["request"], lines[-1]
    pairs = {
        "model": (span[attr.GEN_AI_REQUEST_MODEL], request["model"]),
        "answered": (span[attr.GEN_AI_RESPONSE_MODEL], last["model"]),
        "text": (span.text, "".join(line["response"] for line in lines)),
        "prompt": (span.input[0]["parts"][0]["content"], request["prompt"]),
        "tokens": (answer_usage(span)[:2], (last["prompt_eval_count"], last["eval_count"])),
        "reasons": (span.get(attr.GEN_AI_RESPONSE_FINISH_REASONS), (last["done_reason"],)),
        "parameters": (
            span.parameters,
            {k: request[k] for k in ("context", "format", "keep_alive", "raw", "template") if request[k] is not None},
        ),
        "well": (span.ok, error is None),
    }
    return [f"{name}: {seen!r}, not {wanted!r}" for name, (seen, wanted) in pairs.items() if seen != wanted]


@recordings.needed
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_every_exchange_is_recorded_right(way: str, replayed: Any) -> None:
    """Every recorded exchange gives a span with all that the provider said, and the application sees no difference."""
    await replayed(recordings.load("ollama"), way, call, differences)
