"""Tenants: what is written about the calls of one key or one team.

Three forms, all LiteLLM's: an entry of ``default_team_settings`` with lists of callbacks and variables; the list
``logging`` of a key's or a team's metadata; and what a LiteLLM proxy makes of either for a request. callspan's own
``default_key_settings`` has entries of the first two forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from callspan.errors import ConfigurationError
from callspan.setup.configfile import Found
from callspan.setup.kinds import BOOLEAN, MAPPING, MAPPINGS, NAMES, POLICY, expanded
from callspan.setup.tenant_variables import VARIABLES

SUCCESS: Final = "success"
FAILURE: Final = "failure"

# What an entry is known by, and where a call's metadata has it.
TEAM: Final = {"team_id": "user_api_key_team_id"}
KEY: Final = {"key_hash": "user_api_key_hash", "key_alias": "user_api_key_alias"}

_BOTH: Final = frozenset({SUCCESS, FAILURE})
_LISTS: Final = {
    "callbacks": _BOTH,
    "success_callback": frozenset({SUCCESS}),
    "failure_callback": frozenset({FAILURE}),
}
_TYPES: Final = {
    "success": frozenset({SUCCESS}),
    "failure": frozenset({FAILURE}),
    "success_and_failure": _BOTH,
}
_MESSAGES: Final = "turn_off_message_logging"
_DISABLED: Final = "litellm_disabled_callbacks"
_ABOUT_LOGGING: Final = (
    *_LISTS, "callback_settings", "callback_vars", "logging", "redaction", _MESSAGES, _DISABLED
)  # fmt: skip
_ITEM: Final = ("callback_name", "callback_type", "callback_vars")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SIMILAR: Final = 0.8


@dataclass(frozen=True, slots=True)
class Tenant:
    """What is written about one tenant.

    Attributes:
        known_by: the field of a call's metadata that says so; ``value`` is what it must be.
        where: where it is written.
        events: by the name of a sink, the outcomes of which it gets the calls; None: a gateway says nothing of sinks.
        settings: by the name of a sink, its own settings, over those of the process; references unresolved.
        variables: LiteLLM's ``callback_vars`` for all sinks of the tenant; ``sink_variables``, for one.
        redaction: the name of the policy for the tenant's calls at every sink; None: the process's alone.
        disabled: names of sinks that do not get the tenant's calls, in lower case.
        stamped: whether a gateway says it, and not the operator.
    """

    known_by: str
    value: str
    where: str
    events: Mapping[str, frozenset[str]] | None = None
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    sink_variables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    redaction: Found | None = None
    disabled: frozenset[str] = frozenset()
    stamped: bool = False


def read(entry: object, where: str, identity: Mapping[str, str]) -> Tenant | None:
    """Read one entry; None if it is about something else than logging, as LiteLLM's may be.

    Args:
        entry: as written.
        where: where it is written.
        identity: `TEAM` or `KEY`.

    Raises:
        ConfigurationError: what is wrong, and where; never a value that may be secret.
    """
    written = MAPPING.read(entry, where)
    _check_keys(written, (*identity, *_ABOUT_LOGGING, *VARIABLES), where)
    if not any(key in _ABOUT_LOGGING or key in VARIABLES for key in written):
        return None
    known_by, value = _identity(written, where, identity)
    variables = {
        **{key: value for key, value in written.items() if key in VARIABLES},
        **_variables(written.get("callback_vars"), f"{where}.callback_vars"),
    }
    events, sink_variables = _callbacks(written, where)
    return Tenant(
        known_by=known_by,
        value=value,
        where=where,
        events=events,
        settings=_settings(written, where),
        variables=variables,
        sink_variables=sink_variables,
        redaction=_redaction({**variables, **written}, where),
        disabled=_disabled({**variables, **written}, where),
    )


def _check_keys(written: Iterable[str], known: Iterable[str], where: str) -> None:
    known = tuple(known)
    for key in written:
        if key not in known and (meant := get_close_matches(key, known, n=1, cutoff=_SIMILAR)):
            raise ConfigurationError(f"{where}.{key}: unknown key; did you mean {meant[0]}?")


def _identity(written: Mapping[str, Any], where: str, identity: Mapping[str, str]) -> tuple[str, str]:
    given = {key: written[key] for key in identity if written.get(key) is not None}
    if len(given) != 1:
        raise ConfigurationError(f"{where}: expected {' or '.join(identity)}, which says whose calls it is about")
    ((key, value),) = given.items()
    text = str(expanded(value, f"{where}.{key}")).strip()
    if isinstance(value, (bool, Mapping, list)) or not text:
        raise ConfigurationError(f"{where}.{key}: expected a name, got {type(value).__name__}")
    if key == "key_hash" and not _SHA256.fullmatch(text):
        raise ConfigurationError(f"{where}.{key}: expected the SHA-256 of a key, 64 hexadecimal digits")
    return identity[key], text


def _callbacks(
    written: Mapping[str, Any], where: str
) -> tuple[dict[str, frozenset[str]], dict[str, Mapping[str, Any]]]:
    """Which sinks get which calls, and variables for one sink alone."""
    events: dict[str, frozenset[str]] = {}
    own: dict[str, Mapping[str, Any]] = {}
    for key, outcomes in _LISTS.items():
        place = f"{where}.{key}"
        for name in NAMES.read(expanded(written.get(key) or (), place), place):
            events[name] = events.get(name, frozenset()) | outcomes
    items = written.get("logging") or ()
    if not isinstance(items, (list, tuple)):
        raise ConfigurationError(f"{where}.logging: expected a list of mappings, got {type(items).__name__}")
    for number, item in enumerate(items):
        place = f"{where}.logging[{number}]"
        entry = MAPPING.read(item, place)
        _check_keys(entry, _ITEM, place)
        name, outcomes = logging_item(entry, place)
        events[name] = events.get(name, frozenset()) | outcomes
        own[name] = {**own.get(name, {}), **_variables(entry.get("callback_vars"), f"{place}.callback_vars")}
    for name in events:
        if "." in name:
            raise ConfigurationError(f"{where}: {name}: a tenant's sinks are named, not imported")
    return events, own


def logging_item(item: Mapping[str, Any], where: str) -> tuple[str, frozenset[str]]:
    """The sink and the outcomes that an item of LiteLLM's ``logging`` is about.

    Raises:
        ConfigurationError: it names no sink, or its ``callback_type`` is none of LiteLLM's.
    """
    name, outcome = item.get("callback_name"), item.get("callback_type") or "success_and_failure"
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError(f"{where}.callback_name: expected the name of a sink")
    if not isinstance(outcome, str) or outcome not in _TYPES:
        raise ConfigurationError(f"{where}.callback_type: expected one of {', '.join(_TYPES)}")
    return name.strip(), _TYPES[outcome]


def _variables(written: object, where: str) -> dict[str, Any]:
    variables = dict(MAPPING.read(written, where))
    known = (*VARIABLES, _MESSAGES, _DISABLED)
    for name in variables:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "settings of a sink go into callback_settings"
            raise ConfigurationError(f"{where}.{name}: no such variable; {hint}")
    return variables


def _settings(written: Mapping[str, Any], where: str) -> dict[str, Mapping[str, Any]]:
    place = f"{where}.callback_settings"
    entries = MAPPINGS.read(written.get("callback_settings"), place)
    return {name: MAPPING.read(entry, f"{place}.{name}") for name, entry in entries.items()}


def _redaction(written: Mapping[str, Any], where: str) -> Found | None:
    off, name = written.get(_MESSAGES), written.get("redaction")
    if off is not None and BOOLEAN.read(expanded(off, f"{where}.{_MESSAGES}"), f"{where}.{_MESSAGES}"):
        return Found("none", f"{where}.{_MESSAGES}")
    place = f"{where}.redaction"
    return None if name is None else Found(POLICY.read(expanded(name, place), place), place)


def _disabled(written: Mapping[str, Any], where: str) -> frozenset[str]:
    place = f"{where}.{_DISABLED}"
    names = NAMES.read(expanded(written.get(_DISABLED) or (), place), place)
    return frozenset(name.lower() for name in names)
