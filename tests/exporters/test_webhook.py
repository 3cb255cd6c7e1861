"""The generic webhook: what its endpoint receives, and what its settings mean."""

import json
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from callspan_exporters import registry
from callspan_exporters.webhook import LegacyWebhookSpanExporter, WebhookSpanExporter
from callspan_exporters.webhook_presets import PRESETS
from tests.exporters.servers import Received, SinkServer
from tests.exporters.spans import calls


def sent(exporter: SpanExporter, server: SinkServer, count: int = 2, **how: Any) -> list[Received]:
    """Export calls and return the requests that came."""
    assert exporter.export(calls(count, **how)) is SpanExportResult.SUCCESS
    exporter.shutdown()
    return server.requests


def test_json_array(sink_server: SinkServer) -> None:
    """One POST with one JSON array of payloads."""
    (request,) = sent(WebhookSpanExporter(f"{sink_server.url}/logs?team=a"), sink_server)
    assert (request.method, request.path) == ("POST", "/logs?team=a")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("callspan/")
    assert [payload["litellm_call_id"] for payload in json.loads(request.body)] == ["call-0", "call-1"]


def test_ndjson(sink_server: SinkServer) -> None:
    """One payload per line, no newline at the end."""
    (request,) = sent(WebhookSpanExporter(sink_server.url, log_format="ndjson"), sink_server)
    assert request.headers["content-type"] == "application/x-ndjson"
    lines = request.body.split(b"\n")
    assert [json.loads(line)["litellm_call_id"] for line in lines] == ["call-0", "call-1"]


def test_single(sink_server: SinkServer) -> None:
    """One POST per call."""
    requests = sent(WebhookSpanExporter(sink_server.url, log_format="single"), sink_server, 30)
    assert sorted(json.loads(request.body)["litellm_call_id"] for request in requests) == sorted(
        f"call-{number}" for number in range(30)
    )


def test_batch_size_bounds_each_request(sink_server: SinkServer) -> None:
    """However many calls are exported at once."""
    requests = sent(WebhookSpanExporter(sink_server.url, batch_size=4), sink_server, 10)
    assert [len(json.loads(request.body)) for request in requests] == [4, 4, 2]


@pytest.mark.parametrize(
    ("event_types", "expected"),
    [(None, [0, 1, 2]), (["llm_api_success"], [0, 2]), (["llm_api_failure"], [1])],
)
def test_event_types(sink_server: SinkServer, event_types: list[str] | None, expected: list[int]) -> None:
    """Only the wanted outcomes are sent."""
    sent(WebhookSpanExporter(sink_server.url, event_types=event_types), sink_server, 3, failed=[1])
    assert sink_server.accepted == expected


def test_endpoint_and_headers_from_the_environment(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but variables: how `OTEL_TRACES_EXPORTER=generic_api` builds it. A comma is written %2C."""
    monkeypatch.setenv("GENERIC_LOGGER_ENDPOINT", sink_server.url)
    monkeypatch.setenv("GENERIC_LOGGER_HEADERS", "Authorization=Bearer a=b, X-List=1%2C2,")
    (request,) = sent(WebhookSpanExporter(), sink_server)
    assert (request.headers["authorization"], request.headers["x-list"]) == ("Bearer a=b", "1,2")


def test_own_headers_win(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given headers replace those of the environment, whatever their case; even the content type."""
    monkeypatch.setenv("GENERIC_LOGGER_HEADERS", "authorization=environment,X-Kept=yes")
    headers = {"Authorization": "given", "Content-Type": "application/vnd.acme+json"}
    (request,) = sent(WebhookSpanExporter(sink_server.url, headers), sink_server)
    assert request.headers["authorization"] == "given"
    assert request.headers["x-kept"] == "yes"
    assert request.headers["content-type"] == "application/vnd.acme+json"


@pytest.mark.parametrize(
    "written",
    ["Bearer ${MY_KEY_2}", "Bearer {{environment_variables.MY_KEY_2}}", "Bearer {{ environment_variables.MY_KEY_2 }}"],
)
def test_placeholders(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    """Variables are filled in, once: a value that looks like a placeholder stays as it is."""
    monkeypatch.setenv("MY_KEY_2", "a${b}c")
    monkeypatch.setenv("MY_URL", sink_server.url)
    (request,) = sent(WebhookSpanExporter("os.environ/MY_URL", {"Authorization": written}), sink_server)
    assert request.headers["authorization"] == "Bearer a${b}c"


@pytest.mark.parametrize("name", PRESETS)
def test_presets_work_as_bundled(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Every preset can be built by its name with its variables alone, and sends its key where its service wants it."""
    for variable in ("SAMPLE_CALLBACK", "RUBRIK_WEBHOOK", "SUMOLOGIC_WEBHOOK", "QUALIFIRE_WEBHOOK"):
        monkeypatch.setenv(f"{variable}_URL", sink_server.url)
    for service in ("SAMPLE_CALLBACK", "RUBRIK", "QUALIFIRE", "RAMP"):
        monkeypatch.setenv(f"{service}_API_KEY", f"key of {name}")
    bundled = registry.load(name)()
    assert bundled.name == name
    exporter = registry.load(name)(endpoint=sink_server.url)
    (request,) = sent(exporter, sink_server)
    keys = [value for value in request.headers.values() if value.endswith(f"key of {name}")]
    assert len(keys) == (0 if name == "sumologic" else 1)
    assert request.headers["content-type"] == ("application/x-ndjson" if name == "sumologic" else "application/json")


def test_own_settings_win_over_a_preset(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the preset that the user's settings replace need not exist."""
    monkeypatch.delenv("RUBRIK_API_KEY", raising=False)
    exporter = registry.load("rubrik")(sink_server.url, {"authorization": "mine"}, ["llm_api_failure"])
    sent(exporter, sink_server, 2, failed=[1])
    assert sink_server.requests[0].headers["authorization"] == "mine"
    assert sink_server.accepted == [1]


def test_the_older_webhook(sink_server: SinkServer) -> None:
    """`generic`: one request per call, thirteen texts under `data`."""
    (request,) = sent(LegacyWebhookSpanExporter(sink_server.url), sink_server, 1)
    (data,) = json.loads(request.body).values()
    assert list(json.loads(request.body)) == ["data"]
    assert ",".join(data) == (
        "id,call_type,cache_hit,startTime,endTime,model,user,modelParameters,messages,response,usage,metadata,cost"
    )
    assert all(isinstance(value, str) for value in data.values())
    assert data["cache_hit"] == "None"
    assert data["messages"] == "[{'role': 'user', 'content': 'marker-0; hello'}]"
    assert data["usage"] == "{'completion_tokens': 5, 'prompt_tokens': 10, 'total_tokens': 15}"
    date, _, clock = data["startTime"].partition(" ")
    assert (len(date), len(clock), clock[8]) == (10, 15, ".")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"endpoint": None}, r"hook\.endpoint: missing; set it, or the environment variable GENERIC_LOGGER_ENDPOINT"),
        ({"endpoint": "ftp://key@host"}, r"hook\.endpoint: expected a URL that begins with http:// or https://"),
        ({"log_format": "xml"}, r"hook\.log_format: expected one of json_array, ndjson, single, got 'xml'"),
        ({"event_types": ["all"]}, r"hook\.event_types: expected llm_api_success or llm_api_failure, got 'all'"),
        ({"batch_size": 0}, r"hook\.batch_size: expected a number above 0, got 0"),
        ({"flush_interval": "60"}, r"hook\.flush_interval: expected a number above 0, got '60'"),
        ({"headers": {"X-Key": "${NOT_SET_42}"}}, r"hook\.headers\.x-key: environment variable NOT_SET_42 is not set"),
        ({"headers": {"X-Key": "a\nb"}}, r"hook\.headers\.x-key: not a valid HTTP header"),
        ({"preset": "rubrick"}, r"hook\.preset: unknown preset 'rubrick'; expected one of sample_callback, rubrik"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One error that names the sink, the setting, what was given and what was expected."""
    monkeypatch.delenv("GENERIC_LOGGER_ENDPOINT", raising=False)
    with pytest.raises(ValueError, match=message):
        WebhookSpanExporter(**{"endpoint": "http://localhost", "name": "hook", **settings})


def test_malformed_environment_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry is counted out, not quoted: it may hold the secret."""
    monkeypatch.setenv("GENERIC_LOGGER_HEADERS", "X-A=1,sk-secret")
    with pytest.raises(ValueError, match="GENERIC_LOGGER_HEADERS: entry 2 is not of the form Name=value") as raised:
        WebhookSpanExporter("http://localhost")
    assert "secret" not in str(raised.value)
