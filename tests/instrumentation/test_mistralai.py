"""The mistralai package against its real wire format, and its own tracing beside callspan's."""

import json
from typing import Any, ClassVar

import httpx2 as httpx
import pytest
from mistralai.client import Mistral, errors
from opentelemetry import trace

from callspan_semconv import attributes as attr
from tests.instrumentation import recordings
from tests.instrumentation.recordings import Json
from tests.instrumentation.replay import Outcome, Provider, differences, plain
from tests.instrumentation.support import Spans, collect, settle, user
from tests.instrumentation.wire import StreamContract, Wire

MODEL = "mistral-small-latest"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "num_cached_tokens": 4}


def client(wire: Any) -> Any:
    made = wire.client
    return Mistral(
        api_key="k",
        server_url="http://mistral.internal:81",
        client=made(is_async=False),
        async_client=made(is_async=True),
    )


def named(name: str, *, is_async: bool) -> str:
    return f"{name}_async" if is_async else name


def event(delta: Json, reason: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice], **more}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def completion(message: Json, reason: str = "stop") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    whole = {"id": "c1", "object": "chat.completion", "created": 1, "model": MODEL, "usage": USAGE, "choices": [choice]}
    return json.dumps(whole).encode()


@pytest.fixture(params=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "async")


class TestChatStream(StreamContract):
    httpx = httpx
    kind = "text/event-stream"
    pieces = (
        event({"role": "assistant", "content": ""}),
        event({"content": "It "}),
        event({"content": "rains "}),
        event({"content": "in "}),
        event({"content": "Spain"}),
        event({"content": ""}, "stop", usage=USAGE) + b"data: [DONE]\n\n",
    )
    said = "It rains in Spain"
    refused = (errors.SDKError, b'{"message": "Too many requests"}')
    generator = False
    resource = "chat"
    arguments: ClassVar[Json] = {"model": MODEL, "messages": user("Weather?")}

    def start(self, wire: Wire, *, is_async: bool) -> Any:
        return getattr(getattr(client(wire), self.resource), named("stream", is_async=is_async))(**self.arguments)


class TestAgentsStream(TestChatStream):
    resource = "agents"
    arguments: ClassVar[Json] = {"agent_id": "ag:1", "messages": user("Weather?")}


class TestFimStream(TestChatStream):
    resource = "fim"
    arguments: ClassVar[Json] = {"model": "codestral-latest", "prompt": "def f("}


async def test_chat(is_async: bool, spans: Spans) -> None:
    """One span of all that was asked and answered."""
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    call = {"id": "abc", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Well"}]}
    answer = {"content": [thinking, {"type": "text", "text": "Hm"}], "tool_calls": [call]}
    wire = Wire(httpx, completion(answer, "tool_calls"))
    messages: Any = [
        {
            "role": "user",
            "content": [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": "http://i/p"}],
        },
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "abc", "name": "weather", "content": "sunny"},
    ]
    complete = getattr(client(wire).chat, named("complete", is_async=is_async))
    result = await settle(
        complete(
            model=MODEL,
            messages=messages,
            tools=[tool],
            random_seed=0,
            stop=["X"],
            safe_prompt=True,
            metadata={"team": "search"},
            timeout_ms=5000,
        )
    )
    span = spans.one()
    assert span.span.name == f"chat {MODEL}"
    assert span[attr.GEN_AI_PROVIDER_NAME] == "mistral_ai"
    assert (span[attr.SERVER_ADDRESS], span[attr.SERVER_PORT]) == ("mistral.internal", 81)
    assert span[attr.CALLSPAN_CALL_TYPE] == ("acompletion" if is_async else "completion")
    assert (span[attr.GEN_AI_REQUEST_SEED], span[attr.GEN_AI_REQUEST_STOP_SEQUENCES]) == (0, ("X",))
    assert span.parameters == {"safe_prompt": True}
    assert span.json(attr.CALLSPAN_METADATA) == {"team": "search"}
    asked = {"type": "tool_call", "id": "abc", "name": "weather", "arguments": {"city": "Rome"}}
    assert [message["parts"][-1] for message in span.input] == [
        {"type": "uri", "modality": "image", "uri": "http://i/p"},
        asked,
        {"type": "tool_call_response", "response": "sunny", "id": "abc"},
    ]
    assert span.output[0]["parts"] == [
        {"type": "reasoning", "content": "Well"},
        {"type": "text", "content": "Hm"},
        asked,
    ]
    assert span.json(attr.GEN_AI_TOOL_DEFINITIONS) == [
        {"type": "function", "name": "weather", "parameters": {"type": "object"}}
    ]
    assert span[attr.GEN_AI_RESPONSE_ID] == result.id
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("tool_calls",)
    assert (span[attr.GEN_AI_USAGE_INPUT_TOKENS], span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]) == (11, 7)
    assert span[attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 4
    assert attr.OPENAI_API_TYPE not in span.attributes
    assert wire.requests[0].headers["traceparent"].split("-")[2] == f"{span.span.context.span_id:016x}"


async def test_streamed_thinking_and_tool_calls(is_async: bool, spans: Spans) -> None:
    """Models that think stream their content in parts."""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "We"}]}
    call = {"id": "abc", "index": 0, "function": {"name": "weather", "arguments": "{}"}}
    pieces = [
        event({"role": "assistant", "content": [thinking]}),
        event({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "ll"}]}]}),
        event({"content": "Yes"}),
        event({"tool_calls": [call]}, "tool_calls"),
    ]
    wire = Wire(httpx, *pieces, kind="text/event-stream")
    stream = getattr(client(wire).chat, named("stream", is_async=is_async))
    await collect(await settle(stream(model=MODEL, messages=user("Hi"))))
    assert spans.one().output[0]["parts"] == [
        {"type": "reasoning", "content": "Well"},
        {"type": "text", "content": "Yes"},
        {"type": "tool_call", "name": "weather", "arguments": {}, "id": "abc"},
    ]


async def test_agents(is_async: bool, spans: Spans) -> None:
    """An agent has an id, and its model is known from the answer."""
    wire = Wire(httpx, completion({"content": "Hi"}))
    complete = getattr(client(wire).agents, named("complete", is_async=is_async))
    await settle(complete(agent_id="ag:1", messages=user("Hi")))
    span = spans.one()
    assert (span.span.name, span.text, span.parameters) == ("chat", "Hi", {"agent_id": "ag:1"})
    assert span[attr.GEN_AI_RESPONSE_MODEL] == MODEL


async def test_fim(is_async: bool, spans: Spans) -> None:
    """Fill in the middle."""
    wire = Wire(httpx, completion({"content": "x)"}))
    complete = getattr(client(wire).fim, named("complete", is_async=is_async))
    await settle(complete(model="codestral-latest", prompt="def f(", suffix="return x"))
    span = spans.one()
    assert (span.span.name, span.text) == ("text_completion codestral-latest", "x)")
    assert (span.input[0]["parts"][0]["content"], span.parameters) == ("def f(", {"suffix": "return x"})


async def test_embeddings(is_async: bool, spans: Spans) -> None:
    """Vectors are counted and measured."""
    data = [{"object": "embedding", "embedding": [0.1, 0.2], "index": n} for n in range(2)]
    usage = {"prompt_tokens": 5, "total_tokens": 5, "completion_tokens": 0}
    body = {"id": "e", "object": "list", "model": "mistral-embed", "data": data, "usage": usage}
    wire = Wire(httpx, json.dumps(body).encode())
    create = getattr(client(wire).embeddings, named("create", is_async=is_async))
    await settle(create(model="mistral-embed", inputs=["one", "two"], output_dimension=2))
    span = spans.one()
    assert span.span.name == "embeddings mistral-embed"
    assert (span[attr.CALLSPAN_EMBEDDING_VECTORS], span[attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT]) == (2, 2)
    assert len(span.input) == 2


async def test_refused(is_async: bool, spans: Spans) -> None:
    """The SDK's exception, its status and message."""
    wire = Wire(httpx, b'{"message": "Unauthorized"}', status=401)
    complete = getattr(client(wire).chat, named("complete", is_async=is_async))
    with pytest.raises(errors.SDKError):
        await settle(complete(model=MODEL, messages=user("Hi")))
    span = spans.one()
    assert span[attr.ERROR_TYPE] == "mistralai.client.errors.sdkerror.SDKError"
    assert span[attr.HTTP_RESPONSE_STATUS_CODE] == 401


@pytest.mark.parametrize("streams", [False, True])
async def test_its_own_tracing(
    streams: bool,
    is_async: bool,
    spans: Spans,
    without: Any,
    tracer_provider: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With MISTRAL_SDK_TELEMETRY=global the package makes a span itself: still one span a call, callspan's."""
    monkeypatch.setenv("MISTRAL_SDK_TELEMETRY", "global")
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", tracer_provider)
    pieces = TestChatStream.pieces if streams else (completion({"content": "Hi"}),)
    kind = "text/event-stream" if streams else "application/json"

    async def make() -> None:
        wire = Wire(httpx, *pieces, kind=kind)
        method = getattr(client(wire).chat, named("stream" if streams else "complete", is_async=is_async))
        result = await settle(method(model=MODEL, messages=user("Hi")))
        if streams:
            await collect(result)

    with without():
        await make()
    assert [span.instrumentation_scope.name for span in spans.all if span.instrumentation_scope] == [
        "mistralai_sdk_tracer"
    ]
    spans.exporter.clear()
    await make()
    span = spans.one()
    assert span.span.instrumentation_scope is not None
    assert span.span.instrumentation_scope.name == "callspan"


async def call(exchange: Json, way: str) -> Outcome:
    """Make a recorded call."""
    provider = Provider(exchange, httpx)
    mistral = client(provider)
    arguments = {name: value for name, value in exchange["request"].items() if name != "stream"}
    if tools := arguments.get("tools"):
        arguments["tools"] = [{"type": "function", **tool} for tool in tools]  # 3.0 insists
    if exchange["operation"] == "embeddings":
        arguments["inputs"] = arguments.pop("input")
        method = "embeddings.create"
    else:
        method = "chat.stream" if exchange["streaming"] else "chat.complete"
    resource, _, name = method.partition(".")
    result = await settle(getattr(getattr(mistral, resource), named(name, is_async=way == "async"))(**arguments))
    return plain(await collect(result) if exchange["streaming"] else result), provider.bodies, None


@recordings.needed
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_every_exchange_is_recorded_right(way: str, replayed: Any) -> None:
    """Every recorded exchange gives a span with all that the provider said, and the application sees no difference."""
    await replayed(recordings.load("mistral"), way, call, differences)
