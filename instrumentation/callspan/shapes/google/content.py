"""Contents and tools of the Gemini API in the conventions' words.

Applications pass texts, parts, contents, dicts in snake or camel case, or lists of these; answers are SDK objects.
Source: https://ai.google.dev/api/caching#Content
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from callspan.shapes.parts import binary, blob, modality_of, plain, tool_call
from callspan_semconv import secrets

Part = dict[str, Any]


@lru_cache(maxsize=256)
def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


@lru_cache(maxsize=1024)
def snake(name: str) -> str:
    """``maxOutputTokens`` -> ``max_output_tokens``."""
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


def get(value: Any, name: str) -> Any:
    """A field of an SDK object, or of a dict in either case; None if absent."""
    if isinstance(value, dict):
        found = value.get(name)
        return value.get(_camel(name)) if found is None else found
    return getattr(value, name, None)


def text_of(value: Any) -> Any:
    """An enum's value, or a text."""
    return getattr(value, "value", value)


def messages(contents: Any) -> list[dict[str, Any]]:
    """The prompt. Parts that stand alone go together into one message, as the SDK sends them."""
    found: list[dict[str, Any]] = []
    loose: list[Part] = []
    for item in contents if isinstance(contents, (list, tuple)) else (contents,):
        if isinstance(item, (list, tuple)):
            found += _loose(loose)
            found += _loose(list(map(part, item)))
        elif get(item, "parts") is not None:
            found += _loose(loose)
            found.append({"role": get(item, "role") or "user", "parts": parts(get(item, "parts"))})
        elif item is not None:
            added = part(item)
            if loose and _role(added) != _role(loose[-1]):
                found += _loose(loose)
            loose.append(added)
    return found + _loose(loose)


def _loose(collected: list[Part]) -> list[dict[str, Any]]:
    """The message of parts that had none; empties the list."""
    if not collected:
        return []
    made = {"role": _role(collected[0]), "parts": collected.copy()}
    collected.clear()
    return [made]


def _role(made: Part) -> str:
    return "model" if made["type"] == "tool_call" else "user"


def system_parts(instruction: Any) -> list[Part]:
    """The system instruction's parts, whatever it was given as."""
    return [made for message in messages(instruction) for made in message["parts"]]


def parts(items: Iterable[Any]) -> list[Part]:
    """Parts in their order."""
    return [part(item) for item in items]


def part(item: Any) -> Part:
    """One part: of a prompt or of an answer."""
    if isinstance(item, str):
        return {"type": "text", "content": item}
    if (text := get(item, "text")) is not None:
        return {"type": "reasoning" if get(item, "thought") else "text", "content": text}
    for name, reader in _READERS.items():
        if (value := get(item, name)) is not None:
            return reader(value)
    if (uri := get(item, "uri")) is not None:  # an uploaded file as it came from ``files.upload``
        return _uri(uri, get(item, "mime_type"))
    return _unknown(item)


def _unknown(item: Any) -> Part:
    """A part by the name of its first field; one that is only the signature of a thought says nothing."""
    known = plain(item)
    if not isinstance(known, dict):  # a PIL image, say, which the SDK uploads
        return {"type": type(item).__name__}
    known = {name: value for name, value in known.items() if snake(name) not in ("thought", "thought_signature")}
    return {"type": snake(next(iter(known))), **known} if known else {"type": "text", "content": ""}


def _function_call(value: Any) -> Part:
    return tool_call(get(value, "name"), get(value, "id"), get(value, "args"))


def _function_response(value: Any) -> Part:
    made = {"type": "tool_call_response", "name": get(value, "name"), "response": plain(get(value, "response"))}
    if call_id := get(value, "id"):
        made["id"] = call_id
    return made


def _inline_data(value: Any) -> Part:
    mime_type, data = get(value, "mime_type"), get(value, "data")
    make: Callable[..., Part] = blob if isinstance(data, str) else binary
    return make(modality_of(mime_type), mime_type, data or type(data or b"")())


def _file_data(value: Any) -> Part:
    return _uri(get(value, "file_uri"), get(value, "mime_type"))


def _uri(uri: Any, mime_type: str | None) -> Part:
    made = {"type": "uri", "modality": modality_of(mime_type), "uri": secrets.strip_url(str(uri))}
    return {**made, "mime_type": mime_type} if mime_type else made


def _executable_code(value: Any) -> Part:
    said = {"type": "code_execution", "language": text_of(get(value, "language")), "code": get(value, "code")}
    return _server_call("code_execution", said, get(value, "id"))


def _code_execution_result(value: Any) -> Part:
    said = {"type": "code_execution", "outcome": text_of(get(value, "outcome")), "output": get(value, "output")}
    return _server_response(said, get(value, "id"))


def _tool_call(value: Any) -> Part:
    name = str(text_of(get(value, "tool_type"))).lower()
    return _server_call(name, {"type": name, "arguments": plain(get(value, "args"))}, get(value, "id"))


def _tool_response(value: Any) -> Part:
    name = str(text_of(get(value, "tool_type"))).lower()
    return _server_response({"type": name, "response": plain(get(value, "response"))}, get(value, "id"))


def _server_call(name: str, said: dict[str, Any], call_id: Any) -> Part:
    made = {"type": "server_tool_call", "name": name, "server_tool_call": said}
    return {**made, "id": call_id} if call_id else made


def _server_response(said: dict[str, Any], call_id: Any) -> Part:
    made = {"type": "server_tool_call_response", "server_tool_call_response": said}
    return {**made, "id": call_id} if call_id else made


_READERS: dict[str, Callable[[Any], Part]] = {
    "function_call": _function_call,
    "function_response": _function_response,
    "inline_data": _inline_data,
    "file_data": _file_data,
    "executable_code": _executable_code,
    "code_execution_result": _code_execution_result,
    "tool_call": _tool_call,
    "tool_response": _tool_response,
}


def tools(offered: Iterable[Any]) -> list[dict[str, Any]]:
    """Tool definitions: each function by itself, Google's own tools by their names."""
    return [definition for tool in offered for definition in _definitions(tool)]


def _definitions(tool: Any) -> Iterator[dict[str, Any]]:
    if callable(tool) and not isinstance(tool, type):
        yield _function(_declared(tool))
        return
    known = plain(tool)
    if not isinstance(known, dict):  # an MCP session, which the SDK asks for its tools
        yield {"type": type(tool).__name__}
        return
    for name, value in known.items():
        if snake(name) == "function_declarations":
            yield from map(_function, value)
        else:
            yield {"type": snake(name), **(value if isinstance(value, dict) else {})}


def _function(declaration: Any) -> dict[str, Any]:
    made = {"type": "function", **{snake(name): value for name, value in plain(declaration).items()}}
    if (schema := made.pop("parameters_json_schema", None)) is not None:
        made["parameters"] = schema
    return made


def _declared(function: Any) -> Any:
    """The declaration that the SDK makes of a Python function."""
    declaration: Any = sys.modules["google.genai.types"].FunctionDeclaration
    return declaration.from_callable_with_api_option(callable=function)
