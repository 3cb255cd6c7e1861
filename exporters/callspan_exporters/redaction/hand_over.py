"""A worker that masks spans and hands them to a span processor: delivery, with the processor as its sink."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.delivery.queue import RedactionPolicy
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, SinkExporter, Verdict

_MAX_ITEMS: Final = 10_000


def hand_over(processor: SpanProcessor, policy: RedactionPolicy) -> DeliveryProcessor:
    """Make a worker in front of ``processor`` with a bounded queue; its thread starts with the first span."""
    sink = _ProcessorSink(processor)
    return _HandOver(sink, policy=policy, max_queue_items=_MAX_ITEMS)


class _HandOver(DeliveryProcessor):
    """Delivery to what is no sink: a call that names its sinks reaches processors all the same."""

    def wants(self, span: ReadableSpan) -> bool:  # noqa: ARG002 - the interface's
        """Always."""
        return True


class _ProcessorSink(SinkExporter):
    """A span processor as a sink: whatever it is handed counts as delivered."""

    sink = "processor"
    default_batching = Batching(interval_s=0.0)

    def __init__(self, processor: SpanProcessor) -> None:
        super().__init__(name=type(processor).__name__)
        self._processor = processor

    def encode(self, items: Sequence[Item]) -> Iterable[Request]:
        """One request per span: one that the processor refuses must not take the others along."""
        return [Request(items=[item], body=b"", target="") for item in items]

    def send(self, request: Request, timeout_s: float) -> Response:  # noqa: ARG002 - the interface's
        """Hand the span over."""
        for item in request.items:
            self._processor.on_end(item.span)
        return Response(200)

    def classify(self, response: Response) -> Outcome:  # noqa: ARG002 - the interface's
        """Handed over is delivered."""
        return Outcome(Verdict.DELIVERED)
