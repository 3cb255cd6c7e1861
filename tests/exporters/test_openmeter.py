"""OpenMeter: what it meters of a call."""

import json
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.openmeter import OpenMeterSpanExporter
from tests.exporters.servers import SinkServer
from tests.exporters.sink_spans import llm_span
from tests.exporters.spans import calls
from tests.exporters.vendor_schemas import litellm_body, missing_keys, openapi_errors

BATCH = "application/cloudevents-batch+json"
ALICE = {"callspan.user": "alice"}


def sent(server: SinkServer, *spans: ReadableSpan, **settings: Any) -> list[dict[str, Any]]:
    exporter = OpenMeterSpanExporter("om-key", server.url, **settings)
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    exporter.shutdown()
    return [event for request in server.requests for event in json.loads(request.body)]


def test_a_call_is_an_event(sink_server: SinkServer) -> None:
    """Who, when, how much; nothing of what was said."""
    assert sent(sink_server, llm_span(ALICE)) == [
        {
            "specversion": "1.0",
            "type": "litellm_tokens",
            "id": "11111111-2222-4333-8444-555555555555",
            "time": "2026-11-21T03:10:00.025184+00:00",
            "subject": "alice",
            "source": "callspan",
            "data": {
                "model": "gpt-4o-mini",
                "cost": 1.35e-05,
                "prompt_tokens": 10,
                "completion_tokens": 20,
                "total_tokens": 30,
                "provider": "openai",
                "status": "success",
                "response_id": "chatcmpl-1",
            },
        }
    ]


def test_the_request(sink_server: SinkServer) -> None:
    """A batch of CloudEvents, with the key as a bearer token; at most 100 events."""
    sent(sink_server, *calls(150))
    assert [len(json.loads(request.body)) for request in sink_server.requests] == [100, 50]
    request = sink_server.requests[0]
    assert (request.method, request.path) == ("POST", "/api/v1/events")
    assert request.headers["content-type"] == BATCH
    assert request.headers["authorization"] == "Bearer om-key"


def test_a_failure_is_told_apart(sink_server: SinkServer) -> None:
    """So that a meter which counts calls can leave it out."""
    (event,) = sent(sink_server, llm_span(ALICE, error="boom"))
    assert (event["data"]["status"], event["data"]["total_tokens"]) == ("failure", 0)


def test_an_unknown_price_is_no_free_call(sink_server: SinkServer) -> None:
    """The cost is absent, not 0."""
    call = {**ALICE, "gen_ai.request.model": "my-own", "gen_ai.response.model": "my-own"}
    (event,) = sent(sink_server, llm_span(call))
    assert "cost" not in event["data"]


@pytest.mark.parametrize(
    ("settings", "subject"),
    [({}, "alice"), ({"trust_request_user": False}, "key-owner"), ({"default_subject": "nobody"}, "alice")],
)
def test_who_is_billed(sink_server: SinkServer, settings: dict[str, Any], subject: str) -> None:
    """The request's user, unless callers are not trusted with that."""
    (event,) = sent(sink_server, llm_span(ALICE, metadata={"user_api_key_user_id": "key-owner"}), **settings)
    assert event["subject"] == subject


def test_a_call_of_nobody_is_kept(sink_server: SinkServer, caplog: pytest.LogCaptureFixture) -> None:
    """It is not billed to anybody: a dead letter and the log say why, and the other calls arrive."""
    processor = DeliveryProcessor(OpenMeterSpanExporter("om-key", sink_server.url))
    for span in [llm_span(ALICE), llm_span(), llm_span(ALICE)]:
        processor.on_end(span)
    processor.shutdown()
    report = processor.report()
    assert (report.delivered, report.dead) == (2, 1)
    assert "cannot be encoded: no user to bill: name one with the call, or set default_subject" in caplog.text


def test_settings_from_the_environment(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that OpenMeter and LiteLLM name; an empty one counts as unset."""
    monkeypatch.setenv("OPENMETER_API_KEY", "env-key")
    monkeypatch.setenv("OPENMETER_API_ENDPOINT", f"{sink_server.url}/")
    monkeypatch.setenv("OPENMETER_EVENT_TYPE", "tokens")
    monkeypatch.setenv("OPENMETER_TRUST_REQUEST_USER", "false")
    exporter = OpenMeterSpanExporter(default_subject="fallback")
    assert exporter.export([llm_span(ALICE)]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    (event,) = json.loads(sink_server.requests[0].body)
    assert (event["type"], event["subject"]) == ("tokens", "fallback")
    assert sink_server.requests[0].headers["authorization"] == "Bearer env-key"


@pytest.mark.parametrize("file", ["openmeter-openapi.cloud.yaml", "openmeter-openapi.yaml"])
def test_body_fits_the_vendors_schema(sink_server: SinkServer, file: str) -> None:
    """OpenMeter's own OpenAPI file accepts the batch, and catches a broken one."""
    events = sent(sink_server, llm_span(ALICE), llm_span(ALICE, error="boom"))
    assert openapi_errors(file, "/api/v1/events", BATCH, events) == []
    for broken in ({"subject": ""}, {"subject": None}, {"data": "text"}, {"id": 1}):
        assert openapi_errors(file, "/api/v1/events", BATCH, [{**events[0], **broken}])
    assert openapi_errors(file, "/api/v1/events", BATCH, events[0])


def test_nothing_of_litellms_event_is_missing(sink_server: SinkServer) -> None:
    """Every key that LiteLLM sends."""
    (event,) = sent(sink_server, llm_span(ALICE))
    assert missing_keys(litellm_body("openmeter-events-1"), event) == set()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"api_key": None}, "openmeter: api_key is missing; set the environment variable OPENMETER_API_KEY"),
        ({"endpoint": "openmeter.cloud"}, "openmeter: endpoint: 'openmeter.cloud' is not a URL"),
        ({"batch_size": 101}, "openmeter.batch_size: 101 is not a number from 1 to 100"),
        ({"trust_request_user": "maybe"}, r"trust_request_user \(OPENMETER_TRUST_REQUEST_USER\) is 'maybe'"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    """One error that names the variable and the argument."""
    with pytest.raises(ValueError, match=message):
        OpenMeterSpanExporter(**{"api_key": "key", **settings})
