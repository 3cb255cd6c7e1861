"""Applications under ``opentelemetry-instrument``, as processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

INSTRUMENT = (str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable)
ROOT = Path(__file__).parents[2]

# One call, one failed call, and a span that is about no LLM.
CALLS = """
from opentelemetry import trace
from tests.setup.spans import call
provider = trace.get_tracer_provider()
with provider.get_tracer("app").start_as_current_span("request"):
    call(provider)
    call(provider, fails=True)
print("done")
"""


@dataclass(frozen=True)
class Finished:
    """A process that has ended."""

    code: int
    out: str
    err: str


def run(application: str | Path, *path: Path, under: Sequence[str] = INSTRUMENT, **environment: str) -> Finished:
    """Run an application under ``opentelemetry-instrument`` until it ends.

    Args:
        application: its source, or the file that it is in.
        path: folders for its PYTHONPATH.
        under: the command that runs it.
        environment: variables beside those of the test.
    """
    process = start(application, *path, under=under, **environment)
    out, err = process.communicate(timeout=60)
    return Finished(process.returncode, out, err)


def start(
    application: str | Path, *path: Path, under: Sequence[str] = INSTRUMENT, **environment: str
) -> subprocess.Popen[str]:
    """The same, without waiting for its end."""
    return subprocess.Popen(
        [*under, *([str(application)] if isinstance(application, Path) else ["-c", application])],
        env={**_environment(path), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def terminate(process: subprocess.Popen[str]) -> Finished:
    """Wait until the application has printed a line, send it SIGTERM, and wait for its end."""
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    return Finished(process.returncode, out, err)


def _environment(path: tuple[Path, ...]) -> Mapping[str, str]:
    inherited = filter(None, [os.environ.get("PYTHONPATH")])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, (*path, ROOT)), *inherited])}
