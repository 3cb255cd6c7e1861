"""Athina: what its users see of a call, and what never gets there."""

import json
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from callspan_exporters.athina import AthinaSpanExporter
from tests.exporters.servers import SinkServer
from tests.exporters.sink_spans import llm_span
from tests.exporters.vendor_schemas import litellm_body, missing_keys


def sent(server: SinkServer, span: ReadableSpan, **settings: Any) -> dict[str, Any]:
    exporter = AthinaSpanExporter("a-key", server.url, **settings)
    assert exporter.export([span]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    body: dict[str, Any] = json.loads(server.requests[0].body)
    return body


def test_a_call_is_an_inference(sink_server: SinkServer) -> None:
    """Prompt, answer, model, tokens, cost and milliseconds in Athina's fields."""
    tools = json.dumps([{"type": "function", "name": "f", "parameters": {"type": "object"}}])
    call = llm_span({"callspan.user": "alice", "gen_ai.tool.definitions": tools}, tags=["a"])
    body = sent(sink_server, call, environment="staging")
    assert body.pop("response")["choices"][0]["message"]["content"] == "I am a test."
    assert body == {
        "language_model_id": "gpt-4o-mini",
        "prompt": [{"role": "user", "content": "what llm are you"}],
        "response_time": 164,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": 30,
        "cost": 1.35e-05,
        "environment": "staging",
        "customer_user_id": "alice",
        "external_reference_id": "11111111-2222-4333-8444-555555555555",
        "tags": ["a"],
        "model_options": {"temperature": 0.2},
    }
    (request,) = sink_server.requests
    assert (request.method, request.path) == ("POST", "/api/v1/log/inference")
    assert request.headers["athina-api-key"] == "a-key"


def test_metadata_fills_athinas_fields_and_no_other(sink_server: SinkServer) -> None:
    """An allow-list: what Athina has no field for, keys and headers above all, stays here."""
    texts = ("environment", "prompt_slug", "customer_id", "customer_user_id", "session_id", "external_reference_id")
    objects = ("context", "model_options", "custom_attributes", "custom_eval_metrics")
    fields: dict[str, Any] = {name: f"my {name}" for name in (*texts, "expected_response", "user_query")}
    fields |= {name: {"k": "v"} for name in objects} | {"tags": ["t"], "user_feedback": 1}
    secrets = {"api_key": "sk-secret", "headers": {"authorization": "Bearer sk-secret"}, "user_api_key": "sk-secret"}
    body = sent(sink_server, llm_span(metadata={**fields, **secrets, "else": "sk-secret"}))
    assert {key: body[key] for key in fields} == fields
    assert "sk-secret" not in sink_server.requests[0].body.decode()


def test_a_failure_shows_its_error(sink_server: SinkServer) -> None:
    """In place of an answer, and without invented tokens."""
    body = sent(sink_server, llm_span(error="boom"))
    assert body["response"] == {"error": {"message": "boom", "type": "RateLimitError", "code": ""}}
    assert not {"prompt_tokens", "total_tokens", "cost"} & body.keys()


def test_settings_from_the_environment(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that Athina and LiteLLM name."""
    monkeypatch.setenv("ATHINA_API_KEY", "env-key")
    monkeypatch.setenv("ATHINA_BASE_URL", sink_server.url)
    exporter = AthinaSpanExporter()
    assert exporter.export([llm_span()]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    assert sink_server.requests[0].headers["athina-api-key"] == "env-key"


def test_nothing_of_litellms_body_is_missing_but_the_raw_request(sink_server: SinkServer) -> None:
    """LiteLLM's ``request`` holds the API key; ``created`` is the server's clock, which is not on a span."""
    body = sent(sink_server, llm_span(metadata={"session_id": "s"}, tags=["a"]))
    assert missing_keys(litellm_body("athina-inference-1"), body) == {"request", "response.created"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"api_key": None}, "athina: api_key is missing; set the environment variable ATHINA_API_KEY"),
        ({"base_url": "athina"}, "athina: base_url: 'athina' is not a URL"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    """One error that names the variable and the argument."""
    with pytest.raises(ValueError, match=message):
        AthinaSpanExporter(**{"api_key": "key", **settings})
