"""Sinks: those in force, those that could not be built, and what could not be delivered earlier."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from opentelemetry.sdk.trace.export import SpanExporter

from callspan.errors import ConfigurationError
from callspan.setup import sinks
from callspan.setup.installation import Pipeline
from callspan.setup.policies import policy_for
from callspan.setup.routes import Routes, TenantPlan, policy_of
from callspan.setup.settings import Loaded, Settings
from callspan_exporters.delivery.dead_letter import FILE_NAME
from callspan_exporters.local import LocalSpanExporter
from callspan_exporters.paths import state_dir
from callspan_exporters.redaction import Policy
from callspan_semconv import jsonio
from callspan_semconv.secrets import scrub

_CONNECT_TIMEOUT_S: Final = 5.0
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class SinkState:
    """One sink.

    Attributes:
        name: the user's name for it.
        kind: its exporter's class; None: it could not be built.
        where: file, or scheme and host, without what may be secret; None where its exporter does not say.
        events: ``success``, ``failure``.
        policy: the redaction policy in force; None: it could not be built.
        reachable: whether something listens there; None: not tried, also because a proxy is between.
        problem: why it does not work.
    """

    name: str
    kind: str | None
    where: str | None = None
    events: tuple[str, ...] = ()
    policy: str | None = None
    reachable: bool | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The file of what sinks refused, or never took.

    Attributes:
        path: the file.
        bytes: its size; 0 if it does not exist.
        calls: how many there are, by sink.
    """

    path: str
    bytes: int = 0
    calls: dict[str, int] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """Calls that a sink does not have."""
        listed = ", ".join(f"{sink} {count}" for sink, count in self.calls.items())
        return [f"calls that were never delivered are in {self.path}: {listed}"] if self.calls else []


def examine(pipelines: Sequence[Pipeline], loaded: Loaded, settings: Settings) -> list[SinkState]:
    """Those in force, those that the settings name but that could not be built, and those of keys and teams."""
    working = [_state(pipeline, settings) for pipeline in pipelines]
    names = {state.name for state in working}
    broken = [_broken(plan, loaded) for plan in sinks.plans(loaded.settings) if plan.name not in names]
    tenants = [_of_tenant(each, loaded) for each in Routes(loaded.settings).plans()]
    return [*working, *broken, *tenants]


def dead_letters(settings: Settings) -> DeadLetters:
    """Count what is in the dead-letter file of these settings."""
    path = (Path(settings.spool_dir) if settings.spool_dir else state_dir()) / FILE_NAME
    try:
        content = path.read_bytes()
    except OSError:
        return DeadLetters(str(path))
    return DeadLetters(str(path), len(content), dict(Counter(map(_sink_of, content.splitlines()))))


def _sink_of(line: bytes) -> str:
    try:
        return str(jsonio.loads(line)["sink"])
    except (ValueError, KeyError, TypeError):
        return "unreadable"


def _state(pipeline: Pipeline, settings: Settings) -> SinkState:
    plan = pipeline.plan
    return _described(plan.name, plan, pipeline.exporter, policy_for(settings, plan))


def _of_tenant(each: TenantPlan, loaded: Loaded) -> SinkState:
    """A sink that is made with its tenant's first call; here it is made to see whether it can be."""
    try:
        policy = policy_of(each, loaded.settings)
        exporter = sinks.build(each.plan, loaded.file)
    except ConfigurationError as error:
        return SinkState(each.name, None, problem=scrub(str(error)))
    exporter.shutdown()
    return _described(each.name, each.plan, exporter, policy)


def _described(name: str, plan: sinks.SinkPlan, exporter: SpanExporter, policy: Policy) -> SinkState:
    state = SinkState(
        name=name,
        kind=type(exporter).__name__,
        events=tuple(sorted(plan.events, reverse=True)),
        policy=policy.name,
    )
    endpoint = getattr(exporter, "endpoint", None)
    if isinstance(exporter, LocalSpanExporter):
        return _with_file(state, exporter.store.path)
    return _with_server(state, endpoint) if isinstance(endpoint, str) else state


def _with_file(state: SinkState, path: Path) -> SinkState:
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    usable = os.access(there, os.W_OK) and (there == path or there.is_dir())
    return replace(state, where=str(path), problem=None if usable else f"{state.name}: cannot write {path}")


def _with_server(state: SinkState, endpoint: str) -> SinkState:
    where = _origin(endpoint)
    parts = urlsplit(where if "://" in where else f"//{where}")
    if (parts.scheme or "https") in getproxies() and not proxy_bypass(parts.hostname or ""):
        return replace(state, where=where)
    try:
        port = parts.port or _PORTS.get(parts.scheme, 443)
        socket.create_connection((parts.hostname or "", port), _CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return replace(state, where=where, reachable=False, problem=f"{state.name}: cannot reach {where}: {why}")
    return replace(state, where=where, reachable=True)


def _broken(plan: sinks.SinkPlan, loaded: Loaded) -> SinkState:
    try:
        sinks.build(plan, loaded.file).shutdown()
        policy_for(loaded.settings, plan)
    except ConfigurationError as error:
        return SinkState(plan.name, None, problem=scrub(str(error)))
    return SinkState(plan.name, None, problem=f"{plan.name}: not in force")


def _origin(endpoint: str) -> str:
    """Scheme, host and port: paths of webhooks may be secrets."""
    parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}" if parts.scheme else host
