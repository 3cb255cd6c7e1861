"""What every sink that takes OTLP shares: encoding, answers, and the base class."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan

from callspan_exporters.delivery.classify import classify_http, error_words
from callspan_exporters.delivery.http import gzipped
from callspan_exporters.otlp_spans import encodable
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, SinkExporter, Verdict

PROTOBUF: Final = "application/x-protobuf"
# "OpenTelemetry Protocol Specification", Retryable Response Codes: these and no others.
_RETRYABLE: Final = frozenset({429, 502, 503, 504})


class Transport(Protocol):
    """Carries an encoded request: `callspan_exporters.delivery.http.HTTPTransport` or a gRPC channel."""

    def send(self, request: Request, timeout_s: float) -> Response:
        """Perform one request; see `SinkExporter.send`."""

    def close(self) -> None:
        """Close connections."""


class OTLPExporter(SinkExporter):
    """Base of the sinks that take OTLP protobuf.

    Args:
        endpoint: where requests go, as the transport understands it.
        transport: what carries them.
        headers: sent with every request.
        gzip: whether to compress bodies; a gRPC transport compresses for itself.
        max_request_bytes: a batch that encodes to more is sent in several requests. One span is never cut.
        name, batching, export_timeout_s, request_timeout_s: see `SinkExporter`.
    """

    default_batching = Batching(max_items=512, max_bytes=4_000_000, interval_s=5.0)

    def __init__(
        self,
        *,
        endpoint: str,
        transport: Transport,
        headers: Mapping[str, str] | None = None,
        gzip: bool = True,
        max_request_bytes: int = 4_000_000,
        name: str | None = None,
        batching: Batching | None = None,
        export_timeout_s: float = 30.0,
        request_timeout_s: float = 10.0,
    ) -> None:
        super().__init__(
            name=name, batching=batching, export_timeout_s=export_timeout_s, request_timeout_s=request_timeout_s
        )
        self.endpoint = endpoint
        self._transport = transport
        self._headers = {"content-type": PROTOBUF, **(headers or {})}
        self._gzip = gzip
        self._max_request_bytes = max_request_bytes

    def accepts(self, span: ReadableSpan) -> bool:
        """Every span that was sampled, LLM call or not; what is recorded only for payload sinks stays out."""
        context = span.get_span_context()
        return context is not None and context.trace_flags.sampled

    def spans(self, items: Sequence[Item]) -> list[ReadableSpan]:
        """The spans as this sink wants them, one per item; by default untouched."""
        return [item.span for item in items]

    def encode(self, items: Sequence[Item]) -> Iterable[Request]:
        """One request, or several where the body would exceed ``max_request_bytes``."""
        for part, body in _packed(items, [encodable(span) for span in self.spans(items)], self._max_request_bytes):
            request = Request(items=part, body=body, target=self.endpoint, headers=self._headers)
            yield gzipped(request) if self._gzip else request

    def send(self, request: Request, timeout_s: float) -> Response:
        """Perform one request."""
        return self._transport.send(request, timeout_s)

    def classify(self, response: Response) -> Outcome:
        """Apply the OTLP specification's table; see `classify_otlp`."""
        return classify_otlp(response)

    def shutdown(self) -> None:
        """Close connections."""
        self._transport.close()


def classify_otlp(response: Response) -> Outcome:
    """Say what an OTLP answer means.

    429, 502, 503 and 504 are retried with ``Retry-After``, 413 is split, all else that is not 2xx is refused (OTLP
    specification, "Failures" and "OTLP/HTTP Throttling").
    """
    if 200 <= response.status < 300:
        return _partial_success(response)
    outcome = classify_http(response)
    if outcome.verdict is Verdict.RETRY and response.status not in _RETRYABLE:
        return Outcome(Verdict.REFUSED, outcome.reason)
    return outcome


def _partial_success(response: Response) -> Outcome:
    """Read ``partial_success``.

    It counts the rejected spans but does not name them, and the specification forbids to send the request again. So the
    whole request goes to the dead letters: reported too darkly, but nothing is lost.
    """
    if not response.body or response.headers.get("content-type", PROTOBUF).startswith("application/json"):
        return Outcome(Verdict.DELIVERED)
    try:
        partial = ExportTraceServiceResponse.FromString(response.body).partial_success
    except DecodeError:  # some servers answer "OK" in plain text
        return Outcome(Verdict.DELIVERED)
    said = error_words(partial.error_message)
    if partial.rejected_spans:
        return Outcome(Verdict.REFUSED, f"{response.status} {partial.rejected_spans} spans rejected ({said})")
    return Outcome(Verdict.DELIVERED, said)


def _packed(
    items: Sequence[Item], spans: Sequence[ReadableSpan], max_bytes: int
) -> Iterator[tuple[Sequence[Item], bytes]]:
    """Halve until each body fits; a single span is sent whatever its size."""
    if not items:
        return
    body = encode_spans(spans).SerializeToString()
    if len(body) <= max_bytes or len(items) == 1:
        yield items, body
        return
    middle = len(items) // 2
    yield from _packed(items[:middle], spans[:middle], max_bytes)
    yield from _packed(items[middle:], spans[middle:], max_bytes)
