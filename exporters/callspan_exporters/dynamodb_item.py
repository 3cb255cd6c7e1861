"""One LLM call as a DynamoDB item: LiteLLM's attributes, and what its own callback left out."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Final

from callspan_exporters import call_facts
from callspan_exporters.shorten import Shortening, fitted
from callspan_semconv import StandardLoggingPayload, jsonio

# Amazon DynamoDB, "Quotas". An item is measured without JSON's quotes and escapes, so one that fits here fits there.
_MAX_ITEM_BYTES: Final = 400 * 1024
_MAX_ID_BYTES: Final = 2048

Attribute = dict[str, str | bool]


def item_id(payload: StandardLoggingPayload) -> str:
    """The partition key: the payload's id; of one that is too long, its digest."""
    encoded = payload["id"].encode(errors="replace")
    return encoded.decode() if len(encoded) <= _MAX_ID_BYTES else hashlib.sha256(encoded).hexdigest()


def call_item(payload: StandardLoggingPayload, rendered: Callable[[Any], str]) -> bytes:
    """The item of a call, as JSON; what exceeds DynamoDB's limit is shortened, and ``shortened`` says so.

    Args:
        payload: the call.
        rendered: makes the text of what is no text.
    """
    return fitted(lambda shortening: jsonio.dump_bytes(_attributes(payload, rendered, shortening)), _MAX_ITEM_BYTES)


def _attributes(
    payload: StandardLoggingPayload, rendered: Callable[[Any], str], shortening: Shortening | None
) -> dict[str, Attribute]:
    kept: Callable[[Any], Any] = shortening or (lambda value: value)
    texts: dict[str, Any] = {
        "id": item_id(payload),
        "call_type": payload["call_type"],
        "startTime": _time(payload["startTime"]),
        "endTime": _time(payload["endTime"]),
        "model": payload["model"],
        "user": call_facts.user(payload),
        "modelParameters": kept(payload["model_parameters"]),
        "messages": kept(payload["messages"]),
        "response": kept(payload["response"]) or None,
        "usage": payload["metadata"]["usage_object"] or None,
        "metadata": kept(payload["metadata"]),
        "status": payload["status"],
        "litellm_call_id": payload["litellm_call_id"],
        "trace_id": payload["trace_id"],
        "session_id": payload["session_id"] or None,
        "custom_llm_provider": payload["custom_llm_provider"],
        "api_base": payload["api_base"] or None,
        "request_tags": payload["request_tags"] or None,
        "cost_breakdown": payload["cost_breakdown"],
        "error_str": kept(payload["error_str"]),
        "error_information": kept(payload["error_information"]) if payload["status"] == "failure" else None,
    }
    numbers = {
        "response_cost": payload["response_cost"],
        "prompt_tokens": payload["prompt_tokens"],
        "completion_tokens": payload["completion_tokens"],
        "total_tokens": payload["total_tokens"],
    }
    return {
        **{name: {"S": _text(value, rendered)} for name, value in texts.items() if value is not None},
        **{name: {"N": repr(value)} for name, value in numbers.items()},
        **({"shortened": {"BOOL": True}} if shortening else {}),
    }


def _text(value: Any, rendered: Callable[[Any], str]) -> str:
    text = value if isinstance(value, str) else rendered(value)
    return text.encode(errors="replace").decode()  # no lone surrogates: DynamoDB refuses a batch for one


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")
