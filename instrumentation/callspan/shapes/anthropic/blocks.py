"""Content blocks of the Messages API as message parts of the conventions.

Source: https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from callspan.core.view import field, fields
from callspan.shapes.parts import blob, media_part, plain, tool_call

_RESULT = "_tool_result"


def parts(content: Any) -> list[Any]:
    """A message's content, a text or blocks, as parts."""
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "content": content}]
    if not isinstance(content, Iterable) or isinstance(content, Mapping):
        return [{"type": "text", "content": str(content)}]
    return [part(block) for block in content]


def part(block: Any) -> Any:
    """One block as a part; a block that the conventions have no part for is kept as it is."""
    if isinstance(block, str):
        return {"type": "text", "content": block}
    kind = field(block, "type")
    if not isinstance(kind, str):
        return plain(block)
    if (read := _PARTS.get(kind)) is not None:
        return read(block)
    # Every server tool has a block type of its own for its results: web_search_tool_result, bash_code_execution_...
    return _server_result(block) if kind.endswith(_RESULT) else plain(block)


def _text(block: Any) -> dict[str, Any]:
    text = {"type": "text", "content": field(block, "text")}
    if citations := field(block, "citations"):
        text["citations"] = [plain(citation) for citation in citations]
    return text


def _thinking(block: Any) -> dict[str, Any]:
    """Thinking that was shown. Its signature is for the provider only."""
    return {"type": "reasoning", "content": field(block, "thinking")}


def _redacted_thinking(_block: Any) -> dict[str, Any]:
    """Thinking that the provider encrypted: nobody but the provider can read it, so only that it was there counts."""
    return {"type": "reasoning", "content": "", "redacted": True}


def _tool_use(block: Any) -> dict[str, Any]:
    return tool_call(field(block, "name"), field(block, "id"), plain_tree(field(block, "input")))


def _tool_result(block: Any) -> dict[str, Any]:
    content = field(block, "content")
    response = content if isinstance(content, str) or content is None else parts(content)
    result = {"type": "tool_call_response", "id": field(block, "tool_use_id"), "response": response}
    if field(block, "is_error"):
        result["is_error"] = True
    return result


def _server_tool(block: Any) -> dict[str, Any]:
    """A tool that runs at the provider, or at an MCP server that the provider calls."""
    kind, name = field(block, "type"), field(block, "name")
    call = {"type": name if kind == "server_tool_use" else kind, "input": plain_tree(field(block, "input"))}
    if (server := field(block, "server_name")) is not None:
        call["server_name"] = server
    return {"type": "server_tool_call", "id": field(block, "id"), "name": name, "server_tool_call": call}


def _server_result(block: Any) -> dict[str, Any]:
    response = {"type": field(block, "type"), "content": plain_tree(field(block, "content"))}
    if field(block, "is_error"):
        response["is_error"] = True
    return {
        "type": "server_tool_call_response",
        "id": field(block, "tool_use_id"),
        "server_tool_call_response": response,
    }


def _media(modality: str) -> Callable[[Any], Any]:
    """Reads an image or a document by where its data are: inline, at a URL, uploaded before, or text."""

    def read(block: Any) -> Any:
        source = field(block, "source")
        kind = field(source, "type")
        if kind == "base64":
            data = field(source, "data")  # or a file, which is the application's
            found = blob(modality, field(source, "media_type"), data if isinstance(data, str) else "")
        elif kind == "url":
            found = media_part(modality, field(source, "url"))
        elif kind == "file":
            found = {"type": "file", "modality": modality, "file_id": field(source, "file_id")}
        elif kind == "text":
            found = {"type": "text", "content": field(source, "data")}
        else:  # a document of blocks
            found = {"type": modality, "content": parts(field(source, "content"))}
        if (title := field(block, "title")) is not None and found["type"] != "blob":  # a blob has no further keys
            found["title"] = title
        return found

    return read


def _upload(block: Any) -> dict[str, Any]:
    """A file in the container of code execution."""
    return {"type": "file", "modality": "document", "file_id": field(block, "file_id")}


def _compaction(block: Any) -> dict[str, Any]:
    return {"type": "compaction", "content": field(block, "content")}


_PARTS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted_thinking,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "server_tool_use": _server_tool,
    "mcp_tool_use": _server_tool,
    "image": _media("image"),
    "document": _media("document"),
    "container_upload": _upload,
    "compaction": _compaction,
}

# Results of server tools carry what only the provider can read, and pages of it: encrypted_content, encrypted_index.
_OPAQUE = "encrypted_"


def plain_tree(value: Any) -> Any:
    """Plain data at any depth, without what is encrypted for the provider, and without large media."""
    if isinstance(value, (list, tuple)):
        return [plain_tree(item) for item in value]
    known = value if isinstance(value, Mapping) else fields(plain(value))
    if not known:
        return value
    source = known.get("source")
    if known.get("type") in ("image", "document") and source is not None:
        return part(known)
    return {name: plain_tree(item) for name, item in known.items() if item is not None and not name.startswith(_OPAQUE)}
