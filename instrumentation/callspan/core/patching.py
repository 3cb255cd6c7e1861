"""Puts wrappers on the methods that the tables name, when their modules are imported."""

from __future__ import annotations

import logging
import sys
from functools import partial
from types import ModuleType
from typing import Any

import wrapt

from callspan.core import guard
from callspan.core.managers import manager_wrapper
from callspan.core.model import Client, Hook, Operation, Target, Wrapper
from callspan.core.shims import async_wrapper, choosing_wrapper, sync_wrapper
from callspan_semconv import prices

_logger = logging.getLogger("callspan")

_hooked: set[Target | Hook] = set()
_wanted: set[str] = set()  # clients
_patched: dict[Target | Hook, tuple[Any, str]] = {}  # owner and attribute


def patch(client: Client) -> None:
    """Wrap the client's methods: now those whose modules are loaded, the others when they are."""
    _wanted.add(client.name)
    for target in _places(client):
        if target not in _hooked:
            _hooked.add(target)
            # The package, because it may import the target's module no sooner than the first call does.
            if client.package is not None:
                package = client.package or target.module.partition(".")[0]
                wrapt.register_post_import_hook(partial(_preload, client), package)
            # Runs at once if the module is loaded.
            wrapt.register_post_import_hook(partial(_on_import, client, target), target.module)
        elif target not in _patched and (module := sys.modules.get(target.module)) is not None:
            _on_import(client, target, module)


def unpatch(client: Client) -> None:
    """Take the wrappers off again. Bound methods that the SDK cached keep theirs, which then does nothing."""
    _wanted.discard(client.name)
    for target in _places(client):
        if (place := _patched.pop(target, None)) is not None:
            owner, name = place
            current = vars(owner).get(name)
            if isinstance(current, wrapt.FunctionWrapper):
                setattr(owner, name, current.__wrapped__)


def _places(client: Client) -> tuple[Target | Hook, ...]:
    return (*client.targets, *client.hooks)


def patched() -> list[Target]:
    """What is wrapped in this process."""
    return [target for target in _patched if isinstance(target, Target)]


def _preload(client: Client, _package: ModuleType) -> None:
    """Import what every call needs and only processes with a client pay for."""
    try:
        if client.name in _wanted:
            prices.preload()
    except Exception as error:  # noqa: BLE001 - the boundary: an import of the application's
        guard.report(f"{client.name}.preload", error)


def _on_import(client: Client, target: Target | Hook, module: ModuleType) -> None:
    if client.name not in _wanted:
        return
    try:
        owner, name, original = wrapt.resolve_path(module, target.path)
    except AttributeError:
        _logger.debug("%s has no %s; it is not instrumented", target.module, target.path)
        return
    try:
        wrapt.apply_patch(owner, name, wrapt.FunctionWrapper(original, _wrapper(client, target)))
        _patched[target] = (owner, name)
    except Exception as error:  # noqa: BLE001 - the boundary: an import of the application's
        guard.report(f"{client.name}.patch", error)


def _wrapper(client: Client, target: Target | Hook) -> Wrapper:
    if isinstance(target, Hook):
        return target.wrapper
    if not isinstance(target.operation, Operation):
        return choosing_wrapper(client, target.operation, is_async=target.is_async)
    if target.opens:
        return manager_wrapper(client, target.operation, is_async=target.is_async)
    if target.is_async and not target.generates:
        return async_wrapper(client, target.operation)
    return sync_wrapper(client, target.operation, is_async=target.is_async)
