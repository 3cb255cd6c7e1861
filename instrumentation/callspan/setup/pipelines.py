"""Pipelines: what stands between a provider and each exporter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.trace import StatusCode

from callspan.callbacks.exporter import CallbackExporter
from callspan.callbacks.pipeline import LoggerPolicy, connect
from callspan.core import guard
from callspan.setup.policies import policy_for
from callspan.setup.routes import Routes, TenantPolicy
from callspan.setup.sampling import is_llm
from callspan.setup.settings import Settings
from callspan.setup.sinks import EVERYTHING, SinkPlan
from callspan.setup.tenants import SUCCESS
from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.delivery.dead_letter import FILE_NAME
from callspan_exporters.delivery.queue import RedactionPolicy
from callspan_exporters.redaction import RedactionProcessor


class Filtered(SpanProcessor):
    """Hands on the spans that a rule lets through.

    Args:
        inner: the processor.
        lets_through: the rule, asked at the start of a span and at its end.
    """

    def __init__(self, inner: SpanProcessor, lets_through: Callable[[ReadableSpan], bool]) -> None:
        self._inner = inner
        self._lets_through = lets_through

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Hand on."""
        if self._lets_through(span):
            self._inner.on_start(span, parent_context)

    def _on_ending(self, span: Span) -> None:
        if self._lets_through(span):
            self._inner._on_ending(span)  # noqa: SLF001 - a hook of the SDK that has no public name yet

    def on_end(self, span: ReadableSpan) -> None:
        """Hand on."""
        if self._lets_through(span):
            self._inner.on_end(span)

    def shutdown(self) -> None:
        """Hand on."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Hand on."""
        return self._inner.force_flush(timeout_millis)


class Diverted(Filtered):
    """Hands on the calls that no tenant keeps from a sink.

    Args:
        inner: delivery, which only wants to know of the end of spans.
        name: the sink's.
        routes: of tenants.
    """

    def __init__(self, inner: SpanProcessor, name: str, routes: Routes) -> None:
        super().__init__(inner, lambda span: not routes.keeps_from(name, span))

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is known of a call yet."""

    def _on_ending(self, span: Span) -> None:
        pass

    def on_end(self, span: ReadableSpan) -> None:
        """Hand on; where a tenant may be involved and nobody knows, the call goes nowhere."""
        try:
            super().on_end(span)
        except Exception as error:  # noqa: BLE001 - the boundary to the user's call
            guard.report("tenants", error)


def guarded(processor: SpanProcessor, settings: Settings, routes: Routes | None = None) -> SpanProcessor:
    """What stands on a provider in the place of a processor that the application added."""
    return Foreign(processor.plain if isinstance(processor, Foreign) else processor, settings, routes)


class Foreign(Filtered):
    """A processor of the application's own: it gets redacted spans, and none that only payload sinks are to see.

    Args:
        plain: the processor.
        settings: of the process.
        routes: of tenants, whose policies hold here too; None: there are none.
    """

    def __init__(self, plain: SpanProcessor, settings: Settings, routes: Routes | None = None) -> None:
        # Delivery asks its sink which calls it wants.
        hides_some = settings.record_unsampled and not isinstance(plain, DeliveryProcessor)
        hides = _recorded_for_others if hides_some else _nothing
        policy = policy_for(settings)
        redacting = RedactionProcessor(plain, policy if routes is None else TenantPolicy(policy, routes))
        super().__init__(redacting, lambda span: not hides(span))
        self.plain = plain


def for_sink(plan: SinkPlan, exporter: SpanExporter, settings: Settings, routes: Routes | None = None) -> SpanProcessor:
    """The pipeline of one sink: its events, redacted, delivered.

    Args:
        plan: what the user said about it.
        exporter: where the spans go.
        settings: of the process.
        routes: of tenants, who may keep their calls from it; None: there are none.

    Raises:
        ConfigurationError: the sink's settings about redaction are wrong.
    """
    policy = policy_for(settings, plan)
    own = policy if routes is None else TenantPolicy(policy, routes)
    if isinstance(exporter, CallbackExporter):
        return connect(
            exporter,
            own,
            lambda each, policy: delivery(plan, each, settings, policy=policy, name=each.name),
            lambda span: routes is None or not routes.keeps_from(plan.name, span),
        )
    processor: SpanProcessor = delivery(plan, exporter, settings, policy=own)
    if routes is not None:
        processor = Diverted(processor, plan.name, routes)
    if plan.events >= EVERYTHING:
        return processor
    return Filtered(processor, _succeeded if SUCCESS in plan.events else _failed)


def delivery(
    plan: SinkPlan,
    exporter: SpanExporter,
    settings: Settings,
    *,
    policy: RedactionPolicy,
    name: str | None = None,
    share: int = 1,
) -> DeliveryProcessor:
    """Delivery to one sink, of whatever it is handed.

    Args:
        plan: what the user said about it.
        exporter: where the spans go.
        settings: of the process.
        policy: what leaves.
        name: the sink's name in reports; default: the plan's.
        share: how many such queues together may take the memory that one sink has.
    """
    if isinstance(exporter, CallbackExporter):
        policy = LoggerPolicy(policy, exporter.subscriptions)
    return DeliveryProcessor(
        exporter,
        policy=policy,
        name=name or plan.name,
        batching=plan.batching,
        max_queue_bytes=max(1, settings.max_queue_bytes // share),
        max_retry_age_s=settings.max_retry_age_s,
        shutdown_timeout_s=settings.shutdown_timeout_s,
        dead_letter_path=Path(settings.spool_dir) / FILE_NAME if settings.spool_dir else None,
    )


def _nothing(_span: ReadableSpan) -> bool:
    return False


def _succeeded(span: ReadableSpan) -> bool:
    return span.status.status_code is not StatusCode.ERROR


def _failed(span: ReadableSpan) -> bool:
    return span.status.status_code is StatusCode.ERROR


def _recorded_for_others(span: ReadableSpan) -> bool:
    """Whether the span is one that `RecordUnsampled` saved for payload sinks."""
    context = span.get_span_context()
    return context is not None and not context.trace_flags.sampled and is_llm(span.attributes)
