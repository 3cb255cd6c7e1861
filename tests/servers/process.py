"""Servers as processes."""

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running(
    command: Sequence[str | Path],
    url: str,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout_s: float = 30.0,
) -> Iterator[None]:
    """Run a server for the length of the ``with`` block.

    Args:
        command: what to run.
        url: answers, with any status, once the server is there.
        environment: all of it; default: that of the tests.
        folder: where it runs; default: where the tests do.
        timeout_s: how long it may take to start.

    Raises:
        RuntimeError: it did not start.
    """
    process = subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await(url, process, timeout_s)
        yield
    finally:
        process.terminate()
        process.wait()


def _await(url: str, process: subprocess.Popen[bytes], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url):
                return
        except urllib.error.HTTPError as error:  # noqa: PERF203 - an answer is an answer
            error.close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not start")
