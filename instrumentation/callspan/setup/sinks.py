"""From the sinks that the settings name to exporters, ready to be fed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from opentelemetry.sdk.trace.export import SpanExporter

from callspan.callbacks.pipeline import exporter_for
from callspan.callbacks.targets import ON_INPUT, ON_REQUESTS, Callback, is_callback, name_of
from callspan.errors import ConfigurationError
from callspan.setup.configfile import Found
from callspan.setup.imports import imported
from callspan.setup.kinds import BOOLEAN, POLICY, SinkSettings, expanded
from callspan.setup.settings import Settings
from callspan.setup.tenants import FAILURE, SUCCESS
from callspan_exporters import registry
from callspan_exporters.sink import Batching
from callspan_exporters.webhook_presets import PRESETS

EVERYTHING: Final = frozenset({SUCCESS, FAILURE})

# Keys of a sink's settings that are callspan's and not the exporter's.
_CALLBACK_TYPE: Final = "callback_type"
_MESSAGE_LOGGING: Final = "message_logging"
_REDACTION: Final = "redaction"
_OURS: Final = frozenset({_CALLBACK_TYPE, _MESSAGE_LOGGING, _REDACTION})


@dataclass(frozen=True, slots=True)
class SinkPlan:
    """One sink that is to be fed.

    Attributes:
        name: what the user calls it.
        settings: what the user wrote for it.
        events: `SUCCESS`, `FAILURE` or both; of callbacks also `ON_INPUT` and `ON_REQUESTS`.
        exporter: the exporter itself, where there is one; it outlives its pipeline.
        callback: a function or an object with hooks.
        make: makes the exporter, where that is not for the name to say.
        batching: when to send, for an exporter that is none of callspan's.
    """

    name: str
    settings: SinkSettings
    events: frozenset[str] = EVERYTHING
    exporter: SpanExporter | None = None
    callback: Callback | None = None
    make: Callable[..., SpanExporter] | None = None
    batching: Batching | None = None

    @property
    def by_name(self) -> bool:
        """Whether the name alone says which sink it is."""
        return self.exporter is None and self.callback is None


def plans(settings: Settings) -> list[SinkPlan]:
    """The sinks that the settings name; see `merged`."""
    return merged(
        replace(plan_for(entry, settings), events=frozenset(events))
        for entries, events in (
            (settings.callbacks, EVERYTHING | {ON_REQUESTS}),
            (settings.success_callback, {SUCCESS}),
            (settings.failure_callback, {FAILURE}),
            (settings.input_callback, {ON_INPUT}),
        )
        for entry in entries
    )


def merged(wanted: Iterable[SinkPlan]) -> list[SinkPlan]:
    """Each sink once, in the order named; one that is named twice gets the events of both."""
    found: dict[object, SinkPlan] = {}
    for plan in wanted:
        itself = plan.exporter if plan.exporter is not None else plan.callback
        key = plan.name if itself is None else id(itself)
        known = found.get(key)
        found[key] = replace(known, events=known.events | plan.events) if known else plan
    return list(found.values())


def plan_for(entry: str | SpanExporter | Callback, settings: Settings) -> SinkPlan:
    """The plan for a sink's name, for an exporter that exists already, or for a callback."""
    if isinstance(entry, str):
        return SinkPlan(entry, _settings_of(entry, settings))
    if not isinstance(entry, SpanExporter):
        return SinkPlan(name_of(entry), _settings_of(name_of(entry), settings), callback=entry)
    name = getattr(entry, "name", None)
    name = name if isinstance(name, str) and name else type(entry).__name__
    return SinkPlan(name, _settings_of(name, settings), exporter=entry)


def _settings_of(name: str, settings: Settings) -> SinkSettings:
    """What is written for one sink: its entry, and under it what has a setting of its own."""
    written = settings.callback_settings.get(name, SinkSettings({}, f"callback_settings.{name}"))
    elsewhere: dict[str, Any] = {}
    if name in {"s3", "s3_v2"} and settings.s3_callback_params is not None:
        elsewhere = dict(settings.s3_callback_params.values)
        written = replace(written, where=settings.s3_callback_params.where) if not written.values else written
    elif name in {"langfuse", "langfuse_otel"} and settings.langfuse_default_tags:
        elsewhere = {"default_tags": settings.langfuse_default_tags}
    elif name == "dynamodb" and settings.dynamodb_table_name is not None:
        elsewhere = {"dynamodb_table_name": settings.dynamodb_table_name}
    elif name == "local" and settings.db is not None:
        elsewhere = {"path": settings.db}
    return SinkSettings({**elsewhere, **written.values}, written.where)


def keeps_content(plan: SinkPlan) -> bool:
    """Whether the sink's own settings let it have content.

    Raises:
        ConfigurationError: ``message_logging`` is neither true nor false.
    """
    where = f"{plan.settings.where}.{_MESSAGE_LOGGING}"
    return bool(BOOLEAN.read(expanded(plan.settings.values.get(_MESSAGE_LOGGING, True), where), where))


def redaction_of(plan: SinkPlan) -> Found | None:
    """The name of the policy that the sink's own settings ask for, and where; None if they ask for none.

    Raises:
        ConfigurationError: ``redaction`` is no name.
    """
    where = f"{plan.settings.where}.{_REDACTION}"
    written = plan.settings.values.get(_REDACTION)
    return None if written is None else Found(POLICY.read(expanded(written, where), where), where)


def build(plan: SinkPlan, config_file: str | None) -> SpanExporter:
    """Make the exporter of a plan.

    Args:
        plan: which.
        config_file: callbacks of the form ``module.instance`` are imported from its folder.

    Raises:
        ConfigurationError: the name is unknown, or a setting is wrong; names the place and what was expected.
    """
    if plan.exporter is not None:
        return plan.exporter
    if plan.callback is not None:
        return _callback(plan, plan.callback)
    if plan.make is None and _CALLBACK_TYPE not in plan.settings.values and _is_path(plan.name):
        return _imported(plan, config_file)
    make = plan.make or _maker(plan)
    arguments = _arguments(plan, make)
    try:
        return make(**arguments)
    except (TypeError, ValueError, ImportError, OSError) as error:
        raise ConfigurationError(f"{plan.settings.where}: {error}") from error


def _is_path(name: str) -> bool:
    return "." in name and name not in registry.names()


def _maker(plan: SinkPlan) -> Callable[..., SpanExporter]:
    kind = plan.settings.values.get(_CALLBACK_TYPE, plan.name)
    # LiteLLM's users override a preset by an entry of its name with the type of all webhooks.
    if kind == "generic_api" and plan.name in PRESETS:
        kind = plan.name
    if not isinstance(kind, str):
        raise ConfigurationError(f"{plan.settings.where}.{_CALLBACK_TYPE}: expected the name of a kind of sink")
    # The factory of `otel` lets the environment choose even the console; who writes settings has chosen OTLP.
    if kind == "otel" and set(plan.settings.values) - _OURS:
        kind = "otlp"
    try:
        return _load(kind)
    except (ImportError, ValueError) as error:
        where = f"{plan.settings.where}.{_CALLBACK_TYPE}: " if _CALLBACK_TYPE in plan.settings.values else ""
        raise ConfigurationError(f"{where}{error}") from error


def _load(kind: str) -> Callable[..., SpanExporter]:
    if kind == "otlp":
        from callspan_exporters.otlp import OTLPSpanExporter  # noqa: PLC0415 - like every sink, only where it is used

        return OTLPSpanExporter
    maker: Callable[..., SpanExporter] = registry.load(kind)
    return maker


def _arguments(plan: SinkPlan, make: Callable[..., SpanExporter]) -> dict[str, Any]:
    written = {key: value for key, value in plan.settings.values.items() if key not in _OURS}
    parameters = inspect.signature(make).parameters
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        known = parameters.keys() - {"name", "batching"}
        for key in written.keys() - known:
            expected = ", ".join(sorted({*known, _MESSAGE_LOGGING, _REDACTION}))
            raise ConfigurationError(f"{plan.settings.where}.{key}: unknown setting; expected one of {expected}")
    arguments: dict[str, Any] = expanded(written, plan.settings.where)
    return {**arguments, "name": plan.name} if "name" in parameters else arguments


def _imported(plan: SinkPlan, config_file: str | None) -> SpanExporter:
    found = imported(plan.name, config_file)
    if isinstance(found, SpanExporter):
        return found
    if is_callback(found):
        return _callback(plan, found)
    what = f"the class {found.__name__}" if isinstance(found, type) else type(found).__name__
    raise ConfigurationError(
        f"{plan.name}: expected an instance of CustomLogger, a function or a SpanExporter instance, got {what}"
    )


def _callback(plan: SinkPlan, callback: Callback) -> SpanExporter:
    for key in plan.settings.values.keys() - _OURS:
        expected = ", ".join(sorted({_MESSAGE_LOGGING, _REDACTION}))
        raise ConfigurationError(f"{plan.settings.where}.{key}: unknown setting; expected one of {expected}")
    return exporter_for(callback, plan.events, name=plan.name)
