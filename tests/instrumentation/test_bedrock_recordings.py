"""Recorded exchanges with Bedrock, replayed through botocore."""

import base64
import copy
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

from callspan_semconv import attributes as attr
from tests.instrumentation import recordings
from tests.instrumentation.bedrock import CREDENTIALS, FakeBedrock, fake_bedrock
from tests.instrumentation.replay import Outcome, outputs_of
from tests.instrumentation.support import Read

Json = dict[str, Any]

METHODS = {
    "converse": "converse",
    "converse_stream": "converse_stream",
    "invoke": "invoke_model",
    "invoke_with_response_stream": "invoke_model_with_response_stream",
}


@pytest.fixture(scope="module")
def bedrock() -> Iterator[FakeBedrock]:
    with fake_bedrock() as fake:
        yield fake


@pytest.fixture(scope="module")
def client(bedrock: FakeBedrock) -> Any:
    return make_client(bedrock)


def make_client(bedrock: FakeBedrock) -> Any:
    config = Config(retries={"max_attempts": 1})
    return Session().create_client("bedrock-runtime", endpoint_url=bedrock.url, config=config, **CREDENTIALS)


def model_of(exchange: Json) -> str:
    return unquote(exchange["url"].split("/model/")[1].split("/")[0])


def bytes_where_base64(value: Any) -> Any:
    """A recorded request as the client takes it: bytes where the wire has base64."""
    if isinstance(value, list):
        return list(map(bytes_where_base64, value))
    if not isinstance(value, dict):
        return value
    known = {key: bytes_where_base64(item) for key, item in value.items()}
    return {**known, "bytes": base64.b64decode(known["bytes"])} if isinstance(known.get("bytes"), str) else known


def arguments_of(exchange: Json) -> Json:
    request = exchange["request"]
    if exchange["operation"].startswith("invoke"):
        return {"modelId": model_of(exchange), "body": json.dumps(request).encode()}
    return {"modelId": model_of(exchange), **bytes_where_base64(request)}


def body_of(exchange: Json) -> bytes:
    return base64.b64decode(exchange["body_base64"]) if "body_base64" in exchange else exchange["body"].encode()


def read_result(result: Json) -> Json:
    """The result with all that can be read from it."""
    result["ResponseMetadata"].pop("HTTPHeaders", None)
    if "stream" in result:
        return {**result, "stream": list(result["stream"])}
    if "body" in result:
        body = result["body"]
        return {**result, "body": body.read() if hasattr(body, "read") else list(body)}
    return result


def caller(bedrock: FakeBedrock, client: Any) -> Any:
    async def call(exchange: Json, _way: str) -> Outcome:
        headers = {name: value for name, value in exchange["headers"].items() if name != "content-length"}
        bedrock.requests.clear()
        bedrock.answers[:] = [(exchange["status"], headers, body_of(exchange))]
        arguments = arguments_of(exchange)
        before = copy.deepcopy(arguments)
        result: Any = None
        error: BaseException | None = None
        try:
            result = read_result(getattr(client, METHODS[exchange["operation"]])(**arguments))
        except ClientError as raised:
            error = raised
        assert arguments == before
        return result, [body for _, _, body in bedrock.requests], error

    return call


def decoded(exchange: Json) -> list[Json]:
    """The events of a stream, decoded by botocore's own buffer."""
    from botocore.eventstream import EventStreamBuffer

    buffer = EventStreamBuffer()
    buffer.add_data(body_of(exchange))
    found = [(message.headers[":event-type"], json.loads(message.payload)) for message in buffer]
    if exchange["operation"] == "converse_stream":
        return [{kind: payload} for kind, payload in found]
    return [json.loads(base64.b64decode(payload["bytes"])) for _, payload in found]


def said(exchange: Json) -> Json:
    """What the answer says: text, tool calls, reason, tokens, id, model."""
    if exchange["streaming"]:
        return said_by_stream(decoded(exchange))
    body = json.loads(exchange["body"])
    headers = exchange["headers"]
    counted = [headers.get(f"x-amzn-bedrock-{kind}-token-count") for kind in ("input", "output")]
    tokens = [None if count is None else int(count) for count in counted]
    return {"tokens": tokens, **said_by_body(body)}


def said_by_body(body: Json) -> Json:
    if "output" in body:
        content = body["output"]["message"]["content"]
        usage = body["usage"]
        cached = [
            next(
                (usage[name] for name in (f"cache{kind}InputTokens", f"cache{kind}InputTokenCount") if name in usage), 0
            )
            for kind in ("Read", "Write")
        ]
        return {
            "text": "".join(block.get("text", "") for block in content),
            "calls": [
                (use["name"], use["toolUseId"], use["input"]) for block in content if (use := block.get("toolUse"))
            ],
            "reason": body["stopReason"],
            "tokens": [usage["inputTokens"] + sum(cached), usage["outputTokens"]],
        }
    if body.get("type") == "message":
        return {
            "text": "".join(block.get("text", "") for block in body["content"]),
            "calls": [(use["name"], use["id"], use["input"]) for use in body["content"] if use["type"] == "tool_use"],
            "reason": body["stop_reason"],
            "tokens": [body["usage"]["input_tokens"], body["usage"]["output_tokens"]],
            "id": body["id"],
            "model": body["model"],
        }
    if "results" in body:
        (result,) = body["results"]
        return {"text": result["outputText"], "calls": [], "reason": result["completionReason"]}
    if "generation" in body:
        return {"text": body["generation"], "calls": [], "reason": body["stop_reason"]}
    if "generation_id" in body:
        return {"text": body["text"], "calls": [], "reason": body["finish_reason"], "id": body["response_id"]}
    vectors = body["embeddings"][0]["embedding"] if "embeddings" in body else body["embedding"]
    return {"vector": len(vectors)}


def said_by_stream(events: list[Json]) -> Json:
    text, calls, found = "", [], {}
    for each in events:
        if (start := each.get("contentBlockStart", {}).get("start", {}).get("toolUse")) or (
            each.get("type") == "content_block_start" and (start := each["content_block"])["type"] == "tool_use"
        ):
            calls.append([start["name"], start.get("toolUseId", start.get("id")), ""])
        delta = each.get("contentBlockDelta", each).get("delta", {})
        text += delta.get("text", "") + each.get("outputText", "")
        piece = delta.get("toolUse", {}).get("input") or delta.get("partial_json")
        if piece:
            calls[-1][2] += piece
        for reason in (
            each.get("messageStop", {}).get("stopReason"),
            delta.get("stop_reason"),
            each.get("completionReason"),
        ):
            found.update({"reason": reason} if reason else {})
        if usage := each.get("metadata", {}).get("usage"):
            found["tokens"] = [usage["inputTokens"], usage["outputTokens"]]
        if message := each.get("message"):
            found |= {"id": message["id"], "model": message["model"]}
        if metrics := each.get("amazon-bedrock-invocationMetrics"):
            found["tokens"] = [metrics["inputTokenCount"], metrics["outputTokenCount"]]
    return {"text": text, "calls": [(name, call_id, json.loads(i or "{}")) for name, call_id, i in calls], **found}


NAMED = {
    "temperature": attr.GEN_AI_REQUEST_TEMPERATURE,
    "maxTokens": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "max_tokens": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "maxTokenCount": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "max_gen_len": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "topP": attr.GEN_AI_REQUEST_TOP_P,
    "top_p": attr.GEN_AI_REQUEST_TOP_P,
    "p": attr.GEN_AI_REQUEST_TOP_P,
    "topK": attr.GEN_AI_REQUEST_TOP_K,
    "stopSequences": attr.GEN_AI_REQUEST_STOP_SEQUENCES,
    "stop_sequences": attr.GEN_AI_REQUEST_STOP_SEQUENCES,
    "guardrailIdentifier": attr.AWS_BEDROCK_GUARDRAIL_ID,
}


def request_pairs(exchange: Json, span: Read) -> dict[str, tuple[Any, Any]]:
    request = exchange["request"]
    flat = {**request, **request.get("inferenceConfig", {}), **request.get("textGenerationConfig", {})}
    flat |= {key: value for key, value in request.get("guardrailConfig", {}).items() if key in NAMED}
    rest = span.parameters or {}
    pairs: dict[str, tuple[Any, Any]] = {}
    for name, value in flat.items():
        if name in NAMED:
            seen = span.get(NAMED[name])
            pairs[name] = (list(seen) if isinstance(seen, tuple) else seen, value)
    for name in ("additionalModelRequestFields", "outputConfig", "normalize", "taskType", "schemaVersion"):
        if name in request:
            pairs[name] = (rest.get(name), request[name])
    offered = [
        tool.get("toolSpec", tool)["name"]
        for tool in request.get("toolConfig", {}).get("tools", request.get("tools", ()))
        if "cachePoint" not in tool
    ]
    pairs["tools"] = ([tool["name"] for tool in span.json(attr.GEN_AI_TOOL_DEFINITIONS) or ()], offered)
    if "messages" in request:
        seen_prompt = [
            (message["role"], "".join(part["content"] for part in message["parts"] if part["type"] == "text"))
            for message in span.input
        ]
        pairs["prompt"] = (seen_prompt, [(each["role"], text_of(each["content"])) for each in request["messages"]])
        used = [part["id"] for each in span.input for part in each["parts"] if part["type"].startswith("tool_call")]
        pairs["prompt's tools"] = (used, [each for message in request["messages"] for each in ids(message["content"])])
    elif prompt := request.get("inputText") or request.get("prompt") or request.get("message"):
        pairs["prompt"] = (span.input, [{"role": "user", "parts": [{"type": "text", "content": prompt}]}])
    if isinstance(system := request.get("system"), list):
        seen_system = [part["content"] for part in span.json(attr.GEN_AI_SYSTEM_INSTRUCTIONS) or ()]
        pairs["system"] = (seen_system, [block["text"] for block in system if "text" in block])
    return pairs


def text_of(content: Any) -> str:
    blocks: list[Json] = [{"text": content}] if isinstance(content, str) else content
    guarded = [block.get("guardContent", {}).get("text", block) for block in blocks]
    return "".join(block.get("text", "") for block in guarded)


def ids(content: Any) -> Iterator[str]:
    for block in content if isinstance(content, list) else ():
        known = block.get("toolUse") or block.get("toolResult")
        if known:
            yield known["toolUseId"]
        elif block.get("type") in ("tool_use", "tool_result"):
            yield block.get("id", block.get("tool_use_id"))


def differences(exchange: Json, span: Read, error: BaseException | None) -> list[str]:
    pairs = request_pairs(exchange, span)
    pairs["model"] = (span[attr.GEN_AI_REQUEST_MODEL], model_of(exchange))
    pairs["stream"] = (bool(span.get(attr.GEN_AI_REQUEST_STREAM)), exchange["streaming"])
    pairs["request id"] = (span.get(attr.CALLSPAN_PROVIDER_REQUEST_ID), exchange["headers"].get("x-amzn-requestid"))
    if error is not None:
        pairs["status"] = (span[attr.HTTP_RESPONSE_STATUS_CODE], exchange["status"])
        pairs["error"] = (span[attr.ERROR_TYPE].rpartition(".")[2], type(error).__name__)
    else:
        pairs |= answer_pairs(said(exchange), span)
    return [f"{name}: {seen!r}, not {wanted!r}" for name, (seen, wanted) in pairs.items() if seen != wanted]


def answer_pairs(wanted: Json, span: Read) -> dict[str, tuple[Any, Any]]:
    tokens = [span.get(attr.GEN_AI_USAGE_INPUT_TOKENS), span.get(attr.GEN_AI_USAGE_OUTPUT_TOKENS)]
    pairs: dict[str, tuple[Any, Any]] = {
        "ok": (span.ok, True),
        "tokens": (tokens, wanted.get("tokens", [None, None])),
        "id": (span.get(attr.GEN_AI_RESPONSE_ID), wanted.get("id")),
        "answering model": (span.get(attr.GEN_AI_RESPONSE_MODEL), wanted.get("model")),
    }
    if "vector" in wanted:
        return {**pairs, "vector": (span[attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT], wanted["vector"])}
    pairs["reason"] = (span.get(attr.GEN_AI_RESPONSE_FINISH_REASONS), (wanted["reason"],))
    pairs["output"] = (outputs_of(span), [(wanted["text"], wanted["calls"])])
    return pairs


@recordings.needed
async def test_every_exchange_is_recorded_right(bedrock: FakeBedrock, client: Any, replayed: Any) -> None:
    """Every recorded exchange gives a span with all that the provider said, and the application sees no difference."""
    await replayed(recordings.load("bedrock"), "sync", caller(bedrock, client), differences)
