"""Images, audio and moderations. The conventions define no operations for them, so these carry names of their own.

Source: https://platform.openai.com/docs/api-reference/images, .../audio, .../moderations
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from callspan.core.call import Call
from callspan.core.model import Operation, Parameters
from callspan.shapes.openai.common import content_parts, read_error, read_identity, read_parameters, read_usage
from callspan.shapes.parts import blob, media_part, plain, set_json
from callspan_semconv import attributes as attr

_PARAMETERS = {
    "n": attr.GEN_AI_REQUEST_CHOICE_COUNT,
    "temperature": attr.GEN_AI_REQUEST_TEMPERATURE,
}
_FILES = ("image", "mask", "file")
_READ_HERE = frozenset({"model", "prompt", "input", "stream", "metadata", "instructions", *_FILES})


def _request(output_type: str | None, call: Call, parameters: Parameters) -> None:
    read_parameters(call, parameters, _PARAMETERS, _READ_HERE)
    if call.attributes.get(attr.GEN_AI_REQUEST_CHOICE_COUNT) == 1:
        del call.attributes[attr.GEN_AI_REQUEST_CHOICE_COUNT]
    if output_type is not None:
        call.attributes[attr.GEN_AI_OUTPUT_TYPE] = output_type
    if parameters.get("stream"):
        call.attributes[attr.GEN_AI_REQUEST_STREAM] = True
    if not call.captures_content:
        return
    if instructions := parameters.get("instructions"):
        set_json(call, attr.GEN_AI_SYSTEM_INSTRUCTIONS, [{"type": "text", "content": instructions}])
    parts = content_parts(parameters.get("prompt") or parameters.get("input"))
    parts += [part for name in _FILES for part in _files(name, parameters.get(name))]
    set_json(call, attr.GEN_AI_INPUT_MESSAGES, [{"role": "user", "parts": parts}] if parts else None)


def _files(role: str, value: Any) -> list[dict[str, Any]]:
    """Uploaded files by name: their bytes are read once, by the request."""
    if value is None:
        return []
    if isinstance(value, list):
        return [part for item in value for part in _files(role, item)]
    name = value[0] if isinstance(value, tuple) else getattr(value, "name", None)
    part = {"type": "upload", "modality": "audio" if role == "file" else "image", "parameter": role}
    return [{**part, "name": str(name)}] if name else [part]


def _images(call: Call, response: Any) -> None:
    read_usage(call, getattr(response, "usage", None))
    mime_type = _image_type(response)
    images = getattr(response, "data", None) or ()
    set_json(
        call,
        attr.GEN_AI_OUTPUT_MESSAGES,
        [{"role": "assistant", "parts": _image_parts(image, mime_type)} for image in images],
    )


def _image_type(response: Any) -> str | None:
    return f"image/{kind}" if (kind := getattr(response, "output_format", None)) else None


def _image_parts(image: Any, mime_type: str | None) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if data := getattr(image, "b64_json", None):
        parts.append(blob("image", mime_type, data))
    if url := getattr(image, "url", None):
        parts.append(media_part("image", url))
    if prompt := getattr(image, "revised_prompt", None):
        parts.append({"type": "text", "content": prompt})
    return parts


class _ImageStream:
    """Collects ``image_generation.*`` and ``image_edit.*`` events; partial images are left to the application."""

    def __init__(self, _call: Call) -> None:
        self._done: list[Any] = []
        self._error: Any = None

    def feed(self, event: Any) -> None:
        """Take an event."""
        self._error = getattr(event, "error", None)
        if str(event.type).endswith(".completed"):
            self._done.append(event)

    def finish(self, call: Call) -> None:
        """Write the finished images."""
        read_error(call, self._error)
        for event in self._done:
            read_usage(call, event.usage)
        parts = [_image_parts(event, _image_type(event)) for event in self._done]
        set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, [{"role": "assistant", "parts": part} for part in parts])


def _transcript(call: Call, response: Any) -> None:
    """A transcript: plain text (``response_format="text"``), or an object with text, segments, words."""
    text = response if isinstance(response, str) else getattr(response, "text", None)
    read_usage(call, getattr(response, "usage", None))
    if isinstance(text, str):
        message = {"role": "assistant", "parts": [{"type": "text", "content": text}]}
        set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, [message])
    beside = {
        name: plain_list(value)
        for name in ("segments", "words", "logprobs")
        if isinstance(value := getattr(response, name, None), list)
    }
    set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, beside)


def plain_list(items: Iterable[Any]) -> list[Any]:
    """SDK objects as JSON-ready data."""
    return [plain(item) for item in items]


class _TranscriptStream:
    """Collects ``transcript.text.*`` events."""

    def __init__(self, _call: Call) -> None:
        self._deltas: list[str] = []
        self._done: Any = None
        self._error: Any = None

    def feed(self, event: Any) -> None:
        """Take an event."""
        self._error = getattr(event, "error", None)
        if event.type == "transcript.text.delta":
            self._deltas.append(event.delta)
        elif event.type == "transcript.text.done":
            self._done = event

    def finish(self, call: Call) -> None:
        """Write the transcript, or its beginning."""
        read_error(call, self._error)
        if self._done is not None:
            _transcript(call, self._done)
        elif self._deltas:
            _transcript(call, "".join(self._deltas))


def _audio(_call: Call, _response: Any) -> None:
    """Speech is bytes that belong to the application; nothing is read from them."""


class _SpeechStream:
    """Follows speech that comes in pieces: of them only the usage is read, where one has it."""

    def __init__(self, _call: Call) -> None:
        self._usage: Any = None

    def feed(self, event: Any) -> None:
        """Take an event."""
        self._usage = getattr(event, "usage", None) or self._usage

    def finish(self, call: Call) -> None:
        """Write the usage."""
        read_usage(call, self._usage)


def _moderation(call: Call, response: Any) -> None:
    read_identity(call, response)
    results = getattr(response, "results", None) or ()
    set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, {"results": plain_list(results)} if results else None)


def _image_operation(name: str, *, streams: bool) -> Operation:
    stream = _ImageStream if streams else None
    return Operation(name=name, call_type=name, request=partial(_request, "image"), response=_images, stream=stream)


def _transcript_operation(name: str, *, streams: bool) -> Operation:
    return Operation(
        name=name,
        call_type=name,
        request=partial(_request, "text"),
        response=_transcript,
        stream=_TranscriptStream if streams else None,
    )


IMAGE_GENERATION = _image_operation("image_generation", streams=True)
IMAGE_EDIT = _image_operation("image_edit", streams=True)
IMAGE_VARIATION = _image_operation("image_variation", streams=False)
SPEECH = Operation(
    name="speech", call_type="speech", request=partial(_request, "speech"), response=_audio, stream=_SpeechStream
)
TRANSCRIPTION = _transcript_operation("transcription", streams=True)
TRANSLATION = _transcript_operation("translation", streams=False)
MODERATION = Operation(name="moderation", call_type="moderation", request=partial(_request, None), response=_moderation)
