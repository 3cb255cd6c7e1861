"""One LLM call as a LangSmith run.

Sources: LangSmith's "Trace with API", "Log custom LLM traces", "Metadata parameters reference" and "Cost tracking";
LiteLLM's LangSmith callback for which metadata key of a request means what.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final
from uuid import UUID

from callspan_exporters import call_facts
from callspan_exporters.identifiers import as_uuid
from callspan_semconv import StandardLoggingPayload

_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_STEP: Final = rf"\d{{8}}T\d{{12}}Z({_UUID})"
_DOTTED_ORDER: Final = re.compile(rf"{_STEP}(?:\.{_STEP})*")
_FIRST: Final = re.compile(_STEP)
# Metadata keys that say where the run goes; ids that name no place in a tree stay what they are, metadata.
_STEERING: Final = frozenset({"project_name", "run_name", "id", "run_id", "dotted_order"})
_CREDENTIALS: Final = ("langsmith_",)
_MODEL_TYPES: Final = {"completion": "chat", "responses": "chat", "text_completion": "llm"}
# Fields of the payload that have a place of their own in a run.
_ELSEWHERE: Final = frozenset(
    {
        *("id", "metadata", "request_tags", "startTime", "endTime", "messages", "response", "model_parameters"),
        *("model_map_information", "error_str", "prompt_tokens", "completion_tokens", "total_tokens", "response_cost"),
    }
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stands. The ids and ``dotted_order`` always agree: LangSmith refuses a whole batch otherwise."""

    run_id: str
    trace_id: str
    parent_run_id: str | None
    dotted_order: str


def place(payload: StandardLoggingPayload, metadata: Mapping[str, Any]) -> Place:
    """Work out a run's place, the same every time.

    ``dotted_order`` is the one thing that names a place. If it ends with the run's own id (``run_id``) it is the run's;
    else it is its parent's. Without it the run is the root of a trace of its own, for a parent whose start is not known
    cannot be named.
    """
    run_id = str(as_uuid(str(_own_id(metadata) or call_facts.identity(payload))))
    started = datetime.fromtimestamp(payload["startTime"], timezone.utc)
    own = f"{started:%Y%m%dT%H%M%S%fZ}{run_id}"
    given = metadata.get("dotted_order")
    above = _ids(given)
    if above and above[-1] == run_id:
        return Place(run_id, above[0], above[-2] if len(above) > 1 else None, str(given))
    if not above or run_id in above:
        return Place(run_id, run_id, None, own)
    return Place(run_id, above[0], above[-1], f"{given}.{own}")


def trace_id(metadata: Mapping[str, Any]) -> int | None:
    """The trace that the application put a call into, if it did."""
    above = _ids(metadata.get("dotted_order"))
    return UUID(above[0]).int if above else None


def run(
    payload: StandardLoggingPayload, metadata: Mapping[str, Any], *, project: str, default_name: str
) -> dict[str, Any]:
    """The run, complete.

    Args:
        payload: the call.
        metadata: what the application said about it.
        project: where it goes, unless the metadata says ``project_name``.
        default_name: what it is called, unless the metadata says ``run_name``.
    """
    where = place(payload, metadata)
    made: dict[str, Any] = {
        "id": where.run_id,
        "trace_id": where.trace_id,
        "parent_run_id": where.parent_run_id,
        "dotted_order": where.dotted_order,
        "name": str(metadata.get("run_name") or default_name),
        "run_type": "embedding" if "embedding" in payload["call_type"] else "llm",
        "session_name": str(metadata.get("project_name") or project),
        "start_time": call_facts.utc_text(payload["startTime"]),
        "end_time": call_facts.utc_text(payload["endTime"]),
        "inputs": _inputs(payload["messages"]),
        "outputs": _outputs(payload),
        "error": payload["error_str"],
        "tags": [str(tag) for tag in payload["request_tags"]],
        "extra": {
            "metadata": _metadata(payload, metadata),
            "invocation_params": {"model": payload["model"], **payload["model_parameters"]},
        },
    }
    if payload["stream"]:
        # LangSmith reads the time to the first token from this event.
        made["events"] = [{"name": "new_token", "time": call_facts.utc_text(payload["completionStartTime"])}]
    return made


def _own_id(metadata: Mapping[str, Any]) -> str | None:
    """``run_id`` or ``id``, where it can be one; many applications have an ``id`` of their own in metadata."""
    for key in ("run_id", "id"):
        if re.fullmatch(_UUID, str(metadata.get(key)).lower()):
            return str(metadata[key])
    return None


def _ids(dotted_order: object) -> list[str]:
    """The runs from the root on; empty if it is no ``dotted_order``."""
    if not isinstance(dotted_order, str) or not _DOTTED_ORDER.fullmatch(dotted_order):
        return []
    return _FIRST.findall(dotted_order)


def _inputs(messages: Any) -> dict[str, Any]:
    """Chat messages as LangSmith renders them; anything else under ``input``."""
    if messages is None or isinstance(messages, Mapping):
        return dict(messages or {})
    is_chat = isinstance(messages, list) and all(isinstance(entry, Mapping) for entry in messages)
    return {"messages" if is_chat else "input": messages}


def _outputs(payload: StandardLoggingPayload) -> dict[str, Any] | None:
    response, usage = payload["response"], _usage(payload)
    found: dict[str, Any] = {}
    if response:
        found |= response if isinstance(response, Mapping) else {"output": response}
    if usage:
        found["usage_metadata"] = usage
    return found or None


def _usage(payload: StandardLoggingPayload) -> dict[str, Any]:
    """LangSmith's ``usage_metadata``; what is absent it computes from its own price sheet."""
    found: dict[str, Any] = {f"{key}_cost": cost for key, cost in call_facts.costs(payload).items()}
    if call_facts.usage_known(payload):
        read, written = call_facts.cached_tokens(payload)
        found |= {
            "input_tokens": payload["prompt_tokens"],
            "output_tokens": payload["completion_tokens"],
            "total_tokens": payload["total_tokens"],
        }
        inputs = {"cache_read": read, "cache_creation": written}
        outputs = {"reasoning": call_facts.reasoning_tokens(payload)}
        found |= call_facts.present(
            {
                "input_token_details": {key: count for key, count in inputs.items() if count},
                "output_token_details": {key: count for key, count in outputs.items() if count},
            }
        )
    return found


def _metadata(payload: StandardLoggingPayload, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What LangSmith filters by: the application's own keys, the rest of the payload, LangSmith's ``ls_`` keys."""
    steering = _STEERING if _own_id(metadata) else _STEERING - {"id", "run_id"}
    parameters = payload["model_parameters"]
    standard = {
        "ls_provider": payload["custom_llm_provider"],
        "ls_model_name": payload["model"],
        "ls_model_type": _MODEL_TYPES.get(payload["call_type"].removeprefix("a")),
        "ls_temperature": parameters.get("temperature"),
        "ls_max_tokens": parameters.get("max_tokens") or parameters.get("max_completion_tokens"),
        "ls_stop": parameters.get("stop"),
    }
    rest = {key: value for key, value in payload.items() if key not in _ELSEWHERE}
    return {
        **call_facts.present(rest),
        **call_facts.details(payload, metadata, steering, _CREDENTIALS),
        **call_facts.present(standard),
    }
