"""Message parts of the conventions, and writing them: what readers of every API share."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from callspan.core.call import Call
from callspan_semconv import jsonio, secrets

# Inline media up to this many base64 characters are kept; larger ones would fill queues and break collectors' limits.
MAX_BLOB_CHARS = 65_536


def set_json(call: Call, attribute: str, value: Any) -> None:
    """Write content, if content is recorded and there is any."""
    if value and call.captures_content:
        call.attributes[attribute] = jsonio.dumps(value)


def tool_arguments(text: Any) -> Any:
    """Arguments of a tool call as JSON; the raw text if it does not parse (the conventions allow any)."""
    if not isinstance(text, str) or not text:
        return text
    try:
        return jsonio.loads(text)
    except ValueError:
        return text


def tool_call(name: Any, call_id: Any, arguments: Any) -> dict[str, Any]:
    """A ``tool_call`` part."""
    part = {"type": "tool_call", "name": name, "arguments": tool_arguments(arguments)}
    if call_id:
        part["id"] = call_id
    return part


def blob(modality: str, mime_type: str | None, content: str) -> dict[str, Any]:
    """A ``blob`` part; large content is left out, and its size in bytes said."""
    part: dict[str, Any] = {"type": "blob", "modality": modality}
    if mime_type:
        part["mime_type"] = mime_type
    if len(content) > MAX_BLOB_CHARS:
        return {**part, "content": "", "omitted_bytes": len(content) * 3 // 4}
    return {**part, "content": content}


def binary(modality: str, mime_type: str | None, data: bytes) -> dict[str, Any]:
    """A ``blob`` part of bytes."""
    if len(data) * 4 // 3 > MAX_BLOB_CHARS:
        return {**blob(modality, mime_type, ""), "omitted_bytes": len(data)}
    return blob(modality, mime_type, b64encode(data).decode())


def modality_of(mime_type: str | None) -> str:
    """``image``, ``audio`` or ``video``; every other type is a ``document``."""
    kind = (mime_type or "").partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "document"


def media_part(modality: str, url: Any) -> dict[str, Any]:
    """An image or file by URL: inline data becomes a ``blob``, everything else a ``uri`` without its credentials."""
    text = str(url)
    if text.startswith("data:"):
        head, _, data = text[5:].partition(",")
        return blob(modality, head.partition(";")[0], data)
    return {"type": "uri", "modality": modality, "uri": secrets.strip_url(text)}


def plain(value: Any) -> Any:
    """An SDK object as JSON-ready data."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json", exclude_none=True) if callable(dump) else value
