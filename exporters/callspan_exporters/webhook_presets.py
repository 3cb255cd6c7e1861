"""Services that take call logs over a generic webhook, as data.

The names and settings are those of LiteLLM's ``generic_api_compatible_callbacks.json``, so that its users'
``callbacks: ["rubrik"]`` works as it is. A user's settings win over a preset's, headers one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class WebhookPreset:
    """What a service expects; fields as in `callspan_exporters.webhook.WebhookSpanExporter`."""

    endpoint: str
    headers: Mapping[str, str] = field(default_factory=dict)
    event_types: tuple[str, ...] | None = None
    log_format: str = "json_array"


PRESETS: Final[Mapping[str, WebhookPreset]] = {
    "sample_callback": WebhookPreset(
        endpoint="${SAMPLE_CALLBACK_URL}",
        headers={"Authorization": "Bearer ${SAMPLE_CALLBACK_API_KEY}"},
        event_types=("llm_api_success", "llm_api_failure"),
    ),
    "rubrik": WebhookPreset(
        endpoint="${RUBRIK_WEBHOOK_URL}",
        headers={"Authorization": "Bearer ${RUBRIK_API_KEY}"},
        event_types=("llm_api_success",),
    ),
    "sumologic": WebhookPreset(endpoint="${SUMOLOGIC_WEBHOOK_URL}", log_format="ndjson"),
    "qualifire_eval": WebhookPreset(
        endpoint="${QUALIFIRE_WEBHOOK_URL}",
        headers={"X-Qualifire-API-Key": "${QUALIFIRE_API_KEY}"},
        event_types=("llm_api_success",),
    ),
    "ramp": WebhookPreset(
        endpoint="https://api.ramp.com/developer/v1/ai-usage/litellm",
        headers={"Authorization": "Bearer ${RAMP_API_KEY}"},
        event_types=("llm_api_success",),
    ),
}
