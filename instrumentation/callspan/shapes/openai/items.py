"""Items of the Responses API, in prompts and in answers, as messages of the conventions.

Source: https://platform.openai.com/docs/api-reference/responses/object (``output``) and ``create`` (``input``)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from callspan.core.view import field
from callspan.shapes.openai.common import content_parts
from callspan.shapes.parts import blob, plain, tool_arguments, tool_call

Part = dict[str, Any]


def input_messages(value: Any) -> list[dict[str, Any]]:
    """``input`` as messages: a text, or a list of messages and items of earlier answers."""
    if isinstance(value, str):
        return [{"role": "user", "parts": [{"type": "text", "content": value}]}]
    return [_input_message(item) for item in value or ()]


def _input_message(item: Any) -> dict[str, Any]:
    if isinstance(item, str):
        return {"role": "user", "parts": [{"type": "text", "content": item}]}
    kind = field(item, "type")
    if kind in (None, "message"):
        return {"role": field(item, "role"), "parts": content_parts(field(item, "content"))}
    # What the application ran is the tool's word; everything else in a prompt is from an earlier answer.
    role = "tool" if kind in _APPLICATION_OUTPUTS else "assistant"
    return {"role": field(item, "role") or role, "parts": item_parts(item)}


def output_parts(items: Iterable[Any]) -> list[Part]:
    """All output items as the parts of one assistant message."""
    return [part for item in items for part in item_parts(item)]


def item_parts(item: Any) -> list[Part]:
    """One item as parts."""
    kind = str(field(item, "type"))
    if (reader := _READERS.get(kind)) is not None:
        return reader(item)
    if kind.endswith("_call"):
        return [_server_tool_call(item, kind)]
    if kind.endswith("_output"):
        part: Part = {"type": "server_tool_call_response", "server_tool_call_response": _dump(item)}
        return [_with_id(part, field(item, "call_id"))]
    return [_dump(item)]


def _dump(item: Any) -> Part:
    """The item as a dict of our own: in a prompt it may be the application's."""
    data = plain(item)
    return dict(data) if isinstance(data, dict) else {"type": "unknown"}


def _with_id(part: Part, call_id: Any) -> Part:
    return {**part, "id": call_id} if call_id else part


def _message(item: Any) -> list[Part]:
    return content_parts(field(item, "content"))


def _reasoning(item: Any) -> list[Part]:
    """Reasoning that was shown, in full or in summary; encrypted reasoning says nothing to anybody."""
    shown = [*(field(item, "content") or ()), *(field(item, "summary") or ())]
    return [{"type": "reasoning", "content": field(part, "text")} for part in shown]


def _function_call(item: Any) -> list[Part]:
    return [tool_call(field(item, "name"), field(item, "call_id") or field(item, "id"), field(item, "arguments"))]


def _custom_call(item: Any) -> list[Part]:
    return [tool_call(field(item, "name"), field(item, "call_id") or field(item, "id"), field(item, "input"))]


def _tool_output(item: Any) -> list[Part]:
    output = field(item, "output")
    response = content_parts(output) if isinstance(output, list) else plain(output)
    return [_with_id({"type": "tool_call_response", "response": response}, field(item, "call_id"))]


def _image_call(item: Any) -> list[Part]:
    """A generated image: the call, and the picture as a blob."""
    part = _server_tool_call(item, "image_generation_call")
    result = part["server_tool_call"].pop("result", None)
    if not isinstance(result, str):
        return [part]
    mime_type = f"image/{part['server_tool_call'].get('output_format', 'png')}"
    return [part, blob("image", mime_type, result)]


def _mcp_call(item: Any) -> list[Part]:
    """A call that the provider made to an MCP server, and what came back."""
    data = _dump(item)
    result = {name: data.pop(name) for name in ("output", "error") if data.get(name) is not None}
    data["arguments"] = tool_arguments(data.get("arguments"))
    call: Part = {"type": "server_tool_call", "name": data.get("name"), "server_tool_call": data}
    parts = [_with_id(call, field(item, "id"))]
    if result:
        response: Part = {
            "type": "server_tool_call_response",
            "server_tool_call_response": {"type": "mcp_call", **result},
        }
        parts.append(_with_id(response, field(item, "id")))
    return parts


def _server_tool_call(item: Any, kind: str) -> Part:
    part: Part = {"type": "server_tool_call", "name": kind.removesuffix("_call"), "server_tool_call": _dump(item)}
    return _with_id(part, field(item, "id"))


def _compaction(item: Any) -> list[Part]:
    return [_with_id({"type": "compaction"}, field(item, "id"))]


_APPLICATION_OUTPUTS = frozenset(
    {
        "function_call_output",
        "custom_tool_call_output",
        "computer_call_output",
        "local_shell_call_output",
        "shell_call_output",
        "apply_patch_call_output",
        "mcp_approval_response",
    }
)
_READERS: dict[str, Callable[[Any], list[Part]]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function_call,
    "custom_tool_call": _custom_call,
    "image_generation_call": _image_call,
    "mcp_call": _mcp_call,
    "compaction": _compaction,
    **dict.fromkeys(
        ("function_call_output", "custom_tool_call_output", "computer_call_output", "local_shell_call_output"),
        _tool_output,
    ),
}
