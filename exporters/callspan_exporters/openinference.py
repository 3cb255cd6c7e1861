"""A call in the words of OpenInference, which Arize AX and Phoenix read.

Source: ``spec/semantic_conventions.md`` of Arize-ai/openinference.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.util.types import AttributeValue

from callspan_exporters import call_facts
from callspan_exporters.otlp_spans import CONTENT, with_changes
from callspan_exporters.sink import Item
from callspan_semconv import StandardLoggingPayload, jsonio

PROJECT: Final = "openinference.project.name"
_KINDS: Final = (("embedding", "EMBEDDING"), ("rerank", "RERANKER"))


def translated(item: Item) -> ReadableSpan:
    """The span with OpenInference's attributes; one that is no LLM call stays as it is."""
    payload = item.payload
    if payload is None:
        return item.span
    kept = {key: value for key, value in (item.span.attributes or {}).items() if key not in CONTENT}
    return with_changes(item.span, attributes={**kept, **attributes(payload)})


def attributes(payload: StandardLoggingPayload) -> dict[str, AttributeValue]:
    """A call's attributes; what is unknown is absent."""
    kind = next((kind for word, kind in _KINDS if word in payload["call_type"]), "LLM")
    found = {
        "openinference.span.kind": kind,
        **_about(payload),
        **_usage(payload),
        **_values(payload),
        **(_embedding(payload) if kind == "EMBEDDING" else _messages(payload)),
    }
    return {key: value for key, value in found.items() if value is not None}


def _about(payload: StandardLoggingPayload) -> dict[str, Any]:
    response = payload["response"] if isinstance(payload["response"], Mapping) else {}
    parameters = {key: value for key, value in payload["model_parameters"].items() if key != "tools"}
    return {
        "llm.model_name": payload["model"] or None,
        "llm.provider": payload["custom_llm_provider"],
        "llm.invocation_parameters": jsonio.dumps(parameters) if parameters else None,
        "llm.request.type": payload["call_type"],
        "llm.is_streaming": bool(payload["stream"]),
        "llm.response.id": response.get("id"),
        "llm.response.model": response.get("model"),
        "user.id": call_facts.user(payload),
        "session.id": payload["session_id"] or None,
        "tag.tags": payload["request_tags"] or None,
        "metadata": jsonio.dumps(payload["metadata"]),
        "litellm.trace_id": payload["trace_id"],
        "litellm.call_id": payload["litellm_call_id"],
    }


def _usage(payload: StandardLoggingPayload) -> dict[str, Any]:
    usage = payload["metadata"]["usage_object"] or {}
    details = usage.get("completion_tokens_details") or {}
    read, written = call_facts.cached_tokens(payload)
    costs = call_facts.costs(payload)
    found = {
        "llm.token_count.prompt": payload["prompt_tokens"],
        "llm.token_count.completion": payload["completion_tokens"],
        "llm.token_count.total": payload["total_tokens"],
    }
    return {
        **(found if payload["total_tokens"] else {}),
        "llm.token_count.prompt_details.cache_read": read or None,
        "llm.token_count.prompt_details.cache_write": written or None,
        "llm.token_count.prompt_details.audio": (usage.get("prompt_tokens_details") or {}).get("audio_tokens") or None,
        "llm.token_count.completion_details.reasoning": details.get("reasoning_tokens") or None,
        "llm.token_count.completion_details.audio": details.get("audio_tokens") or None,
        "llm.cost.prompt": costs.get("input"),
        "llm.cost.completion": costs.get("output"),
        "llm.cost.total": costs.get("total"),
    }


def _values(payload: StandardLoggingPayload) -> dict[str, Any]:
    """What a list of calls shows: the last message and the answer, as text where they are text."""
    asked: Any = payload["messages"]
    if isinstance(asked, list) and asked and isinstance(asked[-1], Mapping):
        asked = asked[-1].get("content") or asked[-1]
    said = call_facts.answer(payload["response"])
    if isinstance(said, Mapping):
        said = said.get("content") or said
    return {**_value("input", asked), **_value("output", said)}


def _value(side: str, value: Any) -> dict[str, Any]:
    if value in (None, "", [], {}):
        return {}
    if isinstance(value, str):
        return {f"{side}.value": value, f"{side}.mime_type": "text/plain"}
    return {f"{side}.value": jsonio.dumps(value), f"{side}.mime_type": "application/json"}


def _embedding(payload: StandardLoggingPayload) -> dict[str, Any]:
    texts = payload["messages"]
    found: dict[str, Any] = {"embedding.model_name": payload["model"] or None}
    for index, text in enumerate(texts if isinstance(texts, list) else [texts]):
        content = text.get("content") if isinstance(text, Mapping) else text
        if isinstance(content, str):
            found[f"embedding.embeddings.{index}.embedding.text"] = content
    return found


def _messages(payload: StandardLoggingPayload) -> dict[str, Any]:
    asked = payload["messages"]
    asked = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    said = call_facts.answer(payload["response"])
    said = [{"role": "assistant", "content": said}] if isinstance(said, str) else said
    tools = payload["model_parameters"].get("tools")
    return {
        **dict(_flattened("llm.input_messages", asked)),
        **dict(_flattened("llm.output_messages", [said] if isinstance(said, Mapping) else said)),
        **{
            f"llm.tools.{index}.tool.json_schema": jsonio.dumps(tool)
            for index, tool in enumerate(tools if isinstance(tools, list) else ())
        },
    }


def _flattened(prefix: str, messages: Any) -> Iterator[tuple[str, Any]]:
    """Chat messages as numbered attributes."""
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        if not isinstance(message, Mapping):
            continue
        at = f"{prefix}.{index}.message"
        yield f"{at}.role", message.get("role")
        yield f"{at}.name", message.get("name")
        yield f"{at}.tool_call_id", message.get("tool_call_id")
        yield from _contents(at, message.get("content"))
        for number, call in enumerate(message.get("tool_calls") or ()):
            yield from _tool_call(f"{at}.tool_calls.{number}.tool_call", call)


def _contents(at: str, content: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(content, list):
        yield f"{at}.content", content if content is None or isinstance(content, str) else jsonio.dumps(content)
        return
    for index, part in enumerate(content):
        where = f"{at}.contents.{index}.message_content"
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "image_url":
            yield f"{where}.type", "image"
            image = part["image_url"]
            yield f"{where}.image.image.url", image.get("url") if isinstance(image, Mapping) else image
        else:
            text = part.get("text") if isinstance(part, Mapping) else part
            yield f"{where}.type", "text"
            yield f"{where}.text", text if isinstance(text, str) else jsonio.dumps(part)


def _tool_call(at: str, call: Any) -> Iterator[tuple[str, Any]]:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        return
    arguments = function.get("arguments")
    yield f"{at}.id", call.get("id")
    yield f"{at}.function.name", function.get("name")
    yield f"{at}.function.arguments", arguments if isinstance(arguments, str) else jsonio.dumps(arguments)
