"""What a gateway in this process says about the logging of its keys: the only source besides the operator's settings.

LiteLLM's proxy looks a request's key up and hands the callbacks and credentials of the key, of its team, or of
``default_team_settings`` on with the call. `learn` keeps that in memory, by the key; it never stands on a span. What an
application or a request puts into metadata is not read: it could name credentials and sinks.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from callspan.setup.configfile import Found
from callspan.setup.tenants import FAILURE, KEY, SUCCESS, Tenant

_MAX_KEYS: Final = 100_000
_WHERE: Final = "gateway"

_lock = threading.Lock()
_tenants: OrderedDict[str, Tenant] = OrderedDict()


def learn(
    key_hash: str,
    *,
    success_callback: Iterable[str] | None = None,
    failure_callback: Iterable[str] | None = None,
    variables: Mapping[str, Any] | None = None,
    disabled: Iterable[str] | None = None,
) -> None:
    """Keep what the gateway says about a key; a later word replaces an earlier one.

    Args:
        key_hash: as in the metadata of the key's calls, ``user_api_key_hash``.
        success_callback: sinks that get the calls that succeeded.
        failure_callback: those that get the calls that failed. Neither given, and nothing disabled: the gateway says
            nothing, and what it said is forgotten.
        variables: LiteLLM's ``callback_vars``.
        disabled: sinks that do not get the key's calls.
    """
    tenant = _tenant(key_hash, success_callback, failure_callback, variables or {}, disabled)
    with _lock:
        if tenant is None:
            _tenants.pop(key_hash, None)
            return
        # An equal one stays, and with it the sinks that were made for it.
        if _tenants.get(key_hash) != tenant:
            _tenants[key_hash] = tenant
        _tenants.move_to_end(key_hash)
        while len(_tenants) > _MAX_KEYS:
            _tenants.popitem(last=False)


def told(key_hash: str) -> Tenant | None:
    """What the gateway said last about a key."""
    return _tenants.get(key_hash)


def _tenant(
    key_hash: str,
    success_callback: Iterable[str] | None,
    failure_callback: Iterable[str] | None,
    variables: Mapping[str, Any],
    disabled: Iterable[str] | None,
) -> Tenant | None:
    if success_callback is None and failure_callback is None and not disabled:
        return None
    events = None
    if success_callback is not None or failure_callback is not None:
        events = _events(success_callback or (), failure_callback or ())
    # As LiteLLM passes them on, all are texts. What is neither yes nor no withholds content.
    withheld = str(variables.get("turn_off_message_logging") or "false").strip().lower() not in {"false", "0", "no"}
    return Tenant(
        known_by=KEY["key_hash"],
        value=key_hash,
        where=_WHERE,
        events=events,
        variables=dict(variables),
        redaction=Found("none", _WHERE) if withheld else None,
        disabled=frozenset(name.lower() for name in disabled or () if isinstance(name, str)),
        stamped=True,
    )


def _events(success_callback: Iterable[object], failure_callback: Iterable[object]) -> dict[str, frozenset[str]]:
    events: dict[str, frozenset[str]] = {}
    for names, outcome in ((success_callback, SUCCESS), (failure_callback, FAILURE)):
        for name in names:
            if isinstance(name, str):
                events[name] = events.get(name, frozenset()) | {outcome}
    return events
