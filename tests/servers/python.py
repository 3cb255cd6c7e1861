"""Servers from PyPI, each with packages of its own: they pin versions of many that the tests have too.

``python -m tests.servers.python`` installs the large ones, of which tests that need them are skipped otherwise.
"""

import sys
from pathlib import Path

from tests.servers.cache import cache_dir, cached, run

MLFLOW = "mlflow==3.17.2"
PHOENIX = "arize-phoenix==20.26.1"


def name_of(requirement: str) -> str:
    """The folder of the cache that holds a package."""
    return f"{requirement.replace('==', '-')}-py{sys.version_info.major}{sys.version_info.minor}"


def is_installed(requirement: str) -> bool:
    """Whether a package is in the cache."""
    return (cache_dir() / name_of(requirement) / "installed").exists()


def environment(requirement: str) -> Path:
    """The virtual environment of a package, made at the first call; a large one takes a minute or two."""

    def make(folder: Path) -> None:
        run([sys.executable, "-m", "venv", str(folder)], folder)
        run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", requirement], folder)

    return cached(name_of(requirement), make)


if __name__ == "__main__":
    for wanted in (MLFLOW, PHOENIX):
        environment(wanted)
