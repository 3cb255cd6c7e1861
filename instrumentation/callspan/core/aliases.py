"""Functions of modules, which applications hold by several names, copy and pickle."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pydoc import locate
from types import ModuleType
from typing import Any

import wrapt

from callspan.core.model import Wrapper


class _Function(wrapt.FunctionWrapper):  # type: ignore[misc,type-arg,unused-ignore]  # so in some versions of wrapt
    """Wraps a function and, like one, is copied and pickled by its name."""

    _self_name: str

    def __copy__(self) -> _Function:
        return self

    def __deepcopy__(self, _memo: object) -> _Function:
        return self

    def __reduce_ex__(self, _protocol: object) -> tuple[Any, ...]:
        return locate, (self._self_name,)


def wrap(function: Any, wrapper: Wrapper, name: str) -> Any:
    """Wrap a function of a module; ``name`` is ``module.function``."""
    wrapped = _Function(function, wrapper)
    wrapped._self_name = name  # noqa: SLF001 - wrapt keeps attributes so named
    return wrapped


def redirect(pairs: Iterable[tuple[Any, Any]]) -> None:
    """Let every module-level name for the first of a pair name the second: ``from litellm import completion``, earlier.

    One pass over all loaded modules, some milliseconds in a large process.
    """
    replacements = {id(old): (old, new) for old, new in pairs}
    if not replacements:
        return
    for module in list(sys.modules.values()):
        if not isinstance(module, ModuleType):
            continue
        names = vars(module)
        if replacements.keys().isdisjoint(map(id, list(names.values()))):  # nearly every module
            continue
        found = [(name, value) for name, value in list(names.items()) if id(value) in replacements]
        for name, value in found:
            old, new = replacements[id(value)]
            if value is old:
                names[name] = new
