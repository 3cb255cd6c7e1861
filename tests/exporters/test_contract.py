"""What every sink that talks HTTP does with a server's answers. A new sink is one more row in `SINKS`."""

import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from callspan_exporters.arize import ArizeSpanExporter, PhoenixSpanExporter
from callspan_exporters.athina import AthinaSpanExporter
from callspan_exporters.azure import AzureBlobSpanExporter
from callspan_exporters.datadog import DatadogLLMObsSpanExporter, DatadogLogsSpanExporter
from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.dynamodb import DynamodbSpanExporter
from callspan_exporters.galileo import GalileoSpanExporter
from callspan_exporters.gcs import GCSSpanExporter
from callspan_exporters.langfuse import LangfuseSpanExporter
from callspan_exporters.langsmith import LangsmithSpanExporter
from callspan_exporters.langtrace import LangtraceSpanExporter
from callspan_exporters.lunary import LunarySpanExporter
from callspan_exporters.mlflow import MlflowSpanExporter
from callspan_exporters.openmeter import OpenMeterSpanExporter
from callspan_exporters.otlp import HoneycombSpanExporter, OTLPSpanExporter, TraceloopSpanExporter
from callspan_exporters.s3 import S3SpanExporter
from callspan_exporters.sentry import SentrySpanExporter
from callspan_exporters.sink import SinkExporter
from callspan_exporters.webhook import LegacyWebhookSpanExporter, RubrikSpanExporter, WebhookSpanExporter
from tests.exporters.servers import Answer, Received, SinkServer, refused_port
from tests.exporters.spans import calls

SINKS: dict[str, Callable[[str], SinkExporter]] = {
    "generic_api": WebhookSpanExporter,
    "generic_api-ndjson": lambda url: WebhookSpanExporter(url, log_format="ndjson"),
    "generic_api-single": lambda url: WebhookSpanExporter(url, log_format="single"),
    "generic": LegacyWebhookSpanExporter,
    "rubrik": lambda url: RubrikSpanExporter(url, headers={"Authorization": "Bearer test"}),
    "otel": lambda url: OTLPSpanExporter("http", url),
    "honeycomb": lambda url: HoneycombSpanExporter("key", endpoint=url),
    "mlflow": MlflowSpanExporter,
    "arize": lambda url: ArizeSpanExporter("space", "key", endpoint=url),
    "arize_phoenix": PhoenixSpanExporter,
    "langtrace": lambda url: LangtraceSpanExporter("key", url),
    "sentry": lambda url: SentrySpanExporter(url.replace("//", "//key@") + "/1"),
    "traceloop": lambda url: TraceloopSpanExporter("key", url),
    "langfuse": lambda url: LangfuseSpanExporter("pk", "sk", url),
    "datadog": lambda url: DatadogLogsSpanExporter("key", base_url=url),
    "datadog_llm_observability": lambda url: DatadogLLMObsSpanExporter("key", base_url=url),
    "datadog_llm_observability-agent": lambda url: DatadogLLMObsSpanExporter(
        agent_host="127.0.0.1", agent_port=urlsplit(url).port
    ),
    "openmeter": lambda url: OpenMeterSpanExporter("key", url),
    "athina": lambda url: AthinaSpanExporter("key", url),
    "galileo": lambda url: GalileoSpanExporter("p-1", api_key="key", base_url=url),
    "lunary": lambda url: LunarySpanExporter("key", url),
    "langsmith": lambda url: LangsmithSpanExporter("key", base_url=url),
    "gcs_bucket": lambda url: GCSSpanExporter("bucket", endpoint=url),
    "azure_storage": lambda url: AzureBlobSpanExporter("account", "logs", account_key="a2V5", endpoint=url),
    "dynamodb": lambda url: DynamodbSpanExporter(
        "calls", "us-east-1", endpoint_url=url, aws_access_key_id="id", aws_secret_access_key="key"
    ),
    "s3": lambda url: S3SpanExporter(
        "bucket",
        s3_endpoint_url=url,
        s3_aws_access_key_id="id",
        s3_aws_secret_access_key="key",
        s3_region_name="us-east-1",
    ),
}


def calls_for(exporter: SinkExporter, count: int, texts: dict[int, str] | None = None) -> list[ReadableSpan]:
    """Calls that the sink wants: Sentry takes those that failed alone."""
    return calls(count, texts, failed=range(count) if exporter.sink == "sentry" else ())


@pytest.fixture(params=SINKS)
def exporter(request: pytest.FixtureRequest, sink_server: SinkServer) -> Iterator[SinkExporter]:
    """A sink, and the server that it talks to."""
    exporter = SINKS[request.param](sink_server.url)
    yield exporter
    exporter.shutdown()


def test_every_call_arrives_once(exporter: SinkExporter, sink_server: SinkServer) -> None:
    """A healthy sink has every call, exactly once."""
    assert exporter.export(calls_for(exporter, 20)) is SpanExportResult.SUCCESS
    assert sink_server.accepted == list(range(20))


@pytest.mark.parametrize("poisoned", [{3, 4, 17}, set(range(0, 60, 5))], ids=["few", "many"])
def test_a_bad_call_costs_only_itself(exporter: SinkExporter, sink_server: SinkServer, poisoned: set[int]) -> None:
    """The server refuses whatever holds certain calls: all others arrive, once, and export says FAILURE."""
    sink_server.rule = lambda request: Answer(400 if b"poison" in request.body else 200)
    assert exporter.export(calls_for(exporter, 60, dict.fromkeys(poisoned, "poison"))) is SpanExportResult.FAILURE
    assert sink_server.accepted == [number for number in range(60) if number not in poisoned]


def test_a_sink_that_refuses_everything_is_left_alone(exporter: SinkExporter, sink_server: SinkServer) -> None:
    """Looking for the bad call ends where all of them are."""
    sink_server.rule = lambda _: Answer(400)
    assert exporter.export(calls_for(exporter, 300)) is SpanExportResult.FAILURE
    one_by_one = exporter.concurrency > 1
    assert len(sink_server.requests) <= (300 if one_by_one else 60)


def test_unauthorized_is_not_retried(exporter: SinkExporter, sink_server: SinkServer) -> None:
    """A wrong key: no call is sent twice, and export says FAILURE at once."""
    code = b"<Error><Code>InvalidAccessKeyId</Code></Error>"
    sink_server.rule = lambda _: Answer(401, body=code)
    assert exporter.export(calls_for(exporter, 3)) is SpanExportResult.FAILURE
    sent = [number for request in sink_server.requests for number in request.markers]
    assert sorted(sent) == [0, 1, 2]


def test_too_large_is_split(exporter: SinkExporter, sink_server: SinkServer) -> None:
    """A server that takes seven calls per request gets all of them; the one that is too large alone is refused."""

    def rule(request: Received) -> Answer:
        return Answer(413 if len(request.markers) > 7 or b"huge" in request.body else 200)

    sink_server.rule = rule
    assert exporter.export(calls_for(exporter, 40, {11: "huge"})) is SpanExportResult.FAILURE
    assert sink_server.accepted == [number for number in range(40) if number != 11]


def test_rate_limit_waits_as_asked(exporter: SinkExporter, sink_server: SinkServer) -> None:
    """After 429 with Retry-After: 1, a second passes before the next request, and everything arrives."""
    sink_server.script = [Answer(429, {"Retry-After": "1"})]
    started = time.monotonic()
    assert exporter.export(calls_for(exporter, 1)) is SpanExportResult.SUCCESS
    assert time.monotonic() - started >= 1.0
    assert sink_server.accepted == [0]


def test_a_passing_outage_loses_nothing(exporter: SinkExporter, sink_server: SinkServer) -> None:
    """503 and then 200: everything arrives, once."""
    sink_server.script = [Answer(503)]
    assert exporter.export(calls_for(exporter, 10)) is SpanExportResult.SUCCESS
    assert sink_server.accepted == list(range(10))


def test_a_hanging_server_is_asked_again(exporter: SinkExporter, sink_server: SinkServer) -> None:
    """No answer within the request's timeout: the request is repeated."""
    exporter.request_timeout_s = 0.5
    sink_server.script = [Answer(hang=True)]
    assert exporter.export(calls_for(exporter, 2)) is SpanExportResult.SUCCESS
    assert sink_server.accepted == [0, 1]


@pytest.mark.parametrize("name", SINKS)
def test_nobody_listens(name: str) -> None:
    """Connection refused: export says FAILURE within its time."""
    exporter = SINKS[name](f"http://127.0.0.1:{refused_port()}")
    exporter.export_timeout_s = 0.5
    started = time.monotonic()
    assert exporter.export(calls_for(exporter, 2)) is SpanExportResult.FAILURE
    assert time.monotonic() - started < 2.0
    exporter.shutdown()


def test_shutdown_while_the_server_hangs(exporter: SinkExporter, sink_server: SinkServer) -> None:
    """The process may end in time, and what the server did not confirm is kept as dead letters."""
    sink_server.rule = lambda _: Answer(hang=True)
    processor = DeliveryProcessor(exporter, shutdown_timeout_s=1.0)
    for span in calls_for(exporter, 5):
        processor.on_end(span)
    processor.hurry()
    sink_server.wait_for(1)
    started = time.monotonic()
    processor.shutdown()
    assert time.monotonic() - started < 3.0
    report = processor.report()
    assert (report.delivered, report.dead, report.outstanding) == (0, 5, 0)
