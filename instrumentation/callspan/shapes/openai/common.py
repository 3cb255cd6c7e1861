"""What the APIs of OpenAI have in common: parameters, usage, content parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from callspan.core.call import Call
from callspan.core.model import Parameters
from callspan.core.view import field, fields
from callspan.shapes.parts import blob, media_part, plain
from callspan_semconv import attributes as attr
from callspan_semconv import jsonio

# Response formats -> ``gen_ai.output.type``.
OUTPUT_TYPES = {"json_object": "json", "json_schema": "json", "text": "text"}

# Parameters of every method that concern the transport, not the model.
_TRANSPORT = frozenset({"extra_headers", "extra_query", "extra_body", "timeout"})


def read_parameters(call: Call, parameters: Parameters, names: Mapping[str, str], skip: frozenset[str]) -> None:
    """Write request parameters to their attributes, and those that have none to ``callspan.request.parameters``.

    Args:
        call: the call.
        parameters: what the application passed.
        names: parameter -> attribute, for scalars and lists of strings.
        skip: parameters that are read elsewhere (content).
    """
    attributes = call.attributes
    rest = {}
    for name, value in parameters.items():
        if (attribute := names.get(name)) is not None:
            attributes[attribute] = value
        elif name not in skip and name not in _TRANSPORT:
            rest[name] = value
    if (extra_body := parameters.get("extra_body")) is not None and isinstance(extra_body, Mapping):
        call.add_metadata(extra_body.get("metadata"))
        for name, value in extra_body.items():
            if (attribute := names.get(name)) is not None:
                attributes[attribute] = value
            elif name != "metadata":
                rest[name] = value
    call.add_metadata(parameters.get("metadata"))
    if (user := parameters.get("user")) is not None:
        attributes.setdefault(attr.CALLSPAN_USER, user)
    # A parameter without a name of its own may hold anything, a system prompt included.
    if rest and call.captures_content:
        attributes[attr.CALLSPAN_REQUEST_PARAMETERS] = jsonio.dumps(rest)


_IDENTITY = (
    ("id", attr.GEN_AI_RESPONSE_ID),
    ("model", attr.GEN_AI_RESPONSE_MODEL),
    ("created", attr.CALLSPAN_RESPONSE_CREATED),
    ("created_at", attr.CALLSPAN_RESPONSE_CREATED),
    ("service_tier", attr.OPENAI_RESPONSE_SERVICE_TIER),
    ("system_fingerprint", attr.OPENAI_RESPONSE_SYSTEM_FINGERPRINT),
    ("_request_id", attr.CALLSPAN_PROVIDER_REQUEST_ID),
)


def read_identity(call: Call, response: Any) -> None:
    """The answer's id, model, tier and fingerprint, and the provider's request id."""
    attributes = call.attributes
    known = fields(response)
    for name, attribute in _IDENTITY:
        if value := known.get(name):
            attributes[attribute] = value
    if request_id := field(known.get("x_groq"), "id"):
        attributes[attr.CALLSPAN_PROVIDER_REQUEST_ID] = request_id


# Usage fields, by the names of Chat Completions and of Responses; the totals include the parts, as the conventions ask.
_INPUT_DETAILS = {
    "cached_tokens": attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
    "cache_write_tokens": attr.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS,
    "audio_tokens": attr.GEN_AI_USAGE_AUDIO_INPUT_TOKENS,
    "image_tokens": attr.GEN_AI_USAGE_IMAGE_INPUT_TOKENS,
    "text_tokens": attr.GEN_AI_USAGE_TEXT_INPUT_TOKENS,
}
_OUTPUT_DETAILS = {
    "reasoning_tokens": attr.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
    "audio_tokens": attr.GEN_AI_USAGE_AUDIO_OUTPUT_TOKENS,
    "image_tokens": attr.GEN_AI_USAGE_IMAGE_OUTPUT_TOKENS,
    "text_tokens": attr.GEN_AI_USAGE_TEXT_OUTPUT_TOKENS,
}
_USAGE: dict[str, str | dict[str, str]] = {
    "prompt_tokens": attr.GEN_AI_USAGE_INPUT_TOKENS,
    "input_tokens": attr.GEN_AI_USAGE_INPUT_TOKENS,
    "completion_tokens": attr.GEN_AI_USAGE_OUTPUT_TOKENS,
    "output_tokens": attr.GEN_AI_USAGE_OUTPUT_TOKENS,
    "prompt_tokens_details": _INPUT_DETAILS,
    "input_tokens_details": _INPUT_DETAILS,
    "input_token_details": _INPUT_DETAILS,
    "cached_tokens": attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,  # Together, Moonshot
    "num_cached_tokens": attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,  # Mistral
    "completion_tokens_details": _OUTPUT_DETAILS,
    "output_tokens_details": _OUTPUT_DETAILS,
}


def read_usage(call: Call, usage: Any) -> None:
    """Token counts as the provider reports them; what it does not report, or not as a count, stays absent."""
    attributes = call.attributes
    for name, value in fields(usage).items():
        if (target := _USAGE.get(name)) is None:
            continue
        if isinstance(target, str):
            if type(value) is int:
                attributes[target] = value
            continue
        for part, count in fields(value).items():
            if type(count) is int and (attribute := target.get(part)) is not None:
                attributes[attribute] = count


def read_error(call: Call, error: Any) -> None:
    """An error that an answer of status 200 reports: a failed response, or the error event of a stream."""
    if error is not None:
        call.error(str(field(error, "code") or field(error, "type") or "_OTHER"), field(error, "message"))


def content_parts(content: Any) -> list[dict[str, Any]]:
    """Message content of Chat Completions or Responses as parts of the conventions."""
    if isinstance(content, str):
        return [{"type": "text", "content": content}]
    if content is None:
        return []
    if not isinstance(content, Iterable) or isinstance(content, Mapping):
        return [{"type": "text", "content": str(content)}]
    return [_part(item) for item in content]


def _part(item: Any) -> Any:
    if isinstance(item, str):
        return {"type": "text", "content": item}
    kind = field(item, "type")
    reader = _PARTS.get(kind) if isinstance(kind, str) else None
    return reader(item) if reader is not None else plain(item)


def _text(item: Any) -> dict[str, Any]:
    return {"type": "text", "content": field(item, "text")}


def _refusal(item: Any) -> dict[str, Any]:
    return {"type": "refusal", "content": field(item, "refusal")}


def _image_url(item: Any) -> dict[str, Any]:
    image = field(item, "image_url")
    if image is None:  # Responses: an uploaded file
        return {"type": "file", "modality": "image", "file_id": field(item, "file_id")}
    return media_part("image", image if isinstance(image, str) else field(image, "url"))


def _audio(item: Any) -> dict[str, Any]:
    audio = field(item, "input_audio")
    if isinstance(audio, str):  # Mistral: base64, or where it is
        return media_part("audio", audio if "://" in audio else f"data:;base64,{audio}")
    return blob("audio", f"audio/{field(audio, 'format')}", field(audio, "data"))


def _file(item: Any) -> dict[str, Any]:
    file = field(item, "file") or item
    if (file_id := field(file, "file_id")) is not None:
        return {"type": "file", "modality": "document", "file_id": file_id}
    if (url := field(file, "file_url")) is not None:
        return media_part("document", url)
    return media_part("document", field(file, "file_data"))


def _thinking(item: Any) -> dict[str, Any]:
    return {"type": "reasoning", "content": "".join(part["content"] for part in content_parts(field(item, "thinking")))}


def _document_url(item: Any) -> dict[str, Any]:
    return media_part("document", field(item, "document_url"))


_PARTS = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "summary_text": _text,
    "reasoning_text": _text,
    "thinking": _thinking,
    "refusal": _refusal,
    "image_url": _image_url,
    "input_image": _image_url,
    "input_audio": _audio,
    "document_url": _document_url,
    "file": _file,
    "input_file": _file,
}
