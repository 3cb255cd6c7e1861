"""Tools that tests install once and keep."""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path


def cache_dir() -> Path:
    """Where built tools are kept between runs: ``CALLSPAN_TEST_CACHE``, or ``.cache`` in the checkout."""
    return Path(os.environ.get("CALLSPAN_TEST_CACHE") or Path(__file__).parents[2] / ".cache")


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of the cache, filled at the first call; parallel test workers fill it once.

    Args:
        name: with the version in it.
        make: fills the folder, which exists and is empty.
    """
    folder = cache_dir() / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    done = folder / "installed"
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


def npm_available() -> bool:
    """Whether packages of npm can be installed and run here."""
    return shutil.which("npm") is not None and shutil.which("node") is not None


def npm(package: str, version: str, overrides: Mapping[str, str] | None = None) -> Path:
    """The folder of an npm package, installed at the first call.

    Args:
        package: with its scope, ``@spotlightjs/spotlight``.
        version: exactly.
        overrides: versions of dependencies.
    """

    def make(folder: Path) -> None:
        manifest = {"private": True, "dependencies": {package: version}, "overrides": dict(overrides or {})}
        (folder / "package.json").write_text(json.dumps(manifest))
        run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], folder)

    name = f"npm-{package.replace('@', '').replace('/', '-')}-{version}"
    return cached(name, make) / "node_modules" / package


def run(command: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a step of an installation.

    Raises:
        RuntimeError: it failed; with the end of its output.
    """
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
