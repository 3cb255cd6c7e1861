"""A failed call as a Sentry event.

Source: Sentry's "Event Payloads". Only what is listed here is sent: no prompts, no answers, no parameters.
"""

import hashlib
import re
from datetime import datetime, timezone
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from callspan_exporters import call_facts
from callspan_semconv import StandardLoggingPayload
from callspan_semconv.secrets import scrub

_MAX_TAG_CHARS: Final = 200
_MAX_TEXT_CHARS: Final = 8192
_EMAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%'-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}")


def event(span: ReadableSpan, payload: StandardLoggingPayload, *, personal: bool) -> dict[str, Any]:
    """The event of a failed call; the same call always has the same id.

    Args:
        span: the call's.
        payload: what the span says.
        personal: whether the user's id and e-mail addresses may be sent.
    """
    error = payload["error_information"] or {}
    kind = error.get("error_class") or "Error"
    status = error.get("error_code") or None
    said = _clean(payload["error_str"] or "", personal=personal)
    who = payload["custom_llm_provider"] or "unknown"
    made: dict[str, Any] = {
        "event_id": hashlib.sha256(f"{payload['trace_id']} {call_facts.identity(payload)}".encode()).hexdigest()[:32],
        "timestamp": datetime.fromtimestamp(payload["endTime"], timezone.utc).isoformat(),
        "level": "error",
        "platform": "python",
        "logger": "callspan",
        "transaction": span.name,
        "exception": {"values": [{"type": kind, "value": said[:_MAX_TEXT_CHARS]}]},
        # Providers put ids, counts and waiting times into their texts, by which each failure would be one of its own.
        "fingerprint": ["callspan", kind, who, payload["model"], *([status] if status else [])],
        "tags": _tags(payload, status),
        "contexts": {"trace": _trace(span), "gen_ai": _facts(payload)},
    }
    if traceback := error.get("traceback"):
        made["extra"] = {"traceback": _clean(traceback, personal=personal)[-_MAX_TEXT_CHARS:]}
    if personal and (user := call_facts.user(payload)):
        made["user"] = {"id": user}
    return made


def _clean(text: str, *, personal: bool) -> str:
    """Error texts echo requests: without keys, and without addresses of people."""
    text = scrub(text)
    return text if personal else _EMAIL.sub("[email]", text)


def _trace(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    found: dict[str, Any] = {"op": f"gen_ai.{(span.attributes or {}).get('gen_ai.operation.name')}"}
    if context is not None:
        found |= {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    if span.parent is not None:
        found["parent_span_id"] = f"{span.parent.span_id:016x}"
    return found


def _tags(payload: StandardLoggingPayload, status: str | None) -> dict[str, str]:
    metadata = payload["metadata"]
    found = {
        "model": payload["model"],
        "provider": payload["custom_llm_provider"],
        "call_type": payload["call_type"],
        "status_code": status,
        "call_id": payload["litellm_call_id"],
        "team": metadata.get("user_api_key_team_alias") or metadata.get("team_alias"),
        "key_alias": metadata.get("user_api_key_alias"),
    }
    return {name: str(value)[:_MAX_TAG_CHARS] for name, value in found.items() if value}


def _facts(payload: StandardLoggingPayload) -> dict[str, Any]:
    error = payload["error_information"] or {}
    found = {
        "stream": payload["stream"],
        "duration_s": payload["response_time"],
        "input_tokens": payload["prompt_tokens"] or None,
        "output_tokens": payload["completion_tokens"] or None,
        "cost_usd": payload["response_cost"] or None,
        "normalized_error": error.get("normalized_error"),
        "provider_request_id": error.get("error_provider_request_id"),
        "session_id": payload["session_id"] or None,
    }
    return {name: value for name, value in found.items() if value is not None}
