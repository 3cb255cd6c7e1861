"""Which name means which sink: data, and nothing imported before it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final


@dataclass(frozen=True)
class Sink:
    """Where a sink is.

    Attributes:
        target: ``module:attribute`` of a `SpanExporter` class, or of a function that makes an exporter.
        extra: what to install for it, as in ``pip install 'callspan[s3]'``; empty: nothing.
    """

    target: str
    extra: str = ""


_WEBHOOK: Final = "callspan_exporters.webhook"

SINKS: Final[Mapping[str, Sink]] = {
    "arize": Sink("callspan_exporters.arize:ArizeSpanExporter"),
    "arize_phoenix": Sink("callspan_exporters.arize:PhoenixSpanExporter"),
    "athina": Sink("callspan_exporters.athina:AthinaSpanExporter"),
    "azure_storage": Sink("callspan_exporters.azure:AzureBlobSpanExporter", extra="azure"),
    "console": Sink("opentelemetry.sdk.trace.export:ConsoleSpanExporter"),
    "datadog": Sink("callspan_exporters.datadog:DatadogLogsSpanExporter"),
    "datadog_llm_observability": Sink("callspan_exporters.datadog:DatadogLLMObsSpanExporter"),
    "dynamodb": Sink("callspan_exporters.dynamodb:DynamodbSpanExporter", extra="dynamodb"),
    "galileo": Sink("callspan_exporters.galileo:GalileoSpanExporter"),
    "gcs_bucket": Sink("callspan_exporters.gcs:GCSSpanExporter", extra="gcs"),
    "generic": Sink(f"{_WEBHOOK}:LegacyWebhookSpanExporter"),
    "generic_api": Sink(f"{_WEBHOOK}:WebhookSpanExporter"),
    "honeycomb": Sink("callspan_exporters.otlp:HoneycombSpanExporter"),
    "langfuse": Sink("callspan_exporters.langfuse:LangfuseSpanExporter"),
    "langfuse_otel": Sink("callspan_exporters.langfuse:LangfuseSpanExporter"),
    "langtrace": Sink("callspan_exporters.langtrace:LangtraceSpanExporter"),
    "langsmith": Sink("callspan_exporters.langsmith:LangsmithSpanExporter"),
    "local": Sink("callspan_exporters.local:LocalSpanExporter"),
    "lunary": Sink("callspan_exporters.lunary:LunarySpanExporter"),
    "mlflow": Sink("callspan_exporters.mlflow:MlflowSpanExporter"),
    "openmeter": Sink("callspan_exporters.openmeter:OpenMeterSpanExporter"),
    "otel": Sink("callspan_exporters.otlp:from_environment"),
    "qualifire_eval": Sink(f"{_WEBHOOK}:QualifireEvalSpanExporter"),
    "ramp": Sink(f"{_WEBHOOK}:RampSpanExporter"),
    "rubrik": Sink(f"{_WEBHOOK}:RubrikSpanExporter"),
    "s3": Sink("callspan_exporters.s3:S3SpanExporter", extra="s3"),
    "s3_v2": Sink("callspan_exporters.s3:S3SpanExporter", extra="s3"),
    "sample_callback": Sink(f"{_WEBHOOK}:SampleCallbackSpanExporter"),
    "sentry": Sink("callspan_exporters.sentry:SentrySpanExporter", extra="sentry"),
    "sumologic": Sink(f"{_WEBHOOK}:SumoLogicSpanExporter"),
    "traceloop": Sink("callspan_exporters.otlp:TraceloopSpanExporter"),
}


def names() -> frozenset[str]:
    """Every name that `load` knows."""
    return frozenset(SINKS)


def load(name: str) -> Any:
    """Import a sink.

    Args:
        name: as in ``callbacks`` or ``OTEL_TRACES_EXPORTER``.

    Returns:
        What makes the exporter: its class, or a function; keyword arguments are the sink's settings.

    Raises:
        ValueError: there is no such sink; suggests the nearest name.
        ImportError: what the sink needs is not installed; says what to install.
    """
    if name not in SINKS:
        near = get_close_matches(name, SINKS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"expected one of: {', '.join(sorted(SINKS))}"
        raise ValueError(f"unknown sink {name!r}; {hint}")
    sink = SINKS[name]
    module, _, attribute = sink.target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        if not sink.extra:
            raise
        raise ImportError(f"sink '{name}' needs: pip install 'callspan[{sink.extra}]'") from error
