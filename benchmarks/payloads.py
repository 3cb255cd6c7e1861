"""Export to a webhook: how many payloads the process makes and sends for a second of its CPU time."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from benchmarks.answers import Client
from benchmarks.calls import ask
from callspan import instrument, uninstrument
from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.webhook import WebhookSpanExporter

_WARM_UP = 500


def payloads_per_cpu_second(count: int, *, rounds: int) -> list[float]:
    """Hand ``count`` finished spans to the webhook's pipeline, wait until all have arrived, and divide.

    The CPU time is that of the whole process, from the first span's end to the last delivery: queueing, conversion,
    pricing, JSON and HTTP, with every setting at its default but the bound on the queue's memory. The receiver is asked
    whether it got them all.
    """
    with _receiver() as url:
        processor = DeliveryProcessor(WebhookSpanExporter(endpoint=url), max_queue_bytes=1 << 40)
        _deliver(processor, _WARM_UP)  # imports, connections, price sheets
        rates = [count / _deliver(processor, count) for _ in range(rounds)]
        processor.shutdown()
        arrived = _received(url)
    if arrived != _WARM_UP + rounds * count:
        raise RuntimeError(f"{arrived} of {_WARM_UP + rounds * count} payloads arrived")
    return rates


def _deliver(processor: DeliveryProcessor, count: int) -> float:
    """Returns CPU seconds."""
    spans = _spans(count)
    started = time.process_time()
    while spans:  # none is kept, as nobody keeps them in an application
        processor.on_end(spans.pop())
    processor.force_flush(60_000)
    return time.process_time() - started


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
