"""Putting settings in force on a provider: its sinks, its processors, its sampler."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

from callspan.callbacks import per_call
from callspan.callbacks.pipeline import listeners
from callspan.core import state
from callspan.errors import ConfigurationError, raise_all
from callspan.setup import pipelines, processors, sampling, sinks
from callspan.setup.routes import Routes, TenantPlan, check, policy_of
from callspan.setup.settings import Loaded, Settings
from callspan.setup.sinks import SinkPlan
from callspan.setup.tenant_sinks import TenantSinks
from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.sink import SinkExporter

_logger = logging.getLogger("callspan")

DEFAULT_SINK = "local"
# A tenant's sink has a smaller queue than everybody's: there may be hundreds.
_TENANT_SINKS_PER_SINK = 4


@dataclass(frozen=True, slots=True)
class Standing:
    """What OpenTelemetry's own configuration asks for; it stays when callspan's changes.

    Attributes:
        plans: the sinks.
        quiet: nothing is to be exported unless callspan's settings say so: there is no default sink.
        replaces: the SDK's own processors whose exporters the plans take over; other exporters of theirs are shut down.
    """

    plans: tuple[SinkPlan, ...] = ()
    quiet: bool = False
    replaces: tuple[SpanProcessor, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A sink in force."""

    plan: SinkPlan
    exporter: SpanExporter
    processor: SpanProcessor

    def close(self) -> None:
        """Deliver what is queued; close the exporter unless it was there before the pipeline."""
        with processors.kept_open(self.plan.exporter):
            self.processor.shutdown()


@dataclass(frozen=True, slots=True)
class Installation:
    """What is in force."""

    provider: TracerProvider
    settings: Settings
    standing: Standing
    pipelines: tuple[Pipeline, ...]
    tenants: TenantSinks | None


lock = threading.RLock()
_installed: Installation | None = None


def installed() -> Installation | None:
    """What is in force in this process."""
    return _installed


def install(
    loaded: Loaded, provider: TracerProvider, standing: Standing, *, strict: bool
) -> Sequence[ConfigurationError]:
    """Put settings in force; what an earlier call put in force is replaced, after its sinks have delivered.

    Args:
        loaded: the settings.
        provider: carries the pipelines.
        standing: sinks beside those of the settings.
        strict: whether one sink that cannot be built stops everything; otherwise the others work.

    Returns:
        What is wrong with single sinks.

    Raises:
        ConfigurationError: ``strict``, and a sink cannot be built; nothing is changed then.
    """
    global _installed  # noqa: PLW0603 - one process, one configuration
    settings, before = loaded.settings, _installed
    routes = Routes.of_process(settings)
    built, problems = _build(_wanted(settings, standing, routes), loaded, routes)
    if strict and problems:
        _close(built)
        raise_all(problems)
    old = before.pipelines if before is not None else ()
    gone = [*standing.replaces, *_processors(before)]
    tenants = _tenants(routes, loaded) if routes is not None else None
    if before is not None and before.provider is not provider:
        processors.change(before.provider, lambda known: _without(known, gone))
    ours = [*(each.processor for each in built), *([tenants] if tenants is not None else ())]
    _put(provider, settings, routes, ours, gone)
    payloads = tenants is not None or any(isinstance(each.exporter, SinkExporter) for each in built)
    sampling.record_unsampled(provider, on=settings.record_unsampled and payloads)
    _installed = Installation(provider, settings, replace(standing, replaces=()), tuple(built), tenants)
    state.listeners = listeners(each.exporter for each in built)
    _retire(standing.replaces, built)
    _close(old)
    per_call.begin_anew(each.exporter for each in built)
    if before is not None and before.tenants is not None:
        before.tenants.shutdown()
    return problems


def _wanted(settings: Settings, standing: Standing, routes: Routes | None) -> list[SinkPlan]:
    # Described again, because what the settings say about a standing sink may have changed.
    described = [replace(each, settings=sinks.plan_for(each.name, settings).settings) for each in standing.plans]
    taken = {each.name for each in described if each.exporter is not None or each.make is not None}
    known = sinks.plans(settings)
    named = [each for each in known if not each.by_name or each.name not in taken]
    wanted = sinks.merged((*described, *named))
    # Who names sinks for some keys or teams has not left everybody's calls to chance.
    if wanted or standing.quiet or (routes is not None and routes.plans()):
        return wanted
    return [sinks.plan_for(DEFAULT_SINK, settings)]


def _processors(before: Installation | None) -> list[SpanProcessor]:
    """What an earlier call has put on its provider."""
    if before is None:
        return []
    return [*(each.processor for each in before.pipelines), *([before.tenants] if before.tenants is not None else ())]


def _tenants(routes: Routes, loaded: Loaded) -> TenantSinks:
    settings = loaded.settings

    def make(each: TenantPlan) -> DeliveryProcessor:
        check(each)
        policy = policy_of(each, settings)
        exporter = sinks.build(each.plan, loaded.file)
        return pipelines.delivery(
            each.plan, exporter, settings, policy=policy, name=each.name, share=_TENANT_SINKS_PER_SINK
        )

    return TenantSinks(
        routes,
        make,
        max_open=settings.max_tenant_sinks,
        idle_s=settings.tenant_idle_s,
        shutdown_timeout_s=settings.shutdown_timeout_s,
    )


def _build(
    plans: Iterable[SinkPlan], loaded: Loaded, routes: Routes | None
) -> tuple[list[Pipeline], list[ConfigurationError]]:
    built: list[Pipeline] = []
    problems: list[ConfigurationError] = []
    for plan in plans:
        try:
            exporter = sinks.build(plan, loaded.file)
            built.append(Pipeline(plan, exporter, pipelines.for_sink(plan, exporter, loaded.settings, routes)))
        except ConfigurationError as error:  # noqa: PERF203 - one sink's error must not cost the others
            problems.append(error)
    return built, problems


def _put(
    provider: TracerProvider,
    settings: Settings,
    routes: Routes | None,
    ours: Sequence[SpanProcessor],
    gone: Sequence[SpanProcessor],
) -> None:
    """Exchange the processors in one step, so that no span ends between the old ones and the new ones."""
    changed = processors.change(
        provider, lambda known: [*(pipelines.guarded(each, settings, routes) for each in _without(known, gone)), *ours]
    )
    if not changed:
        _logger.warning(
            "callspan does not know this OpenTelemetry SDK's span processors: those that are registered already get "
            "their spans as they are, not redacted"
        )
        for processor in ours:
            provider.add_span_processor(processor)
    processors.intercept(provider, lambda added: pipelines.guarded(added, settings, routes))


def _without(known: Iterable[SpanProcessor], gone: Iterable[SpanProcessor]) -> list[SpanProcessor]:
    left = {id(each) for each in gone}
    return [each for each in known if id(each) not in left]


def _retire(replaced: Iterable[SpanProcessor], built: Sequence[Pipeline]) -> None:
    successors = {id(each.exporter): each.processor for each in built}
    for processor in replaced:
        exporter = processors.exporter_of(processor)
        successor = successors.get(id(exporter))
        processors.retire(processor, successor)
        if successor is None and exporter is not None:
            exporter.shutdown()


def _close(old: Iterable[Pipeline]) -> None:
    for pipeline in old:
        pipeline.close()
