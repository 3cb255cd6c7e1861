"""OpenTelemetry's own configuration, as the zero-code hooks find it or bring it about.

``opentelemetry-instrument`` configures the SDK only where a distribution such as ``opentelemetry-distro`` is
installed. callspan does it where none is, and reads the same variables.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.environment_variables import OTEL_TRACES_EXPORTER
from opentelemetry.instrumentation.version import __version__ as instrumentation_version
from opentelemetry.sdk._configuration import _OTelSDKConfigurator  # distributions subclass it; there is no other way
from opentelemetry.sdk.environment_variables import OTEL_CONFIG_FILE, OTEL_SDK_DISABLED
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter
from opentelemetry.util._importlib_metadata import entry_points

from callspan.core import state
from callspan.errors import ConfigurationError
from callspan.setup import processors, sinks
from callspan.setup.installation import Standing
from callspan.setup.processors import exporter_of
from callspan.setup.settings import Settings
from callspan.setup.sinks import SinkPlan
from callspan_exporters import registry
from callspan_exporters.sink import SinkExporter

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_LITELLM = ("OTEL_EXPORTER", "OTEL_ENDPOINT")
_OTLP: Final[dict[str, Literal["http", "grpc"] | None]] = {
    "otlp": None,
    "otlp_proto_http": "http",
    "otlp_proto_grpc": "grpc",
}
_OTLP_HTTP_PORT = 4318
_EXPORTERS = "opentelemetry_traces_exporter"


def disabled() -> bool:
    """Whether ``OTEL_SDK_DISABLED`` turns everything off."""
    return (_variable(OTEL_SDK_DISABLED) or "").lower() == "true"


def has_provider() -> bool:
    """Whether the process has a tracer provider."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def configure_sdk() -> list[ConfigurationError]:
    """Configure the SDK as a distribution would, but for the trace exporters, which are pipelines of ours.

    Returns:
        What is wrong; there is a tracer provider all the same.
    """
    problems = []
    configurator = cast("Any", _OTelSDKConfigurator)()  # untyped in the SDK
    declared = _variable(OTEL_CONFIG_FILE) is not None
    try:
        if declared:
            configurator.configure()
        else:
            with _without_trace_exporters():
                configurator.configure(auto_instrumentation_version=instrumentation_version)
    except Exception as error:  # noqa: BLE001 - the boundary to the SDK and every plugin that it loads
        # A RuntimeError names a component that is missing. Others may quote the file, which may hold secrets.
        reason = str(error) if isinstance(error, RuntimeError) else type(error).__name__
        where = f"{OTEL_CONFIG_FILE}={_variable(OTEL_CONFIG_FILE)}" if declared else "OTEL_*"
        problems.append(ConfigurationError(f"{where}: the OpenTelemetry SDK cannot be configured: {reason}"))
    if not has_provider():
        trace.set_tracer_provider(TracerProvider())
    state.own_provider = trace.get_tracer_provider()
    return problems


def forget_distribution_default() -> None:
    """Let LiteLLM's variables count beside opentelemetry-distro, which sets a protocol for everybody."""
    if "opentelemetry.distro" in sys.modules and _litellm_says_where() and _variable(_PROTOCOLS[1]) == "grpc":
        del os.environ[_PROTOCOLS[1]]


def standing(provider: TracerProvider, settings: Settings) -> tuple[Standing, list[ConfigurationError]]:
    """The sinks that OpenTelemetry's configuration asks for, whether or not the SDK has put them on the provider.

    Args:
        provider: configured by `configure_sdk`, by a distribution, or not at all.
        settings: of the process.

    Returns:
        The sinks, and what is wrong with others.
    """
    there = {processor: exporter for processor in processors.known(provider) if (exporter := exporter_of(processor))}
    plans = [plan for processor, exporter in there.items() if (plan := _adopted(processor, exporter, settings))]
    problems: list[ConfigurationError] = []
    for name in _exporter_names():
        # What the SDK has built of other packages' exporters is there already.
        if there and name not in registry.names():
            continue
        try:
            plans.append(_plan(name, settings))
        except ConfigurationError as error:
            problems.append(error)
    quiet = (_variable(OTEL_TRACES_EXPORTER) or "").lower() == "none"
    return Standing(tuple(plans), quiet=quiet, replaces=tuple(there)), problems


def _adopted(processor: SpanProcessor, exporter: SpanExporter, settings: Settings) -> SinkPlan | None:
    """The plan that takes over an exporter; None if the environment's names say better what was meant.

    From the environment the SDK builds exporters without arguments; callspan's get theirs from the settings. And an
    OTLP exporter that a distribution made by default knows nothing of LiteLLM's variables.
    """
    from_environment = _variable(OTEL_CONFIG_FILE) is None
    if from_environment and (isinstance(exporter, SinkExporter) or (_is_otlp(exporter) and _litellm_says_where())):
        return None
    plan = sinks.plan_for(exporter, settings)
    return replace(plan, name=_upstream_name(exporter, plan), batching=processors.batching_of(processor))


def _exporter_names() -> list[str]:
    """The exporters that the environment names; without a name, what its endpoints mean."""
    if _variable(OTEL_CONFIG_FILE):
        return []
    said = _variable(OTEL_TRACES_EXPORTER)
    if said is None and _first(_ENDPOINTS):
        return ["otlp"]
    if said is None:
        return ["otel"] if _litellm_says_where() else []
    names = [name.strip() for name in said.split(",") if name.strip().lower() not in {"", "none"}]
    return ["otel" if name == "otlp" and _litellm_says_where() else name for name in names]


def _litellm_says_where() -> bool:
    """Whether spans have a destination by LiteLLM's variables and none by the standard ones."""
    return _first(_LITELLM) is not None and _first(_ENDPOINTS) is None


def _plan(name: str, settings: Settings) -> SinkPlan:
    if name in _OTLP:
        return replace(sinks.plan_for("otel", settings), make=_otlp(_OTLP[name]))
    plan = sinks.plan_for(name, settings)
    return plan if name in registry.names() else replace(plan, exporter=_plugin(name))


def _otlp(protocol: Literal["http", "grpc"] | None) -> Callable[..., SpanExporter]:
    """OTLP by the SDK's rule: gRPC unless a variable says otherwise; but also HTTP if the port is that of HTTP."""
    from callspan_exporters.otlp import OTLPSpanExporter  # noqa: PLC0415 - like every sink, only where it is used

    if protocol is None and _first(_PROTOCOLS) is None:
        protocol = "http" if urlsplit(_first(_ENDPOINTS) or "").port == _OTLP_HTTP_PORT else "grpc"
    return partial(OTLPSpanExporter, protocol=protocol)


def _plugin(name: str) -> SpanExporter:
    """An exporter that another package brings."""
    known = {each.name for each in entry_points(group=_EXPORTERS)} | set(_OTLP) | registry.names()
    found = next(iter(entry_points(group=_EXPORTERS, name=name)), None)
    if found is None:
        meant = get_close_matches(name, sorted(known), n=1)
        hint = f"did you mean {meant[0]}?" if meant else f"expected one of {', '.join(sorted(known))}, none"
        raise ConfigurationError(f"{OTEL_TRACES_EXPORTER}: unknown exporter {name!r}; {hint}")
    try:
        exporter = found.load()()
    except Exception as error:  # the boundary to somebody else's package
        raise ConfigurationError(f"{OTEL_TRACES_EXPORTER}: {name}: {type(error).__name__}: {error}") from error
    if not isinstance(exporter, SpanExporter):
        raise ConfigurationError(f"{OTEL_TRACES_EXPORTER}: {name} is no trace exporter")
    return exporter


def _upstream_name(exporter: SpanExporter, plan: SinkPlan) -> str:
    if _is_otlp(exporter):
        return "otel"
    return "console" if isinstance(exporter, ConsoleSpanExporter) else plan.name


def _is_otlp(exporter: SpanExporter) -> bool:
    # By name: importing the official exporters only to ask for their types would load gRPC.
    return type(exporter).__module__.startswith("opentelemetry.exporter.otlp.")


@contextmanager
def _without_trace_exporters() -> Iterator[None]:
    said = os.environ.get(OTEL_TRACES_EXPORTER)
    os.environ[OTEL_TRACES_EXPORTER] = "none"
    try:
        yield
    finally:
        del os.environ[OTEL_TRACES_EXPORTER]
        if said is not None:
            os.environ[OTEL_TRACES_EXPORTER] = said


def _variable(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def _first(names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := _variable(name))), None)
