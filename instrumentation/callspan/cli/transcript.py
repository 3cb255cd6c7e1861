"""What was said in a call, read from its payload: one line of who and what after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from callspan_semconv import REDACTED, jsonio


class Said(NamedTuple):
    """One utterance: ``who`` is a role, or a role and what it does ("assistant calls get_weather")."""

    who: str
    text: str


def transcript(payload: Mapping[str, Any]) -> list[Said]:
    """Prompt and answer of a `StandardLoggingPayload`, in order; what has no known shape is shown as JSON."""
    return [*_messages(payload.get("messages")), *_response(payload.get("response"))]


def withheld(payload: Mapping[str, Any]) -> bool:
    """Whether a redaction policy took content away before the call was stored."""
    return REDACTED in jsonio.dumps([payload.get("messages"), payload.get("response"), payload.get("error_str")])


def _messages(messages: Any) -> Iterator[Said]:
    for message in messages if isinstance(messages, list) else [messages]:
        if isinstance(message, Mapping):
            yield from _message(message)
        elif message is not None:
            yield Said("prompt", _text(message))


def _message(message: Mapping[str, Any]) -> Iterator[Said]:
    who = str(message.get("role", "?"))
    if answered := message.get("tool_call_id"):
        who = f"{who} answers {answered}"
    if thought := message.get("reasoning_content"):
        yield Said(f"{who} thinks", _text(thought))
    for key in ("content", "refusal"):
        if (content := message.get(key)) is not None:
            yield Said(who if key == "content" else f"{who} refuses", _content(content))
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        yield Said(f"{who} calls {function.get('name')}", f"{_text(function.get('arguments'))}  [{call.get('id')}]")


def _response(response: Any) -> Iterator[Said]:
    if not isinstance(response, Mapping):
        if response:
            yield Said("answer", _text(response))
        return
    for choice in response.get("choices") or ():
        if isinstance(choice.get("message"), Mapping):
            yield from _message(choice["message"])
        elif choice.get("text") is not None:
            yield Said("assistant", _text(choice["text"]))
    for item in response.get("output") or ():
        yield _ITEMS.get(item.get("type"), _other_item)(item)
    for image in response.get("data") or ():
        yield Said("image", jsonio.dumps(image))
    if response.get("text") is not None:
        yield Said("answer", _text(response["text"]))
    if (vectors := response.get("vector_count")) is not None:
        yield Said("answer", f"{vectors} vectors of {response.get('dimensions', '?')} numbers (not recorded)")


def _output_message(item: Mapping[str, Any]) -> Said:
    return Said(str(item.get("role", "assistant")), _content(item.get("content")))


def _function_call(item: Mapping[str, Any]) -> Said:
    return Said(f"assistant calls {item.get('name')}", f"{_text(item.get('arguments'))}  [{item.get('call_id')}]")


def _thought(item: Mapping[str, Any]) -> Said:
    return Said("assistant thinks", _content(item.get("summary")))


def _other_item(item: Mapping[str, Any]) -> Said:
    return Said(str(item.get("type", "item")), jsonio.dumps(item))


_ITEMS: Final[Mapping[Any, Callable[[Mapping[str, Any]], Said]]] = {
    "message": _output_message,
    "function_call": _function_call,
    "reasoning": _thought,
}


def _content(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(_part(part) for part in content)
    return _text(content)


def _part(part: Any) -> str:
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return str(part["text"])
    return _text(part)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else jsonio.dumps(value)
