"""The cohere package, versions 1 and 2 of its API, against their real wire formats: JSON, JSON lines and SSE."""

import json
from typing import Any

import cohere
import httpx
import pytest
from cohere.errors import TooManyRequestsError

from callspan_semconv import attributes as attr
from tests.instrumentation import recordings
from tests.instrumentation.recordings import Json
from tests.instrumentation.replay import Outcome, Provider, answer_usage, outputs_of, plain
from tests.instrumentation.support import Read, Spans, collect, settle, user
from tests.instrumentation.wire import StreamContract, Wire

MODEL = "command-a-03-2025"
UNITS = {"billed_units": {"input_tokens": 7, "output_tokens": 5}, "tokens": {"input_tokens": 69, "output_tokens": 5}}
ONCE: Any = {"max_retries": 0}
REFUSED = (TooManyRequestsError, b'{"message": "trial key"}')


def client(wire: Any, version: int, *, is_async: bool) -> Any:
    kinds: Any = {
        1: (cohere.Client, cohere.AsyncClient),
        2: (cohere.ClientV2, cohere.AsyncClientV2),
    }
    http_client = wire.client(is_async=is_async)
    return kinds[version][is_async]("k", base_url="http://cohere.internal:82", httpx_client=http_client)


def event(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def text(piece: str) -> bytes:
    return event("content-delta", index=0, delta={"message": {"content": {"text": piece}}})


def line(kind: str, *, end: bool = False, **data: Any) -> bytes:
    return json.dumps({"is_finished": end, "event_type": kind, **data}).encode() + b"\n"


@pytest.fixture(params=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "async")


class TestChatStream(StreamContract):
    httpx = httpx
    kind = "text/event-stream"
    pieces: tuple[bytes, ...] = (
        event("message-start", id="a1", delta={"message": {"role": "assistant", "content": []}}),
        event("content-start", index=0, delta={"message": {"content": {"type": "text", "text": ""}}}),
        text("It "),
        text("rains "),
        text("in "),
        text("Spain"),
        event("message-end", delta={"finish_reason": "COMPLETE", "usage": UNITS}) + b"data: [DONE]\n\n",
    )
    said = "It rains in Spain"
    refused = REFUSED
    generator = True

    def start(self, wire: Wire, *, is_async: bool) -> Any:
        return client(wire, 2, is_async=is_async).chat_stream(
            model=MODEL, messages=user("Weather?"), request_options=ONCE
        )


class TestNestedChatStream(TestChatStream):
    """``client.v2.chat_stream`` of a client of version 1."""

    def start(self, wire: Wire, *, is_async: bool) -> Any:
        return client(wire, 1, is_async=is_async).v2.chat_stream(
            model=MODEL, messages=user("Weather?"), request_options=ONCE
        )


class TestChatStreamV1(StreamContract):
    httpx = httpx
    kind = "application/stream+json"
    pieces = (
        line("stream-start", generation_id="g1"),
        *(line("text-generation", text=piece) for piece in ("It ", "rains ", "in ", "Spain")),
        line(
            "stream-end",
            end=True,
            finish_reason="COMPLETE",
            response={
                "response_id": "r1",
                "generation_id": "g1",
                "text": "It rains in Spain",
                "finish_reason": "COMPLETE",
                "meta": UNITS,
            },
        ),
    )
    said = "It rains in Spain"
    refused = REFUSED
    generator = True

    def start(self, wire: Wire, *, is_async: bool) -> Any:
        return client(wire, 1, is_async=is_async).chat_stream(model=MODEL, message="Weather?", request_options=ONCE)


TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
CALL_PART = {"type": "tool_call", "name": "weather", "arguments": {"city": "Rome"}, "id": "c1"}
CITATION = {"start": 0, "end": 2, "text": "Hm", "sources": [{"type": "tool", "id": "c1"}]}


async def test_chat(is_async: bool, spans: Spans) -> None:
    """One span of all that was asked and answered; the billed tokens count."""
    message = {
        "role": "assistant",
        "tool_plan": "I look",
        "content": [{"type": "text", "text": "Hm"}],
        "tool_calls": [CALL],
        "citations": [CITATION],
    }
    body = {"id": "a1", "message": message, "finish_reason": "TOOL_CALL", "usage": {**UNITS, "cached_tokens": 3}}
    wire = Wire(httpx, json.dumps(body).encode())
    messages: Any = [
        *user("Weather?"),
        {"role": "assistant", "tool_plan": "I look", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    result = await settle(
        client(wire, 2, is_async=is_async).chat(
            model=MODEL,
            messages=messages,
            tools=[TOOL],
            temperature=0.0,
            p=0.9,
            k=4,
            stop_sequences=["X"],
            safety_mode="NONE",
            response_format={"type": "json_object"},
        )
    )
    span = spans.one()
    assert span.span.name == f"chat {MODEL}"
    assert span[attr.GEN_AI_PROVIDER_NAME] == "cohere"
    assert (span[attr.SERVER_ADDRESS], span[attr.SERVER_PORT]) == ("cohere.internal", 82)
    assert span[attr.CALLSPAN_CALL_TYPE] == ("acompletion" if is_async else "completion")
    assert (span[attr.GEN_AI_REQUEST_TOP_P], span[attr.GEN_AI_REQUEST_TOP_K]) == (0.9, 4)
    assert (span[attr.GEN_AI_REQUEST_TEMPERATURE], span[attr.GEN_AI_REQUEST_STOP_SEQUENCES]) == (0.0, ("X",))
    assert span[attr.GEN_AI_OUTPUT_TYPE] == "json"
    assert span.parameters == {"safety_mode": "NONE", "response_format": {"type": "json_object"}}
    assert span.input == [
        {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "I look"}, CALL_PART]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "response": "sunny", "id": "c1"}]},
    ]
    assert span.json(attr.GEN_AI_TOOL_DEFINITIONS) == [
        {"type": "function", "name": "weather", "parameters": {"type": "object"}}
    ]
    assert span.output == [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "I look"}, {"type": "text", "content": "Hm"}, CALL_PART],
            "finish_reason": "TOOL_CALL",
        }
    ]
    assert span.json(attr.CALLSPAN_RESPONSE_CONTENT)["citations"][0]["text"] == "Hm"
    assert span[attr.GEN_AI_RESPONSE_ID] == result.id
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("TOOL_CALL",)
    assert answer_usage(span)[:3] == (7, 5, 3)
    assert wire.requests[0].headers["traceparent"].split("-")[2] == f"{span.span.context.span_id:016x}"


async def test_streamed_tool_calls(is_async: bool, spans: Spans) -> None:
    """The plan, several calls in pieces, citations and thinking."""

    def start(number: int) -> bytes:
        call = {"id": f"c{number}", "type": "function", "function": {"name": "weather", "arguments": ""}}
        return event("tool-call-start", index=number, delta={"message": {"tool_calls": call}})

    def arguments(number: int, piece: str) -> bytes:
        call = {"function": {"arguments": piece}}
        return event("tool-call-delta", index=number, delta={"message": {"tool_calls": call}})

    pieces = [
        event("message-start", id="a1", delta={"message": {"role": "assistant"}}),
        event("content-delta", index=0, delta={"message": {"content": {"thinking": "Well"}}}),
        event("tool-plan-delta", delta={"message": {"tool_plan": "I "}}),
        event("tool-plan-delta", delta={"message": {"tool_plan": "look"}}),
        start(1),
        arguments(1, '{"city": '),
        arguments(1, '"Rome"}'),
        start(2),
        arguments(2, "{}"),
        text("Hm"),
        event("citation-start", index=0, delta={"message": {"citations": CITATION}}),
        event("message-end", delta={"finish_reason": "TOOL_CALL", "usage": UNITS}),
    ]
    wire = Wire(httpx, *pieces, kind="text/event-stream")
    await collect(client(wire, 2, is_async=is_async).chat_stream(model=MODEL, messages=user("Hi")))
    span = spans.one()
    assert span.output[0]["parts"] == [
        {"type": "reasoning", "content": "Well"},
        {"type": "reasoning", "content": "I look"},
        {"type": "text", "content": "Hm"},
        CALL_PART,
        {"type": "tool_call", "name": "weather", "arguments": {}, "id": "c2"},
    ]
    assert span.json(attr.CALLSPAN_RESPONSE_CONTENT)["citations"][0]["text"] == "Hm"


async def test_chat_v1(is_async: bool, spans: Spans) -> None:
    """A message, its history and preamble."""
    answer = {
        "response_id": "r1",
        "generation_id": "g1",
        "text": "Hm",
        "finish_reason": "COMPLETE",
        "tool_calls": [{"name": "weather", "parameters": {"city": "Rome"}}],
        "meta": UNITS,
    }
    wire = Wire(httpx, json.dumps(answer).encode())
    await settle(
        client(wire, 1, is_async=is_async).chat(
            message="Weather?",
            preamble="Be brief.",
            conversation_id="chat-7",
            chat_history=[{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello"}],
        )
    )
    span = spans.one()
    assert span.span.name == "chat"
    assert span[attr.GEN_AI_CONVERSATION_ID] == "chat-7"
    assert span.json(attr.GEN_AI_SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Be brief."}]
    assert [(message["role"], message["parts"][0]["content"]) for message in span.input] == [
        ("USER", "Hi"),
        ("CHATBOT", "Hello"),
        ("user", "Weather?"),
    ]
    assert outputs_of(span) == [("Hm", [("weather", None, {"city": "Rome"})])]
    assert span[attr.GEN_AI_RESPONSE_ID] == "r1"
    assert answer_usage(span)[:2] == (7, 5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the package's own
@pytest.mark.parametrize("version", [1, 2])
async def test_embed(version: int, is_async: bool, spans: Spans) -> None:
    """Vectors are counted and measured; the many requests that version 1 makes of many texts are one call."""
    body = {
        "id": "e1",
        "response_type": "embeddings_by_type",
        "embeddings": {"float": [[0.1, 0.2]] * 2},
        "texts": ["a", "b"],
        "meta": {"billed_units": {"input_tokens": 4}},
    }
    wire = Wire(httpx, json.dumps(body).encode())
    texts = ["a", "b"] if version == 2 else ["a", "b"] * 96
    await settle(
        client(wire, version, is_async=is_async).embed(
            model="embed-v4.0", input_type="search_query", texts=texts, embedding_types=["float"]
        )
    )
    span = spans.one()
    assert span.span.name == "embeddings embed-v4.0"
    assert (span[attr.CALLSPAN_EMBEDDING_VECTORS], span[attr.CALLSPAN_EMBEDDING_DIMENSIONS]) == (
        2 * len(wire.requests),
        2,
    )
    assert span[attr.GEN_AI_USAGE_INPUT_TOKENS] == 4 * len(wire.requests)
    assert span[attr.GEN_AI_REQUEST_ENCODING_FORMATS] == ("float",)
    assert span.parameters == {"input_type": "search_query"}
    assert len(span.input) == len(texts)


@pytest.mark.parametrize("version", [1, 2])
async def test_rerank(version: int, is_async: bool, spans: Spans) -> None:
    """The query, the documents, and how they rank."""
    results = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
    body = {"id": "k1", "results": results, "meta": {"billed_units": {"search_units": 1}}}
    wire = Wire(httpx, json.dumps(body).encode())
    await settle(
        client(wire, version, is_async=is_async).rerank(
            model="rerank-v3.5", query="Rain?", documents=["a", "b"], top_n=2
        )
    )
    span = spans.one()
    assert span.span.name == "rerank rerank-v3.5"
    assert span.input[0]["parts"][0]["content"] == "Rain?"
    assert span.parameters == {"documents": ["a", "b"], "top_n": 2}
    assert span.json(attr.CALLSPAN_RESPONSE_CONTENT) == {"results": results}
    assert answer_usage(span)[:2] == (None, None)


@pytest.mark.parametrize("version", [1, 2])
async def test_refused(version: int, is_async: bool, spans: Spans) -> None:
    """The library's exception and its status."""
    wire = Wire(httpx, REFUSED[1], status=429)
    arguments: Json = {"message": "Hi"} if version == 1 else {"messages": user("Hi")}
    with pytest.raises(TooManyRequestsError):
        await settle(client(wire, version, is_async=is_async).chat(model=MODEL, request_options=ONCE, **arguments))
    assert spans.one()[attr.HTTP_RESPONSE_STATUS_CODE] == 429


ANSWERED = {"id": "a1", "finish_reason": "COMPLETE", "usage": UNITS}


@pytest.mark.parametrize(
    ("version", "method", "asked", "answer", "operation"),
    [
        (
            2,
            "chat",
            {"model": MODEL, "messages": user("Hi")},
            {**ANSWERED, "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}},
            "chat",
        ),
        (1, "chat", {"message": "Hi"}, {"response_id": "a1", "text": "Hello", "meta": UNITS}, "chat"),
        (
            2,
            "embed",
            {"model": "embed", "texts": ["Hi"], "input_type": "search_query", "embedding_types": ["float"]},
            {"id": "a1", "texts": ["Hi"], "embeddings": {"float": [[0.1, 0.2]]}, "meta": {**UNITS, "api_version": {}}},
            "embeddings",
        ),
        (
            1,
            "rerank",
            {"query": "Hi", "documents": ["a"]},
            {"id": "a1", "results": [{"index": 0, "relevance_score": 0.5}], "meta": UNITS},
            "rerank",
        ),
    ],
)
async def test_raw_response(
    version: int, method: str, asked: Any, answer: Any, operation: str, is_async: bool, spans: Spans
) -> None:
    """``with_raw_response``: the answer with its HTTP headers, one span of it."""
    wire = Wire(httpx, json.dumps(answer).encode(), headers={"x-request-id": "req-1"})
    raw = client(wire, version, is_async=is_async).with_raw_response
    result = await settle(getattr(raw, method)(**asked))
    assert result.headers["x-request-id"] == "req-1"
    assert result.data.dict()
    span = spans.one()
    assert span[attr.GEN_AI_OPERATION_NAME] == operation
    assert (span[attr.GEN_AI_RESPONSE_ID], span[attr.GEN_AI_USAGE_INPUT_TOKENS]) == ("a1", 7)
    assert span[attr.CALLSPAN_PROVIDER_REQUEST_ID] == "req-1"
    assert span[attr.SERVER_ADDRESS] == "cohere.internal"
    if operation == "chat":
        assert span.text == "Hello"


KEYS = {"aws_access_key": "a", "aws_secret_key": "s", "aws_region": "us-east-1"}
COUNTED = {"X-Amzn-Bedrock-Input-Token-Count": "7", "X-Amzn-Bedrock-Output-Token-Count": "5"}


@pytest.mark.parametrize(
    ("kind", "provider", "headers"),
    [
        (cohere.BedrockClient, "aws.bedrock", COUNTED),
        (cohere.SagemakerClient, "sagemaker", {}),
    ],
)
def test_aws(kind: Any, provider: str, headers: Any, spans: Spans) -> None:
    """The platform is the provider; its host is no host of Cohere's; counts that it does not give are absent."""
    wire = Wire(httpx, b'{"response_id": "a1", "text": "Hello", "generation_id": "g"}', headers=headers)
    made = kind(**KEYS)
    made._client_wrapper.httpx_client.httpx_client._transport = wire.transport
    assert made.chat(message="Hi", model="cohere.command-r").text == "Hello"
    (request,) = wire.requests
    assert "amazonaws.com" in request.url.host
    assert "traceparent" not in request.headers
    span = spans.one()
    assert (span[attr.GEN_AI_PROVIDER_NAME], span.text) == (provider, "Hello")
    assert attr.SERVER_ADDRESS not in span.attributes
    assert span.get(attr.GEN_AI_USAGE_INPUT_TOKENS) == (7 if headers else None)
    assert span.get(attr.GEN_AI_USAGE_OUTPUT_TOKENS) == (5 if headers else None)
    spans.exporter.clear()
    assert made.with_raw_response.chat(message="Hi", model="cohere.command-r").data.text == "Hello"
    assert attr.SERVER_ADDRESS not in spans.one().attributes


async def call(exchange: Json, way: str) -> Outcome:
    """Make a recorded call."""
    provider = Provider(exchange, httpx)
    version, _, operation = exchange["operation"].partition(".")
    method = f"{operation}_stream" if exchange["streaming"] else operation
    made = getattr(client(provider, int(version[1]), is_async=way == "async"), method)
    arguments = {name: value for name, value in exchange["request"].items() if name != "stream" and value is not None}
    result = await settle(made(**arguments))
    return plain(await collect(result) if exchange["streaming"] else result), provider.bodies, None


def differences(exchange: Json, span: Read, error: BaseException | None) -> list[str]:
    """What the span of a recorded call lacks or has wrong."""
    request = {name: value for name, value in exchange["request"].items() if value is not None}
    whole = whole_answer(exchange)
    usage = whole.get("usage") or whole["meta"]
    billed = usage["billed_units"]
    said = request.get("messages") or [{"content": each} for each in request.get("texts", [request.get("message")])]
    rest = {"input_type", "truncate", "documents"} & request.keys()
    message = whole.get("message") or {"content": whole.get("text"), "tool_calls": whole.get("tool_calls")}
    calls = [
        (c["function"]["name"], c["id"], json.loads(c["function"]["arguments"])) for c in message["tool_calls"] or ()
    ]
    pairs: dict[str, tuple[Any, Any]] = {
        "model": (span[attr.GEN_AI_REQUEST_MODEL], request["model"]),
        "id": (span[attr.GEN_AI_RESPONSE_ID], whole.get("id") or whole["response_id"]),
        "prompt": ([each["parts"][0]["content"] for each in span.input], [each["content"] for each in said]),
        "tokens": (
            answer_usage(span)[:3],
            (billed.get("input_tokens"), billed.get("output_tokens"), usage.get("cached_tokens")),
        ),
        "parameters": (span.parameters or {}, {name: request[name] for name in rest}),
        "tools": (
            span.json(attr.GEN_AI_TOOL_DEFINITIONS) or [],
            [{"type": "function", **tool["function"]} for tool in request.get("tools", ())],
        ),
        "well": (span.ok, error is None),
    }
    if "embeddings" in whole:
        (vectors,) = whole["embeddings"].values()
        counted = span[attr.CALLSPAN_EMBEDDING_VECTORS], span[attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT]
        pairs["vectors"] = (counted, (len(vectors), len(vectors[0])))
    else:
        pairs["output"] = (outputs_of(span), [(text_of(message["content"]), calls)])
        pairs["reasons"] = (span[attr.GEN_AI_RESPONSE_FINISH_REASONS], (whole["finish_reason"],))
    return [f"{name}: {seen!r}, not {wanted!r}" for name, (seen, wanted) in pairs.items() if seen != wanted]


def text_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content or ())


def whole_answer(exchange: Json) -> Json:
    if not exchange["streaming"]:
        answer = dict(json.loads(exchange["body"]))
        if "message" in answer:
            answer["message"] = {"content": None, "tool_calls": None, **answer["message"]}
        return answer
    if exchange["operation"] == "v1.chat":
        return dict(json.loads(exchange["body"].splitlines()[-1])["response"])
    events = list(recordings.events(exchange))
    content = [each["delta"]["message"]["content"]["text"] for each in events if each["type"] == "content-delta"]
    return {"id": events[0]["id"], "message": {"content": "".join(content), "tool_calls": None}, **events[-1]["delta"]}


@recordings.needed
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_every_exchange_is_recorded_right(way: str, replayed: Any) -> None:
    """Every recorded exchange gives a span with all that the provider said, and the application sees no difference."""
    await replayed(recordings.load("cohere"), way, call, differences)
