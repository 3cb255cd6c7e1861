"""Any `SpanExporter` as a sink: the official OTLP exporters, the console, a user's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, SinkExporter, Verdict

# A plain exporter says only that it failed, not whether a retry makes sense; eight tries span some two minutes.
MAX_FAILURES: Final = 8


class PlainSink(SinkExporter):
    """Wraps an exporter that knows nothing of items and outcomes. It takes every sampled span, LLM call or not.

    Args:
        exporter: gets the spans, already redacted.
        name: the sink's name; default: the exporter's class.
        batching: when to send.
    """

    sink = "plain"

    def __init__(self, exporter: SpanExporter, *, name: str | None = None, batching: Batching | None = None) -> None:
        super().__init__(name=name or type(exporter).__name__, batching=batching)
        self._exporter = exporter

    def accepts(self, span: ReadableSpan) -> bool:
        """Whether the span is sampled, as the SDK's own processors decide."""
        return span.context is not None and span.context.trace_flags.sampled

    def encode(self, items: Sequence[Item]) -> Iterable[Request]:
        """One request for all; the exporter encodes."""
        return [Request(items=items, body=b"", target="")]

    def send(self, request: Request, timeout_s: float) -> Response:  # noqa: ARG002 - an exporter has its own
        """Export."""
        result = self._exporter.export([item.span for item in request.items])
        return Response(200 if result is SpanExportResult.SUCCESS else 503)

    def classify(self, response: Response) -> Outcome:
        """FAILURE may pass."""
        return Outcome(Verdict.DELIVERED) if response.status == 200 else Outcome(Verdict.RETRY, "export failed")

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()
