"""The GenAI conventions before ``gen_ai.provider.name``: ``gen_ai.system``, other names of tokens, content in events.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/ up to 1.36. Libraries that have not moved on: botocore's
instrumentation, openai-v2, Semantic Kernel, Strands, Azure AI.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import Event, ReadableSpan

from callspan_semconv import attributes as names
from callspan_semconv.readers import flat, genai
from callspan_semconv.readers.common import as_object, as_str, parse
from callspan_semconv.record import CallRecord

_SYSTEM: Final = "gen_ai.system"
_NAMES: Final = {
    _SYSTEM: names.GEN_AI_PROVIDER_NAME,
    "gen_ai.usage.prompt_tokens": names.GEN_AI_USAGE_INPUT_TOKENS,
    "gen_ai.usage.completion_tokens": names.GEN_AI_USAGE_OUTPUT_TOKENS,
    "gen_ai.openai.request.seed": names.GEN_AI_REQUEST_SEED,
    "gen_ai.openai.request.response_format": names.GEN_AI_OUTPUT_TYPE,
    "gen_ai.openai.request.service_tier": names.OPENAI_REQUEST_SERVICE_TIER,
    "gen_ai.openai.response.service_tier": names.OPENAI_RESPONSE_SERVICE_TIER,
    "gen_ai.openai.response.system_fingerprint": names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
}
# Events by the role of their message; the answer's are those of the last two.
_PROMPT_EVENTS: Final = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}
_CHOICE: Final = "gen_ai.choice"
# Of the first version: the whole prompt, and the whole answer, in one event or attribute each.
_WHOLE: Final = {
    "gen_ai.content.prompt": ("gen_ai.prompt", names.GEN_AI_INPUT_MESSAGES, "user"),
    "gen_ai.content.completion": ("gen_ai.completion", names.GEN_AI_OUTPUT_MESSAGES, "assistant"),
}


def matches(attributes: Mapping[str, Any]) -> bool:
    """Whether a span of these conventions is a model call."""
    if _SYSTEM not in attributes or names.GEN_AI_PROVIDER_NAME in attributes:
        return False
    named = as_str(attributes.get(names.GEN_AI_OPERATION_NAME)) is not None
    return genai.matches(attributes) if named else names.GEN_AI_REQUEST_MODEL in attributes


def read(span: ReadableSpan, attributes: Mapping[str, Any]) -> CallRecord:
    """Read a span of these conventions."""
    translated = {**attributes, **flat.renamed(attributes, _NAMES)}
    # The first version had no name for the operation, and knew no other.
    translated[names.GEN_AI_OPERATION_NAME] = as_str(attributes.get(names.GEN_AI_OPERATION_NAME)) or "chat"
    for name, value in _content(span, attributes).items():
        translated.setdefault(name, value)
    return genai.read(span, translated)


def _content(span: ReadableSpan, attributes: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {names.GEN_AI_INPUT_MESSAGES: [], names.GEN_AI_OUTPUT_MESSAGES: []}
    for attribute, name, role in _WHOLE.values():
        found[name] += _messages(attributes.get(attribute), role)
    for event in span.events:
        if event.name in _WHOLE:
            attribute, name, role = _WHOLE[event.name]
            found[name] += _messages((event.attributes or {}).get(attribute), role)
        elif event.name in _PROMPT_EVENTS:
            found[names.GEN_AI_INPUT_MESSAGES].append(_message(_body(event), _PROMPT_EVENTS[event.name]))
        elif event.name == _CHOICE:
            found[names.GEN_AI_OUTPUT_MESSAGES].append(_choice(_body(event)))
    return {name: messages for name, messages in found.items() if messages}


def _body(event: Event) -> dict[str, Any]:
    """What an event says: as JSON in one attribute, or an attribute for each field."""
    attributes = dict(event.attributes or {})
    return as_object(attributes.get("gen_ai.event.content")) or attributes


def _choice(body: dict[str, Any]) -> dict[str, Any]:
    inner = parse(body.get("message"))
    message = _message(
        inner if isinstance(inner, dict) else {**body, "content": body.get("content", inner)}, "assistant"
    )
    return {**message, "finish_reason": as_str(body.get("finish_reason"))}


def _messages(value: object, role: str) -> list[dict[str, Any]]:
    given = parse(value)
    if given is None or given == "":
        return []
    return [_message(each if isinstance(each, dict) else {"content": each}, role) for each in _listed(given)]


def _message(body: Mapping[str, Any], role: str) -> dict[str, Any]:
    """A message in the shape of OpenAI's API."""
    role = as_str(body.get("role")) or role
    if role == "tool":
        call_id = body.get("tool_call_id") or body.get("id")
        return {"role": role, "parts": [flat.tool_result(call_id, parse(body.get("content")))]}
    return {"role": role, "parts": [*flat.content_parts(body.get("content")), *_tool_calls(body)]}


def _tool_calls(body: Mapping[str, Any]) -> Iterator[Any]:
    for call in _listed(parse(body.get("tool_calls"))):
        if isinstance(call, Mapping):
            function = call.get("function")
            named = function if isinstance(function, Mapping) else call
            yield flat.tool_call(call.get("id"), named.get("name"), named.get("arguments"))


def _listed(value: object) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
