"""What several sinks show of a call, read from its payload."""

from collections.abc import Mapping
from typing import Any

from callspan_semconv import StandardLoggingPayload


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
