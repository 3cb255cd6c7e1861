"""Lunary: what its users see of a call."""

import json
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.lunary import LunarySpanExporter
from callspan_exporters.sink import Item
from tests.exporters.servers import Answer, Received, SinkServer
from tests.exporters.sink_spans import llm_span, text_messages
from tests.exporters.spans import calls
from tests.exporters.vendor_schemas import json_schema_errors, litellm_body, missing_keys

_SCHEMA = "lunary-runs-ingest.schema.json"
CALL = "11111111-2222-4333-8444-555555555555"


def bodies(server: SinkServer, *spans: ReadableSpan, **settings: Any) -> list[dict[str, Any]]:
    exporter = LunarySpanExporter("lun-key", server.url, **settings)
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    exporter.shutdown()
    return [json.loads(request.body) for request in server.requests]


def sent(server: SinkServer, *spans: ReadableSpan) -> list[dict[str, Any]]:
    return [event for body in bodies(server, *spans) for event in body["events"]]


def test_a_call_is_a_start_and_an_end(sink_server: SinkServer) -> None:
    """Who asked what of which model, and the answer with its tokens."""
    start, end = sent(sink_server, llm_span({"callspan.user": "alice"}, tags=["jobID:1"]))
    assert start.pop("metadata")["response_cost"] == 1.35e-05
    assert start == {
        "type": "llm",
        "event": "start",
        "runId": CALL,
        "runtime": "callspan",
        "timestamp": "2026-11-21T03:09:59.861563Z",
        "name": "gpt-4o-mini",
        "userId": "alice",
        "tags": ["jobID:1"],
        "input": {"role": "user", "content": "what llm are you"},
        "params": {"temperature": 0.2},
    }
    said = end.pop("output")
    assert (said["role"], said["content"]) == ("assistant", "I am a test.")
    assert end == {
        "type": "llm",
        "event": "end",
        "runId": CALL,
        "runtime": "callspan",
        "timestamp": "2026-11-21T03:10:00.025184Z",
        "tokensUsage": {"prompt": 10, "completion": 20},
    }


def test_the_request(sink_server: SinkServer) -> None:
    """At most 100 calls, both events of a call together, with the key as a bearer token."""
    assert [len(body["events"]) for body in bodies(sink_server, *calls(150))] == [200, 100]
    request = sink_server.requests[0]
    assert (request.method, request.path) == ("POST", "/v1/runs/ingest")
    assert request.headers["authorization"] == "Bearer lun-key"


def test_a_failure_is_an_error_event(sink_server: SinkServer) -> None:
    """With its reason, and without an answer or invented tokens."""
    start, error = sent(sink_server, llm_span(error="boom"))
    assert (start["event"], error["event"]) == ("start", "error")
    assert error["error"] == {"message": "boom", "stack": "boom"}
    assert not {"output", "tokensUsage"} & error.keys()


def test_metadata_is_what_lunary_keeps(sink_server: SinkServer) -> None:
    """Plain values and lists of them stay; objects, which it would drop, become text; steering keys steer."""
    given = {"team": "search", "n": 0, "ids": [1, 2], "nested": {"a": 1}, "headers": {"authorization": "x"}}
    steering = {"parent_run_id": "my parent", "template_id": "t-1", "session_id": "chat-7"}
    start, _ = sent(sink_server, llm_span(metadata={**given, **steering}))
    known = start["metadata"]
    assert [known[key] for key in ("team", "n", "ids", "nested")] == ["search", 0, [1, 2], '{"a":1}']
    assert (known["session_id"], known["litellm_call_id"]) == ("chat-7", CALL)
    assert (start["parentRunId"], start["templateId"]) == ("my parent", "t-1")
    assert not {"headers", "parent_run_id", "requester_metadata"} & known.keys()


def test_a_call_id_that_is_no_uuid_becomes_one(sink_server: SinkServer) -> None:
    """The same one every time, in both events."""
    events = sent(sink_server, *[llm_span({"callspan.call_id": "call 1"}) for _ in range(2)])
    (run,) = {event["runId"] for event in events}
    assert UUID(run).version == 4


def test_tools_embeddings_and_cached_tokens(sink_server: SinkServer) -> None:
    """Tools stay a list among the parameters, other structures become text."""
    tools = json.dumps([{"type": "function", "name": "f", "parameters": {"type": "object"}}])
    call: dict[str, Any] = {
        "gen_ai.tool.definitions": tools,
        "gen_ai.request.stop_sequences": ("a", "b"),
        "gen_ai.usage.cache_read.input_tokens": 4,
    }
    start, end, embedding, _ = sent(sink_server, llm_span(call), llm_span({"gen_ai.operation.name": "embeddings"}))
    assert start["params"]["tools"][0]["function"]["name"] == "f"
    assert start["params"]["stop"] == '["a","b"]'
    assert end["tokensUsage"] == {"prompt": 10, "completion": 20, "promptCached": 4}
    assert embedding["type"] == "embed"


def test_the_end_is_later_than_the_start(sink_server: SinkServer) -> None:
    """Lunary sorts events by milliseconds, and waits where an end comes first."""
    start, end = sent(sink_server, llm_span(duration_ns=0))
    assert (start["timestamp"][-10:], end["timestamp"][-10:]) == ("59.861563Z", "59.862563Z")


def test_a_refused_event_costs_its_call_alone(sink_server: SinkServer, caplog: pytest.LogCaptureFixture) -> None:
    """Lunary says so with 200; what it has already is no error."""

    def rule(request: Received) -> Answer:
        ids = dict.fromkeys(event["runId"] for event in json.loads(request.body)["events"])
        errors = ["Run with this ID already exists in the database.", None, "invalid run 'secret text'"]
        results = [
            {"id": run, "success": error is None, **({"error": error} if error else {})}
            for run, error in zip(ids, errors, strict=True)
        ]
        return Answer(body=json.dumps({"results": results[::-1]}).encode())

    sink_server.rule = rule
    processor = DeliveryProcessor(LunarySpanExporter("key", sink_server.url))
    for span in calls(3):
        processor.on_end(span)
    processor.shutdown()
    report = processor.report()
    assert (report.delivered, report.dead, len(sink_server.requests)) == (2, 1, 1)
    assert "event refused: invalid" in caplog.text
    assert "secret" not in caplog.text


def test_settings_from_the_environment(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of LiteLLM and of Lunary's SDK."""
    monkeypatch.setenv("LUNARY_PUBLIC_KEY", "")
    monkeypatch.setenv("LUNARY_PRIVATE_KEY", "private")
    monkeypatch.setenv("LUNARY_API_URL", f"{sink_server.url}/")
    exporter = LunarySpanExporter()
    assert exporter.export([llm_span()]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    assert sink_server.requests[0].headers["authorization"] == "Bearer private"
    assert sink_server.requests[0].path == "/v1/runs/ingest"


def test_a_call_over_the_limit_says_what_is_missing() -> None:
    """Both of its events stay events, and a tag finds it."""
    large = llm_span({"gen_ai.input.messages": text_messages("user", *["x" * 11_000_000] * 2)})
    (request,) = LunarySpanExporter("key").encode([Item(large)])
    assert len(request.body) <= 20_000_000
    body = json.loads(request.body)
    assert json_schema_errors(_SCHEMA, body) == []
    assert body["events"][0]["tags"] == ["callspan_shortened"]
    assert "characters left out]" in body["events"][0]["input"][0]["content"]


def test_body_fits_the_schema(sink_server: SinkServer) -> None:
    """And the schema catches a body that is wrong."""
    (body,) = bodies(sink_server, llm_span(metadata={"a": {"b": 1}}, tags=["a"]), llm_span(error="boom"))
    assert json_schema_errors(_SCHEMA, body) == []
    for broken in ({"runId": 1}, {"type": "call"}, {"event": "done"}, {"params": "text"}, {"error": "boom"}):
        assert json_schema_errors(_SCHEMA, {"events": [{**body["events"][0], **broken}]})
    assert json_schema_errors(_SCHEMA, {})


@pytest.mark.parametrize(("name", "error"), [("lunary-ingest-1", None), ("lunary-ingest-2", "boom")])
def test_nothing_of_litellms_events_is_missing(sink_server: SinkServer, name: str, error: str | None) -> None:
    """But its nulls, and ``hidden_params``, which Lunary drops."""
    theirs = litellm_body(name)["events"]
    metadata = {key: value for key, value in theirs[0]["metadata"].items() if key != "hidden_params"}
    theirs[0]["metadata"] = metadata
    ours = sent(sink_server, llm_span({"callspan.user": "palantir"}, error=error, metadata=metadata, tags=["a"]))
    for expected, event in zip(theirs, ours, strict=True):
        said = {key: value for key, value in expected.items() if value is not None}
        assert missing_keys({**said, "input": None}, {**event, "input": None}) == set()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"public_key": None}, "lunary: public_key is missing; set the environment variable LUNARY_PUBLIC_KEY or"),
        ({"api_url": "lunary"}, "lunary: api_url: 'lunary' is not a URL"),
        ({"batch_size": 101}, "lunary.batch_size: 101 is not a number from 1 to 100"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    """One error that names the variable and the argument."""
    with pytest.raises(ValueError, match=message):
        LunarySpanExporter(**{"public_key": "key", **settings})
