"""What an OTLP receiver finds in the requests that reached it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tests.exporters.servers import Received, SinkServer


@dataclass(frozen=True)
class DecodedSpan:
    """One span with its attributes as Python values."""

    name: str
    trace_id: str
    span_id: str
    parent_span_id: str
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    scope: str
    status: tuple[int, str]


def accepted_spans(server: SinkServer) -> list[DecodedSpan]:
    """The spans of all requests that were answered with 2xx, in order."""
    return [span for request in server.requests if request.status < 300 for span in decoded(message(request))]


def message(request: Received) -> ExportTraceServiceRequest:
    """A request's body, which must say that it is protobuf and be it."""
    assert request.headers["content-type"] == "application/x-protobuf"
    export = ExportTraceServiceRequest()
    export.ParseFromString(request.body)
    return export


def decoded(export: ExportTraceServiceRequest) -> list[DecodedSpan]:
    """All spans of a request."""
    return [
        DecodedSpan(
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_span_id=span.parent_span_id.hex(),
            attributes={pair.key: _value(pair.value) for pair in span.attributes},
            resource={pair.key: _value(pair.value) for pair in group.resource.attributes},
            scope=scope.scope.name,
            status=(span.status.code, span.status.message),
        )
        for group in export.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(entry) for entry in value.array_value.values]
    return None if kind is None else getattr(value, kind)
