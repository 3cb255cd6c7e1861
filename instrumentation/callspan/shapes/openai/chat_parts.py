"""Messages of Chat Completions as parts of the conventions; other libraries' messages are much the same.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from callspan.core.view import field, fields
from callspan.shapes.openai.common import content_parts
from callspan.shapes.parts import blob, plain, tool_arguments, tool_call


def input_message(message: Any) -> dict[str, Any]:
    """A message of the prompt."""
    # Nearly all messages are a role and a text.
    if type(message) is dict and len(message) == 2 and type(text := message.get("content")) is str:
        return {"role": message.get("role"), "parts": [{"type": "text", "content": text}]}
    role = field(message, "role")
    content = field(message, "content")
    if role in ("tool", "function"):
        response = content if isinstance(content, str) or content is None else content_parts(content)
        part = {"type": "tool_call_response", "response": response}
        if (call_id := field(message, "tool_call_id")) is not None:
            part["id"] = call_id
        result = {"role": role, "parts": [part]}
    else:
        result = {"role": role, "parts": assistant_parts(message, content)}
    if (name := field(message, "name")) is not None:
        result["name"] = name
    return result


def assistant_parts(message: Any, content: Any) -> list[dict[str, Any]]:
    """Parts of an assistant's message, in a prompt or in an answer."""
    known = fields(message)
    parts: list[dict[str, Any]] = []
    if shown := reasoning(known):
        parts.append({"type": "reasoning", "content": shown})
    if executed := known.get("executed_tools"):
        parts += executed_tools(executed)
    if content is not None:
        parts += content_parts(content)
    if refusal := known.get("refusal") or field(known.get("provider_specific_fields"), "refusal"):  # LiteLLM's place
        parts.append({"type": "refusal", "content": refusal})
    if (audio := known.get("audio")) is not None:
        parts.append(audio_part(audio))
    if tool_calls := known.get("tool_calls"):
        parts += [_tool_call(item) for item in tool_calls]
    if (function := known.get("function_call")) is not None:
        parts.append(tool_call(field(function, "name"), None, field(function, "arguments")))
    return parts


def _tool_call(item: Any) -> dict[str, Any]:
    """A function call, or a custom tool's call with its free-form input."""
    if (custom := field(item, "custom")) is not None:
        return tool_call(field(custom, "name"), field(item, "id"), field(custom, "input"))
    function = field(item, "function")
    return tool_call(field(function, "name"), field(item, "id"), field(function, "arguments"))


def audio_part(audio: Any) -> dict[str, Any]:
    """Spoken output: its transcript, and its data where the answer carries them."""
    part = blob("audio", None, field(audio, "data") or "")
    for name in ("id", "transcript"):
        if (value := field(audio, name)) is not None:
            part[name] = value
    return part


def reasoning(known: Mapping[str, Any]) -> Any:
    """Thinking among the fields of a message or delta, as others than OpenAI show it (DeepSeek, vLLM, Groq)."""
    return known.get("reasoning_content") or known.get("reasoning")


def executed_tools(tools: Iterable[Any]) -> list[dict[str, Any]]:
    """Tools that the provider ran itself (Groq's compound systems): each call and what came back."""
    parts: list[dict[str, Any]] = []
    for tool in tools:
        result = {**plain(tool)}
        kind = result.get("type")
        call = {"type": kind, "arguments": tool_arguments(result.pop("arguments", None))}
        parts.append({"type": "server_tool_call", "name": kind, "server_tool_call": call})
        result.pop("index", None)
        if len(result) > 1:  # more than its type
            parts.append({"type": "server_tool_call_response", "server_tool_call_response": result})
    return parts


def tool_definition(tool: Any) -> dict[str, Any]:
    """A tool definition: functions flattened as the conventions have them, others as they are."""
    function = field(tool, "function")
    return {"type": "function", **plain(function)} if function is not None else plain(tool)
