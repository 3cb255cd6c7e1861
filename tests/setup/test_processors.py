"""Taking the SDK's own processors over, and what happens where they cannot be found."""

import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import callspan
from callspan.setup import processors
from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.local import LocalSpanExporter
from tests.setup.spans import SECRET, call


@pytest.mark.parametrize("kind", [BatchSpanProcessor, SimpleSpanProcessor])
def test_a_retired_processor_hands_over_what_it_holds(kind: type[SpanProcessor], provider: TracerProvider) -> None:
    """Spans in the queue reach the successor, the thread ends, and the exporter stays open."""
    exporter, successor = InMemorySpanExporter(), InMemorySpanExporter()
    old = kind(exporter)  # type: ignore[call-arg]  # both take an exporter
    provider.add_span_processor(old)
    assert processors.exporter_of(old) is exporter
    call(provider)
    at_once = len(exporter.get_finished_spans())
    processors.retire(old, SimpleSpanProcessor(successor))
    assert len(successor.get_finished_spans()) == 1 - at_once
    assert not exporter._stopped


def test_a_batch_processors_pace_is_kept() -> None:
    """``OTEL_BSP_*`` and the values of a configuration file still count."""
    processor = BatchSpanProcessor(InMemorySpanExporter(), max_export_batch_size=7, schedule_delay_millis=1500)
    pace = processors.batching_of(processor)
    assert pace is not None
    assert (pace.max_items, pace.interval_s) == (7, 1.5)
    processors.retire(processor, None)
    assert processors.batching_of(SimpleSpanProcessor(InMemorySpanExporter())) is None


def test_a_processor_of_unknown_kind_has_no_exporter_to_take() -> None:
    """A subclass may do anything: it is left whole."""

    class Mine(SimpleSpanProcessor):
        pass

    assert processors.exporter_of(Mine(InMemorySpanExporter())) is None


def test_concurrent_processors_work_as_well() -> None:
    """The SDK's other way to run processors has the same layout."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(active_span_processor=ConcurrentMultiSpanProcessor(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    callspan.configure(turn_off_message_logging=True, tracer_provider=provider, instrument=False)
    call(provider)
    assert SECRET not in exporter.get_finished_spans()[0].to_json()
    provider.shutdown()


def test_an_unknown_sdk_is_a_warning_and_sinks_work(
    provider: TracerProvider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the SDK keeps its processors elsewhere, callspan says what it cannot redact and does the rest."""
    mine: list[SpanProcessor] = []
    monkeypatch.setattr(provider, "_active_span_processor", SimpleNamespace(add_span_processor=mine.append))
    exporter: SpanExporter = InMemorySpanExporter()
    with caplog.at_level(logging.WARNING):
        callspan.configure(callbacks=[exporter], tracer_provider=provider, instrument=False)
    assert "not redacted" in caplog.text
    assert len(mine) == 1
    monkeypatch.undo()


def test_delivery_that_the_application_adds_is_redacted_and_sees_every_call(provider: TracerProvider) -> None:
    """A pipeline built by hand is under the process's policy, and its sink still says which calls it wants."""
    exporter = LocalSpanExporter(name="by hand")
    provider.sampler = ALWAYS_OFF
    callspan.configure(turn_off_message_logging=True, tracer_provider=provider, instrument=False)
    provider.add_span_processor(DeliveryProcessor(exporter))
    call(provider)
    assert callspan.flush(10)["by hand"].delivered == 1
    assert SECRET.encode() not in Path(os.environ["CALLSPAN_DB"]).read_bytes()
