"""Runs the installed ``callspan`` command as a process."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CALLSPAN = Path(sys.executable).with_name("callspan")


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """The cells of what looks like a table: columns are two blanks apart."""
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in self.out.splitlines()]


class Command:
    """The command in a home of its own; nothing of the developer's environment reaches it.

    Args:
        home: an empty folder.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.db = home / "calls.sqlite3"

    def __call__(self, *arguments: str | Path, **environment: str) -> Done:
        done = subprocess.run(
            [CALLSPAN, *arguments], cwd=self.home, env=self._environment(environment), capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def _environment(self, given: Mapping[str, str]) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
        return {**kept, "HOME": str(self.home), "CALLSPAN_DB": str(self.db), **given}
