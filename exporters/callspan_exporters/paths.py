"""Where callspan keeps files, and how it creates them: for their owner alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_FLAGS = os.O_CREAT | os.O_APPEND | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def state_dir() -> Path:
    """The folder of what waits to be sent again: ``CALLSPAN_SPOOL_DIR``, else the platform's state folder.

    Raises:
        ValueError: it is not set, and there is no home folder either.
    """
    return _configured("CALLSPAN_SPOOL_DIR") or _platform_dir("XDG_STATE_HOME", ".local/state", "CALLSPAN_SPOOL_DIR")


def database_path() -> Path:
    """The local sink's file: ``CALLSPAN_DB``, else ``callspan.sqlite3`` in the platform's data folder.

    Raises:
        ValueError: it is not set, and there is no home folder either.
    """
    given = _configured("CALLSPAN_DB")
    return given or _platform_dir("XDG_DATA_HOME", ".local/share", "CALLSPAN_DB") / "callspan.sqlite3"


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


def _configured(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def _platform_dir(variable: str, fallback: str, instead: str) -> Path:
    try:
        home = Path.home()
    except RuntimeError as error:
        # A container's made-up user may have none; a shared temporary folder would be no place for content.
        raise ValueError(f"there is no home folder to keep files in; set {instead}") from error
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get(variable) or home / fallback)
    return base / "callspan"
