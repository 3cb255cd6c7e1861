"""Anthropic's Messages API as the tests' local server speaks it, with the same directives in prompts."""

import json
from typing import Any

from callspan.cli.fake_openai import FakeOpenAI
from callspan.cli.fake_openai.wire import EventStream, Json, Reply, Request, cut_by_error, frame, new_id, reply_json

MODEL = "claude-haiku-4-5"
SNAPSHOT = "claude-haiku-4-5-20251001"
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
USAGE = {"input_tokens": 11, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 3, "service_tier": "standard"}


def install(server: FakeOpenAI) -> None:
    """Let ``server`` answer as Anthropic too."""
    server._routes["POST", "/messages"] = _create
    server._routes["POST", "/messages/count_tokens"] = lambda _: reply_json({"input_tokens": 11})


def message(*blocks: Json, stop_reason: str = "end_turn", **usage: Any) -> Json:
    """A whole answer."""
    return {
        "id": new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": SNAPSHOT,
        "content": list(blocks),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {**USAGE, "output_tokens": 10, **usage},
    }


def text(said: str) -> Json:
    return {"type": "text", "text": said}


def events(whole: Json) -> list[Json]:
    """The events that bring a message of texts and tool calls."""
    start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    found: list[Json] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        empty, deltas = _deltas(block)
        found.append({"type": "content_block_start", "index": index, "content_block": empty})
        found += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        found.append({"type": "content_block_stop", "index": index})
    outcome = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": whole["usage"]["output_tokens"]}
    return [*found, {"type": "message_delta", "delta": outcome, "usage": usage}, {"type": "message_stop"}]


def _deltas(block: Json) -> tuple[Json, list[Json]]:
    if block["type"] == "text":
        words = block["text"].split(" ")
        pieces = [word if index == 0 else " " + word for index, word in enumerate(words)]
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
        cited = [{"type": "citations_delta", "citation": each} for each in block.get("citations", ())]
        return {"type": "text", "text": ""}, [*deltas, *cited]
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": block["thinking"]}]
        return {"type": "thinking", "thinking": "", "signature": ""}, [
            *deltas,
            {"type": "signature_delta", "signature": "c2ln"},
        ]
    if "input" in block:
        written = json.dumps(block["input"])
        halves = written[: len(written) // 2], written[len(written) // 2 :]
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": half} for half in halves]
    return block, []


def frames(found: list[Json]) -> list[bytes]:
    return [frame(event, event["type"]) for event in found]


def _create(request: Request) -> Reply | EventStream:
    last = request.json["messages"][-1]["content"]
    answered = isinstance(last, list) and any(block["type"] == "tool_result" for block in last)
    tools = [] if answered else request.json.get("tools") or []
    calls = [
        {"type": "tool_use", "id": new_id("toolu_"), "name": tool["name"], "input": {"city": "Oslo"}} for tool in tools
    ]
    whole = message(
        *([] if calls else [text(request.directives.get("say", "Hello"))]),
        *calls,
        stop_reason="tool_use" if calls else "end_turn",
    )
    if not request.streaming:
        return reply_json(whole, **{"request-id": new_id("req_")})
    sent = frames(events(whole))
    return cut_by_error(sent, frame(OVERLOADED, "error")) if "stream-error" in request.directives else EventStream(sent)
