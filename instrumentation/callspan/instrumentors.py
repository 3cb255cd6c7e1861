"""Switching instrumentation on and off."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Collection, Sequence
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # no __all__
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from callspan import rivals
from callspan.clients import CLIENTS
from callspan.core import outgoing, state, telemetry
from callspan.core.call import end_open_streams
from callspan.core.patching import patch, unpatch
from callspan.core.propagation import Propagation
from callspan.directives import Leave

_lock = threading.RLock()
_options: dict[str, Any] = {}  # what was set so far; a later call changes only what it names
_exit_registered = False


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    logger_provider: object | None = None,  # noqa: ARG001 - accepted as by every instrumentor; callspan emits no log events
    clients: Sequence[str] | None = None,
) -> None:
    """Instrument LLM clients: each call becomes a span. Idempotent.

    A client that is not installed is skipped; one that is imported later is instrumented then.

    Args:
        tracer_provider: makes the spans; default: the global one.
        meter_provider: gets the metrics; default: the global one.
        logger_provider: accepted for symmetry with other instrumentations; unused, content is kept on spans.
        clients: names of the client libraries (``"openai"``); default: all that callspan knows.

    Raises:
        ValueError: if ``clients`` names one that callspan does not know.
    """
    activate(clients, tracer_provider=tracer_provider, meter_provider=meter_provider)


def uninstrument() -> None:
    """Take the instrumentation off again. Idempotent."""
    deactivate(CLIENTS)


def activate(clients: Collection[str] | None = None, **options: Any) -> None:
    """Instrument ``clients`` (default: all), and set options; those that are None stay as they were.

    Args:
        clients: names of client libraries.
        **options: ``tracer_provider``, ``meter_provider``, ``capture_content`` (bool, default true),
            ``log_raw_request`` (bool, default false), ``leave`` (a `callspan.directives.Leave`) and
            ``forward_traceparent`` (None: private hosts; a bool; a list of hosts).

    Raises:
        ValueError: if ``clients`` names one that callspan does not know.
    """
    names = list(CLIENTS if clients is None else clients)
    for name in names:
        if name not in CLIENTS:
            raise ValueError(f"unknown client {name!r}; callspan knows: {', '.join(CLIENTS)}")
    with _lock:
        active = state.telemetry.clients if state.telemetry is not None else frozenset()
        configure_calls(active | set(names), **options)
        rivals.watch()
        for name in names:
            patch(CLIENTS[name])
        rivals.look_around()
        _register_exit()


def configure_calls(clients: frozenset[str], **options: Any) -> None:
    """Replace the `Telemetry` in force."""
    with _lock:
        _options.update((name, value) for name, value in options.items() if value is not None)
        state.telemetry = telemetry.build(
            _options.get("tracer_provider"),
            _options.get("meter_provider"),
            capture_content=_options.get("capture_content", True),
            log_raw_request=_options.get("log_raw_request", False),
            leave=_options.get("leave") or Leave(),
            propagation=Propagation(_options.get("forward_traceparent")),
            clients=clients,
        )


def deactivate(clients: Collection[str]) -> None:
    """Take the instrumentation of ``clients`` off; with the last one, every option is forgotten."""
    with _lock:
        for name in clients:
            unpatch(CLIENTS[name])
        if state.telemetry is None:
            return
        left = state.telemetry.clients - set(clients)
        if left:
            configure_calls(left)
        else:
            state.telemetry = None
            _options.clear()
            outgoing.unwrap()


def _register_exit() -> None:
    # Exit handlers run last in, first out: this one before the tracer provider's, which was set up earlier.
    global _exit_registered  # noqa: PLW0603 - once per process
    if not _exit_registered:
        _exit_registered = True
        atexit.register(end_open_streams)


class _ClientInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # the base is untyped
    """One client as an OpenTelemetry instrumentor, for ``opentelemetry-instrument``."""

    client: str

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: a client that is absent is not an error, and every version is tried."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        activate(
            [self.client],
            tracer_provider=kwargs.get("tracer_provider"),
            meter_provider=kwargs.get("meter_provider"),
        )

    def _uninstrument(self, **_kwargs: Any) -> None:
        deactivate([self.client])


def __getattr__(name: str) -> type[BaseInstrumentor]:
    """``<Client>Instrumentor`` of every client that callspan knows, for entry points."""
    for client in CLIENTS:
        if name.lower() == f"{client.replace('_', '')}instrumentor":
            made = type(name, (_ClientInstrumentor,), {"client": client, "__doc__": f"Instruments {client}."})
            globals()[name] = made
            return made
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
