"""One LLM call as a span of Datadog's LLM Observability.

Sources: Datadog, "HTTP API Reference" of LLM (Agent) Observability; LiteLLM's Datadog callback for which metadata key
means what; for what an Agent takes, the event types of ddtrace's LLM Observability writer.
"""

from collections.abc import Mapping
from typing import Any, Final

from callspan_exporters import call_facts
from callspan_exporters.datadog_settings import apm_ids, call_tags, cost_tags
from callspan_exporters.flat_messages import from_chat, from_response
from callspan_exporters.sink import Item
from callspan_semconv import StandardLoggingPayload

_NAME: Final = "litellm_llm_call"
_ROOT: Final = "undefined"


def llmobs_span(item: Item, payload: StandardLoggingPayload, tags: list[str]) -> dict[str, Any]:
    """The span, as Datadog's HTTP API takes it.

    Args:
        item: the call.
        payload: the call's payload.
        tags: of every call.

    Returns:
        A new dictionary. The same call has the same ``span_id``.
    """
    metadata = item.metadata
    ids = apm_ids(item.span)
    start_ns, end_ns = item.span.start_time, item.span.end_time
    parent = metadata.get("parent_id")
    dimensions = cost_tags(payload)
    all_tags = [*tags, *call_tags(payload), *dimensions.values()]
    span = {
        "parent_id": str(parent) if parent else _ROOT,
        "trace_id": str(payload["trace_id"]),
        "span_id": str(metadata.get("span_id") or (ids[1] if ids else payload["litellm_call_id"])),
        "name": str(metadata.get("name") or _NAME),
        "meta": _meta(payload, is_root=not parent, dimensions=list(dimensions)),
        "start_ns": start_ns or int(payload["startTime"] * 1e9),
        "duration": max(0, (end_ns or 0) - (start_ns or 0)),
        "metrics": _metrics(payload),
        "status": "error" if payload["status"] == "failure" else "ok",
        "tags": list(dict.fromkeys(all_tags)),
    }
    if payload["session_id"]:
        span["session_id"] = payload["session_id"]
    if ids:
        span["apm_id"] = ids[0]
    return span


def as_agent_event(span: dict[str, Any], item: Item, ml_app: str, version: str) -> dict[str, Any]:
    """The same span as an Agent passes it on: kind, model and the ids of the trace have other places.

    Args:
        span: from `llmobs_span`; not changed.
        item: the call.
        ml_app: the application's name, which travels as a tag.
        version: of what sends it.
    """
    meta = {key: value for key, value in span["meta"].items() if key != "kind" and value is not None}
    meta["span"] = {"kind": span["meta"]["kind"]}
    meta["model_name"] = meta["metadata"]["model_name"]
    meta["model_provider"] = meta["metadata"]["model_provider"]
    event = {key: value for key, value in span.items() if key != "apm_id"}
    event |= {"meta": meta, "tags": [f"ml_app:{ml_app}", *span["tags"]]}
    context = item.span.get_span_context()
    if context is not None and context.is_valid:
        trace = f"{context.trace_id:032x}"
        event["_dd"] = {"span_id": str(context.span_id), "trace_id": trace, "apm_trace_id": trace}
    return {"_dd.stage": "raw", "_dd.tracer_version": version, "event_type": "span", "spans": [event]}


def _meta(payload: StandardLoggingPayload, *, is_root: bool, dimensions: list[str]) -> dict[str, Any]:
    # Datadog lets only LLM calls, workflows and agents begin a trace.
    is_embedding = "embedding" in payload["call_type"] and not is_root
    messages = from_chat(payload["messages"])
    answer = from_response(payload["response"])
    meta: dict[str, Any] = {
        "kind": "embedding" if is_embedding else "llm",
        "input": {"documents": [{"text": m.get("content", "")} for m in messages]}
        if is_embedding
        else {"messages": messages},
        "output": {"value": "".join(m.get("content", "") for m in answer)} if is_embedding else {"messages": answer},
        "metadata": _metadata(payload, dimensions),
        "error": _error(payload),
    }
    if tools := _tool_definitions(payload["model_parameters"]):
        meta["tool_definitions"] = tools
    return meta


def _metadata(payload: StandardLoggingPayload, dimensions: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "model_name": payload["model"],
        "model_provider": payload["custom_llm_provider"] or "",
        "id": payload["id"],
        "litellm_call_id": payload["litellm_call_id"],
        "trace_id": payload["trace_id"],
        "cache_hit": payload["cache_hit"],
        "cache_key": payload["cache_key"],
        "saved_cache_cost": payload["saved_cache_cost"],
        "guardrail_information": payload["guardrail_information"],
        "is_streamed_request": bool(payload["stream"]),
        "latency_metrics": _latency(payload),
        "spend_metrics": _spend(payload),
        **payload["metadata"],
    }
    if dimensions:
        found["_dd"] = {"cost_tags": dimensions}
    return {**call_facts.parameters(payload), **found}


def _latency(payload: StandardLoggingPayload) -> dict[str, float]:
    first_s = _first_token_s(payload)
    return {} if first_s is None else {"time_to_first_token_ms": first_s * 1000}


def _spend(payload: StandardLoggingPayload) -> dict[str, float]:
    cost = _cost(payload)
    return {} if cost is None else {"response_cost": cost}


def _metrics(payload: StandardLoggingPayload) -> dict[str, float]:
    """What is known; Datadog estimates costs where none is sent, and a 0 would keep it from that."""
    found: dict[str, float | None] = {"time_to_first_token": _first_token_s(payload)}
    if call_facts.usage_known(payload):
        found |= {
            "input_tokens": payload["prompt_tokens"],
            "output_tokens": payload["completion_tokens"],
            "total_tokens": payload["total_tokens"],
            **_token_details(payload),
        }
    found["total_cost"] = _cost(payload)
    breakdown: Mapping[str, Any] = payload["cost_breakdown"] or {}
    found |= {key: breakdown.get(key) for key in ("input_cost", "output_cost")}
    return {key: float(value) for key, value in found.items() if value is not None}


def _token_details(payload: StandardLoggingPayload) -> dict[str, float | None]:
    read, written = call_facts.cached_tokens(payload)
    found = {
        "cache_read_input_tokens": read,
        "cache_write_input_tokens": written,
        "non_cached_input_tokens": max(0, payload["prompt_tokens"] - read - written) if read or written else 0,
        "reasoning_output_tokens": call_facts.reasoning_tokens(payload),
    }
    return {key: count for key, count in found.items() if count}


def _cost(payload: StandardLoggingPayload) -> float | None:
    """USD; None where there is no price, and for a failure that used nothing."""
    unknown = payload["response_cost_failure_debug_info"] is not None or payload["cost_breakdown"] is None
    return payload["response_cost"] or (None if unknown else 0.0)


def _first_token_s(payload: StandardLoggingPayload) -> float | None:
    """Only a stream has a first token before its last."""
    return payload["completionStartTime"] - payload["startTime"] if payload["stream"] else None


def _error(payload: StandardLoggingPayload) -> dict[str, str | None] | None:
    if payload["status"] != "failure":
        return None
    error = payload["error_information"] or {}
    return {
        "message": payload["error_str"],
        "type": error.get("error_class"),
        "stack": error.get("traceback"),
    }


def _tool_definitions(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for tool in [*(parameters.get("tools") or ()), *(parameters.get("functions") or ())]:
        if not isinstance(tool, Mapping):
            continue
        inner = tool.get("function")
        function: Mapping[str, Any] = inner if isinstance(inner, Mapping) else tool
        schema = function.get("parameters")
        found.append(
            {
                "name": str(function.get("name") or tool.get("type") or ""),
                "description": str(function.get("description") or ""),
                "schema": schema if isinstance(schema, Mapping) else {},
            }
        )
    return found
