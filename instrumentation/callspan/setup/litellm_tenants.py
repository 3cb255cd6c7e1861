"""Inside the LiteLLM proxy: the callbacks of keys and teams that callspan knows are callspan's, and served once.

For every request the proxy looks up which callbacks its key or team has of its own, in its database or its file, and
with which credentials. `take_over` listens there: the call's metadata does not say it, and could be a request's.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

import wrapt

from callspan.core import guard
from callspan.setup import litellm_proxy, stamped
from callspan.setup.settings import Settings
from callspan_exporters import registry

_MODULE: Final = "litellm.proxy.litellm_pre_call_utils"
_LOOK_UP: Final = ("get_dynamic_logging_metadata", "_get_dynamic_logging_metadata")  # by version
_LISTS: Final = ("success_callback", "failure_callback", "callbacks")
# Where a key's or a team's metadata in the database has its callbacks.
_IN_METADATA: Final = ("logging", "callback_settings")
_DISABLED: Final = "litellm_disabled_callbacks"


def take_over(settings: Settings) -> None:
    """Learn from the proxy where the calls of keys and teams go, and keep from LiteLLM what callspan delivers to.

    Args:
        settings: of the process.
    """
    if litellm_proxy.running():
        wrapt.register_post_import_hook(lambda module: _patch(module, settings), _MODULE)


def _patch(module: ModuleType, settings: Settings) -> None:
    names = registry.names() | settings.callback_settings.keys()
    teams = {tenant.value for tenant in settings.default_team_settings}

    def look_up(wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        found = wrapped(*args, **kwargs)
        try:
            key = kwargs["user_api_key_dict"] if "user_api_key_dict" in kwargs else args[0]
            return _without_ours(found, names) if _is_ours(key, found, names, teams) else found
        except Exception as error:  # noqa: BLE001 - the boundary: the proxy's request goes on
            guard.report("litellm_tenants", error)
            return found

    try:
        name = next(name for name in _LOOK_UP if hasattr(module, name))
        wrapt.wrap_function_wrapper(module, name, look_up)
    except Exception as error:  # noqa: BLE001 - the boundary: an import of the application's
        guard.report("litellm_tenants", error)


def _is_ours(key: Any, found: Any, names: frozenset[str] | set[str], teams: set[str]) -> bool:
    """Note what the proxy says of a request's key; whether callspan delivers to those of its sinks that it knows."""
    metadata, team_metadata = (each or {} for each in (key.metadata, key.team_metadata))
    # What it found may also be of its file: those entries are in callspan's settings too. An empty list says "none".
    of_database = any(name in each for name in _IN_METADATA for each in (metadata, team_metadata))
    if key.api_key:
        stamped.learn(
            key.api_key,
            **_said(found, names) if of_database else {},
            disabled=metadata.get(_DISABLED),
        )
        return of_database or key.team_id in teams
    return not of_database and key.team_id in teams


def _said(found: Any, names: frozenset[str] | set[str]) -> dict[str, Any]:
    ours = {name: [each for each in getattr(found, name, None) or () if each in names] for name in _LISTS[:2]}
    return {**ours, "variables": getattr(found, "callback_vars", None) or {}}


def _without_ours(found: Any, names: frozenset[str] | set[str]) -> Any:
    if found is None:
        return None
    left = {name: [each for each in getattr(found, name) or () if each not in names] for name in _LISTS}
    return found.model_copy(update=left)
