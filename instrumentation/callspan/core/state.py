"""What is in force in this process, read without a lock."""

from __future__ import annotations

from opentelemetry.trace import TracerProvider

from callspan.core.listeners import Listener
from callspan.core.telemetry import Telemetry
from callspan.directives import Leave

# None while nothing is instrumented. Replaced as a whole.

telemetry: Telemetry | None = None

# The global tracer provider if callspan made it: the application, without callspan, has no tracing at all.
own_provider: TracerProvider | None = None

# Told about every call while it goes on. Replaced as a whole.
listeners: tuple[Listener, ...] = ()

# Clients whose transport is wrapped, so that others can be told to be quiet up to there; see `callspan.core.quiet`.
sending: frozenset[str] = frozenset()


def leave() -> Leave:
    """What the operator lets requests decide."""
    return telemetry.leave if telemetry is not None else Leave()
