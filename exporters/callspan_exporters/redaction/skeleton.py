"""What remains of messages and tool definitions without their content.

The visible structure is the one LiteLLM's users know (``turn_off_message_logging``): the prompt is one user message
with the placeholder; the answer keeps role, finish reason and tool calls (name and id) of each choice, the placeholder
where text was, and nothing where there was none.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from callspan_exporters.redaction.shape import is_token
from callspan_semconv import jsonio
from callspan_semconv.attributes import REDACTED

_TEXT: Final[Mapping[str, str]] = {"type": "text", "content": REDACTED}
_REASONING: Final[Mapping[str, str]] = {"type": "reasoning", "content": REDACTED}


def input_messages() -> list[dict[str, Any]]:
    """The prompt: how many messages it had, and whose, is part of the conversation."""
    return [{"role": "user", "parts": [dict(_TEXT)]}]


INPUT_JSON: Final = jsonio.dumps(input_messages())


def output_messages(messages: object) -> list[dict[str, Any]]:
    """One message per choice; anything that is no list of messages is one choice."""
    choices = messages if isinstance(messages, (list, tuple)) else [messages]
    return [_choice(choice if isinstance(choice, Mapping) else {}) for choice in choices]


def tool_definitions(tools: object) -> list[dict[str, Any]]:
    """Type and name of each tool."""
    return [_identity(tool, ("type", "name")) for tool in _sequence(tools) if isinstance(tool, Mapping)]


def numbers(values: object) -> dict[str, Any]:
    """The numbers and booleans of a JSON object, nothing else."""
    if not isinstance(values, Mapping):
        return {}
    return {key: value for key, value in values.items() if is_token(key) and isinstance(value, (bool, int, float))}


def reencode(change: Callable[[object], object], value: object) -> Any:
    """Apply ``change`` to a structured attribute value, or to what a JSON string stands for (None if it is no JSON).

    Returns:
        A JSON string for a string, a structure for a structure.
    """
    if not isinstance(value, (str, bytes)):
        return change(value)
    try:
        parsed = jsonio.loads(value)
    except ValueError:
        parsed = None
    return jsonio.dumps(change(parsed))


def _choice(message: Mapping[str, Any]) -> dict[str, Any]:
    kept = _identity(message, ("role",)) or {"role": "assistant"}
    parts = message.get("parts", message.get("content", ""))
    kept["parts"] = [dict(part) for part in _distinct(map(_part, _sequence(parts)))]
    kept.update(_identity(message, ("finish_reason",)))
    return kept


def _part(part: object) -> Mapping[str, Any]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping) or kind not in _TOOL_FIELDS:
        return _REASONING if kind == "reasoning" else _TEXT
    kept = _identity(part, ("type", "name", "id"))
    for field in _TOOL_FIELDS[kind]:
        if field in part:
            kept[field] = _identity(part[field], ("type",)) if field == kind else REDACTED
    return kept


# Where a part that is about a tool carries content. The payload of a server-side tool bears the name of its part type
# and has a ``type`` of its own.
_TOOL_FIELDS: Final[Mapping[object, tuple[str, ...]]] = {
    "tool_call": ("arguments",),
    "tool_call_response": ("response", "result"),
    "server_tool_call": ("server_tool_call",),
    "server_tool_call_response": ("server_tool_call_response",),
}


def _distinct(parts: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """One placeholder for all text of a message, one for all its reasoning; tool calls stay apart."""
    seen: set[int] = set()
    for part in parts:
        if part is _TEXT or part is _REASONING:
            if id(part) in seen:
                continue
            seen.add(id(part))
        yield part


def _identity(mapping: object, fields: Sequence[str]) -> dict[str, Any]:
    """The fields that say what it is, as far as they look like identifiers."""
    if not isinstance(mapping, Mapping):
        return {}
    return {field: mapping[field] for field in fields if field in mapping and is_token(mapping[field])}


def _sequence(value: object) -> Sequence[object]:
    if isinstance(value, (list, tuple)):
        return value
    return () if value is None else (value,)
