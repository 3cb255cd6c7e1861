"""What settings name by ``package.module.attribute``."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callspan.errors import ConfigurationError


def imported(name: str, config_file: str | None, *, where: str = "") -> Any:
    """Import an object of the user's.

    Args:
        name: ``package.module.attribute``.
        config_file: modules are looked for in its folder first; without a file, in the working directory.
        where: what the error names beside ``name``.

    Raises:
        ConfigurationError: it cannot be imported; its text says of the reason only the type.
    """
    module_name, _, attribute = name.rpartition(".")
    with _importable(Path(config_file).resolve().parent if config_file else Path.cwd()):
        try:
            return getattr(importlib.import_module(module_name), attribute)
        except Exception as error:  # the boundary to a module of the user's: anything may happen
            place = f"{where}: {name}" if where else name
            raise ConfigurationError(f"{place}: cannot import it: {type(error).__name__}") from error


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
