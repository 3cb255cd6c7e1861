"""A call's answer in the shape in which its API gave it: rebuilt from message parts, usage and what is beside them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from callspan_semconv.attributes import REDACTED
from callspan_semconv.chat import arguments_text, assistant_message, content_part, inline_data, joined_text
from callspan_semconv.record import CallRecord, Usage
from callspan_semconv.secrets import strip_url

Response = dict[str, Any]

# ``callspan.response.content``, per choice: these belong to the choice, everything else to its message.
_CHOICE_FIELDS: Final = frozenset({"logprobs", "content_filter_results", "index", "finish_reason"})

# ``callspan.response.content``: lists that belong to the parts of an answer, one entry each.
_PER_PART: Final = frozenset({"choices", "output_texts"})

_COMPLETED: Final = frozenset({"stop", "tool_call", "tool_calls", "completed"})

# The conventions' finish reasons, where OpenAI's spelling differs. "error" stands where none was given.
_FINISH_REASONS: Final[Mapping[Any, str | None]] = {"tool_call": "tool_calls", "error": None}


def usage_object(usage: Usage) -> dict[str, Any] | None:
    """Usage by Chat Completions' names; None if nothing was reported."""
    if not usage.reported:
        return None
    prompt = usage.input_tokens or 0
    completion = usage.output_tokens or 0
    found: dict[str, Any] = {
        "completion_tokens": completion,
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "completion_tokens_details": _output_details(usage),
        "prompt_tokens_details": _input_details(usage),
    }
    if usage.cache_write_tokens is not None:
        found["cache_creation_input_tokens"] = usage.cache_write_tokens
        found["cache_read_input_tokens"] = usage.cache_read_tokens
    return found


def _output_details(usage: Usage) -> dict[str, Any] | None:
    if (
        usage.reasoning_tokens is None
        and usage.audio_output_tokens is None
        and usage.text_output_tokens is None
        and usage.image_output_tokens is None
    ):
        return None
    return {
        "accepted_prediction_tokens": None,
        "audio_tokens": usage.audio_output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "rejected_prediction_tokens": None,
        "text_tokens": usage.text_output_tokens,
        "image_tokens": usage.image_output_tokens,
    }


def _input_details(usage: Usage) -> dict[str, Any] | None:
    if (
        usage.cache_read_tokens is None
        and usage.cache_write_tokens is None
        and usage.audio_input_tokens is None
        and usage.text_input_tokens is None
        and usage.image_input_tokens is None
    ):
        return None
    details = {
        "audio_tokens": usage.audio_input_tokens,
        "cached_tokens": usage.cache_read_tokens,
        "text_tokens": usage.text_input_tokens,
        "image_tokens": usage.image_input_tokens,
    }
    if usage.cache_write_tokens is not None:
        details["cache_creation_tokens"] = usage.cache_write_tokens
    return details


def build_response(record: CallRecord, usage: dict[str, Any] | None) -> Response:
    """The answer as a dict; ``{}`` for a call that failed before there was any.

    Without recorded content, the skeleton that is known remains: id, model, finish reasons, usage.
    """
    shape = "responses" if record.api_type == "responses" else record.operation
    if record.redacted == "none" and (shape in _OPAQUE or (record.failure is not None and not record.output_messages)):
        return {"text": REDACTED}
    if record.failure is not None and record.output_messages is None and usage is None:
        return {}
    return _BUILDERS.get(shape, _chat_completion)(record, usage)


def _chat_completion(record: CallRecord, usage: dict[str, Any] | None) -> Response:
    response: Response = {
        "id": record.response_id,
        **_created(record),
        "model": record.response_model or record.request_model,
        "object": "chat.completion",
        "system_fingerprint": record.system_fingerprint,
        "choices": _choices(record, _chat_choice),
        "usage": usage,
    }
    if record.service_tier is not None:
        response["service_tier"] = record.service_tier
    return _with_extra(response, record)


def _created(record: CallRecord, name: str = "created") -> dict[str, int]:
    """When the server made the answer, where it said so: whole seconds, as the APIs have it."""
    return {} if record.response_created is None else {name: int(record.response_created)}


def _chat_choice(index: int, message: Mapping[str, Any], reason: str | None) -> dict[str, Any]:
    return {"finish_reason": reason, "index": index, "message": assistant_message(message["parts"], message["role"])}


def _text_completion(record: CallRecord, usage: dict[str, Any] | None) -> Response:
    response: Response = {
        "id": record.response_id,
        **_created(record),
        "model": record.response_model or record.request_model,
        "object": "text_completion",
        "choices": _choices(record, _text_choice),
        "usage": usage,
    }
    return _with_extra(response, record)


def _text_choice(index: int, message: Mapping[str, Any], reason: str | None) -> dict[str, Any]:
    parts = message["parts"]
    return {"finish_reason": reason, "index": index, "text": joined_text(parts) if parts else None, "logprobs": None}


def _choices(
    record: CallRecord, build: Callable[[int, Mapping[str, Any], str | None], dict[str, Any]]
) -> list[dict[str, Any]]:
    messages: Any = record.output_messages
    if messages is None:
        messages = [{"role": "assistant", "parts": []} for _ in record.finish_reasons]
    choices = []
    for index, message in enumerate(messages):
        reason = message.get("finish_reason")
        if reason is None and index < len(record.finish_reasons):
            reason = record.finish_reasons[index]
        choices.append(build(index, message, _FINISH_REASONS.get(reason, reason)))
    return choices


def _with_extra(response: Response, record: CallRecord) -> Response:
    """Merge ``callspan.response.content``: its choices into the choices, the rest into the response."""
    if not record.response_extra:
        return response
    for key, value in record.response_extra.items():
        if key not in _PER_PART:
            response[key] = value
    extras = record.response_extra.get("choices")
    for choice, extra in zip(response.get("choices", ()), extras if isinstance(extras, list) else (), strict=False):
        for key, value in extra.items() if isinstance(extra, Mapping) else ():
            target = choice if key in _CHOICE_FIELDS or "message" not in choice else choice["message"]
            target[key] = value
    return response


def _responses(record: CallRecord, usage: dict[str, Any] | None) -> Response:
    """An object of the Responses API, with usage by Chat Completions' names as LiteLLM logs it."""
    parameters = record.parameters
    response: Response = {
        "id": record.response_id,
        **_created(record, "created_at"),
        "error": None,
        "incomplete_details": None,
        "instructions": joined_text(record.system_instructions) if record.system_instructions else None,
        "model": record.response_model or record.request_model,
        "object": "response",
        "output": [item for message in record.output_messages or () for item in _output_items(message)],
        "temperature": parameters.get("temperature"),
        "tools": record.tool_definitions or [],
        "top_p": parameters.get("top_p"),
        "max_output_tokens": parameters.get("max_output_tokens"),
        "previous_response_id": parameters.get("previous_response_id"),
        "reasoning": parameters.get("reasoning"),
        "status": record.response_status or _responses_status(record),
        "usage": usage,
    }
    if record.service_tier is not None:
        response["service_tier"] = record.service_tier
    _add_to_texts(response["output"], record.response_extra.get("output_texts"))
    return _with_extra(response, record)


def _add_to_texts(items: list[dict[str, Any]], extras: object) -> None:
    """Merge annotations and log probabilities into the texts of the answer, in order."""
    contents = (content for item in items if item.get("type") == "message" for content in item["content"])
    for content, extra in zip(contents, extras if isinstance(extras, list) else (), strict=False):
        content.update(extra if isinstance(extra, Mapping) else ())


def _responses_status(record: CallRecord) -> str | None:
    """What the finish reason implies: only fetches carry ``gen_ai.response.status``."""
    if record.failure is not None:
        return "failed"
    if not record.finish_reasons:
        return None
    return "completed" if record.finish_reasons[0] in _COMPLETED else "incomplete"


def _output_items(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Output items in the order of their parts; texts that follow each other are one message."""
    items: list[dict[str, Any]] = []
    for part in message["parts"]:
        make = _OUTPUT_ITEMS.get(part["type"])
        if make is not None:
            items.append(make(part))
        elif items and items[-1].get("type") == "message":
            items[-1]["content"].append(_output_content(part))
        else:
            items.append({"type": "message", "role": message["role"], "content": [_output_content(part)]})
    return items


def _output_content(part: Mapping[str, Any]) -> dict[str, Any]:
    if part.get("type") == "text":
        return {"type": "output_text", "text": part.get("content"), "annotations": []}
    return content_part(part)


def _function_call(part: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "function_call",
        "call_id": part.get("id"),
        "name": part.get("name"),
        "arguments": arguments_text(part.get("arguments")),
    }


def _reasoning_item(part: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": part.get("content")}]}


def _server_item(part: Mapping[str, Any]) -> dict[str, Any]:
    payload = part.get("server_tool_call", part.get("server_tool_call_response"))
    item = dict(payload) if isinstance(payload, Mapping) else {}
    if "id" in part:
        item.setdefault("id", part["id"])
    return item


_OUTPUT_ITEMS: Final[Mapping[Any, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "tool_call": _function_call,
    "reasoning": _reasoning_item,
    "server_tool_call": _server_item,
    "server_tool_call_response": _server_item,
}


def _embeddings(record: CallRecord, usage: dict[str, Any] | None) -> Response:
    """The list without its vectors, which no span carries: their number and length are said instead."""
    response: Response = {
        "model": record.response_model or record.request_model,
        "data": [],
        "object": "list",
        "usage": usage,
    }
    if record.embedding_vectors is not None:
        response["vector_count"] = record.embedding_vectors
    if record.embedding_dimensions is not None:
        response["dimensions"] = record.embedding_dimensions
    return _with_extra(response, record)


def _images(record: CallRecord, usage: dict[str, Any] | None) -> Response:
    data = [_image(message["parts"]) for message in record.output_messages or ()]
    return _with_extra({**_created(record), "data": data, "usage": usage}, record)


def _image(parts: Any) -> dict[str, Any]:
    image: dict[str, Any] = {"b64_json": None, "revised_prompt": None, "url": None}
    for part in parts:
        kind = part.get("type")
        if kind == "blob":
            image["b64_json"] = inline_data(part)
        elif kind == "uri":
            image["url"] = strip_url(str(part.get("uri")))
        elif kind == "text":
            image["revised_prompt"] = part.get("content")
    return image


def _plain(record: CallRecord, usage: dict[str, Any] | None) -> Response:
    """Transcripts, speech, moderations, rankings: the text, if there is any, and what is beside it."""
    response: Response = {
        "id": record.response_id,
        "model": record.response_model or record.request_model,
        "usage": usage,
    }
    if record.output_messages:
        response["text"] = "".join(joined_text(message["parts"]) for message in record.output_messages)
    return _with_extra(response, record)


_BUILDERS: Final[Mapping[str, Callable[[CallRecord, dict[str, Any] | None], Response]]] = {
    "responses": _responses,
    "fetch_response": _responses,
    "text_completion": _text_completion,
    "embeddings": _embeddings,
    "image_generation": _images,
    "image_edit": _images,
    "image_variation": _images,
    "speech": _plain,
    "transcription": _plain,
    "translation": _plain,
    "moderation": _plain,
    "rerank": _plain,
}

# Answers that are content as a whole: with redaction LiteLLM's payload has nothing but the placeholder there.
_OPAQUE: Final = frozenset(_BUILDERS) - {"responses", "fetch_response", "text_completion"}
