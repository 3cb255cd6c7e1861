"""The process's tracer, instruments and switches. One object, replaced as a whole, so a reader never sees a mixture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.metrics import Histogram, MeterProvider, NoOpMeterProvider, _internal, get_meter
from opentelemetry.trace import Tracer, TracerProvider, get_tracer

from callspan.core.propagation import Propagation
from callspan.directives import Leave
from callspan.version import __version__
from callspan_semconv import attributes as attr
from callspan_semconv import metrics

SCOPE = "callspan"

# Buckets of the conventions: docs/gen-ai/gen-ai-metrics.md, semantic-conventions-genai.
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(4.0**n for n in range(14))

_METRIC_ATTRIBUTES = (
    attr.GEN_AI_OPERATION_NAME,
    attr.GEN_AI_PROVIDER_NAME,
    attr.GEN_AI_REQUEST_MODEL,
    attr.GEN_AI_RESPONSE_MODEL,
    attr.SERVER_ADDRESS,
    attr.SERVER_PORT,
    attr.ERROR_TYPE,
)


class Instruments:
    """The client metrics of the GenAI conventions, by the names that the published packages emit today."""

    def __init__(self, meter_provider: MeterProvider | None) -> None:
        self._provider = meter_provider
        meter = get_meter(SCOPE, __version__, meter_provider=meter_provider)
        self._duration: Histogram = meter.create_histogram(
            metrics.GEN_AI_CLIENT_OPERATION_DURATION,
            "s",
            "GenAI operation duration",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._first_chunk: Histogram = meter.create_histogram(
            metrics.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK,
            "s",
            "Time to receive the first chunk of a stream",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._tokens: Histogram = meter.create_histogram(
            metrics.GEN_AI_CLIENT_TOKEN_USAGE,
            "{token}",
            "Tokens used, by type",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )

    @property
    def enabled(self) -> bool:
        """Whether anybody listens; asked per call, since an SDK may be set after us."""
        # get_meter_provider() reads the process environment each time while no provider is set.
        provider = self._provider or _internal._METER_PROVIDER  # noqa: SLF001
        return provider is not None and type(provider) is not NoOpMeterProvider

    def record(self, attributes: Mapping[str, Any], duration_s: float) -> None:
        """Record one finished call from its span attributes."""
        labels = {name: attributes[name] for name in _METRIC_ATTRIBUTES if name in attributes}
        self._duration.record(duration_s, labels)
        if (first := attributes.get(attr.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK)) is not None:
            self._first_chunk.record(first, labels)
        for kind, name in (("input", attr.GEN_AI_USAGE_INPUT_TOKENS), ("output", attr.GEN_AI_USAGE_OUTPUT_TOKENS)):
            if (count := attributes.get(name)) is not None:
                self._tokens.record(count, {**labels, attr.GEN_AI_TOKEN_TYPE: kind})


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a call needs to know about this process.

    Attributes:
        tracer: makes the spans.
        instruments: the metrics.
        capture_content: whether prompts and answers are recorded at all.
        log_raw_request: whether the HTTP request of every call is kept.
        leave: what the operator lets requests decide.
        propagation: which hosts get a ``traceparent``.
        clients: names of the clients whose wrappers are active.
    """

    tracer: Tracer
    instruments: Instruments
    capture_content: bool = True
    log_raw_request: bool = False
    leave: Leave = field(default_factory=Leave)
    propagation: Propagation = field(default_factory=Propagation)
    clients: frozenset[str] = frozenset()


def build(
    tracer_provider: TracerProvider | None,
    meter_provider: MeterProvider | None,
    *,
    capture_content: bool,
    log_raw_request: bool,
    leave: Leave,
    propagation: Propagation,
    clients: frozenset[str],
) -> Telemetry:
    """Make the `Telemetry` of this process."""
    tracer = get_tracer(SCOPE, __version__, tracer_provider)
    return Telemetry(tracer, Instruments(meter_provider), capture_content, log_raw_request, leave, propagation, clients)
