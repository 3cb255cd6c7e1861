"""``langfuse_default_tags`` of LiteLLM's page: every field of its table becomes a tag, what the call lacks does not."""

import json
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

import callspan
from tests.exporters import langfuse_view
from tests.exporters.otlp_recorder import decoded, message
from tests.exporters.servers import SinkServer
from tests.setup.spans import call

FILE = Path(__file__).parent / "files" / "langfuse-default-tags.yaml"
WHO = {
    "user_api_key_alias": "prod-app1",
    "user_api_key_user_id": "user_123",
    "user_api_key_user_email": "user@example.com",
    "user_api_key_team_alias": "team_alpha",
}


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("redacted", [False, True])
def test_the_fields_of_the_table_become_tags(
    redacted: bool, server: SinkServer, provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the request's own tags, each once; what is about the key only where it may leave."""
    monkeypatch.setenv("PROXY_BASE_URL", "https://proxy.example.com")
    callspan.configure(config_file=FILE, redact_user_api_key_info=redacted, tracer_provider=provider, instrument=False)
    call(provider, {"callspan.metadata": json.dumps(WHO), "callspan.tags": ("jobID:1",)})
    assert callspan.flush(10).ok
    (span,) = decoded(message(server.requests[0]))
    fields = ["jobID:1", "cache_hit:False", "proxy_base_url:https://proxy.example.com"]
    about_the_key = [] if redacted else [f"{name}:{value}" for name, value in WHO.items()]
    assert sorted(langfuse_view.trace(span)["tags"]) == sorted([*fields, *about_the_key])
