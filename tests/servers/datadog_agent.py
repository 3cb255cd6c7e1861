"""Datadog's own test agent: it takes what an Agent takes, and shows what it got."""

import base64
import json
import os
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.cache import cached, run
from tests.servers.ports import free_port
from tests.servers.process import running

VERSION = "1.69.1"


@dataclass(frozen=True)
class DatadogAgent:
    """A running test agent."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def llmobs_events(self) -> list[dict[str, Any]]:
        """The events of LLM Observability that came, decoded."""
        requests = json.loads(self._get("/test/session/requests"))
        wanted = [request for request in requests if request["url"].endswith("/api/v2/llmobs")]
        return [event for request in wanted for event in json.loads(base64.b64decode(request["body"]))]

    def apm_spans(self) -> list[dict[str, Any]]:
        """The spans of Datadog's tracer."""
        return [span for trace in json.loads(self._get("/test/session/traces")) for span in trace]

    def clear(self) -> None:
        """Forget what came so far."""
        self._get("/test/session/clear")

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}{path}") as answer:
            body: bytes = answer.read()
            return body


@contextmanager
def run_datadog_agent() -> Iterator[DatadogAgent]:
    """Run the agent for the length of the ``with`` block; it forwards nothing."""
    # Not beside the tests' own packages: it pins versions of many.
    packages = cached(f"ddapm-test-agent-{VERSION}-py{sys.version_info.major}{sys.version_info.minor}", _install)
    ports = {option: free_port() for option in ("--port", "--otlp-http-port", "--otlp-grpc-port", "--web-ui-port")}
    command = [sys.executable, "-c", "from ddapm_test_agent.agent import main; main()", "--host", "127.0.0.1"]
    command += [argument for option, port in ports.items() for argument in (option, str(port))]
    settings = {name: value for name, value in os.environ.items() if not name.startswith("DD_")}
    with tempfile.TemporaryDirectory() as folder:
        command.append("--disable-llmobs-data-forwarding")
        agent = DatadogAgent(ports["--port"])
        with running(
            command, f"{agent.url}/info", environment={**settings, "PYTHONPATH": str(packages)}, folder=Path(folder)
        ):
            yield agent


def _install(place: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(place)]
    run([*pip, f"ddapm-test-agent=={VERSION}"], place.parent)
