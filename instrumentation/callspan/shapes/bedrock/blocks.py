"""Content blocks of Converse, and of Nova's own bodies, as message parts of the conventions.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from callspan.shapes.parts import binary, blob, media_part, tool_call

Part = dict[str, Any]
Block = Mapping[str, Any]


def parts(blocks: Iterable[Any]) -> list[Part]:
    """Blocks in their order; marks of the prompt cache are no content."""
    return [part(block) for block in blocks if "cachePoint" not in block]


def part(block: Any) -> Part:
    """One block; one that the conventions have no part for is kept as it is."""
    if isinstance(block, str):
        return {"type": "text", "content": block}
    for name, read in _PARTS.items():
        if (value := block.get(name)) is not None:
            return read(value)
    name = next(iter(block), "text")
    return {"type": name, **{key: value for key, value in block.items() if key != "type"}}


def _text(value: Any) -> Part:
    return {"type": "text", "content": value}


def _guarded(value: Block) -> Part:
    return _text(value["text"]["text"]) if "text" in value else _media("image", value["image"])


def _cited(value: Block) -> Part:
    text = "".join(each.get("text", "") for each in value.get("content", ()))
    return {**_text(text), "citations": value.get("citations", [])}


def _reasoning(value: Block) -> Part:
    """Thinking that was shown; what the provider encrypted nobody else can read, so only that it was there counts."""
    if "reasoningText" in value:
        return {"type": "reasoning", "content": value["reasoningText"].get("text", "")}
    return {"type": "reasoning", "content": "", "redacted": True}


def _tool_use(value: Block) -> Part:
    return tool_call(value.get("name"), value.get("toolUseId"), value.get("input"))


def _tool_result(value: Block) -> Part:
    content: Any = value.get("content") or ()
    response: Any = [each["json"] if "json" in each else part(each) for each in content]
    if len(response) == 1:
        (only,) = content
        response = only.get("json", only.get("text", response))
    made = {"type": "tool_call_response", "id": value.get("toolUseId"), "response": response}
    return {**made, "status": value["status"]} if "status" in value else made


def _media(modality: str, value: Block) -> Part:
    """An image, a video, a sound or a document: bytes, base64 (in bodies), a place in S3, or text."""
    source = value.get("source") or {}
    mime_type = f"{'application' if modality == 'document' else modality}/{value.get('format')}"
    if (data := source.get("bytes")) is not None:
        made = blob(modality, mime_type, data) if isinstance(data, str) else binary(modality, mime_type, bytes(data))
    elif (place := source.get("s3Location")) is not None:
        made = media_part(modality, place.get("uri"))
    else:
        made = {"type": modality, **source}
    return {**made, "name": value["name"]} if "name" in value else made


_PARTS: dict[str, Callable[[Any], Part]] = {
    "text": _text,
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "reasoningContent": _reasoning,
    "guardContent": _guarded,
    "citationsContent": _cited,
    **{modality: partial(_media, modality) for modality in ("image", "document", "video", "audio")},
}
