"""Recorded provider exchanges, and what a call read from them must say: an oracle of its own, from the raw JSON."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DIRECTORY = Path(__file__).parents[3] / "shared" / "recordings"

Json = dict[str, Any]
ToolCall = tuple[str | None, str | None, Any]  # name, id, arguments


def needed(test: Any) -> Any:
    """Mark a test that reads the recordings."""
    absent = pytest.mark.skipif(not DIRECTORY.is_dir(), reason="the provider recordings are not beside this checkout")
    return pytest.mark.recordings(absent(test))


def load(*providers: str) -> list[Json]:
    """Every exchange of ``<provider>.jsonl``; where no content type was recorded, the one that goes with the body."""
    exchanges = []
    for name in providers:
        for number, line in enumerate((DIRECTORY / f"{name}.jsonl").read_text("utf-8").splitlines()):
            exchange = json.loads(line)
            kind = "text/event-stream" if exchange["streaming"] and exchange["status"] == 200 else "application/json"
            exchange["headers"].setdefault("content-type", kind)
            exchanges.append({**exchange, "name": f"{name}:{number}"})
    return exchanges


def body(exchange: Json) -> bytes:
    """The body of the recorded answer."""
    return base64.b64decode(exchange["body_base64"]) if "body_base64" in exchange else str(exchange["body"]).encode()


def events(exchange: Json) -> Iterator[Json]:
    """The events of a recorded stream."""
    for block in exchange["body"].split("\n"):
        if block.startswith("data:") and (data := block[5:].strip()) != "[DONE]":
            yield json.loads(data)


def answer(exchange: Json) -> Json:
    """The whole answer, put together where it was streamed."""
    if not exchange["streaming"]:
        return dict(json.loads(exchange["body"]))
    if exchange["operation"] == "responses":
        return dict(list(events(exchange))[-1]["response"])
    return _joined(list(events(exchange)))


def _joined(chunks: list[Json]) -> Json:
    whole: Json = {"choices": []}
    choices: dict[int, Json] = {}
    for chunk in chunks:
        known = {"id": whole["id"]} if whole.get("id") else {}  # Groq's compound systems change it
        whole |= {key: value for key, value in chunk.items() if key != "choices" and value} | known
        for part in chunk.get("choices", ()):
            choice = choices.setdefault(part.get("index", 0), {"text": "", "tools": {}, "finish_reason": None})
            delta = part.get("delta", {})
            choice["text"] += part.get("text") or delta.get("content") or ""
            choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]
            for call in delta.get("tool_calls") or ():
                tool = choice["tools"].setdefault(call["index"], {"name": None, "id": None, "arguments": ""})
                tool["id"] = call.get("id") or tool["id"]
                tool["name"] = call["function"].get("name") or tool["name"]
                tool["arguments"] += call["function"].get("arguments") or ""
    for index in sorted(choices):
        choice = choices[index]
        calls = [{"id": tool["id"], "function": tool} for _, tool in sorted(choice["tools"].items())]
        message = {"content": choice["text"], "tool_calls": calls}
        whole["choices"].append({"message": message, "finish_reason": choice["finish_reason"]})
    return whole


def outputs(operation: str, whole: Json) -> list[tuple[str, list[ToolCall]]]:
    """Every choice's exact text, and its tool calls in order."""
    if operation == "responses":
        items = whole.get("output", ())
        texts = [
            part["text"]
            for item in items
            if item["type"] == "message"
            for part in item["content"]
            if part["type"] == "output_text"
        ]
        calls = [
            (item["name"], item["call_id"], _parsed(item.get("arguments", item.get("input"))))
            for item in items
            if item["type"] in ("function_call", "custom_tool_call")
        ]
        return [("".join(texts), calls)] if items else []
    return [_choice(choice) for choice in whole.get("choices", ())]


def _choice(choice: Json) -> tuple[str, list[ToolCall]]:
    if "text" in choice:
        return choice["text"], []
    message = choice["message"]
    called = [(call["id"], call.get("function") or call["custom"]) for call in message.get("tool_calls") or ()]
    if message.get("function_call"):
        called.append((None, message["function_call"]))
    calls = [(each["name"], call_id, _parsed(each.get("arguments", each.get("input")))) for call_id, each in called]
    return message.get("content") or "", calls


def _parsed(arguments: Any) -> Any:
    try:
        return json.loads(arguments)
    except (ValueError, TypeError):
        return arguments


def finish_reasons(operation: str, whole: Json) -> list[Any] | None:
    """As the provider names them; the Responses API has a status instead."""
    if operation == "responses":
        called = any(kind in ("function_call", "custom_tool_call") for kind in (i["type"] for i in whole["output"]))
        incomplete = (whole.get("incomplete_details") or {}).get("reason")
        reasons = {
            "completed": "tool_call" if called else "stop",
            "incomplete": "length" if incomplete == "max_output_tokens" else incomplete,
        }
        return [reasons[whole["status"]]] if whole["status"] in reasons else None
    return [choice["finish_reason"] for choice in whole.get("choices", ())] or None


def tokens(whole: Json) -> tuple[Any, Any, Any, Any]:
    """Input, output, cached and reasoning tokens, None where the provider does not say."""
    usage = whole.get("usage") or (whole.get("x_groq") or {}).get("usage") or {}
    inner = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    outer = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    return (
        usage.get("prompt_tokens", usage.get("input_tokens")),
        usage.get("completion_tokens", usage.get("output_tokens")),
        inner.get("cached_tokens", usage.get("cached_tokens", usage.get("num_cached_tokens"))),
        outer.get("reasoning_tokens"),
    )


def vector_length(whole: Json) -> int:
    """The length of the first vector, whatever its encoding."""
    vector = whole["data"][0]["embedding"]
    return len(vector) if isinstance(vector, list) else len(vector) * 3 // 4 // 4


def prompt(request: Json) -> list[tuple[Any, str] | None]:
    """Role and text of every message of the prompt, in order; None for items without a role, and tools' results."""
    value: Any = next(request[key] for key in ("messages", "input", "prompt") if key in request)
    if isinstance(value, str):
        return [("user", value)]
    return [("user", item) if isinstance(item, str) else _message(item) for item in value]


def _message(item: Json) -> tuple[Any, str] | None:
    if item.get("role") in (None, "tool", "function") or "content" not in item:
        return None
    content = item["content"]
    if isinstance(content, list):
        return item["role"], "".join(part.get("text") or "" for part in content)
    return item["role"], content or ""


def prompt_tools(request: Json) -> list[tuple[str | None, Any]]:
    """Id and arguments of every function call in the prompt, and id and response of every result, in order."""
    items: Any = request.get("messages", request.get("input", ()))
    return [entry for item in items if isinstance(item, dict) for entry in _prompt_tools(item)]


def _prompt_tools(item: Json) -> Iterator[tuple[str | None, Any]]:
    for call in item.get("tool_calls") or ():
        yield call["id"], _parsed(call["function"]["arguments"])
    if item.get("role") in ("tool", "function"):
        yield item.get("tool_call_id"), _text_of(item["content"])
    if item.get("type") in ("function_call", "custom_tool_call"):
        yield item["call_id"], _parsed(item.get("arguments", item.get("input")))
    if item.get("type") in ("function_call_output", "custom_tool_call_output"):
        yield item["call_id"], _text_of(item["output"])


def _text_of(response: Any) -> str | None:
    """A textual result; one of several parts is read as messages are, and left out here."""
    return response if isinstance(response, str) else None
