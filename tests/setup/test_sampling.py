"""Sampling is for traces: payload sinks get every call, OTLP what the sampler keeps."""

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, ParentBased, StaticSampler
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import callspan
from callspan.setup.sampling import RecordUnsampled
from tests.setup.spans import attributes, call


class Everything(SpanProcessor):
    """A processor that forgets to look at the sampled flag."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def on_start(self, span: ReadableSpan, parent_context: object = None) -> None:
        self.names.append(f"start {span.name}")

    def on_end(self, span: ReadableSpan) -> None:
        self.names.append(f"end {span.name}")


@pytest.fixture
def provider() -> TracerProvider:
    return TracerProvider(sampler=ParentBased(ALWAYS_OFF), shutdown_on_exit=False)


@pytest.mark.parametrize(("name", "record_unsampled", "delivered"), [("with", None, 1), ("without", False, 0)])
def test_payload_sinks_get_what_the_sampler_drops(
    name: str, record_unsampled: bool | None, delivered: int, provider: TracerProvider
) -> None:
    """A call in a dropped trace is in the local file, and not at the exporters of traces; one switch turns it off."""
    traces, own = InMemorySpanExporter(), Everything()
    provider.add_span_processor(SimpleSpanProcessor(traces))
    provider.add_span_processor(own)
    tracer = provider.get_tracer("made before")
    callspan.configure(
        callbacks=[name],
        callback_settings={name: {"callback_type": "local"}},
        record_unsampled=record_unsampled,
        tracer_provider=provider,
        instrument=False,
    )
    with tracer.start_as_current_span("request"), tracer.start_as_current_span("chat", attributes=attributes()):
        pass
    assert callspan.flush(10)[name].delivered == delivered
    assert traces.get_finished_spans() == ()
    assert own.names == []
    provider.shutdown()


def test_the_traceparent_still_says_not_sampled(provider: TracerProvider) -> None:
    """What is recorded for a sink does not make the services below sample."""
    callspan.configure(callbacks=["local"], tracer_provider=provider, instrument=False)
    carrier: dict[str, str] = {}
    with provider.get_tracer("app").start_as_current_span("chat", attributes=attributes()) as span:
        TraceContextTextMapPropagator().inject(carrier)
        with provider.get_tracer("app").start_as_current_span("POST") as below:
            assert not below.is_recording()
    assert not span.get_span_context().trace_flags.sampled
    assert int(carrier["traceparent"].rsplit("-", 1)[1], 16) & 1 == 0
    provider.shutdown()


def test_only_traces_are_sampled_where_no_sink_takes_payloads(provider: TracerProvider) -> None:
    """Nothing is recorded for nobody."""
    callspan.configure(callbacks=[InMemorySpanExporter()], tracer_provider=provider, instrument=False)
    assert not isinstance(provider.sampler, RecordUnsampled)


def test_suppressed_instrumentation_stays_suppressed(provider: TracerProvider) -> None:
    """Inside ``suppress_instrumentation`` nothing is recorded."""
    callspan.configure(
        callbacks=["quiet"],
        callback_settings={"quiet": {"callback_type": "local"}},
        tracer_provider=provider,
        instrument=False,
    )
    with suppress_instrumentation():
        call(provider)
    assert callspan.flush(10)["quiet"].offered == 0
    provider.shutdown()


def test_the_samplers_own_verdicts_stand(provider: TracerProvider) -> None:
    """What the sampler keeps, and what is no LLM call, is its business."""
    keep = RecordUnsampled(StaticSampler(Decision.RECORD_AND_SAMPLE))
    assert keep.should_sample(None, 1, "chat", attributes=attributes()).decision is Decision.RECORD_AND_SAMPLE
    drop = RecordUnsampled(ALWAYS_OFF)
    assert drop.should_sample(None, 1, "GET /").decision is Decision.DROP
    assert drop.should_sample(None, 1, "chat", attributes=attributes()).decision is Decision.RECORD_ONLY
    assert drop.get_description() == "RecordUnsampled{AlwaysOffSampler}"
