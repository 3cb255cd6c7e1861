"""The real LiteLLM proxy under ``opentelemetry-instrument``, as a process."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.servers.ports import free_port

_BIN = Path(sys.executable).parent
_ROOT = Path(__file__).parents[2]
_LISTENS = re.compile(r"Uvicorn running on|Listening at")
_STARTED = re.compile(r"Application startup complete")

needs_proxy = pytest.mark.skipif(
    not (_BIN / "litellm").exists() or find_spec("apscheduler") is None, reason="litellm[proxy] is not installed here"
)
# Nothing is asked of the network, and the seeds' requests bring no key.
_QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    "NO_PROXY": "127.0.0.1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "fastapi,asgi,httpx,httpx2",
    "PYTHONUNBUFFERED": "1",
}
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")


@dataclass
class Output:
    """What a process prints, line by line, as it comes."""

    lines: list[str] = field(default_factory=list)
    ended: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, line: str) -> None:
        with self.changed:
            self.lines.append(line.rstrip("\n"))
            self.changed.notify_all()

    def end(self) -> None:
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def text(self) -> str:
        with self.changed:
            return "\n".join(self.lines)

    def wait_for(self, pattern: re.Pattern[str], times: int = 1, timeout_s: float = 240.0) -> None:
        """Until so many lines have matched; fails at once if the process ends before."""

        def there() -> bool:
            return sum(map(bool, map(pattern.search, self.lines))) >= times

        with self.changed:
            self.changed.wait_for(lambda: self.ended or there(), timeout_s)
            assert there(), f"{pattern.pattern!r} was not printed:\n" + "\n".join(self.lines[-60:])


@dataclass(frozen=True)
class Answer:
    """A response to curl: its status, headers by lower-case name, and body."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def call_id(self) -> str:
        return self.headers["x-litellm-call-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Proxy:
    """A running proxy."""

    url: str
    process: "subprocess.Popen[str]"
    output: Output

    def curl(self, body: Mapping[str, Any], *headers: str, path: str = "/chat/completions") -> Answer:
        """POST as the seeds do."""
        options = [part for header in ("Content-Type: application/json", *headers) for part in ("--header", header)]
        command = ["curl", "-i", "-sSL", "--location", f"{self.url}{path}", *options, "--data", json.dumps(body)]
        return _answer(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)

    def stop(self) -> str:
        """SIGTERM, and what was printed until the end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return self.output.text()


@contextmanager
def running_proxy(
    config: Path, *options: str, workers: int = 1, environment: Mapping[str, str] | None = None
) -> Iterator[Proxy]:
    """``opentelemetry-instrument -- litellm --config config.yaml`` for the length of the ``with`` block.

    Args:
        config: the proxy's configuration file; it runs in the file's folder.
        options: further arguments of ``litellm``.
        workers: how many processes will say that they have started.
        environment: variables beside the few that it needs.
    """
    port = free_port()
    under = [str(_BIN / "opentelemetry-instrument"), "--", str(_BIN / "litellm")]
    process = subprocess.Popen(
        [*under, "--config", config.name, "--host", "127.0.0.1", "--port", str(port), *options],
        env={**_inherited(config.parent), **_QUIET, **(environment or {})},
        cwd=config.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = Output()
    reader = threading.Thread(target=_read, args=(process, output), daemon=True)
    reader.start()
    proxy = Proxy(f"http://127.0.0.1:{port}", process, output)
    try:
        output.wait_for(_LISTENS)
        output.wait_for(_STARTED, workers)
        yield proxy
    finally:
        proxy.stop()
        reader.join(30)
        assert process.stdout is not None
        process.stdout.close()


def chat(prompt: str = "what llm are you", model: str = "gpt-3.5-turbo", **more: Any) -> dict[str, Any]:
    """The body of most of the seeds' requests."""
    return {"model": model, "messages": [{"role": "user", "content": prompt}], **more}


def _inherited(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    path: Sequence[str] = [str(_ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(path), "CALLSPAN_DB": str(folder / "calls.sqlite3")}


def _read(process: "subprocess.Popen[str]", output: Output) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        output.add(line)
    output.end()


def _answer(text: str) -> Answer:
    head, _, body = text.partition("\r\n\r\n" if "\r\n\r\n" in text else "\n\n")
    status, *lines = head.splitlines()
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(status.split()[1]), headers, body)
