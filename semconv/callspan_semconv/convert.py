"""A span as a `StandardLoggingPayload`. The meaning of every field: ``docs/payload.md``."""

import logging
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from opentelemetry.sdk.trace import ReadableSpan

from callspan_semconv import prices
from callspan_semconv.attributes import REDACTED
from callspan_semconv.chat import chat_messages, tool_definition
from callspan_semconv.failures import error_information, error_text
from callspan_semconv.metadata import GUARDRAILS, guardrail_status, payload_metadata
from callspan_semconv.payload import (
    ClassifierAudit,
    CostBreakdown,
    PayloadAccounting,
    PayloadContent,
    PayloadContext,
    PayloadIdentity,
    StandardLoggingHiddenParams,
    StandardLoggingModelCostFailureDebugInformation,
    StandardLoggingPayload,
    StandardLoggingZeroCostDiagnostic,
    Status,
)
from callspan_semconv.payload_metadata import StandardLoggingMetadata
from callspan_semconv.prices import Cost, Unpriced
from callspan_semconv.providers import litellm_slug
from callspan_semconv.readers import find_reader
from callspan_semconv.record import CallRecord
from callspan_semconv.response import build_response, usage_object

_logger = logging.getLogger("callspan.semconv")

# Spans that could not be converted, by the type of the error.
conversion_errors: Counter[str] = Counter()

_CALL_TYPES: Final = {"chat": "completion", "embeddings": "embedding"}

# Only a gateway's router has anything to say here.
_NO_AUDIT: Final[ClassifierAudit] = {}

_PRICED_KEYS: Final = ("input_cost_per_token", "output_cost_per_token")


def to_payload(span: ReadableSpan) -> StandardLoggingPayload | None:
    """The payload of a model call.

    Pure, and total: no span, however malformed, makes it raise. What goes wrong is counted in `conversion_errors` and
    logged once per type of error, without its text.

    Returns:
        A payload of its own, which the caller may change; None if the span is no model call (`is_llm_span`).
    """
    try:
        record = read(span)
        return None if record is None else from_record(record)
    except Exception as error:  # noqa: BLE001 - the boundary: other people's spans must not break delivery
        _report(type(error).__name__)
        return None


def read(span: ReadableSpan) -> CallRecord | None:
    """The call that a span describes, whatever its dialect; None if it describes none."""
    # The SDK's containers copy themselves many times faster than they answer look-ups.
    attributes = cast("MappingProxyType[str, Any]", span.attributes).copy()
    reader = find_reader(attributes)
    return None if reader is None else reader.read(span, attributes)


def from_record(record: CallRecord) -> StandardLoggingPayload:
    """The payload of a call."""
    facts = _derive(record)
    return {
        **_identity(record, facts),
        **_accounting(record, facts),
        **_context(record, facts),
        **_content(record, facts),
        **_NO_AUDIT,
    }


class _Facts(NamedTuple):
    """What several fields need."""

    provider: str | None  # LiteLLM's name
    call_id: str | None
    call_type: str
    usage: dict[str, Any] | None
    cost: Cost | Unpriced
    metadata: StandardLoggingMetadata
    api_base: str
    litellm_model_name: str | None


def _derive(record: CallRecord) -> _Facts:
    provider = litellm_slug(record.provider) if record.provider else None
    model = record.request_model or record.response_model
    usage = usage_object(record.usage)
    return _Facts(
        provider=provider,
        call_id=_call_id(record),
        call_type=_call_type(record),
        usage=usage,
        cost=_cost(record),
        metadata=payload_metadata(record.metadata, usage),
        api_base=_api_base(record),
        litellm_model_name=f"{provider}/{model}" if provider and model else model,
    )


def _id(record: CallRecord, facts: _Facts) -> str:
    """The answer's id; an answer that a cache gives again is told apart by its time, as LiteLLM does."""
    known = record.response_id or facts.call_id or ""
    return f"{known}_cache_hit{record.end_ns / 1e9}" if record.cache_hit else known


def _identity(record: CallRecord, facts: _Facts) -> PayloadIdentity:
    failed = record.failure is not None
    status: Status = "failure" if failed else "success"
    start, end = record.start_ns / 1e9, record.end_ns / 1e9
    wait = record.time_to_first_chunk_s if record.stream else None
    given = record.metadata
    guardrails = given.get(GUARDRAILS)
    return {
        "id": _id(record, facts),
        "litellm_call_id": facts.call_id,
        "trace_id": _text(given, "trace_id") or _text(given, "session_id") or _trace_id(record),
        "session_id": record.conversation_id or _text(given, "session_id"),
        "call_type": facts.call_type,
        "cache_hit": True if record.cache_hit else False if failed or record.stream else None,
        "stream": True if record.stream and not failed else None,
        "status": status,
        "status_fields": {"llm_api_status": status, "guardrail_status": guardrail_status(guardrails)},
        "custom_llm_provider": facts.provider,
        "saved_cache_cost": record.cost_saved or 0.0,
        "startTime": start,
        "endTime": end,
        "completionStartTime": end if wait is None else start + wait,
        "response_time": (record.end_ns - record.start_ns) / 1e9 if wait is None else wait,
        "model": record.request_model or record.response_model or "",
    }


def _accounting(record: CallRecord, facts: _Facts) -> PayloadAccounting:
    cost, usage = facts.cost, facts.usage
    return {
        "metadata": facts.metadata,
        "cache_key": record.cache_key,
        "response_cost": cost.total if isinstance(cost, Cost) else 0.0,
        "cost_breakdown": _breakdown(cost, record) if isinstance(cost, Cost) else None,
        "autorouter_savings": None,
        "autorouter_savings_estimate": None,
        "autorouter_baseline_observation": None,
        "total_tokens": usage["total_tokens"] if usage else 0,
        "prompt_tokens": usage["prompt_tokens"] if usage else 0,
        "completion_tokens": usage["completion_tokens"] if usage else 0,
    }


def _context(record: CallRecord, facts: _Facts) -> PayloadContext:
    metadata = facts.metadata
    return {
        "request_tags": _tags(record),
        "request_model_access_groups": [],
        "end_user": metadata["user_api_key_end_user_id"] or record.user,
        "api_base": facts.api_base,
        "model_group": _text(record.metadata, "model_group"),
        "model_id": _model_id(record),
        "requester_ip_address": metadata["requester_ip_address"],
        "user_agent": metadata["user_agent"],
    }


def _content(record: CallRecord, facts: _Facts) -> PayloadContent:
    failure = record.failure
    guardrails = record.metadata.get(GUARDRAILS)
    model_key, model_value = prices.model_map(
        record.provider or "", record.request_model, response_model=record.response_model, server=record.server_address
    )
    return {
        "messages": _messages(record),
        "response": build_response(record, facts.usage),
        "model_parameters": _model_parameters(record),
        "hidden_params": _hidden_params(record, facts),
        "model_map_information": {"model_map_key": model_key, "model_map_value": model_value},
        "error_str": error_text(failure) if failure is not None else None,
        "error_information": error_information(record, facts.provider),
        "response_cost_failure_debug_info": _why_unpriced(record, facts),
        "zero_cost_diagnostic": _zero_cost(facts.cost, model_key) if facts.usage else None,
        "guardrail_information": guardrails if isinstance(guardrails, list) else None,
        "standard_built_in_tools_params": _built_in_tools(record),
    }


def _report(kind: str) -> None:
    conversion_errors[kind] += 1
    if conversion_errors[kind] == 1:
        _logger.warning("A span could not be converted (%s); further errors of this kind are only counted.", kind)


def _call_id(record: CallRecord) -> str | None:
    """The call's id; of a span that has none, a UUID made of the span's ids: the same span has the same id."""
    if record.call_id is not None:
        return record.call_id
    if not record.span_id:
        return None
    return str(UUID(int=record.span_id << 64 | record.trace_id & 0xFFFFFFFFFFFFFFFF))


def _call_type(record: CallRecord) -> str:
    if record.call_type is not None:
        return record.call_type
    if record.operation == "chat" and record.api_type == "responses":
        return "responses"
    return _CALL_TYPES.get(record.operation, record.operation)


def _cost(record: CallRecord) -> Cost | Unpriced:
    """The cost on the span, with the parts that the price sheet adds to it; else the price sheet's."""
    computed = prices.cost(
        record.provider or "",
        record.request_model,
        record.usage,
        response_model=record.response_model,
        service_tier=record.service_tier,
        server=record.server_address,
    )
    total = record.cost_total
    if total is None or (isinstance(computed, Cost) and abs(computed.total - total) < 1e-12):
        return computed
    return Cost(total, record.cost_input or 0.0, record.cost_output or 0.0)


def _breakdown(cost: Cost, record: CallRecord) -> CostBreakdown:
    breakdown: CostBreakdown = {
        "input_cost": cost.input,
        "output_cost": cost.output,
        "total_cost": cost.total,
        "tool_usage_cost": 0.0,
        "service_tier": record.service_tier if record.service_tier in prices.SURCHARGED_TIERS else None,
        "data_residency": None,
        "vertex_location": None,
    }
    if cost.cache_read:
        breakdown["cache_read_cost"] = cost.cache_read
    if cost.cache_write:
        breakdown["cache_creation_cost"] = cost.cache_write
    if cost.reasoning:
        breakdown["reasoning_cost"] = cost.reasoning
    breakdown["original_cost"] = cost.total
    breakdown["discount_percent"] = breakdown["discount_amount"] = 0.0
    breakdown["margin_percent"] = breakdown["margin_fixed_amount"] = breakdown["margin_total_amount"] = 0.0
    breakdown.update(cast("CostBreakdown", record.cost_breakdown))
    return breakdown


def _why_unpriced(record: CallRecord, facts: _Facts) -> StandardLoggingModelCostFailureDebugInformation | None:
    # A call that failed without usage costs nothing, and there is nothing to explain.
    cost = facts.cost
    if isinstance(cost, Cost) or (record.failure is not None and not record.usage.reported):
        return None
    return {
        "error_str": cost.reason,
        "traceback_str": "",
        "model": facts.litellm_model_name or "",
        "cache_hit": None,
        "custom_llm_provider": facts.provider,
        "base_model": None,
        "call_type": facts.call_type,
        "custom_pricing": False,
    }


def _zero_cost(cost: Cost | Unpriced, model_key: str) -> StandardLoggingZeroCostDiagnostic | None:
    if isinstance(cost, Cost):
        return None
    missing = list(_PRICED_KEYS) if cost.kind == "missing_pricing_key" else []
    return {"reason": cost.kind, "pricing_model": model_key, "missing_pricing_keys": missing}


def _hidden_params(record: CallRecord, facts: _Facts) -> StandardLoggingHiddenParams:
    request_id = record.provider_request_id
    unknown = None if record.failure is None else 0.0
    given = record.hidden_params.get
    return {
        "model_id": _model_id(record) or None,
        "cache_key": record.cache_key,
        "api_base": facts.api_base or None,
        "response_cost": facts.cost.total if isinstance(facts.cost, Cost) else unknown,
        "additional_headers": given("additional_headers") or ({"request-id": request_id} if request_id else None),
        "litellm_overhead_time_ms": given("litellm_overhead_time_ms"),
        "batch_models": given("batch_models"),
        "batch_successful_requests": None,
        "batch_failed_requests": None,
        "litellm_model_name": given("litellm_model_name") or facts.litellm_model_name,
        "usage_object": None,
    }


def _api_base(record: CallRecord) -> str:
    """Where the call went. As far as only ``server.*`` says: no path, and a scheme for the ports that imply one."""
    if record.api_base is not None:
        return record.api_base
    host, port = record.server_address, record.server_port
    if host is None:
        return ""
    if ":" in host and "/" not in host:
        host = f"[{host}]"
    if port == 443:
        return f"https://{host}"
    if port == 80:
        return f"http://{host}"
    return host if port is None else f"{host}:{port}"


def _messages(record: CallRecord) -> Any:
    if record.redacted == "none":
        return [{"role": "user", "content": REDACTED}]
    return chat_messages(record.system_instructions, record.input_messages)


def _model_parameters(record: CallRecord) -> dict[str, Any]:
    parameters = dict(record.parameters)
    if record.tool_definitions and "tools" not in parameters:
        flat = record.api_type == "responses"
        parameters["tools"] = [dict(t) if flat else tool_definition(t) for t in record.tool_definitions]
    return parameters


def _built_in_tools(record: CallRecord) -> Any:
    search = record.parameters.get("web_search_options")
    files = next((dict(t) for t in record.tool_definitions or () if t.get("type") == "file_search"), None)
    return {"web_search_options": search, "file_search": files}


def _tags(record: CallRecord) -> list[str]:
    tags = record.tags or record.metadata.get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, (list, tuple)) else []


def _model_id(record: CallRecord) -> str:
    info = record.metadata.get("model_info")
    known = _text(info, "id") if isinstance(info, Mapping) else ""
    return known or _text(record.hidden_params, "model_id")


def _text(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""


def _trace_id(record: CallRecord) -> str:
    return f"{record.trace_id:032x}" if record.trace_id else ""
