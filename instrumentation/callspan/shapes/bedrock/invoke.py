"""InvokeModel and its stream: each family of models has a body of its own, told apart by its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from callspan.core.call import Call
from callspan.core.model import Accumulator, Parameters
from callspan.core.view import view
from callspan.shapes.anthropic.answer import read_response as read_message
from callspan.shapes.anthropic.messages import read_request as read_messages
from callspan.shapes.anthropic.stream import MessageAccumulator
from callspan.shapes.bedrock import converse, texts
from callspan.shapes.openai.chat import CHAT
from callspan.shapes.openai.chat_stream import ChatAccumulator
from callspan_semconv import attributes as attr
from callspan_semconv import jsonio


class _Shape(NamedTuple):
    request: Any
    response: Any
    stream: Any


def _request_like_openai(call: Call, body: Parameters) -> None:
    CHAT.request(call, body)
    call.attributes.pop(attr.OPENAI_API_TYPE)  # the body is OpenAI's, the API is not


_ANTHROPIC = _Shape(read_messages, lambda call, body: read_message(call, view(body)), MessageAccumulator)
_NOVA = _Shape(converse.read_request, converse.read_response, converse.Events)
_OPENAI = _Shape(_request_like_openai, lambda call, body: CHAT.response(call, view(body)), ChatAccumulator)
_TEXT = _Shape(texts.read_request, texts.read_response, texts.Chunks)


def _shape_of_request(body: Mapping[str, Any]) -> _Shape:
    if "messages" not in body:
        return _TEXT
    if "anthropic_version" in body:
        return _ANTHROPIC
    return _NOVA if "inferenceConfig" in body or "schemaVersion" in body or _has_blocks(body) else _OPENAI


def _has_blocks(body: Mapping[str, Any]) -> bool:
    """Whether the first message has content blocks without a type: Nova's."""
    content = body["messages"][0].get("content") if body["messages"] else None
    return isinstance(content, list) and bool(content) and isinstance(content[0], Mapping) and "type" not in content[0]


def _shape_of_answer(body: Mapping[str, Any]) -> _Shape:
    if body.get("type") in ("message", "message_start", "completion"):
        return _ANTHROPIC if "completion" not in body else _TEXT
    if "output" in body or "messageStart" in body:
        return _NOVA
    choices = body.get("choices")
    if isinstance(choices, list) and (not choices or not isinstance(choices[0].get("text"), str)):
        return _OPENAI  # a whole message or a delta; DeepSeek's choices are texts
    return _TEXT


def read_request(call: Call, given: Parameters) -> None:
    """Read the parameters and the body, unless that is a file, which the request needs to read."""
    body = given.get("body")
    if (guardrail := given.get("guardrailIdentifier")) is not None:
        call.attributes[attr.AWS_BEDROCK_GUARDRAIL_ID] = guardrail
    try:
        parsed = jsonio.loads(body) if isinstance(body, (bytes, bytearray, str)) else None
    except ValueError:  # the service will say so
        parsed = None
    if isinstance(parsed, dict):
        _shape_of_request(parsed).request(call, parsed)
    else:
        call.incomplete("request")


def read_response(call: Call, body: Any) -> None:
    """Read an answer's JSON."""
    if isinstance(body, dict):
        _shape_of_answer(body).response(call, body)


class Chunks:
    """Collects a stream of chunks, each the JSON of the model's own event; they are read at the end."""

    def __init__(self, _call: Call) -> None:
        self._chunks: list[bytes] = []

    def feed(self, event: Mapping[str, Any]) -> None:
        """Take an event of Bedrock's."""
        if (chunk := event.get("chunk")) is not None:
            self._chunks.append(chunk["bytes"])

    def finish(self, call: Call) -> None:
        """Read what came."""
        chunks = [jsonio.loads(chunk) for chunk in self._chunks]
        if not chunks:
            return
        shape = _shape_of_answer(chunks[0])
        accumulator: Accumulator = shape.stream(call)
        for chunk in chunks:
            accumulator.feed(view(chunk) if shape is _OPENAI else chunk)
        accumulator.finish(call)
        if shape is not _ANTHROPIC:
            texts.read_usage(call, {name: chunks[-1][name] for name in chunks[-1] if name.startswith("amazon-bedrock")})
