"""The Collector fixture: what an application sends is what a test reads."""

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.util.types import Attributes

from tests.servers.collector import Collector

pytestmark = pytest.mark.collector


def _exporter(protocol: str, collector: Collector) -> SpanExporter:
    if protocol == "grpc":
        return GrpcExporter(endpoint=collector.grpc_endpoint, insecure=True)
    return HttpExporter(endpoint=f"{collector.http_endpoint}/v1/traces")


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_spans_arrive_with_their_attributes(collector: Collector, protocol: str) -> None:
    """A span sent over OTLP is read back with its name, attributes, events, scope and resource."""
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(_exporter(protocol, collector)))
    attributes: Attributes = {"model": "gpt-4o", "tokens": 12, "cost": 0.5, "stream": True, "tags": ["a", "b"]}
    with provider.get_tracer("callspan").start_as_current_span("chat", attributes=attributes) as span:
        span.add_event("first", {"index": 1})
    provider.shutdown()
    (received,) = collector.spans()
    assert received["name"] == "chat"
    assert received["attributes"] == attributes
    assert received["events"][0]["attributes"] == {"index": 1}
    assert received["resource"] == {"service.name": "shop"}
    assert received["scope"]["name"] == "callspan"


def test_waiting_ends_without_spans(collector: Collector) -> None:
    """A test that expects nothing gets an empty list, not an error."""
    assert collector.spans(timeout_s=0.05) == []
