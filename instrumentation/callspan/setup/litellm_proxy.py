"""Inside the LiteLLM proxy: its configuration file is callspan's too, and each sink in it is served once.

The proxy's own file (``litellm --config``) is read where ``CALLSPAN_CONFIG`` names none. The sinks of its
``litellm_settings`` that callspan knows by name are callspan's, and LiteLLM is not told of them: it would deliver every
call a second time, or refuse to start for want of a package or a licence. What it has there beside (custom callbacks,
guardrails, caches, ...) stays with LiteLLM, because it may change requests.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from pathlib import PurePath
from types import ModuleType
from typing import Any, Final

import wrapt

from callspan.core import guard
from callspan.setup.configfile import ConfigFile, Found
from callspan_exporters import registry

_logger = logging.getLogger("callspan")

_LISTS: Final = ("callbacks", "success_callback", "failure_callback")
_SECTION: Final = "litellm_settings"
_SERVER: Final = "litellm.proxy.proxy_server"
_COMMANDS: Final = frozenset({"litellm", "litellm.exe"})
_MODULES: Final = frozenset({_SERVER, "litellm.proxy.proxy_cli"})
# How multiprocessing starts a worker: it has the proxy's environment but not its arguments.
_SPAWNED: Final = "--multiprocessing-fork"
_LOADING: ContextVar[bool] = ContextVar("callspan_litellm_loading", default=False)


def config_file() -> str | None:
    """The file that the LiteLLM proxy in this process reads; None if this is no such process, or it has none.

    In the proxy's own order: ``CONFIG_FILE_PATH``, then ``--config``; its workers find that in ``WORKER_CONFIG``.
    """
    if not running():
        return None
    arguments = _arguments()
    told = None if _SPAWNED in arguments else _option(arguments)
    return os.environ.get("CONFIG_FILE_PATH") or told or _of_worker(os.environ.get("WORKER_CONFIG"))


def running() -> bool:
    """Whether this process is the LiteLLM proxy, or one of its workers; asked before the application's first line."""
    arguments = _arguments()
    if _SPAWNED in arguments:
        return "WORKER_CONFIG" in os.environ
    if not arguments:
        return False
    return PurePath(arguments[0]).name in _COMMANDS or any(each.partition(":")[0] in _MODULES for each in arguments)


def name_service() -> None:
    """Call the service ``litellm`` where nobody has named it: as LiteLLM does where it makes the spans."""
    if running() and "service.name=" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        os.environ.setdefault("OTEL_SERVICE_NAME", "litellm")


def keep_what_is_ours(file: ConfigFile) -> None:
    """Leave to LiteLLM those entries of its own section that are none of callspan's sinks by name."""
    for key in _LISTS:
        found = file.found.get(key)
        if found is None or not found.where.endswith(f": {_SECTION}.{key}"):
            continue
        ours = [entry for entry in _entries(found.value) if _is_sink(entry, file.sinks)]
        if ours:
            file.found[key] = Found(ours, found.where)
        else:
            del file.found[key]


def take_over(names: Sequence[str]) -> None:
    """Keep from LiteLLM what callspan delivers to, when the proxy loads its configuration.

    Args:
        names: callspan's sinks.
    """
    if names and running():
        wrapt.register_post_import_hook(lambda module: _patch(module, frozenset(names)), _SERVER)


def without(config: Mapping[str, Any], names: frozenset[str]) -> tuple[dict[str, Any], list[str]]:
    """LiteLLM's configuration without some sinks, and the names of those that were in it; ``config`` stays as it is."""
    settings = config.get(_SECTION)
    if not isinstance(settings, Mapping):
        return dict(config), []
    left, taken = dict(settings), []
    for key in _LISTS:
        entries = _entries(settings.get(key))
        ours = [entry for entry in entries if isinstance(entry, str) and entry in names]
        if not ours:
            continue
        taken += ours
        left[key] = [entry for entry in entries if entry not in ours]
        if not left[key]:
            del left[key]
    return {**config, _SECTION: left}, list(dict.fromkeys(taken))


def _patch(module: ModuleType, names: frozenset[str]) -> None:
    """Wrap the two ways by which sinks of the configuration become callbacks of LiteLLM.

    ``get_config`` alone would not do: what the admin's pages read with it, they write back.
    """

    async def load_config(wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        token = _LOADING.set(True)
        try:
            return await wrapped(*args, **kwargs)
        finally:
            _LOADING.reset(token)

    async def get_config(wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        config = await wrapped(*args, **kwargs)
        return _kept_from_litellm(config, names) if _LOADING.get() else config

    # With a database, the proxy goes through the lists again every few seconds.
    def add_callbacks(wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return wrapped(*(_kept_from_litellm(each, names) for each in args), **kwargs)

    wrappers = {"load_config": load_config, "get_config": get_config, "_add_callbacks_from_db_config": add_callbacks}
    for method, wrapper in wrappers.items():
        try:
            wrapt.wrap_function_wrapper(module, f"ProxyConfig.{method}", wrapper)
        except Exception as error:  # noqa: BLE001, PERF203 - the boundary: an import of the application's
            guard.report(f"litellm_proxy.{method}", error)


def _kept_from_litellm(config: Any, names: frozenset[str]) -> Any:
    try:
        left, taken = without(config, names)
        if not taken:
            return config
        config[_SECTION] = left[_SECTION]  # a dict of LiteLLM's own class, made for this reading
        if _LOADING.get():
            _logger.warning("callspan delivers in LiteLLM's place to: %s", ", ".join(taken))
    except Exception as error:  # noqa: BLE001 - the boundary: the proxy starts in any case
        guard.report("litellm_proxy.take_over", error)
    return config


def _arguments() -> list[str]:
    return sys.orig_argv[1:]


def _option(arguments: Sequence[str]) -> str | None:
    """The value of ``--config`` or ``-c``, as click reads it."""
    for index, argument in enumerate(arguments):
        if argument in {"--config", "-c"}:
            return next(iter(arguments[index + 1 :]), None)
        if argument.startswith("--config="):
            return argument.partition("=")[2]
    return None


def _of_worker(value: str | None) -> str | None:
    """The file that ``WORKER_CONFIG`` names: it holds either the path or, as JSON, the proxy's options."""
    if not value:
        return None
    try:
        options = json.loads(value)
    except ValueError:
        return value
    path = options.get("config") if isinstance(options, dict) else None
    return path if isinstance(path, str) else None


def _entries(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [each.strip() for each in value.split(",")]
    return list(value) if isinstance(value, (list, tuple)) else []


def _is_sink(entry: object, settings: Mapping[str, Found]) -> bool:
    if not isinstance(entry, str):
        return False
    written = settings.get(entry)
    kind = written.value.get("callback_type", entry) if written and isinstance(written.value, Mapping) else entry
    return kind in registry.names()
