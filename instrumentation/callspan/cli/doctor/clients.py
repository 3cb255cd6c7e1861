"""Client libraries: what is installed, what callspan wraps of it, and who else does."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from opentelemetry.instrumentation.environment_variables import OTEL_PYTHON_DISABLED_INSTRUMENTATIONS

from callspan import rivals
from callspan.clients import CLIENTS
from callspan.core import versions
from callspan.core.model import Client, Plugin, Target
from callspan.core.patching import patched
from callspan.setup.configuration import activate_clients
from callspan.setup.settings import Settings

RECORDS, SILENT, NOT_LOADED, OFF, UNKNOWN = "records", "silent", "not loaded", "switched off", "may record too"


@dataclass(frozen=True, slots=True)
class Rival:
    """Another package's instrumentation of the same client.

    Attributes:
        name: as in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS``.
        package: with its version.
        state: what becomes of it: ``silent`` during the calls that callspan records, ``not loaded``, ``switched off``
            by that variable, ``records`` where callspan's own is off, or ``may record too``: nobody knows the package.
    """

    name: str
    package: str
    state: str


@dataclass(frozen=True, slots=True)
class ClientState:
    """One client library.

    Attributes:
        name: its import name.
        version: what is installed; None: nothing.
        disabled: whether callspan's own instrumentation of it is switched off.
        wrapped: how many methods callspan wraps, or functions of a framework it registered with.
        absent: those that the installed version does not have.
        rivals: others who wrap it.
        newer: whether its major version is above those that callspan was made for.
    """

    name: str
    version: str | None
    disabled: bool
    wrapped: int
    absent: tuple[str, ...]
    rivals: tuple[Rival, ...]
    newer: bool = False

    def problems(self) -> list[str]:
        """What keeps its calls from being recorded once each."""
        if self.version is None:
            return []
        if self.disabled:
            return [f"{self.name}: {OTEL_PYTHON_DISABLED_INSTRUMENTATIONS} switches callspan's instrumentation off"]
        if not self.wrapped:
            return [f"{self.name} {self.version}: callspan knows no method of this version"]
        lines = [
            f"{self.name}: {rival.package} may record the same calls again; if so, set "
            f"{OTEL_PYTHON_DISABLED_INSTRUMENTATIONS}={rival.name}"
            for rival in self.rivals
            if rival.state == UNKNOWN
        ]
        if self.newer and self.absent:
            lines.append(
                f"{self.name} {self.version} is newer than the versions that callspan knows: not recorded: "
                + ", ".join(self.absent)
            )
        return lines


def examine(settings: Settings) -> list[ClientState]:
    """Instrument every client as an application's process would, and look at the result."""
    on = rivals.switched_on()
    activate_clients(settings, clients=on)
    return [_state(client, enabled=client.name in on) for client in CLIENTS.values()]


def other_instrumentations() -> list[EntryPoint]:
    """What other packages register for ``opentelemetry-instrument``."""
    return [each for each in entry_points(group=rivals.GROUP) if not each.name.startswith(rivals.OURS)]


def _state(client: Client, *, enabled: bool) -> ClientState:
    installed = versions.installed(client) or None
    points: tuple[Target | Plugin, ...] = (*client.targets, *client.plugins)
    if installed is not None and enabled:
        _load(point.module for point in points)
    wrapped = set(patched())
    return ClientState(
        name=client.name,
        version=installed,
        disabled=not enabled,
        wrapped=sum(point in wrapped for point in points),
        absent=tuple(f"{each.module}.{each.path}" for each in points if enabled and each not in wrapped)
        if installed is not None
        else (),
        rivals=tuple(_rivals(client.name, other_instrumentations(), enabled=enabled)),
        newer=versions.is_unknown(client),
    )


def _rivals(client: str, others: Sequence[EntryPoint], *, enabled: bool) -> Iterable[Rival]:
    for other in others:
        if rivals.registered_for(other, client):
            yield Rival(other.name, rivals.package_of(other), _rival_state(other, enabled=enabled))


def _rival_state(other: EntryPoint, *, enabled: bool) -> str:
    if rivals.switched_off() & {"*", other.name}:
        return OFF
    if not enabled:
        return RECORDS
    if other.module in rivals.DEAF:
        return NOT_LOADED
    return SILENT if rivals.is_known(other) else UNKNOWN


def _load(modules: Iterable[str]) -> None:
    for module in dict.fromkeys(modules):
        try:
            importlib.import_module(module)
        except ImportError:  # noqa: PERF203 - not every version of a client has every module; the result is in `absent`
            continue
