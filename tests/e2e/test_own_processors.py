"""`callspan.instrument` alone: spans go to what the application has set up, and nowhere else."""

import sys
from pathlib import Path

import pytest

from tests.e2e import sinks
from tests.e2e.test_four_sinks import CALLS, FIVE_CALLS
from tests.exporters.servers import SinkServer
from tests.servers.collector import Collector
from tests.setup.processes import Finished, run

pytestmark = pytest.mark.process

SET_UP = """
import callspan
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GRPCExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HTTPExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from callspan_exporters.langfuse import LangfuseSpanExporter
from callspan_exporters.s3 import S3SpanExporter
from callspan_exporters.webhook import WebhookSpanExporter
provider = TracerProvider()
{}
callspan.instrument(tracer_provider=provider)
"""


def instrumented(processors: str, **environment: str) -> Finished:
    """Run the application behind a few lines of set-up, without ``opentelemetry-instrument``."""
    finished = run(SET_UP.format(processors) + FIVE_CALLS.read_text(), under=(sys.executable,), **environment)
    assert (finished.code, finished.err) == (0, "")
    return finished


@pytest.mark.collector
@pytest.mark.parametrize("processor", ["SimpleSpanProcessor(GRPCExporter())", "BatchSpanProcessor(HTTPExporter())"])
def test_official_exporters(processor: str, collector: Collector, tmp_path: Path) -> None:
    """The SDK's own processors and OpenTelemetry's own exporters deliver each call, whole."""
    endpoint = collector.grpc_endpoint if "GRPC" in processor else collector.http_endpoint
    instrumented(f"provider.add_span_processor({processor})", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    spans = collector.spans(count=CALLS)
    assert len(sinks.seen_in_spans(spans)) == CALLS
    assert sum(call.cost is not None for call in sinks.seen_in_spans(spans)) == CALLS - 1
    assert not (tmp_path / "calls.sqlite3").exists()


@pytest.mark.parametrize("processor", ["SimpleSpanProcessor", "BatchSpanProcessor"])
def test_our_exporters(processor: str, recorder: SinkServer) -> None:
    """A sink's exporter works in the SDK's processors too."""
    exporters = ("LangfuseSpanExporter", "S3SpanExporter", "WebhookSpanExporter")
    adding = "\n".join(f"provider.add_span_processor({processor}({exporter}()))" for exporter in exporters)
    instrumented(adding, **sinks.all_at(recorder.url))
    calls = sinks.seen_in_payloads(sinks.hooked(recorder))
    assert len(calls) == CALLS
    assert sinks.seen_in_langfuse(recorder) == calls
    assert len(sinks.call_texts(recorder, "s3")) == CALLS
