"""A real MLflow Tracking server with a database of its own."""

import json
import os
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.ports import free_port
from tests.servers.process import running
from tests.servers.python import MLFLOW, environment


@dataclass(frozen=True)
class MLflow:
    """A running server."""

    url: str

    def trace(self, trace_id: int) -> dict[str, Any]:
        """What MLflow made of a trace."""
        found: dict[str, Any] = self._get(f"/api/3.0/mlflow/traces/tr-{trace_id:032x}")["trace"]["trace_info"]
        return found

    def spans(self, trace_id: int) -> list[dict[str, Any]]:
        """The spans of a trace, their attributes decoded."""
        found = self._get(f"/ajax-api/3.0/mlflow/get-trace-artifact?request_id=tr-{trace_id:032x}")["spans"]
        return [
            {**span, "attributes": {key: json.loads(value) for key, value in span["attributes"].items()}}
            for span in found
        ]

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path) as answer:
            return json.loads(answer.read())


@contextmanager
def run_mlflow() -> Iterator[MLflow]:
    """Run the server for the length of the ``with`` block."""
    commands = environment(MLFLOW) / "bin"
    with tempfile.TemporaryDirectory() as folder:
        url = f"http://127.0.0.1:{(port := free_port())}"
        command = [str(commands / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/a"]
        settings = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
        settings["PATH"] = f"{commands}{os.pathsep}{settings.get('PATH', '')}"
        with running(command, f"{url}/health", environment=settings, folder=Path(folder), timeout_s=120):
            yield MLflow(url)
