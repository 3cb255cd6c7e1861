"""A local Google Cloud Storage (gcp-storage-emulator, a Python package); it does not check who writes."""

import json
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from callspan_exporters.gcs import GCSSpanExporter
from tests.servers.ports import free_port
from tests.servers.process import running

BUCKET = "logs-bucket"


@dataclass(frozen=True)
class GCS:
    """A running server with one bucket."""

    url: str

    def exporter(self, **options: Any) -> GCSSpanExporter:
        return GCSSpanExporter(**{"bucket_name": BUCKET, "endpoint": self.url, **options})

    def objects(self) -> dict[str, bytes]:
        """What was written, by name."""
        names = [entry["name"] for entry in json.loads(self._get("/o")).get("items", [])]
        return {name: self._get(f"/o/{urllib.parse.quote(name, safe='')}?alt=media") for name in sorted(names)}

    def metadata(self, name: str) -> dict[str, Any]:
        """What the server knows about an object."""
        found: dict[str, Any] = json.loads(self._get(f"/o/{urllib.parse.quote(name, safe='')}"))
        return found

    def clear(self) -> None:
        """Delete everything."""
        for name in self.objects():
            url = f"{self.url}/storage/v1/b/{BUCKET}/o/{urllib.parse.quote(name, safe='')}"
            with urllib.request.urlopen(urllib.request.Request(url, method="DELETE")):
                pass

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}/storage/v1/b/{BUCKET}{path}") as answer:
            body: bytes = answer.read()
            return body


@contextmanager
def run_gcs() -> Iterator[GCS]:
    """Run the server for the length of the ``with`` block."""
    port = free_port()
    options = ["--host=127.0.0.1", f"--port={port}", "--in-memory", f"--default-bucket={BUCKET}"]
    url = f"http://127.0.0.1:{port}"
    with running([sys.executable, "-m", "gcp_storage_emulator", "start", *options], f"{url}/storage/v1/b"):
        yield GCS(url)
