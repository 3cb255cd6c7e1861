"""Recorded exchanges with Anthropic, replayed through the real client in every way that it has."""

import copy
import json
from typing import Any

import anthropic
import httpx2
import pytest

from callspan_semconv import attributes as attr
from tests.instrumentation import recordings, ways
from tests.instrumentation.recordings import Json
from tests.instrumentation.replay import NAMED, STAINLESS_WAYS, Outcome, Provider, Stainless, plain
from tests.instrumentation.support import Read, collect, settle

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # some of the recorded models are to retire

_CREATE = Stainless(
    anthropic.Anthropic,
    anthropic.AsyncAnthropic,
    anthropic.AnthropicError,
    {"messages": ("messages", "/v1/messages")},
    httpx2,
)
_HELPERS = ["stream()", "async stream()", "beta stream()"]


async def call(exchange: Json, way: str) -> Outcome:
    return await (_helper(exchange, way) if way in _HELPERS else _CREATE(exchange, way))


async def _helper(exchange: Json, way: str) -> Outcome:
    """The recorded call by ``messages.stream()``, which parses and accumulates on its own."""
    provider = Provider(exchange, httpx2)
    kind = anthropic.AsyncAnthropic if way.startswith("async") else anthropic.Anthropic
    client: Any = kind(
        api_key="sk-local", max_retries=0, http_client=provider.client(is_async=kind is anthropic.AsyncAnthropic)
    )
    resource = client.beta.messages if way.startswith("beta") else client.messages
    arguments = copy.deepcopy(exchange["request"])
    # What the helper has no parameter for, or another one for.
    extra = {key: arguments.pop(key) for key in ("temperature", "top_k", "output_format") if key in arguments}
    arguments.pop("stream")
    manager = resource.stream(**arguments, extra_body=extra)
    opened = await ways.enter(manager)
    events = await collect(opened)
    message = await settle(opened.get_final_message())
    await ways.leaving(manager)()
    await settle(client.close())
    return plain([*events, message]), provider.bodies, None


@recordings.needed
@pytest.mark.parametrize("way", STAINLESS_WAYS)
async def test_every_exchange_is_recorded_right(way: str, replayed: Any) -> None:
    """Every recorded exchange gives a span with all that the provider said, and the application sees no difference."""
    await replayed(recordings.load("anthropic"), way, call, differences)


@recordings.needed
@pytest.mark.parametrize("way", _HELPERS)
async def test_every_stream_is_recorded_right(way: str, replayed: Any) -> None:
    """The same of the streams, by the package's helper."""
    await replayed([each for each in recordings.load("anthropic") if each["streaming"]], way, call, differences)


def differences(exchange: Json, span: Read, error: BaseException | None) -> list[str]:
    """What the span lacks or has wrong."""
    pairs = {**request_pairs(exchange["request"], span), **answer_pairs(exchange, span, error)}
    return [f"{name}: {seen!r}, not {wanted!r}" for name, (seen, wanted) in pairs.items() if seen != wanted]


def request_pairs(request: Json, span: Read) -> dict[str, tuple[Any, Any]]:
    rest = span.parameters or {}
    content = {"messages", "system", "tools", "stream"}
    pairs = {
        name: (span.get(NAMED[name]) if name in NAMED else rest.get(name), value)
        for name, value in request.items()
        if name not in content
    }
    pairs["stream"] = (bool(span.get(attr.GEN_AI_REQUEST_STREAM)), bool(request.get("stream")))
    pairs["messages"] = ([(m["role"], m["parts"]) for m in span.input], [_message(m) for m in request["messages"]])
    pairs["system"] = (span.json(attr.GEN_AI_SYSTEM_INSTRUCTIONS) or [], _parts(request.get("system") or []))
    pairs["tools"] = (span.json(attr.GEN_AI_TOOL_DEFINITIONS) or [], [_tool(t) for t in request.get("tools") or ()])
    effort = (request.get("output_config") or {}).get("effort")
    pairs["effort"] = (span.get(attr.GEN_AI_REQUEST_REASONING_LEVEL), effort)
    return pairs


def _tool(tool: Json) -> Json:
    if tool.get("type") not in (None, "custom"):
        return tool
    parameters = {"parameters": tool["input_schema"]}
    return {**{k: v for k, v in tool.items() if k != "input_schema"}, "type": "function", **parameters}


def _message(message: Json) -> tuple[str, list[Json]]:
    return message["role"], _parts(message["content"])


def _parts(content: Any) -> list[Json]:
    return [{"type": "text", "content": content}] if isinstance(content, str) else [_part(block) for block in content]


def _part(block: Json) -> Json:
    """The part of a block, for the kinds of blocks that were recorded."""
    kind = block["type"]
    if kind == "text":
        return {"type": "text", "content": block["text"]}
    if kind == "thinking":
        return {"type": "reasoning", "content": block["thinking"]}
    if kind == "tool_use":
        return {"type": "tool_call", "name": block["name"], "id": block["id"], "arguments": block["input"]}
    if kind == "tool_result":
        content = block.get("content")
        part = {"id": block["tool_use_id"], "response": content if isinstance(content, str) else _parts(content)}
        wrong = {"is_error": True} if block.get("is_error") else {}
        return {"type": "tool_call_response", **part, **wrong}
    if kind in ("image", "document"):
        source = block["source"]
        if source["type"] == "url":
            return {"type": "uri", "modality": kind, "uri": source["url"]}
        part = {"type": "blob", "modality": kind, "mime_type": source["media_type"], "content": source["data"]}
        large = len(source["data"]) > 65_536
        return {**part, "content": "", "omitted_bytes": len(source["data"]) * 3 // 4} if large else part
    if kind == "server_tool_use":
        call = {"type": block["name"], "input": block["input"]}
        return {"type": "server_tool_call", "id": block["id"], "name": block["name"], "server_tool_call": call}
    response = {"type": kind, "content": _readable(block["content"])}
    return {"type": "server_tool_call_response", "id": block["tool_use_id"], "server_tool_call_response": response}


def _readable(value: Any) -> Any:
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        return {k: _readable(v) for k, v in value.items() if not k.startswith("encrypted_") and v is not None}
    return value


def answer_pairs(exchange: Json, span: Read, error: BaseException | None) -> dict[str, tuple[Any, Any]]:
    if error is not None:
        return {"error": (span.get(attr.ERROR_TYPE), f"anthropic.{type(error).__name__}")}
    message = answer(exchange)
    usage = message["usage"]
    read, write = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    tokens = (
        usage["input_tokens"] + (read or 0) + (write or 0),
        usage["output_tokens"],
        read,
        write,
        (usage.get("output_tokens_details") or {}).get("thinking_tokens"),
    )
    seen = (
        attr.GEN_AI_USAGE_INPUT_TOKENS,
        attr.GEN_AI_USAGE_OUTPUT_TOKENS,
        attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
        attr.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS,
        attr.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
    )
    output = {"role": "assistant", "parts": [_part(b) for b in message["content"]]}
    return {
        "id": (span.get(attr.GEN_AI_RESPONSE_ID), message["id"]),
        "model": (span.get(attr.GEN_AI_RESPONSE_MODEL), message["model"]),
        "tokens": (tuple(span.get(name) for name in seen), tokens),
        "finish reasons": (span.get(attr.GEN_AI_RESPONSE_FINISH_REASONS), (message["stop_reason"],)),
        "output": (span.output, [{**output, "finish_reason": message["stop_reason"]}]),
        "status": (span.ok, True),
    }


def answer(exchange: Json) -> Json:
    """The whole message, put together where it was streamed."""
    if not exchange["streaming"]:
        return dict(json.loads(exchange["body"]))
    message: Json = {}
    for event in recordings.events(exchange):
        if event["type"] == "message_start":
            message = event["message"]
        elif event["type"] == "content_block_start":
            message["content"].append(event["content_block"])
        elif event["type"] == "content_block_delta":
            _add(message["content"][event["index"]], event["delta"])
        elif event["type"] == "message_delta":
            message |= event["delta"]
            message["usage"] |= event["usage"]
    for block in message["content"]:
        if text := block.pop("json", ""):
            block["input"] = json.loads(text)
    return message


def _add(block: Json, delta: Json) -> None:
    names = {"text_delta": ("text", "text"), "thinking_delta": ("thinking", "thinking")}
    names["input_json_delta"] = ("partial_json", "json")
    if (found := names.get(delta["type"])) is not None:
        block[found[1]] = block.get(found[1], "") + delta[found[0]]
