"""Message parts of the GenAI conventions as messages of OpenAI's Chat Completions.

Sources: https://platform.openai.com/docs/api-reference/chat/create for messages,
``model/gen-ai/gen-ai-input-messages.json`` in ``semantic-conventions-genai`` for parts.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from callspan_semconv import jsonio
from callspan_semconv.messages import InputMessage, Part
from callspan_semconv.secrets import strip_url

Message = dict[str, Any]

# Inline data beyond this says its size instead: a log record is no place for media.
MAX_BASE64_CHARS: Final = 64


def chat_messages(system: Sequence[Part] | None, messages: Sequence[InputMessage] | None) -> list[Message] | None:
    """The prompt as chat messages, system instructions first; None if neither was recorded."""
    if system is None and messages is None:
        return None
    chat: list[Message] = []
    if system:
        chat.append({"role": "system", "content": _content(system)})
    for message in messages or ():
        _add_message(chat, message)
    return chat


def assistant_message(parts: Sequence[Any], role: str = "assistant") -> Message:
    """One choice of an answer. ``content`` is null if the model wrote no text, as with a plain tool call."""
    message: Message = {"content": None, "role": role, "tool_calls": None, "function_call": None}
    rest: list[Any] = []
    for part in parts:
        add = _FIELDS.get(part.get("type"))
        if add is not None:
            add(message, part)
        elif part.get("type") == "blob" and part.get("modality") == "audio":
            message["audio"] = _audio_answer(part)
        else:
            rest.append(part)
    if rest:
        message["content"] = _content(rest)
    return message


def tool_call(part: Mapping[str, Any]) -> dict[str, Any]:
    """A ``tool_call`` part as an entry of ``tool_calls``."""
    function = {"arguments": arguments_text(part.get("arguments")), "name": part.get("name")}
    return {"function": function, "id": part.get("id"), "type": "function"}


def arguments_text(arguments: object) -> str:
    """Arguments as the JSON text that the model wrote; text that did not parse is kept as it is."""
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else jsonio.dumps(arguments)


def tool_result(part: Mapping[str, Any]) -> Any:
    """The value of a ``tool_call_response`` part; older examples of the conventions call it ``result``."""
    return part.get("response", part.get("result"))


def tool_definition(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool of the conventions, whose functions are flat, as a tool of Chat Completions."""
    if tool.get("type") != "function" or "function" in tool:
        return dict(tool)
    return {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}


def inline_data(blob: Mapping[str, Any]) -> str:
    """The base64 data of a ``blob`` part, or its size if that is over `MAX_BASE64_CHARS` or was left out before."""
    content = blob.get("content")
    data = content if isinstance(content, str) else ""
    omitted = blob.get("omitted_bytes") or (len(data) * 3 // 4 if len(data) > MAX_BASE64_CHARS else 0)
    return f"[base64_data truncated: {omitted} bytes]" if omitted else data


def joined_text(parts: Sequence[Any]) -> str:
    """The text of all text parts."""
    return "".join(
        part["content"] for part in parts if part.get("type") == "text" and isinstance(part.get("content"), str)
    )


def _add_message(chat: list[Message], message: Mapping[str, Any]) -> None:
    role = message["role"]
    parts = message["parts"]
    if len(parts) == 1 and parts[0].get("type") == "text":  # nearly all messages
        converted: Message = {"role": role, "content": parts[0].get("content")}
    else:
        results = [part for part in parts if part.get("type") == "tool_call_response"]
        chat.extend(_tool_message(part) for part in results)
        rest = [part for part in parts if part.get("type") != "tool_call_response"] if results else parts
        if results and not rest:
            return
        converted = (
            _without_nulls(assistant_message(rest, role))
            if role == "assistant"
            else {"role": role, "content": _content(rest)}
        )
    if (name := message.get("name")) is not None:
        converted["name"] = name
    chat.append(converted)


def _without_nulls(message: Message) -> Message:
    # In a prompt, absent is how a message says "no tool calls"; ``content`` is always there.
    return {key: value for key, value in message.items() if value is not None or key == "content"}


def _tool_message(part: Mapping[str, Any]) -> Message:
    result = tool_result(part)
    if (
        isinstance(result, (list, tuple))
        and result
        and all(isinstance(item, Mapping) and "type" in item for item in result)
    ):
        content: Any = [content_part(item) for item in result]
    else:
        content = result if isinstance(result, str) or result is None else jsonio.dumps(result)
    return {"role": "tool", "tool_call_id": part.get("id"), "content": content}


def _content(parts: Sequence[Any]) -> Any:
    """One text is a string; anything else a list of content parts; nothing is null."""
    if not parts:
        return None
    if len(parts) == 1 and parts[0].get("type") == "text":
        return parts[0].get("content")
    return [content_part(part) for part in parts]


def content_part(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part as an entry of a message's ``content``; a part of an unknown type is kept as it is."""
    make = _CONTENT_PARTS.get(part.get("type"))
    return make(part) if make is not None else dict(part)


def _text(part: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "text", "text": part.get("content", part.get("text"))}


def _refusal(part: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "refusal", "refusal": part.get("content")}


def _blob(part: Mapping[str, Any]) -> dict[str, Any]:
    mime_type = str(part.get("mime_type") or "")
    data = inline_data(part)
    if part.get("modality") == "audio":
        return {"type": "input_audio", "input_audio": {"data": data, "format": mime_type.rpartition("/")[2]}}
    url = f"data:{mime_type};base64,{data}"
    if part.get("modality") == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "file", "file": {"file_data": url}}


def _uri(part: Mapping[str, Any]) -> dict[str, Any]:
    uri = strip_url(str(part.get("uri")))
    modality = part.get("modality")
    if modality in ("image", "video", "audio"):
        return {"type": f"{modality}_url", f"{modality}_url": {"url": uri}}
    return {"type": "file", "file": {"file_url": uri}}


def _file(part: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "file", "file": {"file_id": part.get("file_id")}}


_CONTENT_PARTS: Final[Mapping[Any, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "text": _text,
    "refusal": _refusal,
    "blob": _blob,
    "uri": _uri,
    "file": _file,
}


def _add_reasoning(message: Message, part: Mapping[str, Any]) -> None:
    message["reasoning_content"] = message.get("reasoning_content", "") + str(part.get("content") or "")


def _add_tool_call(message: Message, part: Mapping[str, Any]) -> None:
    if message["tool_calls"] is None:
        message["tool_calls"] = []
    message["tool_calls"].append(tool_call(part))


def _add_refusal(message: Message, part: Mapping[str, Any]) -> None:
    message["refusal"] = part.get("content")


# Parts of an answer that are fields of the message, not of its content.
_FIELDS: Final[Mapping[Any, Callable[[Message, Mapping[str, Any]], None]]] = {
    "reasoning": _add_reasoning,
    "tool_call": _add_tool_call,
    "refusal": _add_refusal,
}


def _audio_answer(part: Mapping[str, Any]) -> dict[str, Any]:
    known = {key: part[key] for key in ("id", "transcript") if key in part}
    return {**known, "data": inline_data(part)}
