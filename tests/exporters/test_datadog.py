"""Datadog Logs: what its users see of a call."""

import json
import re
import time
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from callspan_exporters.datadog import DatadogLogsSpanExporter
from callspan_exporters.sink import Item
from callspan_semconv import to_payload
from tests.exporters.servers import SinkServer
from tests.exporters.sink_spans import llm_span, text_messages
from tests.exporters.vendor_schemas import json_schema_errors, litellm_body, missing_keys

_SCHEMA = "datadog-logs-v2-intake.schema.json"


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's name is not this test's."""
    monkeypatch.setenv("HOSTNAME", "host1")
    monkeypatch.delenv("POD_NAME", raising=False)


def sent(server: SinkServer, *spans: ReadableSpan, **settings: Any) -> list[dict[str, str]]:
    exporter = DatadogLogsSpanExporter("dd-key", base_url=f"{server.url}/dd/", **settings)
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    exporter.shutdown()
    return [log for request in server.requests for log in json.loads(request.body)]


def test_a_call_is_a_log(sink_server: SinkServer) -> None:
    """Source, service, status and tags as Datadog wants them; the message is the payload, and ids lead to the trace."""
    span = llm_span(metadata={"user_api_key_team_alias": "Core Team"}, tags=["jobID:1", "taskName: Ä  b!"])
    (log,) = sent(sink_server, span, env="Test", version="1.2")
    context = span.get_span_context()
    assert context is not None
    assert json.loads(log.pop("message")) == json.loads(json.dumps(to_payload(span)))
    assert log == {
        "ddsource": "litellm",
        "ddtags": "env:test,service:litellm-server,version:1.2,HOSTNAME:host1,POD_NAME:unknown,request_tag:jobid:1,"
        "request_tag:taskname:_ä_b_,team:core_team",
        "hostname": "host1",
        "service": "litellm-server",
        "status": "info",
        "timestamp": log.get("timestamp", ""),
        "dd.trace_id": str(context.trace_id % 2**64),
        "dd.span_id": str(context.span_id),
    }


def test_the_request(sink_server: SinkServer) -> None:
    """Compressed JSON with the key in its header, at the route of version 2."""
    sent(sink_server, llm_span())
    (request,) = sink_server.requests
    assert (request.method, request.path) == ("POST", "/dd/api/v2/logs")
    assert request.headers["dd-api-key"] == "dd-key"
    assert request.headers["content-encoding"] == "gzip"
    assert request.headers["content-type"] == "application/json"


def test_a_failure_is_an_error(sink_server: SinkServer) -> None:
    """With the reason in the payload."""
    (log,) = sent(sink_server, llm_span(error="boom"))
    assert log["status"] == "error"
    assert json.loads(log["message"])["error_str"] == "boom"


def test_everything_from_the_environment(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that Datadog and LiteLLM name."""
    settings = "DD_API_KEY=env-key DD_SOURCE=litellm_dev DD_ENV=prod DD_SERVICE=shop DD_VERSION=7 POD_NAME=pod-1"
    for setting in [*settings.split(), "DD_BATCH_SIZE=5000", f"DD_BASE_URL={sink_server.url}"]:
        monkeypatch.setenv(*setting.split("="))
    exporter = DatadogLogsSpanExporter()
    assert exporter.batching.max_items == 1000
    assert exporter.export([llm_span()]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    (log,) = json.loads(sink_server.requests[0].body)
    assert log["ddtags"] == "env:prod,service:shop,version:7,HOSTNAME:host1,POD_NAME:pod-1"
    assert (log["ddsource"], log["service"]) == ("litellm_dev", "shop")
    assert sink_server.requests[0].headers["dd-api-key"] == "env-key"


def test_an_agent_needs_no_key(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """`LITELLM_DD_AGENT_HOST` and its port."""
    monkeypatch.setenv("LITELLM_DD_AGENT_HOST", "127.0.0.1")
    monkeypatch.setenv("LITELLM_DD_AGENT_PORT", sink_server.url.rpartition(":")[2])
    exporter = DatadogLogsSpanExporter()
    assert exporter.export([llm_span()]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    assert sink_server.requests[0].path == "/api/v2/logs"
    assert "dd-api-key" not in sink_server.requests[0].headers


def test_the_site_names_the_intake() -> None:
    """Every site has the same form."""
    (request,) = DatadogLogsSpanExporter("key", "us5.datadoghq.com").encode([Item(llm_span())])
    assert request.target == "https://http-intake.logs.us5.datadoghq.com/api/v2/logs"


def test_late_logs_stand_where_they_belong(sink_server: SinkServer) -> None:
    """A log has the time of its call, unless Datadog would refuse it for its age."""
    now_ns = time.time_ns()
    spans = [llm_span(start_ns=now_ns - hours * 3600 * 10**9) for hours in (1, 20)]
    recent, old = sent(sink_server, *spans)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", recent["timestamp"])
    assert "timestamp" not in old


def test_limits_of_a_request(sink_server: SinkServer) -> None:
    """At most 1000 logs and 5 MB each, in order."""
    large = llm_span({"gen_ai.input.messages": text_messages("user", "x" * 900_000)})
    logs = sent(sink_server, *[large] * 12, *[llm_span()] * 1010)
    assert len(logs) == 1022
    sizes = [(len(json.loads(request.body)), len(request.body)) for request in sink_server.requests]
    assert all(count <= 1000 and size <= 5_000_000 for count, size in sizes)
    assert len(sizes) <= 6


def test_a_log_over_the_limit_says_what_is_missing(sink_server: SinkServer) -> None:
    """Datadog would cut it at 1 MB without a word; callspan leaves the middle of long texts out, and tags the log."""
    span = llm_span({"gen_ai.input.messages": text_messages("user", '"' * 700_000 + "the end")})
    (log,) = sent(sink_server, span)
    assert len(json.dumps(log)) <= 1_000_000
    assert log["ddtags"].endswith(",callspan_shortened:true")
    payload = json.loads(log["message"])
    whole: Any = to_payload(span)
    content = payload["messages"][0]["content"]
    assert "characters left out]" in content
    assert content.endswith("the end")
    assert {key for key in whole if whole[key] != payload[key]} == {"messages"}


def test_body_fits_the_schema(sink_server: SinkServer) -> None:
    """And the schema catches a body that is wrong."""
    logs = sent(sink_server, llm_span(tags=["a"]), llm_span(error="boom"))
    assert json_schema_errors(_SCHEMA, logs) == []
    assert json_schema_errors(_SCHEMA, [{**logs[0], "message": {"id": 1}}])
    assert json_schema_errors(_SCHEMA, [])


@pytest.mark.parametrize(("name", "error"), [("dd-logs-1", None), ("dd-logs-2", "boom")])
def test_nothing_of_litellms_log_is_missing(sink_server: SinkServer, name: str, error: str | None) -> None:
    """The keys of LiteLLM's own log, and those of the payload in it."""
    (log,) = sent(sink_server, llm_span(error=error, tags=["jobID:1"]))
    (theirs,) = litellm_body(name)
    assert missing_keys(theirs, log) == set()
    # What a span cannot tell, see docs/payload.md: the price sheet's many nulls, the server's clock, a caller's `user`.
    allowed = re.compile(r"model_map_information\..*|response\.created|model_parameters\.user")
    missing = missing_keys(json.loads(theirs["message"]), json.loads(log["message"]))
    assert [key for key in missing if not allowed.fullmatch(key)] == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"api_key": None}, "datadog: api_key is missing; set the environment variable DD_API_KEY, or pass api_key="),
        ({"site": None}, "datadog: site is missing; set the environment variable DD_SITE, or pass site="),
        ({"site": "https://x.y"}, r"datadog: site \(DD_SITE\) is 'https://x.y'; expected a host name such as"),
        ({"base_url": "ftp://x"}, "datadog: base_url: 'ftp://x' is not a URL"),
        ({"batch_size": 0}, "DD_BATCH_SIZE: 0 is not a number at least 1"),
        ({"agent_host": "a", "agent_port": 70000}, "LITELLM_DD_AGENT_PORT: 70000 is not a number from 1 to 65535"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    """One error that names the variable and the argument."""
    with pytest.raises(ValueError, match=message):
        DatadogLogsSpanExporter(**{"api_key": "key", "site": "datadoghq.com", **settings})
