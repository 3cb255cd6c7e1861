"""What several sinks show of a call, read from its payload."""

from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from typing import Any, Final

from callspan_semconv import StandardLoggingPayload, jsonio

# Parameters that define tools, the current and the older.
TOOLS: Final = frozenset({"tools", "functions"})
# What a gateway keeps in metadata for itself: request headers, the caller's key and other calls' contents among it.
_INTERNAL: Final = frozenset(
    {
        *("headers", "endpoint", "caching_groups", "previous_models", "requester_metadata", "model_info"),
        *("user_api_key", "user_api_key_auth", "user_api_key_budget_reservation"),
    }
)


def user(payload: StandardLoggingPayload) -> str | None:
    """The application's user."""
    found = payload["end_user"] or payload["model_parameters"].get("user")
    return str(found) if found else None


def answer(response: Any) -> Any:
    """What the model said: the message of the only choice, or all of them; of other APIs the part that says it."""
    if not isinstance(response, Mapping):
        return response
    if isinstance(choices := response.get("choices"), list):
        said = [choice.get("message", choice.get("text")) for choice in choices if isinstance(choice, Mapping)]
        return said[0] if len(said) == 1 else said or None
    for key in ("output", "text", "data"):
        if response.get(key):
            return response[key]
    return None


def identity(payload: StandardLoggingPayload) -> str:
    """What tells a call from all others: its id; of an attempt that failed under a router, its start as well.

    All attempts at a request have one id there, and the one that succeeds is no repetition of those before.
    """
    call_id = str(payload["litellm_call_id"] or payload["id"])
    if payload["status"] == "failure" and payload["model_group"]:
        return f"{call_id}:{payload['startTime']}"
    return call_id


def details(
    payload: StandardLoggingPayload,
    metadata: Mapping[str, Any],
    steering: Collection[str] = (),
    steering_prefixes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Everything that the application and its gateway said about a call, and its ids; nothing empty.

    Args:
        payload: the call.
        metadata: what was said; see `callspan_exporters.sink.Item.metadata`.
        steering: keys that tell the sink what to do and are no data about the call.
        steering_prefixes: what such keys begin with.
    """
    known = {
        key: value
        for key, value in metadata.items()
        if key not in steering and key not in _INTERNAL and not key.startswith(steering_prefixes)
    }
    known |= {key: value for key, value in payload["metadata"].items() if key != "requester_metadata"}
    known |= {
        "litellm_call_id": payload["litellm_call_id"],
        "response_id": payload["id"],
        "custom_llm_provider": payload["custom_llm_provider"],
        "api_base": payload["api_base"],
        "cache_hit": payload["cache_hit"],
    }
    return present(known)


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty: null, ``""``, ``[]`` and ``{}``."""
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


def scalar(value: Any) -> str | bool | int | float:
    """A value for a service that takes only plain ones: lists and objects become JSON."""
    return value if isinstance(value, (str, bool, int, float)) else jsonio.dumps(value)


def parameters(payload: StandardLoggingPayload, *without: str) -> dict[str, Any]:
    """The request's parameters but for its tools, and ``without`` those that have a place of their own."""
    return {key: value for key, value in payload["model_parameters"].items() if key not in TOOLS and key not in without}


def utc_text(epoch_s: float, precision: str = "microseconds") -> str:
    """A moment by RFC 3339: ``2026-11-21T03:10:00.025184Z``."""
    return datetime.fromtimestamp(epoch_s, timezone.utc).isoformat(timespec=precision).replace("+00:00", "Z")


def usage_known(payload: StandardLoggingPayload) -> bool:
    """Whether anybody counted tokens; else the payload's zeros mean nothing."""
    return bool(payload["metadata"]["usage_object"] or payload["total_tokens"])


def reasoning_tokens(payload: StandardLoggingPayload) -> int:
    """Of the answer's tokens, those that the model thought with."""
    usage = payload["metadata"]["usage_object"] or {}
    return (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0


def cached_tokens(payload: StandardLoggingPayload) -> tuple[int, int]:
    """Of the prompt's tokens, those that were read from the provider's cache, and those that were written to it."""
    usage = payload["metadata"]["usage_object"] or {}
    details = usage.get("prompt_tokens_details") or {}
    read = usage.get("cache_read_input_tokens") or details.get("cached_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or details.get("cache_creation_tokens") or 0
    return read, written


def costs(payload: StandardLoggingPayload) -> dict[str, float]:
    """USD by ``input``, ``output`` and ``total``; absent where the price is unknown."""
    breakdown: Mapping[str, Any] = payload["cost_breakdown"] or {}
    found = {key: breakdown.get(f"{key}_cost") for key in ("input", "output", "total")}
    if payload["response_cost"]:
        found["total"] = payload["response_cost"]
    return {key: cost for key, cost in found.items() if cost is not None}
