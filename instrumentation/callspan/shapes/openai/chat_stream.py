"""Streams of Chat Completions, collected.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

from typing import Any

from callspan.core.call import Call
from callspan.core.view import field, fields
from callspan.shapes.openai.chat_parts import audio_part, executed_tools, reasoning
from callspan.shapes.openai.common import content_parts, read_error, read_identity, read_usage
from callspan.shapes.parts import plain, set_json, tool_call
from callspan_semconv import attributes as attr


class _Choice:
    """One choice of a stream."""

    __slots__ = (
        "annotations",
        "audio",
        "executed",
        "finish_reason",
        "logprobs",
        "reasoning",
        "refusal",
        "role",
        "text",
        "tools",
    )

    def __init__(self) -> None:
        self.role: str | None = None
        self.text: list[str] = []
        self.refusal: list[str] = []
        self.reasoning: list[str] = []
        self.tools: dict[int, dict[str, Any]] = {}
        self.executed: dict[Any, Any] = {}
        self.audio: dict[str, str] = {}
        self.annotations: list[Any] = []
        self.logprobs: list[Any] = []
        self.finish_reason: str | None = None


class ChatAccumulator:
    """Collects a stream of ``chat.completion.chunk``."""

    def __init__(self, _call: Call) -> None:
        self._choices: dict[int, _Choice] = {}
        self._first: Any = None
        self._last: Any = None
        self._usage: Any = None

    def feed(self, chunk: Any) -> None:
        """Take a chunk. Text first: it is nearly all there is."""
        self._last = chunk
        if self._first is None:
            self._first = chunk
        for part in getattr(chunk, "choices", None) or ():
            delta = part.delta
            index = part.index or 0  # compatible servers with one choice leave it out
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = _Choice()
                choice.role = getattr(delta, "role", None)
            if text := getattr(delta, "content", None):
                if type(text) is str:
                    choice.text.append(text)
                else:
                    _feed_parts(choice, text)
            if not text or _says_more(delta):
                _feed_rest(choice, delta)
            if reason := getattr(part, "finish_reason", None):
                choice.finish_reason = reason
            if logprobs := getattr(part, "logprobs", None):
                choice.logprobs.append(logprobs)
        if usage := getattr(chunk, "usage", None):
            self._usage = usage

    def finish(self, call: Call) -> None:
        """Write what came, however far the stream got."""
        if self._first is None:
            return
        # The tier and the fingerprint may come late. The id of the first chunk is empty on Azure; a later one is not
        # always the same (Groq's compound systems).
        read_identity(call, self._first)
        first_id = call.attributes.get(attr.GEN_AI_RESPONSE_ID)
        read_identity(call, self._last)
        if first_id:
            call.attributes[attr.GEN_AI_RESPONSE_ID] = first_id
        # Groq has it elsewhere, asked or not.
        read_usage(call, self._usage or field(fields(self._last).get("x_groq"), "usage"))
        read_error(call, getattr(self._last, "error", None))  # the SDK raises it, raw responses hand it on
        choices = [self._choices[index] for index in sorted(self._choices)]
        if any(choice.finish_reason for choice in choices):
            reasons = tuple(choice.finish_reason or "error" for choice in choices)
            call.attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = reasons
        if call.captures_content:
            set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, list(map(_streamed_output, choices)))
            beside = list(map(_beside_streamed, choices))
            set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, {"choices": beside} if any(beside) else None)


def _feed_parts(choice: _Choice, content: Any) -> None:
    """Content in parts: Mistral's models that think."""
    for part in content_parts(content):
        if part.get("type") == "text":
            choice.text.append(part["content"])
        elif part.get("type") == "reasoning":
            choice.reasoning.append(part["content"])


def _says_more(delta: Any) -> bool:
    """Whether a delta with text has anything else; looked up in its dict, since misses are slow on pydantic models."""
    known = vars(delta)
    return bool(known.get("tool_calls") or known.get("reasoning") or getattr(delta, "__pydantic_extra__", None))


def _feed_rest(choice: _Choice, delta: Any) -> None:
    """Everything but text; servers nearly always send it in chunks of its own."""
    if refusal := getattr(delta, "refusal", None):
        choice.refusal.append(refusal)
    if shown := reasoning(fields(delta)):
        choice.reasoning.append(shown)
    for item in getattr(delta, "tool_calls", None) or ():
        _merge_tool(_tool_of(choice.tools, item), item)
    for executed in fields(delta).get("executed_tools") or ():
        choice.executed[field(executed, "index")] = executed  # told again when it is done
    if (function := getattr(delta, "function_call", None)) is not None:
        _merge_function(choice.tools.setdefault(0, {"arguments": []}), function)
    if (audio := getattr(delta, "audio", None)) is not None:
        _merge_audio(choice.audio, audio)
    choice.annotations += getattr(delta, "annotations", None) or ()


def _tool_of(tools: dict[int, dict[str, Any]], item: Any) -> dict[str, Any]:
    """The call that a delta belongs to. Some compatible servers (Gemini's) give no index, or every call the same."""
    index = max(tools, default=0) if item.index is None else item.index
    begun = tools.get(index)
    if begun is not None and item.id and begun.get("id") not in (None, item.id):
        index = max(tools) + 1
    return tools.setdefault(index, {"arguments": []})


def _merge_tool(tool: dict[str, Any], item: Any) -> None:
    if item.id:
        tool["id"] = item.id
    if (function := getattr(item, "function", None)) is not None:
        _merge_function(tool, function)
    extra = getattr(item, "__pydantic_extra__", None)
    if extra and (custom := extra.get("custom")) is not None:
        tool["name"] = custom.get("name") or tool.get("name")
        tool["arguments"].append(custom.get("input") or "")


def _merge_audio(audio: dict[str, str], delta: Any) -> None:
    for name in ("data", "transcript"):
        if piece := field(delta, name):
            audio[name] = audio.get(name, "") + piece
    if audio_id := field(delta, "id"):
        audio["id"] = audio_id


def _beside_streamed(choice: _Choice) -> dict[str, Any]:
    """What `_beside_messages` finds in a plain answer, put together."""
    logprobs = {
        name: [plain(entry) for piece in choice.logprobs for entry in field(piece, name) or ()]
        for name in ("content", "refusal")
    }
    found: dict[str, Any] = {"logprobs": {name: entries for name, entries in logprobs.items() if entries}}
    found["annotations"] = [plain(annotation) for annotation in choice.annotations]
    return {name: value for name, value in found.items() if value}


def _merge_function(tool: dict[str, Any], function: Any) -> None:
    if function.name:
        tool["name"] = function.name
    if function.arguments:
        tool["arguments"].append(function.arguments)


def _streamed_output(choice: _Choice) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if choice.reasoning:
        parts.append({"type": "reasoning", "content": "".join(choice.reasoning)})
    parts += executed_tools(choice.executed.values())
    if choice.text:
        parts.append({"type": "text", "content": "".join(choice.text)})
    if choice.refusal:
        parts.append({"type": "refusal", "content": "".join(choice.refusal)})
    if choice.audio:
        parts.append(audio_part(choice.audio))
    for index in sorted(choice.tools):
        tool = choice.tools[index]
        parts.append(tool_call(tool.get("name"), tool.get("id"), "".join(tool["arguments"])))
    output: dict[str, Any] = {"role": choice.role or "assistant", "parts": parts}
    if choice.finish_reason:
        output["finish_reason"] = choice.finish_reason
    return output
