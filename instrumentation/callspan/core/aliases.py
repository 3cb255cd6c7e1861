"""Names in other modules for a function: ``from litellm import completion`` before the function was wrapped."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any


def redirect(pairs: Iterable[tuple[Any, Any]]) -> None:
    """Let every module-level name for the first of a pair name the second.

    One pass over all loaded modules, some ten milliseconds in a large process.
    """
    replacements = {id(old): (old, new) for old, new in pairs}
    if not replacements:
        return
    for module in list(sys.modules.values()):
        if not isinstance(module, ModuleType):
            continue
        names = vars(module)
        found = [(name, value) for name, value in list(names.items()) if id(value) in replacements]
        for name, value in found:
            old, new = replacements[id(value)]
            if value is old:
                names[name] = new
