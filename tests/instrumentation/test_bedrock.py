"""Calls of Bedrock through botocore and aiobotocore, on a local server that speaks AWS's protocols."""

import asyncio
import base64
import gc
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.eventstream import EventStream
from botocore.exceptions import ClientError, EventStreamError
from botocore.response import StreamingBody
from botocore.session import Session
from opentelemetry.sdk.trace import TracerProvider

from callspan import context
from callspan.core import call_ids
from callspan.instrumentors import activate, instrument, uninstrument
from callspan_semconv import attributes as attr
from tests.instrumentation.bedrock import CREDENTIALS, FakeBedrock, event, fake_bedrock
from tests.instrumentation.support import Spans, collect, settle

try:
    from aiobotocore.session import get_session
except ImportError:
    get_session = None

# One of each: it keeps the services' models, which take long to load.
SESSION = Session()
AIO_SESSION: Any = get_session() if get_session is not None else None

# botocore sends and reads what its model of the service has: cache points, reasoning and files on S3 came in 2025.
BLOCKS: Any = SESSION.get_service_model("bedrock-runtime").shape_for("ContentBlock")
of_today = pytest.mark.skipif("cachePoint" not in BLOCKS.members, reason="this botocore knows no cache points")

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HI = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
USAGE = {
    "inputTokens": 10,
    "outputTokens": 4,
    "cacheReadInputTokens": 100,
    "cacheWriteInputTokens": 20,
    "totalTokens": 134,
}
ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello."}]}},
    "stopReason": "end_turn",
    "usage": USAGE,
    "metrics": {"latencyMs": 5},
}
WORDS = ["one ", "two ", "three ", "four"]


def words(*, usage: bool = True) -> bytes:
    deltas = [event("contentBlockDelta", {"delta": {"text": word}, "contentBlockIndex": 0}) for word in WORDS]
    end = [event("contentBlockStop", {"contentBlockIndex": 0}), event("messageStop", {"stopReason": "end_turn"})]
    end += [event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 5}})] if usage else []
    return event("messageStart", {"role": "assistant"}) + b"".join(deltas + end)


async def forget() -> None:
    """Collect garbage, and let the event loop drop what it still holds."""
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0.01)


def chunk(body: Any) -> bytes:
    return event("chunk", {"bytes": base64.b64encode(json.dumps(body).encode()).decode()})


@pytest.fixture(scope="module")
def _bedrock() -> Iterator[FakeBedrock]:
    with fake_bedrock() as fake:
        yield fake


@pytest.fixture
def bedrock(_bedrock: FakeBedrock) -> FakeBedrock:
    _bedrock.requests.clear()
    _bedrock.answers.clear()
    return _bedrock


CONFIG: Any = {"retries": {"total_max_attempts": 1}}


@pytest.fixture(
    params=[
        "botocore",
        pytest.param(
            "aiobotocore",
            marks=pytest.mark.skipif(get_session is None, reason="aiobotocore is absent: it needs an older botocore"),
        ),
    ]
)
async def client(request: pytest.FixtureRequest, bedrock: FakeBedrock) -> AsyncIterator[Any]:
    options = {"endpoint_url": bedrock.url, **CREDENTIALS}
    if request.param == "botocore":
        yield SESSION.create_client("bedrock-runtime", config=Config(**CONFIG), **options)
    else:
        from aiobotocore.config import AioConfig

        async with AIO_SESSION.create_client("bedrock-runtime", config=AioConfig(**CONFIG), **options) as client:
            yield client


@of_today
async def test_converse(client: Any, bedrock: FakeBedrock, spans: Spans) -> None:
    """Thinking, text and tool calls; totals of tokens; nothing that the provider did not say."""
    bedrock.says(
        {
            **ANSWER,
            "output": {
                "message": {
                    "role": "assistant",
                    "content": [
                        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
                        {"text": "Look."},
                        {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"at": "sky"}}},
                    ],
                }
            },
            "stopReason": "tool_use",
        }
    )
    result = await settle(
        client.converse(
            **HI,
            system=[{"text": "Be brief."}],
            inferenceConfig={"maxTokens": 50, "temperature": 0.0, "topP": 0.9, "stopSequences": ["END"]},
            toolConfig={
                "tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}],
                "toolChoice": {"auto": {}},
            },
            additionalModelRequestFields={"top_k": 7},
            requestMetadata={"team": "search"},
        )
    )
    assert result["stopReason"] == "tool_use"
    span = spans.one()
    assert (span.ok, span.span.name) == (True, f"chat {MODEL}")
    assert span[attr.GEN_AI_PROVIDER_NAME] == "aws.bedrock"
    assert span[attr.SERVER_ADDRESS] == "127.0.0.1"
    assert span[attr.CALLSPAN_PROVIDER_REQUEST_ID] == "req-1"
    assert span[attr.GEN_AI_REQUEST_MAX_TOKENS] == 50
    assert span[attr.GEN_AI_REQUEST_TEMPERATURE] == 0.0
    assert span[attr.GEN_AI_REQUEST_TOP_P] == 0.9
    assert span[attr.GEN_AI_REQUEST_TOP_K] == 7
    assert span[attr.GEN_AI_REQUEST_STOP_SEQUENCES] == ("END",)
    assert span.parameters["toolConfig"] == {"toolChoice": {"auto": {}}}
    assert span.json(attr.CALLSPAN_METADATA) == {"team": "search"}
    assert span.json(attr.GEN_AI_SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Be brief."}]
    assert span.json(attr.GEN_AI_TOOL_DEFINITIONS) == [
        {"type": "function", "name": "look", "parameters": {"type": "object"}}
    ]
    assert span[attr.GEN_AI_USAGE_INPUT_TOKENS] == 130
    assert span[attr.GEN_AI_USAGE_OUTPUT_TOKENS] == 4
    assert span[attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 100
    assert span[attr.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS] == 20
    assert span[attr.CALLSPAN_COST_TOTAL] > 0
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("tool_use",)
    assert span.output[0]["parts"] == [
        {"type": "reasoning", "content": "Hm."},
        {"type": "text", "content": "Look."},
        {"type": "tool_call", "name": "look", "id": "t1", "arguments": {"at": "sky"}},
    ]
    assert attr.GEN_AI_RESPONSE_ID not in span.attributes


@of_today
async def test_media_in_a_prompt(client: Any, bedrock: FakeBedrock, spans: Spans) -> None:
    """Images and documents are parts; what a tool answered is there."""
    bedrock.says(ANSWER)
    content = [
        {"image": {"format": "png", "source": {"bytes": b"abc"}}},
        {"document": {"format": "pdf", "name": "d", "source": {"s3Location": {"uri": "s3://b/d.pdf"}}}},
        {"toolResult": {"toolUseId": "t1", "content": [{"json": {"sky": "blue"}}], "status": "success"}},
        {"cachePoint": {"type": "default"}},
    ]
    await settle(client.converse(modelId=MODEL, messages=[{"role": "user", "content": content}]))
    assert spans.one().input[0]["parts"] == [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "YWJj"},
        {"type": "uri", "modality": "document", "uri": "s3://b/d.pdf", "name": "d"},
        {"type": "tool_call_response", "id": "t1", "response": {"sky": "blue"}, "status": "success"},
    ]


@of_today
async def test_converse_stream(client: Any, bedrock: FakeBedrock, spans: Spans) -> None:
    """All text and the usage; the application has an event stream."""
    bedrock.says(words())
    result = await settle(client.converse_stream(**HI))
    assert isinstance(result["stream"], EventStream)
    events = await collect(result["stream"])
    assert [next(iter(each)) for each in events][-1] == "metadata"
    span = spans.one()
    assert (span.end, span.ok, span.text) == ("exhausted", True, "".join(WORDS))
    assert span[attr.GEN_AI_REQUEST_STREAM] is True
    assert (span[attr.GEN_AI_USAGE_INPUT_TOKENS], span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]) == (130, 4)
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("end_turn",)
    assert call_ids.call_id(result["stream"]) == span[attr.CALLSPAN_CALL_ID]


@pytest.mark.parametrize("end", ["closed", "abandoned"])
async def test_stream_left_early(end: str, client: Any, bedrock: FakeBedrock, spans: Spans) -> None:
    """The text so far, and no error; ``close`` is a plain method on either client."""
    bedrock.says(words())
    result = await settle(client.converse_stream(**HI))
    await collect(result["stream"], 3)
    assert not spans.all
    if end == "closed":
        assert result["stream"].close() is None
    del result
    await forget()
    span = spans.one()
    assert (span.end, span.ok, span.text) == (end, True, "one two ")


async def test_exception_in_a_stream(client: Any, bedrock: FakeBedrock, spans: Spans) -> None:
    """The service gives up: the application sees botocore's exception, the span what came before."""
    failure = event("throttlingException", {"message": "Too fast."}, "exception")
    start = event("messageStart", {"role": "assistant"})
    delta = event("contentBlockDelta", {"delta": {"text": "one"}, "contentBlockIndex": 0})
    bedrock.says(start + delta + failure)
    result = await settle(client.converse_stream(**HI))
    with pytest.raises(EventStreamError):
        await collect(result["stream"])
    span = spans.one()
    assert (span.end, span.ok, span.text) == ("error", False, "one")
    assert span[attr.ERROR_TYPE] == "botocore.exceptions.EventStreamError"


async def test_refused(client: Any, bedrock: FakeBedrock, spans: Spans) -> None:
    """The exception's class, the status and the id of the request."""
    bedrock.says({"message": "Slow down."}, {"x-amzn-ErrorType": "ThrottlingException"}, 429)
    with pytest.raises(ClientError):
        await settle(client.converse(**HI))
    span = spans.one()
    assert span[attr.ERROR_TYPE] == "botocore.errorfactory.ThrottlingException"
    assert span[attr.HTTP_RESPONSE_STATUS_CODE] == 429
    assert span[attr.CALLSPAN_PROVIDER_REQUEST_ID] == "req-1"


CLAUDE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-3-5-sonnet",
    "content": [{"type": "text", "text": "Hello."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 2, "cache_read_input_tokens": 4},
}


async def read(body: Any) -> bytes:
    return bytes(await settle(body.read()))


async def by_chunks(body: Any) -> bytes:
    return b"".join(await collect(body.iter_chunks(7)))


async def by_lines(body: Any) -> bytes:
    return b"".join(await collect(body.iter_lines()))


async def by_pieces(body: Any) -> bytes:
    found = b""
    while piece := await settle(body.read(5)):
        found += piece
    return found


async def by_loop(body: Any) -> bytes:
    return b"".join(await collect(body))


@pytest.mark.parametrize("way", [read, by_chunks, by_lines, by_pieces, by_loop], ids=lambda way: way.__name__)
async def test_body_is_left_to_the_application(way: Any, client: Any, bedrock: FakeBedrock, spans: Spans) -> None:
    """The call is read from the bytes that the application reads, however it reads them."""
    bedrock.says(CLAUDE)
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    result = await settle(client.invoke_model(modelId=MODEL, body=json.dumps(body)))
    assert isinstance(result["body"], StreamingBody)
    assert not spans.all
    assert json.loads(await way(result["body"])) == CLAUDE
    span = spans.one()
    assert (span.ok, span.text, span[attr.GEN_AI_RESPONSE_ID]) == (True, "Hello.", "msg_1")
    assert (span[attr.GEN_AI_USAGE_INPUT_TOKENS], span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]) == (7, 2)
    assert span[attr.GEN_AI_REQUEST_MAX_TOKENS] == 9
    assert span.input == [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
    assert span.end is None
    assert attr.CALLSPAN_CAPTURE_ERRORS not in span.attributes


async def test_body_that_nobody_reads(client: Any, bedrock: FakeBedrock, spans: Spans) -> None:
    """The call is there, with what the headers say, and says that its body is not."""
    counts = {"x-amzn-bedrock-input-token-count": "3", "x-amzn-bedrock-output-token-count": "2"}
    bedrock.says(CLAUDE, counts)
    result = await settle(client.invoke_model(modelId=MODEL, body=b'{"messages": []}'))
    del result
    await forget()
    span = spans.one()
    assert (span.ok, span[attr.CALLSPAN_CAPTURE_ERRORS]) == (True, ("body",))
    assert (span[attr.GEN_AI_USAGE_INPUT_TOKENS], span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]) == (3, 2)


CHAT = [{"role": "user", "content": "Hi"}]
# Model, body, answer, the operation, text, and the reason of families whose bodies the recordings lack.
FAMILIES = {
    "llama": (
        *("meta.llama3-8b-instruct-v1:0", {"prompt": "Hi", "max_gen_len": 5}),
        {"generation": "Hello.", "prompt_token_count": 3, "generation_token_count": 2, "stop_reason": "stop"},
        *("text_completion", "stop"),
    ),
    "mistral": (
        *("mistral.mistral-7b-instruct-v0:2", {"prompt": "Hi", "max_tokens": 5}),
        {"outputs": [{"text": "Hello.", "stop_reason": "stop"}]},
        *("text_completion", "stop"),
    ),
    "mistral chat": (
        *("mistral.mistral-large-2407-v1:0", {"messages": CHAT, "max_tokens": 5}),
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}]},
        *("chat", "stop"),
    ),
    "deepseek": (
        *("us.deepseek.r1-v1:0", {"prompt": "Hi", "max_tokens": 5}),
        {"choices": [{"text": "Hello.", "stop_reason": "length"}]},
        *("text_completion", "length"),
    ),
    "cohere command": (
        *("cohere.command-text-v14", {"prompt": "Hi", "max_tokens": 5}),
        {"id": "c", "generations": [{"id": "g", "text": "Hello.", "finish_reason": "COMPLETE"}], "prompt": "Hi"},
        *("text_completion", "COMPLETE"),
    ),
    "cohere command r": (
        *("cohere.command-r-v1:0", {"message": "Hi", "max_tokens": 5}),
        {"response_id": "r", "text": "Hello.", "generation_id": "g", "finish_reason": "COMPLETE"},
        *("chat", "COMPLETE"),
    ),
    "jurassic": (
        *("ai21.j2-ultra-v1", {"prompt": "Hi", "maxTokens": 5}),
        {"id": 1, "completions": [{"data": {"text": "Hello."}, "finishReason": {"reason": "endoftext"}}]},
        *("text_completion", "endoftext"),
    ),
    "jamba": (
        *("ai21.jamba-1-5-large-v1:0", {"messages": CHAT, "max_tokens": 5}),
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}]},
        *("chat", "stop"),
    ),
    "claude text": (
        *("anthropic.claude-v2", {"prompt": "\n\nHuman: Hi", "max_tokens_to_sample": 5}),
        {"type": "completion", "completion": "Hello.", "stop_reason": "stop_sequence"},
        *("text_completion", "stop_sequence"),
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
async def test_families(family: str, client: Any, bedrock: FakeBedrock, spans: Spans) -> None:
    """Each family's own body: prompt, parameters, text and reason."""
    model, body, answer, operation, reason = FAMILIES[family]
    bedrock.says(answer, {"x-amzn-bedrock-input-token-count": "3", "x-amzn-bedrock-output-token-count": "2"})
    result = await settle(client.invoke_model(modelId=model, body=json.dumps(body).encode()))
    await settle(result["body"].read())
    span = spans.one()
    assert (span[attr.GEN_AI_OPERATION_NAME], span[attr.GEN_AI_REQUEST_MAX_TOKENS]) == (operation, 5)
    assert "Hi" in span.input[0]["parts"][0]["content"]
    assert (span.text, span[attr.GEN_AI_RESPONSE_FINISH_REASONS]) == ("Hello.", (reason,))
    assert (span[attr.GEN_AI_USAGE_INPUT_TOKENS], span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]) == (3, 2)
    assert attr.OPENAI_API_TYPE not in span.attributes


METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 2}}
STREAMS = {
    "llama": [{"generation": "Hel"}, {"generation": "lo.", "stop_reason": "stop", **METRICS}],
    "mistral": [
        {"outputs": [{"text": "Hel", "stop_reason": None}]},
        {"outputs": [{"text": "lo.", "stop_reason": "stop"}], **METRICS},
    ],
    "mistral chat": [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]},
        {"choices": [{"index": 0, "delta": {"content": "lo."}, "finish_reason": "stop"}], **METRICS},
    ],
    "cohere command r": [
        {"event_type": "stream-start", "is_finished": False},
        {"event_type": "text-generation", "text": "Hel"},
        {"event_type": "text-generation", "text": "lo."},
        {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"text": "Hello."}, **METRICS},
    ],
}


@pytest.mark.parametrize("family", STREAMS)
async def test_streams_of_families(family: str, client: Any, bedrock: FakeBedrock, spans: Spans) -> None:
    """The pieces put together, and the counts that Bedrock adds to the last one."""
    model, body, _, _, reason = FAMILIES[family]
    bedrock.says(b"".join(map(chunk, STREAMS[family])))
    result = await settle(client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body).encode()))
    await collect(result["body"])
    span = spans.one()
    assert (span.end, span.text, span[attr.GEN_AI_RESPONSE_FINISH_REASONS]) == ("exhausted", "Hello.", (reason,))
    assert (span[attr.GEN_AI_USAGE_INPUT_TOKENS], span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]) == (3, 2)


@pytest.mark.parametrize(
    ("model", "body", "answer", "vectors"),
    [
        ("amazon.titan-embed-text-v2:0", {"inputText": "Hi", "dimensions": 2}, {"embedding": [1.0, 2.0]}, 1),
        ("cohere.embed-english-v3", {"texts": ["Hi", "Ho"]}, {"id": "e", "embeddings": [[1.0, 2.0], [3.0, 4.0]]}, 2),
        ("cohere.embed-v4:0", {"texts": ["Hi"]}, {"id": "e", "embeddings": {"float": [[1.0, 2.0]]}}, 1),
    ],
)
async def test_embeddings(
    model: str, body: Any, answer: Any, vectors: int, client: Any, bedrock: FakeBedrock, spans: Spans
) -> None:
    """How many vectors and how long; not the vectors."""
    bedrock.says(answer, {"x-amzn-bedrock-input-token-count": "3"})
    result = await settle(client.invoke_model(modelId=model, body=json.dumps(body)))
    await settle(result["body"].read())
    span = spans.one()
    assert span[attr.GEN_AI_OPERATION_NAME] == "embeddings"
    assert (span[attr.CALLSPAN_EMBEDDING_VECTORS], span[attr.CALLSPAN_EMBEDDING_DIMENSIONS]) == (vectors, 2)
    assert span[attr.GEN_AI_USAGE_INPUT_TOKENS] == 3
    assert span.input[0]["parts"][0]["content"] == "Hi"


async def test_calls_of_other_services(bedrock: FakeBedrock, spans: Spans) -> None:
    """They are nobody's business here."""
    bedrock.says({"keys": []})
    lister = SESSION.create_client("sqs", endpoint_url=bedrock.url, config=Config(**CONFIG), **CREDENTIALS)
    lister.list_queues()
    assert not spans.all


async def test_traceparent(client: Any, bedrock: FakeBedrock, exported: Spans, tracer_provider: TracerProvider) -> None:
    """To private hosts, outside the signature, and not where it was forbidden since."""
    instrument(tracer_provider=tracer_provider)
    for forward in (None, False):
        bedrock.says(ANSWER)
        activate(forward_traceparent=forward)
        await settle(client.converse(**HI))
    uninstrument()
    bedrock.says(ANSWER)
    await settle(client.converse(**HI))
    first, *others = [headers for _, headers, _ in bedrock.requests]
    span = exported.all[0]
    assert span.context is not None
    assert f"{span.context.span_id:016x}" in first["traceparent"]
    assert "traceparent" not in first["authorization"]
    assert not [headers for headers in others if "traceparent" in headers]
    assert len(exported.all) == 2


async def test_raw_request(client: Any, bedrock: FakeBedrock, spans: Spans) -> None:
    """The signed request as a curl command: its body, and no signature."""
    bedrock.says(ANSWER)
    with context(log_raw_request=True):
        await settle(client.converse(**HI))
    command = spans.one()[attr.CALLSPAN_RAW_REQUEST]
    (path, headers, body) = bedrock.requests[0]
    assert f"{bedrock.url}{path}" in command
    assert command.endswith(f"--data-raw '{body.decode()}'")
    assert headers["authorization"].partition("Signature=")[2] not in command
    assert "Authorization: [secret]" in command
