"""Structures that a dialect has spread over attributes, the position in the name: ``gen_ai.prompt.0.content``."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from callspan_semconv.messages import Part
from callspan_semconv.readers.common import as_str, parse

Node = dict[str, Any]

_MAX_DIGITS: Final = 6  # of a position


def renamed(attributes: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Attributes under their current names, of those that a span has only under another one."""
    return {
        current: attributes[other]
        for other, current in names.items()
        if other in attributes and current not in attributes
    }


def has_under(attributes: Mapping[str, Any], *prefixes: str) -> bool:
    """Whether there is a name that begins with one of ``prefixes``."""
    return any(isinstance(name, str) and name.startswith(prefixes) for name in attributes)


def under(attributes: Mapping[str, Any], prefix: str) -> Node:
    """What the names that begin with ``prefix`` hold, nested at each dot."""
    root: Node = {}
    for name, value in attributes.items():
        if isinstance(name, str) and name.startswith(prefix):
            *path, leaf = name[len(prefix) :].split(".")
            node = root
            for step in path:
                inner = node.get(step)
                if not isinstance(inner, dict):
                    inner = node[step] = {}
                node = inner
            node.setdefault(leaf, value)
    return root


def items(node: object) -> Iterator[Node]:
    """The members of a node that are numbered, in order."""
    if isinstance(node, dict):
        positions = (key for key in node if key.isdecimal() and len(key) <= _MAX_DIGITS)
        for position in sorted(positions, key=int):
            if isinstance(node[position], dict):
                yield node[position]


def text_part(text: str) -> Part:
    """Plain text."""
    return {"type": "text", "content": text}


def tool_call(call_id: object, name: object, arguments: object) -> Part:
    """A function call of the model's; arguments that are JSON are parsed."""
    part: dict[str, Any] = {"type": "tool_call", "name": as_str(name) or ""}
    if as_str(call_id):
        part["id"] = call_id
    if arguments is not None:
        part["arguments"] = parse(arguments)
    return part


def tool_result(call_id: object, response: object) -> Part:
    """The application's answer to such a call."""
    part: dict[str, Any] = {"type": "tool_call_response", "response": response}
    if as_str(call_id):
        part["id"] = call_id
    return part


def image(url: str) -> Part:
    """An image, by its address, or in the address itself."""
    if url.startswith("data:"):
        kind, _, data = url.removeprefix("data:").partition(";base64,")
        return {"type": "blob", "modality": "image", "mime_type": kind, "content": data}
    return {"type": "uri", "modality": "image", "uri": url}


def content_parts(content: object) -> list[Part]:
    """The content of a message as OpenAI's and Anthropic's APIs have it: a text, or a list of typed parts."""
    if content is None or content == "":
        return []
    given = parse(content) if isinstance(content, str) and content.startswith(("[{", "[ {")) else content
    if not isinstance(given, (list, tuple)):
        return [text_part(given)] if isinstance(given, str) else [{"type": "unknown", "content": given}]
    return [_content_part(part) for part in given]


def _content_part(part: object) -> Part:
    if not isinstance(part, Mapping):
        return text_part(part) if isinstance(part, str) else {"type": "unknown", "content": part}
    if isinstance(text := part.get("text"), str):
        return text_part(text)
    source = part.get("image_url")
    url = source.get("url") if isinstance(source, Mapping) else source
    if isinstance(url, str):
        return image(url)
    return {**part, "type": as_str(part.get("type")) or "unknown"}
