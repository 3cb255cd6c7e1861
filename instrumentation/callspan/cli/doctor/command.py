"""Sets this process up as ``opentelemetry-instrument`` would, and looks at what came of it."""

from __future__ import annotations

import logging
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from callspan.cli import output
from callspan.cli.doctor import canary, clients, render, sinks
from callspan.cli.doctor.report import Report, effective
from callspan.cli.errors import CommandError
from callspan.core import guard, versions
from callspan.distro import pre_instrument
from callspan.setup import sdk
from callspan.setup.installation import Installation, installed
from callspan.setup.settings import load
from callspan_semconv.secrets import scrub

_PACKAGES: Final = (
    "callspan",
    "opentelemetry-api",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation",
    "opentelemetry-distro",
    "genai-prices",
)
# Loggers whose warnings are problems.
_WATCHED: Final = ("callspan", "callspan_exporters", "callspan_semconv", "opentelemetry")


def run(*, with_canary: bool, as_json: bool) -> None:
    """Examine this environment.

    Args:
        with_canary: also send marked calls through the sinks.
        as_json: print the report as JSON.

    Raises:
        CommandError: something is wrong.
    """
    with _logged() as logged, tempfile.TemporaryDirectory(prefix="callspan-doctor-") as folder:
        report = _examine(logged, folder, with_canary=with_canary)
    if as_json:
        output.print_json(report.as_dict())
    else:
        render.show(output.console(), report)
    if report.problems:
        found = len(report.problems)
        raise CommandError(f"doctor found {found} problem{'s' if found > 1 else ''}")


def _examine(logged: list[str], folder: str, *, with_canary: bool) -> Report:
    loaded = load()
    letters = sinks.dead_letters(loaded.settings)
    os.environ.update(_for_this_process(folder))
    pre_instrument()
    now = installed()
    if now is None:
        why = "OTEL_SDK_DISABLED is true" if sdk.disabled() else "callspan could not set itself up"
        logged.append(f"{why}: no call is recorded")
    settings = loaded.settings if now is None else now.settings
    pipelines = () if now is None else now.pipelines
    client_states = clients.examine(settings)
    sink_states = sinks.examine(pipelines, loaded, settings)
    # What delivery logs from here on, the canary says in other words.
    noted = list(logged)
    marked = canary.run(pipelines, settings) if with_canary and now is not None else None
    _shut_down(now)
    failures = {f"{site}: {kind}": count for (site, kind), count in guard.failures().items()}
    problems = [
        *(scrub(line) for line in noted),
        *(state.problem for state in sink_states if state.problem),
        *(line for state in client_states for line in state.problems()),
        *letters.problems(),
        *(f"callspan itself failed {count} times at {place}" for place, count in failures.items()),
        *(marked.problems() if marked else ()),
    ]
    return Report(
        problems=tuple(dict.fromkeys(problems)),
        versions=_versions(),
        clients=tuple(client_states),
        settings=tuple(effective(loaded)),
        sinks=tuple(sink_states),
        dead_letters=letters,
        guard_failures=failures,
        canary=marked,
    )


def _for_this_process(folder: str) -> Mapping[str, str]:
    """Settings that keep an examination from leaving traces: no dead letters, no waiting, no metrics."""
    return {
        "CALLSPAN_SPOOL_DIR": folder,
        "CALLSPAN_SHUTDOWN_TIMEOUT_S": "1",
        "CALLSPAN_SIGTERM_FLUSH_S": "0",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }


def _shut_down(now: Installation | None) -> None:
    if now is not None:
        now.provider.shutdown()


def _versions() -> dict[str, str | None]:
    return {"python": platform.python_version(), **{name: versions.version_of(name) or None for name in _PACKAGES}}


@contextmanager
def _logged() -> Iterator[list[str]]:
    """Collect what an application would find in its log."""
    lines: list[str] = []
    handler = _Collector(lines)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield lines
    finally:
        root.removeHandler(handler)


class _Collector(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] in _WATCHED:
            self._lines.append(record.getMessage().removeprefix("callspan: "))
