"""Where callspan keeps files, and how it creates them: for their owner alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_FLAGS = os.O_CREAT | os.O_APPEND | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def state_dir() -> Path:
    """The folder of what waits to be sent again: ``CALLSPAN_SPOOL_DIR``, else the platform's state folder."""
    configured = os.environ.get("CALLSPAN_SPOOL_DIR")
    return Path(configured) if configured else _platform_dir("XDG_STATE_HOME", ".local/state")


def database_path() -> Path:
    """The local sink's file: ``CALLSPAN_DB``, else ``callspan.sqlite3`` in the platform's data folder."""
    configured = os.environ.get("CALLSPAN_DB")
    return Path(configured) if configured else _platform_dir("XDG_DATA_HOME", ".local/share") / "callspan.sqlite3"


def make_private_parent(path: Path) -> None:
    """Create the folder of a file, mode 0700, where it does not exist; an existing folder keeps its mode.

    Raises:
        OSError: it cannot be created.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def open_private(path: Path) -> int:
    """Open a file for appending, mode 0600 if new; a symbolic link is refused.

    Returns:
        A file descriptor, which the caller closes.

    Raises:
        OSError: it cannot be opened.
    """
    make_private_parent(path)
    return os.open(path, _FLAGS, 0o600)


def _platform_dir(variable: str, fallback: str) -> Path:
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get(variable) or Path.home() / fallback)
    return base / "callspan"
