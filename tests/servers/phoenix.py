"""A real Arize Phoenix."""

import json
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.ports import free_port
from tests.servers.process import running
from tests.servers.python import PHOENIX, environment


@dataclass(frozen=True)
class Phoenix:
    """A running server."""

    url: str
    grpc: str

    def spans(self, project: str, count: int, timeout_s: float = 20.0) -> list[dict[str, Any]]:
        """The spans of a project, once there are so many: Phoenix stores them a moment after it took them."""
        deadline = time.monotonic() + timeout_s
        found: list[dict[str, Any]] = []
        while len(found) < count and time.monotonic() < deadline:
            with (
                suppress(urllib.error.HTTPError),  # no such project yet
                urllib.request.urlopen(f"{self.url}/v1/projects/{project}/spans?limit=100") as answer,
            ):
                found = json.loads(answer.read())["data"]
            time.sleep(0.05)
        return found


@contextmanager
def run_phoenix() -> Iterator[Phoenix]:
    """Run the server for the length of the ``with`` block, on loopback alone."""
    folder = environment(PHOENIX)
    (module,) = folder.glob("lib/python*/site-packages/phoenix/server/grpc_server.py")
    module.write_text(module.read_text().replace('f"[::]:', 'f"127.0.0.1:'))  # it has no setting for this
    http, grpc = free_port(), free_port()
    with tempfile.TemporaryDirectory() as work:
        settings = {
            **os.environ,
            "PHOENIX_WORKING_DIR": work,
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(http),
            "PHOENIX_GRPC_PORT": str(grpc),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        }
        url = f"http://127.0.0.1:{http}"
        command = [str(folder / "bin" / "phoenix"), "serve"]
        with running(command, f"{url}/healthz", environment=settings, folder=Path(work), timeout_s=120):
            yield Phoenix(url, f"grpc://127.0.0.1:{grpc}")
