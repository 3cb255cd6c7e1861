"""LiteLLM's ``callback_vars``: which sink each is about, and that sink's own name for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_LANGFUSE: Final = frozenset({"langfuse", "langfuse_otel"})
_GCS: Final = frozenset({"gcs_bucket"})
_LANGSMITH: Final = frozenset({"langsmith"})
_ARIZE: Final = frozenset({"arize"})
_DATADOG: Final = frozenset({"datadog", "datadog_llm_observability"})


@dataclass(frozen=True, slots=True)
class Variable:
    """One of LiteLLM's names.

    Attributes:
        sinks: the kinds of sinks that take it.
        argument: what they call it; empty: nothing of theirs, it passes without a word.
    """

    sinks: frozenset[str]
    argument: str


VARIABLES: Final[Mapping[str, Variable]] = {
    "langfuse_public_key": Variable(_LANGFUSE, "public_key"),
    "langfuse_secret": Variable(_LANGFUSE, "secret_key"),
    "langfuse_secret_key": Variable(_LANGFUSE, "secret_key"),
    "langfuse_host": Variable(_LANGFUSE, "host"),
    "langfuse_environment": Variable(_LANGFUSE, "environment"),
    "langfuse_span_scope": Variable(_LANGFUSE, "span_scope"),
    "gcs_bucket_name": Variable(_GCS, "bucket_name"),
    "gcs_path_service_account": Variable(_GCS, "path_service_account"),
    "langsmith_api_key": Variable(_LANGSMITH, "api_key"),
    "langsmith_project": Variable(_LANGSMITH, "project"),
    "langsmith_base_url": Variable(_LANGSMITH, "base_url"),
    "langsmith_sampling_rate": Variable(_LANGSMITH, "sampling_rate"),
    "langsmith_tenant_id": Variable(_LANGSMITH, "tenant_id"),
    "arize_api_key": Variable(_ARIZE, "api_key"),
    "arize_space_id": Variable(_ARIZE, "space_id"),
    "arize_space_key": Variable(_ARIZE, "space_id"),
    "dd_api_key": Variable(_DATADOG, "api_key"),
    "dd_site": Variable(_DATADOG, "site"),
    "dd_agent_host": Variable(_DATADOG, "agent_host"),
    "dd_agent_port": Variable(_DATADOG, "agent_port"),
    # Of each call, or of sinks that callspan does not have.
    **dict.fromkeys(
        (
            "arize_error_sampling_rate",
            "arize_otlp_protocol",
            "arize_success_sampling_rate",
            "humanloop_api_key",
            "langfuse_prompt_version",
            "newrelic_api_key",
            "newrelic_region",
            "posthog_api_key",
            "posthog_api_url",
            "signoz_ingestion_endpoint",
            "signoz_ingestion_key",
            "wandb_api_key",
            "weave_project_id",
        ),
        Variable(frozenset(), ""),
    ),
}

# Who says where a sink's data goes says with whose key: the process's own must not go to a tenant's address.
_ADDRESSES: Final = frozenset({"host", "base_url", "site", "agent_host"})
_KEYS: Final = frozenset({"secret_key", "api_key"})


def arguments(written: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What variables mean for a sink of a kind, by its own names."""
    known = {name: value for name, value in written.items() if name in VARIABLES and value is not None}
    return {VARIABLES[name].argument: value for name, value in known.items() if kind in VARIABLES[name].sinks}


def sends_keys_elsewhere(own: Mapping[str, Any]) -> bool:
    """Whether a tenant's arguments name an address, and leave the key for it to the process."""
    return not _ADDRESSES.isdisjoint(own) and _KEYS.isdisjoint(own)
