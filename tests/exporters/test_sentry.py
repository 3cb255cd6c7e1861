"""Sentry: which calls become events, what they hold, and through whom they go."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from opentelemetry.sdk.trace.export import SpanExportResult
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from callspan_exporters.sentry import SentrySpanExporter
from tests.exporters.servers import Received, SinkServer
from tests.exporters.sink_spans import finished_span, llm_span
from tests.servers.cache import npm_available
from tests.servers.spotlight import run_spotlight

WIRE = Path(__file__).parents[3] / "shared" / "samples" / "litellm-wire" / "sentry-envelope-3-via-litellm.json"


def dsn(server: SinkServer) -> str:
    return server.url.replace("//", "//pub@") + "/42"


def exported(exporter: SentrySpanExporter, *spans: Any) -> SpanExportResult:
    """Export, and close connections."""
    try:
        return exporter.export(spans)
    finally:
        exporter.shutdown()


def event(request: Received) -> dict[str, Any]:
    """The event of an envelope, as the SDK itself reads it."""
    (item,) = Envelope.deserialize(request.body).items
    assert item.type == "event"
    found: dict[str, Any] = json.loads(item.get_bytes())
    return found


class _Kept(Transport):
    """The application's transport."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.events.append(envelope.get_event())


@pytest.fixture
def application() -> Iterator[_Kept]:
    """An application that has configured Sentry, with a hook of its own."""
    kept = _Kept()

    def hook(event: Any, hint: Any) -> Any:
        return {**event, "tags": {**event["tags"], "hook": "yes"}}

    with sentry_sdk.isolation_scope():
        sentry_sdk.init(
            "http://app@127.0.0.1/1", transport=kept, default_integrations=False, before_send=hook, environment="stage"
        )
        yield kept
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def test_only_failures_are_sent(sink_server: SinkServer) -> None:
    """A call that succeeded and a failed web request are no events."""
    spans = [llm_span(), finished_span("GET /", {}, error="500"), llm_span(error="quota")]
    assert exported(SentrySpanExporter(dsn(sink_server)), *spans) is SpanExportResult.SUCCESS
    (request,) = sink_server.requests
    assert request.path == "/api/42/envelope/"
    assert request.headers["content-type"] == "application/x-sentry-envelope"
    assert request.headers["x-sentry-auth"].startswith("Sentry sentry_key=pub, sentry_version=7, sentry_client=sentry.")


def test_what_an_event_holds(sink_server: SinkServer) -> None:
    """An event says what failed, where and in which trace; the prompt is not in it, nor who asked."""
    metadata = {"user_api_key_team_alias": "blue", "user_api_key_alias": "k1"}
    span = llm_span({"callspan.user": "u1"}, error="quota", metadata=metadata, child_of_app=True)
    assert exported(SentrySpanExporter(dsn(sink_server), "stage"), span) is SpanExportResult.SUCCESS
    (request,) = sink_server.requests
    found = event(request)
    assert found["exception"]["values"] == [{"type": "RateLimitError", "value": "quota"}]
    assert (found["level"], found["transaction"], found["environment"]) == ("error", "chat gpt-4o-mini", "stage")
    assert found["tags"] == {
        "model": "gpt-4o-mini",
        "provider": "openai",
        "call_type": "completion",
        "call_id": "11111111-2222-4333-8444-555555555555",
        "team": "blue",
        "key_alias": "k1",
    }
    context = span.get_span_context()
    assert context is not None
    assert span.parent is not None
    assert found["contexts"]["trace"] == {
        "op": "gen_ai.chat",
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "parent_span_id": f"{span.parent.span_id:016x}",
    }
    assert b"what llm are you" not in request.body
    assert "user" not in found


def test_failures_of_one_kind_are_one_issue(sink_server: SinkServer) -> None:
    """What differs by call, ids and waiting times in the text, makes no new issue; another model does."""
    spans = [
        llm_span({"callspan.call_id": "c1"}, error="retry in 1.2 s, request req_1"),
        llm_span({"callspan.call_id": "c2"}, error="retry in 7 s, request req_2"),
        llm_span({"callspan.call_id": "c3", "gen_ai.request.model": "gpt-5"}, error="retry in 7 s"),
    ]
    assert exported(SentrySpanExporter(dsn(sink_server)), *spans) is SpanExportResult.SUCCESS
    prints = [tuple(event(request)["fingerprint"]) for request in sink_server.requests]
    assert len(prints) == 3
    assert set(prints) == {
        ("callspan", "RateLimitError", "openai", "gpt-4o-mini"),
        ("callspan", "RateLimitError", "openai", "gpt-5"),
    }


def test_same_call_is_the_same_event(sink_server: SinkServer) -> None:
    """A call that is sent twice has one event id."""
    span = llm_span(error="quota")
    for _ in range(2):
        assert exported(SentrySpanExporter(dsn(sink_server)), span) is SpanExportResult.SUCCESS
    assert len({event(request)["event_id"] for request in sink_server.requests}) == 1


@pytest.mark.parametrize(("personal", "kept"), [(False, []), (True, ["bob@example.org", "u1"])])
def test_secrets_are_scrubbed(sink_server: SinkServer, personal: bool, kept: list[str]) -> None:
    """Keys in error texts never leave; people's addresses and ids only where the user says so."""
    said = "Incorrect key sk-abcdefghij1234567890 for bob@example.org, Authorization: Bearer abcdef0123456789"
    span = llm_span({"callspan.user": "u1"}, error=said)
    assert exported(SentrySpanExporter(dsn(sink_server), send_default_pii=personal), span) is SpanExportResult.SUCCESS
    body = sink_server.requests[0].body.decode()
    secrets = ["sk-abcdefghij1234567890", "abcdef0123456789", "bob@example.org", "u1"]
    assert [text for text in secrets if f'"{text}"' in body or f" {text}" in body] == kept


def test_sampling_keeps_or_drops_a_trace(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """``SENTRY_API_SAMPLE_RATE`` is a share of traces, the same at every attempt."""
    monkeypatch.setenv("SENTRY_DSN", dsn(sink_server))
    monkeypatch.setenv("SENTRY_API_SAMPLE_RATE", "0.5")
    spans = [llm_span(error="quota") for _ in range(100)]
    first, second = ([SentrySpanExporter().accepts(span) for span in spans] for _ in range(2))
    assert first == second
    assert 20 < sum(first) < 80


def test_the_applications_own_sentry(application: _Kept) -> None:
    """Where the application has Sentry, events go through its client, with its hook and environment."""
    assert exported(SentrySpanExporter(), llm_span(error="quota")) is SpanExportResult.SUCCESS
    (found,) = application.events
    assert found["tags"]["hook"] == "yes"
    assert found["environment"] == "stage"
    assert found["fingerprint"][0] == "callspan"


def test_a_dsn_of_ones_own_wins(application: _Kept, sink_server: SinkServer) -> None:
    """A DSN in code or file sends callspan's events there and leaves the application's client alone."""
    assert exported(SentrySpanExporter(dsn(sink_server)), llm_span(error="quota")) is SpanExportResult.SUCCESS
    assert (application.events, len(sink_server.requests)) == ([], 1)


def test_spotlight_shows_the_event() -> None:
    """Sentry's own sidecar takes the envelope and shows the event."""
    if not npm_available():
        pytest.skip("no npm here to install the server with")
    with run_spotlight() as spotlight:
        assert exported(SentrySpanExporter(spotlight.dsn), llm_span(error="quota")) is SpanExportResult.SUCCESS
        (found,) = spotlight.events(1)
    assert found["exception"]["values"][0]["type"] == "RateLimitError"


def test_no_key_of_litellm_is_lacking(sink_server: SinkServer) -> None:
    """Every part of LiteLLM's event is there, but for what docs/sinks/sentry.md gives a reason for."""
    if not WIRE.exists():
        pytest.skip("LiteLLM's recorded requests are not here")
    assert exported(SentrySpanExporter(dsn(sink_server)), llm_span(error="quota")) is SpanExportResult.SUCCESS
    theirs = json.loads(WIRE.read_text())["body"]["envelope_lines"][2]
    assert theirs.keys() - event(sink_server.requests[0]).keys() - {"extra", "_meta"} == set()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "dsn is missing; set the environment variable SENTRY_DSN, or pass dsn="),
        ({"dsn": "canary"}, r"the DSN \(SENTRY_DSN\) is malformed; expected https://key@host/project"),
        ({"dsn": "http://k@h/1", "sample_rate": 2}, "SENTRY_API_SAMPLE_RATE: 2 is not a number from 0 to 1"),
        ({"dsn": "http://k@h/1", "send_default_pii": "maybe"}, "is 'maybe'; expected true or false"),
    ],
)
def test_wrong_option_is_one_clear_error(options: dict[str, Any], said: str) -> None:
    """The error names the setting and what was expected, and repeats no DSN."""
    with pytest.raises(ValueError, match=said) as error:
        SentrySpanExporter(**options)
    assert "canary" not in str(error.value)


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setattr("callspan_exporters.extras.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'callspan\[sentry\]'"):
        SentrySpanExporter("http://k@h/1")
