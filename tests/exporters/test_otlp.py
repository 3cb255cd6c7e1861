"""OTLP: what arrives at a collector or backend, over HTTP and gRPC, and how its answers are taken."""

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

from callspan_exporters.delivery.engine import deliver
from callspan_exporters.otlp import (
    HoneycombSpanExporter,
    OTLPSpanExporter,
    TraceloopSpanExporter,
    from_environment,
)
from callspan_exporters.sink import Item, Response, Verdict
from tests.exporters.otlp_recorder import DecodedSpan, accepted_spans, decoded
from tests.exporters.servers import Answer, SinkServer
from tests.exporters.sink_spans import finished_span, llm_span
from tests.servers.collector import Collector

Exporter = TypeVar("Exporter", bound=SpanExporter)
Use = Callable[[Any], Any]
PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("OTEL_", "HONEYCOMB_", "TRACELOOP_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def use() -> Iterator[Use]:
    """Shuts exporters down after the test."""
    with ExitStack() as stack:

        def until_the_end(exporter: Exporter) -> Exporter:
            stack.callback(exporter.shutdown)
            return exporter

        yield until_the_end


@dataclass
class GRPCRecorder(TraceServiceServicer):
    """A gRPC receiver; ``errors`` is used up first."""

    target: str = ""
    messages: list[ExportTraceServiceRequest] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    errors: list[tuple[grpc.StatusCode, tuple[tuple[str, bytes], ...]]] = field(default_factory=list)
    answer: ExportTraceServiceResponse = field(default_factory=ExportTraceServiceResponse)

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:  # noqa: N802 - gRPC's name
        if self.errors:
            code, trailing = self.errors.pop(0)
            context.set_trailing_metadata(trailing)
            context.abort(code, "no")
        self.messages.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        return self.answer

    @property
    def spans(self) -> list[DecodedSpan]:
        return [span for message in self.messages for span in decoded(message)]


@pytest.fixture
def rpc() -> Iterator[GRPCRecorder]:
    recorder = GRPCRecorder()
    server = grpc.server(ThreadPoolExecutor(4))
    add_TraceServiceServicer_to_server(recorder, server)  # type: ignore[no-untyped-call]  # generated code
    recorder.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield recorder
    server.stop(0).wait()


def items(*spans: ReadableSpan) -> list[Item]:
    return [Item(span) for span in spans]


class _RecordOnly(Sampler):
    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        return "records what is not exported"


# --- what arrives ------------------------------------------------------------------------------------------------


def test_http_gets_every_sampled_span_whole(sink_server: SinkServer, use: Use) -> None:
    """LLM calls and the rest of the trace arrive with all attributes; what was not sampled does not."""
    exporter = use(OTLPSpanExporter(endpoint=sink_server.url, headers={"x-key": "k"}))
    call, web = llm_span({"big": "x" * 300_000}), finished_span("GET /", {"http.route": "/"})
    dropped = finished_span("chat", {"gen_ai.operation.name": "chat"}, sampler=_RecordOnly())
    assert exporter.export([call, web, dropped]) is SpanExportResult.SUCCESS
    assert [span.name for span in accepted_spans(sink_server)] == ["chat gpt-4o-mini", "GET /"]
    recorded = {
        key: list(value) if isinstance(value, tuple) else value for key, value in (call.attributes or {}).items()
    }
    assert accepted_spans(sink_server)[0].attributes == recorded
    assert accepted_spans(sink_server)[0].resource["service.name"] == "shop"
    (request,) = sink_server.requests
    assert (request.path, request.headers["x-key"], request.headers["content-encoding"]) == ("/v1/traces", "k", "gzip")


def test_grpc_gets_the_same(rpc: GRPCRecorder, use: Use) -> None:
    """The gRPC receiver gets the same spans, and the headers as metadata."""
    exporter = use(OTLPSpanExporter("grpc", f"http://{rpc.target}", {"x-key": "k"}))
    assert exporter.export([llm_span(), finished_span("GET /", {})]) is SpanExportResult.SUCCESS
    assert [span.name for span in rpc.spans] == ["chat gpt-4o-mini", "GET /"]
    assert rpc.metadata[0]["x-key"] == "k"


def test_odd_text_does_not_cost_the_batch(sink_server: SinkServer, use: Use, caplog: pytest.LogCaptureFixture) -> None:
    """A lone surrogate or a huge number arrives in readable form, and takes no other span with it."""
    odd = finished_span("lone \ud800", {"text": "\udc80 here", "number": 2**70, "list": ("\ud83d",)}, error="\udfff")
    assert use(OTLPSpanExporter(endpoint=sink_server.url)).export([odd, llm_span()]) is SpanExportResult.SUCCESS
    first, second = accepted_spans(sink_server)
    assert (first.name, first.attributes["text"], first.attributes["number"]) == (
        "lone \ufffd",
        "\ufffd here",
        str(2**70),
    )
    assert second.name == "chat gpt-4o-mini"
    assert not caplog.records


def test_large_batch_is_sent_in_parts(sink_server: SinkServer, use: Use) -> None:
    """A batch over the limit becomes several requests; a single span is never cut."""
    spans = [llm_span({"big": "x" * 40_000}) for _ in range(5)]
    exporter = use(OTLPSpanExporter(endpoint=sink_server.url, max_request_bytes=100_000))
    assert exporter.export([*spans, llm_span({"big": "x" * 150_000})]) is SpanExportResult.SUCCESS
    assert len(accepted_spans(sink_server)) == 6
    assert len(sink_server.requests) > 2
    assert len(accepted_spans(sink_server)[-1].attributes["big"]) == 150_000


# --- answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [
        (Verdict.DELIVERED, (200, 202)),
        (Verdict.RETRY, (429, 502, 503, 504)),
        (Verdict.SPLIT, (413,)),
        (Verdict.REFUSED, (400, 401, 404, 408, 500)),
    ],
)
def test_http_answers(sink_server: SinkServer, use: Use, verdict: Verdict, statuses: tuple[int, ...]) -> None:
    """Retried is what the specification calls retryable, and nothing else."""
    exporter = use(OTLPSpanExporter(endpoint=sink_server.url))
    (request,) = exporter.encode(items(llm_span()))
    for status in statuses:
        sink_server.script = [Answer(status, {"retry-after": "9", "content-type": "text/plain"}, b"no")]
        outcome = exporter.classify(exporter.send(request, 5))
        assert outcome.verdict is verdict
        assert outcome.retry_after_s == (9 if verdict is Verdict.RETRY else None)


@pytest.mark.parametrize(("rejected", "delivered"), [(0, 2), (1, 0)])
def test_partial_success(sink_server: SinkServer, use: Use, rejected: int, delivered: int) -> None:
    """A warning is a delivery. Rejected spans are never reported as delivered, and never sent again."""
    partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message="value is too long")
    answer = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    sink_server.script = [Answer(200, PROTOBUF, answer)]
    report = deliver(use(OTLPSpanExporter(endpoint=sink_server.url)), items(llm_span(), llm_span()), deadline_s=5)
    assert (report.delivered, report.refused) == (delivered, 2 - delivered)
    assert len(sink_server.requests) == 1
    if rejected:
        assert report.reason == "200 1 spans rejected (value is too long)"


@pytest.mark.parametrize("body", [b"OK", b"{}", b'{"partialSuccess":{}}'])
def test_loose_answers_count_as_delivered(body: bytes) -> None:
    """Servers that answer 200 with plain text or JSON have taken the spans."""
    content_type = "application/json" if body.startswith(b"{") else "text/plain"
    outcome = OTLPSpanExporter().classify(Response(200, {"content-type": content_type}, body))
    assert outcome.verdict is Verdict.DELIVERED


_THREE_SECONDS = RetryInfo(retry_delay=Duration(seconds=3))
_DETAILS = Status(code=14, details=[AnyMessage()])
_DETAILS.details[0].Pack(_THREE_SECONDS)


@pytest.mark.parametrize(
    ("code", "trailing", "verdict", "retry_after_s"),
    [
        ("UNAVAILABLE", {}, Verdict.RETRY, None),
        ("UNAVAILABLE", {"grpc-status-details-bin": _DETAILS.SerializeToString()}, Verdict.RETRY, 3),
        ("UNAVAILABLE", {"grpc-status-details-bin": b"\xff"}, Verdict.RETRY, None),
        ("RESOURCE_EXHAUSTED", {"google.rpc.retryinfo-bin": _THREE_SECONDS.SerializeToString()}, Verdict.RETRY, 3),
        ("DATA_LOSS", {}, Verdict.RETRY, None),
        ("INVALID_ARGUMENT", {}, Verdict.REFUSED, None),
        ("UNAUTHENTICATED", {}, Verdict.REFUSED, None),
        ("INTERNAL", {}, Verdict.REFUSED, None),
    ],
)
def test_grpc_answers(
    rpc: GRPCRecorder, use: Use, code: str, trailing: dict[str, bytes], verdict: Verdict, retry_after_s: float | None
) -> None:
    """Status codes mean what the specification says, and RetryInfo says how long to wait."""
    exporter = use(OTLPSpanExporter("grpc", f"http://{rpc.target}"))
    rpc.errors = [(grpc.StatusCode[code], tuple(trailing.items()))]
    (request,) = exporter.encode(items(llm_span()))
    outcome = exporter.classify(exporter.send(request, 5))
    assert (outcome.verdict, outcome.retry_after_s) == (verdict, retry_after_s)


def test_grpc_message_that_is_too_large_is_split(rpc: GRPCRecorder, use: Use) -> None:
    """gRPC's default limit of 4 MiB costs no span that fits by itself."""
    exporter = use(OTLPSpanExporter("grpc", f"http://{rpc.target}", max_request_bytes=50_000_000))
    assert (
        exporter.export([llm_span({"big": os.urandom(1_500_000).hex()}) for _ in range(2)]) is SpanExportResult.SUCCESS
    )
    assert len(rpc.messages) == 2


def test_grpc_partial_success(rpc: GRPCRecorder, use: Use) -> None:
    """Rejected spans are reported over gRPC too."""
    rpc.answer = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=1))
    report = deliver(use(OTLPSpanExporter("grpc", f"http://{rpc.target}")), items(llm_span()), deadline_s=5)
    assert (report.delivered, report.refused) == (0, 1)


def test_nobody_listens_to_grpc(free_port: int, use: Use, caplog: pytest.LogCaptureFixture) -> None:
    """A dead receiver is a failure within the deadline, and one warning without content."""
    exporter = use(OTLPSpanExporter("grpc", f"http://127.0.0.1:{free_port}", export_timeout_s=0.3))
    assert exporter.export([llm_span()]) is SpanExportResult.FAILURE
    assert "what llm are you" not in caplog.text
    assert all(record.levelno <= logging.WARNING for record in caplog.records)


@pytest.mark.collector
def test_real_collector_takes_both(collector: Collector, use: Use) -> None:
    """An OpenTelemetry Collector stores the spans, over HTTP and gRPC."""
    for protocol, endpoint in (("http", collector.http_endpoint), ("grpc", collector.grpc_endpoint)):
        exporter = use(OTLPSpanExporter(protocol, endpoint))  # type: ignore[arg-type]  # of the literal's values
        assert exporter.export([llm_span()]) is SpanExportResult.SUCCESS
    assert len(collector.spans(count=2)) == 2


# --- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        (
            {"OTEL_EXPORTER": "otlp_http", "OTEL_ENDPOINT": "https://api.honeycomb.io/v1/traces"},
            "https://api.honeycomb.io/v1/traces",
        ),
        (
            {"OTEL_EXPORTER": "otlp_http", "OTEL_ENDPOINT": "https://api.traceloop.com"},
            "https://api.traceloop.com/v1/traces",
        ),
        ({"OTEL_EXPORTER": "http/protobuf", "OTEL_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces"),
        ({"OTEL_ENDPOINT": "http://c:4318/v1"}, "http://c:4318/v1/traces"),
        ({"OTEL_ENDPOINT": "http://c:4318/v1/metrics"}, "http://c:4318/v1/traces"),
        (
            {"OTEL_ENDPOINT": "https://ingest.us0.signalfx.com/v2/trace/otlp"},
            "https://ingest.us0.signalfx.com/v2/trace/otlp",
        ),
        ({"OTEL_EXPORTER": "console", "OTEL_ENDPOINT": "http://c:4318"}, "http://c:4318/v1/traces"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://std:4318", "OTEL_ENDPOINT": "http://c:4318"},
            "http://std:4318/v1/traces",
        ),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t:4318/own", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://std"},
            "http://t:4318/own",
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER": "console"},
            "http://localhost:4318/v1/traces",
        ),
        ({"OTEL_EXPORTER": "otlp_grpc", "OTEL_ENDPOINT": "http://0.0.0.0:4317"}, "http://0.0.0.0:4317"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http://localhost:4317"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_ENDPOINT": "collector:4317"}, "collector:4317"),
    ],
)
def test_environment(variables: dict[str, str], endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard variables win over LiteLLM's, and an endpoint is completed where it must be."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    exporter = from_environment()
    assert isinstance(exporter, OTLPSpanExporter)
    assert exporter.endpoint == endpoint


@pytest.mark.parametrize("variables", [{}, {"OTEL_EXPORTER": "console"}])
def test_environment_without_a_receiver_is_the_console(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``callbacks: ["otel"]`` alone prints spans."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert isinstance(from_environment(), ConsoleSpanExporter)


@pytest.mark.parametrize(
    ("variables", "sent"),
    [
        (
            {"OTEL_HEADERS": "Authorization=Bearer%20key, x-b = two=2 ,"},
            {"authorization": "Bearer key", "x-b": "two=2"},
        ),
        ({"OTEL_HEADERS": "a=1", "OTEL_EXPORTER_OTLP_HEADERS": "b=2"}, {"b": "2"}),
        ({"OTEL_EXPORTER_OTLP_TRACES_HEADERS": "c=3", "OTEL_EXPORTER_OTLP_HEADERS": "b=2"}, {"c": "3"}),
    ],
)
def test_headers_of_the_environment(
    sink_server: SinkServer, use: Use, variables: dict[str, str], sent: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers arrive percent-decoded and trimmed."""
    for name, value in {**variables, "OTEL_ENDPOINT": sink_server.url}.items():
        monkeypatch.setenv(name, value)
    assert use(from_environment()).export([llm_span()]) is SpanExportResult.SUCCESS
    received = sink_server.requests[0].headers
    assert {name: received.get(name) for name in ("authorization", "x-b", "a", "b", "c") if name in received} == sent


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"OTEL_ENDPOINT": "http:/0.0.0.0:4317"},
            "OTEL_ENDPOINT: 'http:/0.0.0.0:4317'.*did you mean 'http://0.0.0.0:4317'",
        ),
        ({"OTEL_ENDPOINT": "http:/0.0.0.0:4317", "OTEL_EXPORTER": "otlp_grpc"}, "did you mean 'http://0.0.0.0:4317'"),
        (
            {"OTEL_ENDPOINT": "localhost:4318"},
            "OTEL_ENDPOINT: 'localhost:4318' is not a URL; expected http://host:port",
        ),
        ({"OTEL_ENDPOINT": "ftp://h", "OTEL_EXPORTER": "grpc"}, "OTEL_ENDPOINT: 'ftp://h' is not a URL"),
        ({"OTEL_EXPORTER": "otlp"}, "OTEL_EXPORTER: 'otlp' is no exporter; expected one of console, grpc, http"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' is no exporter"),
        ({"OTEL_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "OTEL_EXPORTER_OTLP_TIMEOUT: 'soon'"),
        (
            {"OTEL_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_COMPRESSION": "zip"},
            "'zip' is no compression; expected gzip",
        ),
        ({"OTEL_ENDPOINT": "https://c", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/no/ca.pem"}, "TLS: cannot use /no/ca.pem"),
    ],
)
def test_wrong_setting_is_one_clear_error(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the variable, what it holds and what was expected."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=said):
        from_environment()


@pytest.mark.parametrize("headers", ["canary", "a=1,canary", "a=canary%0d%0ax: y", "=canary"])
def test_malformed_headers_do_not_leak(headers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header list with a slip is an error that names the place and keeps the secret."""
    monkeypatch.setenv("OTEL_HEADERS", headers)
    monkeypatch.setenv("OTEL_ENDPOINT", "http://c")
    with pytest.raises(ValueError, match=r"OTEL_HEADERS: entry \d is malformed") as error:
        from_environment()
    assert "canary" not in str(error.value)


def test_honeycomb(sink_server: SinkServer, use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key and the dataset travel in Honeycomb's headers."""
    monkeypatch.setenv("HONEYCOMB_API_KEY", "hc-key")
    monkeypatch.setenv("HONEYCOMB_API_ENDPOINT", sink_server.url)
    assert use(HoneycombSpanExporter(dataset="classic")).export([llm_span()]) is SpanExportResult.SUCCESS
    headers = sink_server.requests[0].headers
    assert (headers["x-honeycomb-team"], headers["x-honeycomb-dataset"]) == ("hc-key", "classic")
    monkeypatch.delenv("HONEYCOMB_API_ENDPOINT")
    assert HoneycombSpanExporter().endpoint == "https://api.honeycomb.io/v1/traces"


def test_traceloop(sink_server: SinkServer, use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key travels as a bearer token; headers of the environment may replace it."""
    assert use(TraceloopSpanExporter("tl-key", sink_server.url)).export([llm_span()]) is SpanExportResult.SUCCESS
    assert sink_server.requests[0].headers["authorization"] == "Bearer tl-key"
    monkeypatch.setenv("TRACELOOP_HEADERS", "Authorization=Bearer%20other")
    exporter = use(TraceloopSpanExporter(endpoint=sink_server.url))
    assert exporter.export([llm_span()]) is SpanExportResult.SUCCESS
    assert sink_server.requests[1].headers["authorization"] == "Bearer other"
    assert TraceloopSpanExporter("k").endpoint == "https://api.traceloop.com/v1/traces"


@pytest.mark.parametrize(
    ("exporter", "variable"),
    [(HoneycombSpanExporter, "HONEYCOMB_API_KEY"), (TraceloopSpanExporter, "TRACELOOP_API_KEY")],
)
def test_preset_without_a_key(exporter: type, variable: str) -> None:
    """The error names the variable and the argument."""
    with pytest.raises(
        ValueError, match=f"api_key is missing; set the environment variable {variable}, or pass api_key="
    ):
        exporter()
