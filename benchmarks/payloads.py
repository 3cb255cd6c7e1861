"""Export to a webhook: how many payloads the process makes and sends for a second of its CPU time."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from benchmarks.answers import Client
from benchmarks.calls import ask
from benchmarks.timing import Spread
from callspan import instrument, uninstrument
from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.webhook import WebhookSpanExporter

_WARM_UP = 500


@dataclass(frozen=True)
class Export:
    """What it takes to get finished spans to a webhook.

    Attributes:
        payloads_per_cpu_second: over the CPU time of the whole process, from the first span's end to the last delivery:
            queueing, conversion, pricing, JSON and HTTP.
        queueing_us: the part of it that the calling thread pays for each span, in microseconds.
    """

    payloads_per_cpu_second: Spread
    queueing_us: Spread


def export(count: int, *, rounds: int) -> Export:
    """Hand ``count`` finished spans to the webhook's pipeline and wait until all have arrived, ``rounds`` times.

    Every setting is at its default but the bound on the queue's memory. The receiver is asked whether it got them all.
    """
    with _receiver() as url:
        processor = DeliveryProcessor(WebhookSpanExporter(endpoint=url), max_queue_bytes=1 << 40)
        _deliver(processor, _WARM_UP)  # imports, connections, price sheets
        times = [_deliver(processor, count) for _ in range(rounds)]
        processor.shutdown()
        arrived = _received(url)
    if arrived != _WARM_UP + rounds * count:
        raise RuntimeError(f"{arrived} of {_WARM_UP + rounds * count} payloads arrived")
    return Export(
        Spread.of([count / process_s for process_s, _ in times]),
        Spread.of([thread_s / count * 1e6 for _, thread_s in times]),
    )


def _deliver(processor: DeliveryProcessor, count: int) -> tuple[float, float]:
    """CPU seconds of the process until all is delivered, and of this thread until all is queued."""
    spans = _spans(count)
    process_started, thread_started = time.process_time(), time.thread_time()
    while spans:  # none is kept, as nobody keeps them in an application
        processor.on_end(spans.pop())
    queued = time.thread_time() - thread_started
    processor.force_flush(60_000)
    return time.process_time() - process_started, queued


class _Keep(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def _spans(count: int) -> list[ReadableSpan]:
    """A chat call as callspan records it, again and again with ids of its own."""
    kept = _Keep()
    provider = TracerProvider()
    provider.add_span_processor(kept)
    client = Client()
    instrument(tracer_provider=provider)
    ask(client)
    uninstrument()
    call = kept.spans.pop()
    tracer = provider.get_tracer("callspan")
    for _ in range(count):
        tracer.start_span(call.name, kind=call.kind, attributes=call.attributes).end()
    return kept.spans


@contextmanager
def _receiver() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-m", "benchmarks.receiver"], stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("the receiver has no stdout")
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        finally:
            process.kill()


def _received(url: str) -> int:
    with urllib.request.urlopen(url) as answer:
        return int(answer.read())
