"""The span processors of a provider: look at them, replace them, and see those that come later.

The SDK has no public way to do any of this. What is private is touched in this module only, and each function says by
its answer when the SDK's layout is not the one that it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult

from callspan_exporters.sink import Batching


def known(provider: TracerProvider) -> tuple[SpanProcessor, ...]:
    """The processors of a provider; none if the layout is unknown."""
    multi = getattr(provider, "_active_span_processor", None)
    found = getattr(multi, "_span_processors", None)
    return found if isinstance(found, tuple) and hasattr(multi, "_lock") else ()


def change(provider: TracerProvider, change_all: Callable[[Sequence[SpanProcessor]], Sequence[SpanProcessor]]) -> bool:
    """Replace the processors of a provider by what ``change_all`` makes of them.

    Returns:
        False, and nothing is changed, if the layout is unknown.
    """
    multi = getattr(provider, "_active_span_processor", None)
    lock = getattr(multi, "_lock", None)
    if multi is None or lock is None or not isinstance(getattr(multi, "_span_processors", None), tuple):
        return False
    with lock:
        multi._span_processors = tuple(change_all(multi._span_processors))  # noqa: SLF001
    return True


def intercept(provider: TracerProvider, wrap: Callable[[SpanProcessor], SpanProcessor]) -> None:
    """Pass every processor that is added from now on through ``wrap``; a second call replaces the first one's."""
    plain = getattr(provider.add_span_processor, "callspan_plain", provider.add_span_processor)

    def add_span_processor(span_processor: SpanProcessor) -> None:
        plain(wrap(span_processor))

    add_span_processor.callspan_plain = plain  # type: ignore[attr-defined]  # marks it as ours
    provider.add_span_processor = add_span_processor  # type: ignore[method-assign]  # of this one object


def exporter_of(processor: SpanProcessor) -> SpanExporter | None:
    """The exporter behind one of the SDK's own processors; None for any other processor."""
    if type(processor) not in {BatchSpanProcessor, SimpleSpanProcessor}:
        return None
    exporter = getattr(processor, "span_exporter", None)
    return exporter if isinstance(exporter, SpanExporter) else None


def batching_of(processor: SpanProcessor) -> Batching | None:
    """The pace of a batch processor: what the user set by ``OTEL_BSP_*`` or in YAML; None if it is not known."""
    batch = getattr(processor, "_batch_processor", None)
    max_items, interval_s = getattr(batch, "_max_export_batch_size", None), getattr(batch, "_schedule_delay", None)
    if not isinstance(max_items, int) or not isinstance(interval_s, (int, float)):
        return None
    return Batching(max_items=max_items, interval_s=float(interval_s))


def retire(processor: SpanProcessor, successor: SpanProcessor | None) -> None:
    """Stop one of the SDK's own processors, its thread and its queue, but not its exporter.

    Args:
        processor: one for which `exporter_of` knows the exporter.
        successor: gets what is still queued; None: nobody does.
    """
    if isinstance(processor, BatchSpanProcessor):
        processor._batch_processor._exporter = _HandOver(successor)  # noqa: SLF001 - there is no setter
        processor.shutdown()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    elif isinstance(processor, SimpleSpanProcessor):
        processor.span_exporter = _HandOver(successor)


@contextmanager
def kept_open(exporter: SpanExporter | None) -> Iterator[None]:
    """Let a pipeline shut down inside the block without shutting down an exporter that lives on."""
    if exporter is None:
        yield
        return
    exporter.shutdown = lambda: None  # type: ignore[method-assign]  # of this one object, for a moment
    try:
        yield
    finally:
        del exporter.shutdown


class _HandOver(SpanExporter):
    """Takes an exporter's place in a processor that retires."""

    def __init__(self, successor: SpanProcessor | None) -> None:
        self._successor = successor

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Pass what is still queued to the successor."""
        if self._successor is not None:
            for span in spans:
                self._successor.on_end(span)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """The exporter lives on elsewhere."""
