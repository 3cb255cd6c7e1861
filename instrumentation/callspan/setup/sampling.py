"""Sampling is for traces, not for logs and bills: payload sinks get the LLM calls that the sampler drops."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes

from callspan_semconv import attributes as attr

# What instrumentations set at the start of an LLM span: the conventions' names, and what they replaced.
_LLM_MARKS = (
    attr.GEN_AI_OPERATION_NAME,
    attr.GEN_AI_PROVIDER_NAME,
    "gen_ai.system",
    "openinference.span.kind",
    "llm.request.type",
)


class RecordUnsampled(Sampler):
    """Another sampler, but LLM calls that it drops are recorded, unsampled.

    Such a span reaches processors, not OTLP. Its ``traceparent`` says "not sampled"; its children are dropped.

    Args:
        sampler: the one that decides about traces.
    """

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler

    def should_sample(  # noqa: PLR0917 - the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Ask the other sampler; record what it drops if it is an LLM call."""
        result = self.sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if result.decision is not Decision.DROP or not is_llm(attributes) or not is_instrumentation_enabled():
            return result
        # A sampler that drops usually returns no attributes.
        return SamplingResult(Decision.RECORD_ONLY, attributes, result.trace_state)

    def get_description(self) -> str:
        """The other sampler's description, marked."""
        return f"RecordUnsampled{{{self.sampler.get_description()}}}"


def is_llm(attributes: Attributes) -> bool:
    """Whether attributes that an instrumentation sets at the start of a span are those of an LLM call."""
    return attributes is not None and any(mark in attributes for mark in _LLM_MARKS)


def record_unsampled(provider: TracerProvider, *, on: bool) -> None:
    """Switch the recording of dropped LLM calls on or off, for the provider's existing tracers as well."""
    plain = provider.sampler.sampler if isinstance(provider.sampler, RecordUnsampled) else provider.sampler
    sampler = RecordUnsampled(plain) if on else plain
    provider.sampler = sampler
    # Tracers keep the sampler of the moment they were made.
    for tracer in list(getattr(provider, "_tracers", {}).values()):
        tracer.sampler = sampler
