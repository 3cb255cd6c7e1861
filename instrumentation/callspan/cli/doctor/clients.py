"""Client libraries: what is installed, what callspan wraps of it, and who else does."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Final

from opentelemetry.instrumentation.environment_variables import OTEL_PYTHON_DISABLED_INSTRUMENTATIONS

from callspan.clients import CLIENTS
from callspan.core.model import Client, Plugin, Target
from callspan.core.patching import patched
from callspan.setup.configuration import activate_clients
from callspan.setup.settings import Settings

GROUP: Final = "opentelemetry_instrumentor"
_OURS: Final = "callspan"


@dataclass(frozen=True, slots=True)
class Rival:
    """Another package's instrumentation of the same client.

    Attributes:
        name: as in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS``.
        package: with its version.
        disabled: whether that variable names it.
    """

    name: str
    package: str
    disabled: bool


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
    """

    name: str
    version: str | None
    disabled: bool
    wrapped: int
    absent: tuple[str, ...]
    rivals: tuple[Rival, ...]

    def problems(self) -> list[str]:
        """What keeps its calls from being recorded once each."""
        if self.version is None:
            return []
        if self.disabled:
            return [f"{self.name}: {OTEL_PYTHON_DISABLED_INSTRUMENTATIONS} switches callspan's instrumentation off"]
        if not self.wrapped:
            return [f"{self.name} {self.version}: callspan knows no method of this version"]
        return [
            f"{self.name}: {rival.package} records the same calls again; set "
            f"{OTEL_PYTHON_DISABLED_INSTRUMENTATIONS}={rival.name}"
            for rival in self.rivals
            if not rival.disabled
        ]


def examine(settings: Settings) -> list[ClientState]:
    """Instrument every client as an application's process would, and look at the result."""
    disabled = _disabled()
    on = [name for name in CLIENTS if not disabled & {"*", f"{_OURS}-{name}"}]
    activate_clients(settings, clients=on)
    return [_state(client, enabled=client.name in on, disabled=disabled) for client in CLIENTS.values()]


def other_instrumentations() -> list[EntryPoint]:
    """What other packages register for ``opentelemetry-instrument``."""
    return [each for each in entry_points(group=GROUP) if not each.name.startswith(f"{_OURS}-")]


def _state(client: Client, *, enabled: bool, disabled: frozenset[str]) -> ClientState:
    installed = installed_version(client.name)
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
        rivals=tuple(_rivals(client.name, other_instrumentations(), disabled)),
    )


def _rivals(client: str, others: Sequence[EntryPoint], disabled: frozenset[str]) -> Iterable[Rival]:
    for other in others:
        package = other.dist.name if other.dist else other.module
        # "openai", "openai-v2" and "genai-openai", by packages with the client's name in theirs.
        if client in f"{other.name} {package}".lower().replace("-", "_"):
            shown = f"{package} {other.dist.version}" if other.dist else package
            yield Rival(other.name, shown, disabled=bool(disabled & {"*", other.name}))


def _disabled() -> frozenset[str]:
    said = os.environ.get(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, "")
    return frozenset(name.strip() for name in said.split(","))


def _load(modules: Iterable[str]) -> None:
    for module in dict.fromkeys(modules):
        try:
            importlib.import_module(module)
        except ImportError:  # noqa: PERF203 - not every version of a client has every module; the result is in `absent`
            continue


def installed_version(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
