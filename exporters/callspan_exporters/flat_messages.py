"""Messages of any API in one flat shape: text, reasoning, tool calls and tool results apart.

The names are those of Datadog's LLM Observability.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from callspan_semconv import jsonio

Message = dict[str, Any]


def from_chat(messages: Any) -> list[Message]:
    """What was asked: Chat Completions messages; other APIs have a text or an object."""
    if messages is None:
        return []
    given = messages if isinstance(messages, list) else [messages]
    return [_message(entry) if isinstance(entry, Mapping) else _said(entry) for entry in given]


def from_response(response: Any) -> list[Message]:
    """What came back: choices of Chat Completions, items of a Responses answer, or a text."""
    if not isinstance(response, Mapping):
        return [_said(response, "assistant")] if response else []
    if isinstance(choices := response.get("choices"), list):
        return [_choice(choice) for choice in choices if isinstance(choice, Mapping)]
    if isinstance(output := response.get("output"), list):
        return [_output_item(entry) for entry in output if isinstance(entry, Mapping)]
    if "vector_count" in response:
        size = f" with size {response['dimensions']}" if response.get("dimensions") else ""
        return [_said(f"[{response['vector_count']} embedding(s) returned{size}]", "assistant")]
    for key in ("text", "data", "results"):
        if response.get(key):
            return [_said(response[key], "assistant")]
    return []


def _choice(choice: Mapping[str, Any]) -> Message:
    message = choice.get("message")
    return _message(message) if isinstance(message, Mapping) else _said(choice.get("text"), "assistant")


def _message(message: Mapping[str, Any]) -> Message:
    found: Message = {"role": str(message.get("role") or "")}
    parts = message.get("content")
    parts = parts if isinstance(parts, list) else [parts]
    found["content"] = "\n".join(_text(part) for part in parts if part is not None and not _is_tool(part))
    if reasoning := message.get("reasoning_content"):
        found["reasoning_content"] = _text(reasoning)
    calls = [*_tool_calls(message), *(_used_tool(part) for part in parts if _is_tool(part, "tool_use"))]
    results = [_tool_result(part) for part in parts if _is_tool(part, "tool_result")]
    if message.get("role") == "tool":
        named = {"tool_use_id": message.get("tool_call_id"), "name": message.get("name"), "content": found["content"]}
        results, found["content"] = [_tool_result(named)], ""
    if calls:
        found["tool_calls"] = calls
    if results:
        found["tool_results"] = results
    return found


def _tool_calls(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """OpenAI's, also the single ``function_call`` that came before ``tool_calls``."""
    for call in message.get("tool_calls") or ():
        if isinstance(call, Mapping):
            function = call.get("function") or call.get("custom") or {}
            yield _tool_call(function, function.get("arguments", function.get("input")), call.get("id"))
    if isinstance(call := message.get("function_call"), Mapping):
        yield _tool_call(call, call.get("arguments"), None)


def _used_tool(part: Mapping[str, Any]) -> dict[str, Any]:
    return _tool_call(part, part.get("input"), part.get("id"))


def _tool_call(named: Mapping[str, Any], arguments: Any, identifier: Any) -> dict[str, Any]:
    return {
        "name": str(named.get("name") or ""),
        "arguments": _parsed(arguments),
        "tool_id": str(identifier or ""),
        "type": "function",
    }


def _tool_result(part: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": str(part.get("name") or ""),
        "result": _text(part.get("content")),
        "tool_id": str(part.get("tool_use_id") or ""),
        "type": "tool_result",
    }


def _output_item(item: Mapping[str, Any]) -> Message:
    kind = item.get("type")
    if kind == "message":
        return _message({"role": "assistant", **item})
    if kind == "function_call":
        call = _tool_call(item, item.get("arguments"), item.get("call_id"))
        return {"role": "assistant", "content": "", "tool_calls": [call]}
    if kind == "reasoning":
        summary = item.get("summary") or item.get("content") or ()
        return {"role": "assistant", "content": "", "reasoning_content": "\n".join(_text(part) for part in summary)}
    return _said(dict(item), "assistant")


def _is_tool(part: Any, *kinds: str) -> bool:
    return isinstance(part, Mapping) and part.get("type") in (kinds or ("tool_use", "tool_result"))


def _said(value: Any, role: str = "user") -> Message:
    return {"role": role, "content": _text(value)}


def _text(value: Any) -> str:
    """The text of a part; what has none, such as an image, as JSON."""
    if isinstance(value, Mapping) and isinstance(text := value.get("text"), str):
        return text
    return value if isinstance(value, str) else "" if value is None else jsonio.dumps(value)


def _parsed(arguments: Any) -> Any:
    """An object, as services show it; a model may also have written something that is none."""
    if isinstance(arguments, Mapping):
        return dict(arguments)
    text = _text(arguments)
    try:
        parsed = jsonio.loads(text)
    except ValueError:
        return text
    return parsed if isinstance(parsed, dict) else text
