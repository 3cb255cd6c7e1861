"""Puts wrappers on the methods that the tables name, and registers with frameworks, when their modules are imported."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

import wrapt

from callspan.core import aliases, guard, state, versions
from callspan.core.managers import manager_wrapper
from callspan.core.model import Client, Hook, Operation, Plugin, Target, Wrapper
from callspan.core.shims import async_wrapper, choosing_wrapper, sync_wrapper
from callspan_semconv import prices

_Place = Target | Hook | Plugin

_lock = threading.RLock()
_hooked: set[_Place] = set()
_wanted: dict[str, Client] = {}
_patched: dict[_Place, tuple[Any, str, Any]] = {}  # owner, attribute, and what callspan has put there
_stand_aside = False


def patch(client: Client) -> None:
    """Wrap the client's methods: now those whose modules are loaded, the others when they are."""
    with _lock:
        _wanted[client.name] = client
        _patch(client)


def _patch(client: Client) -> None:
    already = set(_patched)
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
    # Functions of modules that were loaded already: others may have imported them from there.
    aliases.redirect((ours.__wrapped__, ours) for ours in _functions(set(_patched) - already))


def unpatch(client: Client) -> None:
    """Take the wrappers off again. Bound methods that the SDK cached keep theirs, which then does nothing."""
    with _lock:
        _wanted.pop(client.name, None)
        state.sending -= {client.name}
        functions = [(ours, ours.__wrapped__) for ours in _functions(_patched.keys() & set(client.targets))]
        for target in reversed(_places(client)):
            if isinstance(target, Plugin):
                if _patched.pop(target, None) is not None:
                    _unplug(client, target)
            else:
                _take_off(target)
        aliases.redirect(functions)


@contextmanager
def aside() -> Iterator[None]:
    """Take the wrappers off while others put theirs on, or take them off: callspan's are then the outermost again."""
    global _stand_aside  # noqa: PLW0603 - one process, one set of wrappers
    with _lock:
        if _stand_aside:  # one of the others calls another
            yield
            return
        for client in _wanted.values():
            for target in reversed(_places(client)):
                if _moves_aside(target):
                    _take_off(target)
        _stand_aside = True
        try:
            yield
        finally:
            _stand_aside = False
            for client in _wanted.values():
                _patch(client)
                for hook in client.hooks:
                    if hook.innermost and hook in _patched:
                        _slip_beneath(*_patched[hook])


def is_aside() -> bool:
    """Whether the wrappers are off for now."""
    return _stand_aside


def _take_off(target: _Place) -> None:
    if (place := _patched.pop(target, None)) is not None:
        owner, name, wrapper = place
        if vars(owner).get(name) is wrapper:
            setattr(owner, name, wrapper.__wrapped__)
        else:  # beneath another wrapper; where that is none of wrapt's, ours stays, and does nothing
            for outer in _above(owner, name, wrapper):
                outer.__wrapped__ = wrapper.__wrapped__


def _functions(places: Iterable[_Place]) -> list[Any]:
    """The wrappers of functions, which have names wherever they were imported; methods are found on their class."""
    return [_patched[place][2] for place in places if isinstance(place, Target) and "." not in place.path]


def _moves_aside(target: _Place) -> bool:
    return isinstance(target, Target) or (isinstance(target, Hook) and not target.innermost)


def _places(client: Client) -> tuple[_Place, ...]:
    return (*client.targets, *client.hooks, *client.plugins)


def patched() -> list[Target | Plugin]:
    """What is wrapped in this process, and where callspan is registered."""
    return [target for target in _patched if not isinstance(target, Hook)]


def _unplug(client: Client, plugin: Plugin) -> None:
    try:
        plugin.unplug()
    except Exception as error:  # noqa: BLE001 - the boundary: what is left registered does nothing
        guard.report(f"{client.name}.unplug", error)


def _preload(client: Client, _package: ModuleType) -> None:
    """Import what every call needs and only processes with a client pay for."""
    try:
        if client.name in _wanted:
            prices.preload()
            versions.look_for_modules(client)
    except Exception as error:  # noqa: BLE001 - the boundary: an import of the application's
        guard.report(f"{client.name}.preload", error)


def _on_import(client: Client, target: _Place, module: ModuleType) -> None:
    if client.name not in _wanted or (_stand_aside and _moves_aside(target)):
        return
    try:
        owner, name, found = wrapt.resolve_path(module, target.path)
    except AttributeError:
        versions.report_absent(client, f"{target.module}.{target.path}")
        return
    try:
        if isinstance(target, Plugin):
            target.plug(found)
            ours = found
        elif isinstance(target, Hook) and target.innermost:
            ours = _put_beneath(owner, name, found, target.wrapper)
        else:
            wrapper = _wrapper(client, target)
            named = isinstance(target, Target) and isinstance(owner, ModuleType)
            ours = (
                aliases.wrap(found, wrapper, f"{target.module}.{name}")
                if named
                else wrapt.FunctionWrapper(found, wrapper)
            )
            wrapt.apply_patch(owner, name, ours)
        _patched[target] = (owner, name, ours)
        if isinstance(target, Hook) and all(hook in _patched for hook in client.hooks if hook.innermost):
            state.sending |= {client.name}
    except Exception as error:  # noqa: BLE001 - the boundary: an import of the application's
        guard.report(f"{client.name}.patch", error)


def _put_beneath(owner: Any, name: str, found: Any, wrapper: Wrapper) -> Any:
    """Wrap a method beneath all wrappers that others have put on it already, on its class or on a class derived."""
    original = found
    while isinstance(original, wrapt.FunctionWrapper):
        original = original.__wrapped__
    ours = wrapt.FunctionWrapper(original, wrapper)
    _slip_beneath(owner, name, ours)
    return ours


def _slip_beneath(owner: Any, name: str, ours: Any) -> None:
    original = ours.__wrapped__
    for outer in _above(owner, name, original):
        if outer is not ours:
            outer.__wrapped__ = ours
    for kind in _with_derived(owner):
        if vars(kind).get(name) is original:  # on a class derived: what another has put back there
            wrapt.apply_patch(kind, name, ours)


def _above(owner: Any, name: str, inner: Any) -> list[Any]:
    """The wrappers directly around ``inner``, on ``owner`` or on a class derived from it."""
    found = []
    for kind in _with_derived(owner):
        outer = vars(kind).get(name)
        while isinstance(outer, wrapt.FunctionWrapper):
            if outer.__wrapped__ is inner:
                found.append(outer)
            outer = outer.__wrapped__
    return found


def _with_derived(owner: Any) -> tuple[Any, ...]:
    return (owner, *owner.__subclasses__()) if isinstance(owner, type) else (owner,)


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
