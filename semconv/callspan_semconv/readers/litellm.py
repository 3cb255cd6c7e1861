"""LiteLLM's own spans, of its callbacks ``otel`` (``litellm_request``) and of its second version.

Source: https://docs.litellm.ai/docs/observability/opentelemetry_integration, and spans of the library.
"""

import ast
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from callspan_semconv import attributes as names
from callspan_semconv.readers import flat, genai, openllmetry
from callspan_semconv.readers.common import as_number, as_object, as_str, parse, read_failure
from callspan_semconv.record import CallRecord

_CALL_ID: Final = "litellm.call_id"
_CALL_TYPES: Final = (openllmetry.REQUEST_TYPE, "litellm.call_type")
_METADATA: Final = "metadata."
_COSTS: Final = ("gen_ai.cost.", "litellm.cost.")
_MAX_REPR: Final = 100_000  # characters

# LiteLLM's call types, without the "a" of async ones, by what they are; those that are not here are no model's.
_OPERATIONS: Final = {
    "completion": "chat",
    "responses": "chat",
    "anthropic_messages": "chat",
    "text_completion": "text_completion",
    "generate_content": "generate_content",
    "embedding": "embeddings",
    "image_generation": "image_generation",
    "image_edit": "image_edit",
    "moderation": "moderation",
    "rerank": "rerank",
    "speech": "speech",
    "transcription": "transcription",
}
_NAMES: Final = {
    **openllmetry.NAMES,
    _CALL_ID: names.CALLSPAN_CALL_ID,
    "gen_ai.openai.request.service_tier": names.OPENAI_REQUEST_SERVICE_TIER,
    "gen_ai.openai.response.service_tier": names.OPENAI_RESPONSE_SERVICE_TIER,
    "litellm.request.streaming": names.GEN_AI_REQUEST_STREAM,
    "litellm.end_user.id": names.CALLSPAN_USER,
}
_WHO: Final = {
    "litellm.team.id": "user_api_key_team_id",
    "litellm.team.alias": "user_api_key_team_alias",
    "litellm.api_key.hash": "user_api_key_hash",
    "litellm.end_user.id": "user_api_key_end_user_id",
}
# Measured by the payload itself.
_NOT_METADATA: Final = frozenset({"usage_object"})


def matches(attributes: Mapping[str, Any]) -> bool:
    """Whether LiteLLM made this span of a model call; its spans of requests, guardrails and stores are none."""
    if _CALL_ID not in attributes or names.GEN_AI_REQUEST_MODEL not in attributes:
        return False
    return genai.matches(attributes) or _operation(attributes) is not None


def read(span: ReadableSpan, attributes: Mapping[str, Any]) -> CallRecord:
    """Read a span of LiteLLM's."""
    translated = {**attributes, **flat.renamed(attributes, _NAMES), **openllmetry.content(attributes)}
    operation = as_str(attributes.get(names.GEN_AI_OPERATION_NAME)) or _operation(attributes)
    translated[names.GEN_AI_OPERATION_NAME] = operation
    translated[names.GEN_AI_RESPONSE_FINISH_REASONS] = _reasons(attributes)
    if attributes.get("llm.is_streaming") in ("True", True):
        translated[names.GEN_AI_REQUEST_STREAM] = True
    if attributes.get(names.GEN_AI_RESPONSE_ID) == attributes[_CALL_ID]:
        del translated[names.GEN_AI_RESPONSE_ID]  # LiteLLM writes its own where there was no answer
    record = genai.read(span, translated)
    record.call_type = next((kind for name in _CALL_TYPES if (kind := as_str(attributes.get(name)))), None)
    record.metadata = _metadata(attributes)
    _read_costs(record, attributes)
    record.hidden_params = as_object(attributes.get("hidden_params"))
    record.api_base = record.api_base or as_str(record.hidden_params.get("api_base"))
    record.failure = read_failure(span, {names.EXCEPTION_MESSAGE: attributes.get("error.message"), **translated})
    return record


def _operation(attributes: Mapping[str, Any]) -> str | None:
    for name in _CALL_TYPES:
        kind = as_str(attributes.get(name))
        if kind is not None:
            return _OPERATIONS.get(kind) or _OPERATIONS.get(kind.removeprefix("a"))
    return None


def _reasons(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Finish reasons, which are JSON text here."""
    reasons = parse(attributes.get(names.GEN_AI_RESPONSE_FINISH_REASONS))
    return tuple(each for each in reasons if isinstance(each, str)) if isinstance(reasons, (list, tuple)) else ()


def _read_costs(record: CallRecord, attributes: Mapping[str, Any]) -> None:
    costs = {
        name.removeprefix(prefix): number
        for prefix in _COSTS
        for name, value in attributes.items()
        if isinstance(name, str) and name.startswith(prefix) and (number := as_number(value)) is not None
    }
    record.cost_total = costs.get("total_cost", record.cost_total)
    record.cost_input = costs.get("input_cost", record.cost_input)
    record.cost_output = costs.get("output_cost", record.cost_output)
    record.cost_breakdown = costs


def _metadata(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The payload's metadata, an attribute for each key; who called, from the second version's names."""
    metadata = {ours: value for name, ours in _WHO.items() if (value := as_str(attributes.get(name)))}
    for name, value in attributes.items():
        if isinstance(name, str) and name.startswith(_METADATA) and value not in ("", None):
            key = name.removeprefix(_METADATA)
            if key not in _NOT_METADATA:
                metadata[key] = _unquoted(value)
    return metadata


def _unquoted(value: object) -> Any:
    """What a text stands for that is a list or an object: as Python writes it, or JSON."""
    if not isinstance(value, str) or value[:1] not in ("[", "{") or len(value) > _MAX_REPR:
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return parse(value)
