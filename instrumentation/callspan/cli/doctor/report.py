"""What doctor finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from callspan.cli.doctor.canary import CanaryResult
from callspan.cli.doctor.clients import ClientState
from callspan.cli.doctor.sinks import DeadLetters, SinkState
from callspan.setup.kinds import TENANTS
from callspan.setup.settings import FIELDS, Loaded


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting in force; of one that may hold secrets only the keys."""

    name: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was looked at.

    Attributes:
        problems: what is wrong, one line each.
        guard_failures: how often callspan itself failed in this process, by place and type of error.
        canary: None where it was not asked for.
    """

    problems: tuple[str, ...]
    versions: Mapping[str, str | None]
    clients: tuple[ClientState, ...]
    settings: tuple[Setting, ...]
    sinks: tuple[SinkState, ...]
    dead_letters: DeadLetters
    guard_failures: Mapping[str, int]
    canary: CanaryResult | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"ok": not self.problems, **asdict(self)}


def effective(loaded: Loaded) -> list[Setting]:
    """Every setting with where it comes from."""
    return [
        Setting(name, _shown(name, getattr(loaded.settings, name)), loaded.where.get(name, "default"))
        for name in FIELDS
    ]


def _shown(name: str, value: Any) -> Any:
    if name == "callback_settings":
        return {sink: sorted(entry.values) for sink, entry in value.items()}
    if name == "masks":
        return sorted(value)
    if FIELDS[name].metadata["kind"] is TENANTS:
        return [tenant.value for tenant in value]
    if FIELDS[name].metadata["kind"].secret:
        return None if value is None else sorted(value.values)
    if isinstance(value, tuple):
        return [each if isinstance(each, str) else type(each).__name__ for each in value]
    return value
