"""The `Telemetry` in force; None while nothing is instrumented. Replaced as a whole, read without a lock."""

from __future__ import annotations

from callspan.core.telemetry import Telemetry

telemetry: Telemetry | None = None
