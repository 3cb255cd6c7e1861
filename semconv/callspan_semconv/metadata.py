"""The payload's metadata: who called, as far as the application or a gateway said so in ``callspan.metadata``."""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from callspan_semconv.payload_metadata import GuardrailStatus, StandardLoggingMetadata

_NULLS: Final[StandardLoggingMetadata] = {
    "user_api_key_hash": None,
    "user_api_key_alias": None,
    "user_api_key_spend": None,
    "user_api_key_max_budget": None,
    "user_api_key_budget_reset_at": None,
    "user_api_key_user_spend": None,
    "user_api_key_user_max_budget": None,
    "user_api_key_team_spend": None,
    "user_api_key_team_max_budget": None,
    "user_api_key_team_id": None,
    "user_api_key_org_id": None,
    "user_api_key_org_alias": None,
    "user_api_key_project_id": None,
    "user_api_key_project_alias": None,
    "user_api_key_user_id": None,
    "user_api_key_team_alias": None,
    "user_api_key_user_email": None,
    "user_api_key_end_user_id": None,
    "user_api_key_request_route": None,
    "spend_logs_metadata": None,
    "requester_ip_address": None,
    "user_agent": None,
    "requester_metadata": None,
    "prompt_management_metadata": None,
    "applied_guardrails": None,
    "mcp_tool_call_metadata": None,
    "vector_store_request_metadata": None,
    "routing_decision": None,
    "usage_object": None,
    "requester_custom_headers": None,
    "cold_storage_object_key": None,
    "user_api_key_auth_metadata": None,
    "team_alias": None,
    "team_id": None,
    "used_client_oauth_token": None,
}

# Measured, or stamped by the gateway itself: a caller cannot set them.
_NOT_FROM_CALLER: Final = frozenset({"usage_object", "used_client_oauth_token"})
# The key itself, and objects around it; and what has a field of its own in the payload.
_NEVER_COPIED: Final = frozenset({"user_api_key", "user_api_key_auth", "user_api_key_budget_reservation"})
GUARDRAILS: Final = "standard_logging_guardrail_information"
_ELSEWHERE: Final = frozenset({GUARDRAILS, "model_info", "model_group", "deployment"})

_SHA256: Final = re.compile(r"[0-9a-f]{64}")

_SEVERITY: Final[tuple[GuardrailStatus, ...]] = (
    "not_run",
    "success",
    "guardrail_flagged",
    "guardrail_failed_to_respond",
    "guardrail_intervened",
)
_OLD_STATUS: Final = {"blocked": "guardrail_intervened", "failure": "guardrail_failed_to_respond"}


def payload_metadata(given: Mapping[str, Any], usage: dict[str, Any] | None) -> StandardLoggingMetadata:
    """Metadata with every field: known keys under their names, the caller's own keys under ``requester_metadata``.

    Args:
        given: the call's metadata.
        usage: token usage by Chat Completions' names.
    """
    metadata = _NULLS.copy()
    metadata["applied_guardrails"] = []
    metadata["usage_object"] = dict(usage) if usage else {}
    if given:
        _copy_known(cast("dict[str, Any]", metadata), given)
    return metadata


def _copy_known(metadata: dict[str, Any], given: Mapping[str, Any]) -> None:
    own: dict[str, Any] = {}
    for key, value in given.items():
        if key in _NULLS:
            if key not in _NOT_FROM_CALLER:
                metadata[key] = value
        elif key not in _NEVER_COPIED and key not in _ELSEWHERE:
            own[key] = value
    if own and metadata["requester_metadata"] is None:
        metadata["requester_metadata"] = own
    key_hash = given.get("user_api_key")
    if metadata["user_api_key_hash"] is None and isinstance(key_hash, str) and _SHA256.fullmatch(key_hash):
        metadata["user_api_key_hash"] = key_hash


def guardrail_status(guardrails: object) -> GuardrailStatus:
    """The most severe status of all guardrails; an unknown one counts as not run."""
    if not isinstance(guardrails, (list, tuple)):
        return "not_run"
    return _SEVERITY[max((_severity(entry) for entry in guardrails), default=0)]


def _severity(entry: object) -> int:
    status = entry.get("guardrail_status") if isinstance(entry, Mapping) else None
    status = _OLD_STATUS.get(status, status) if isinstance(status, str) else None
    return _SEVERITY.index(status) if status in _SEVERITY else 0
