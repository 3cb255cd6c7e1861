"""A real OpenTelemetry Collector, built from Go modules.

There is no trustworthy binary on PyPI, so the Collector's own builder makes one: OTLP in (gRPC and HTTP), OTLP JSON out
to a recorder on loopback. The binary is kept in ``CALLSPAN_TEST_CACHE`` (default: ``.cache`` in the checkout); building
it takes a minute or two, once. ``python -m tests.servers.collector`` runs it by hand and prints the spans.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

from tests.servers.cache import cached, run
from tests.servers.ports import free_port

# The newest version whose modules are all published.
VERSION = "0.162.0"
_PROVIDER_VERSION = "1.68.0"  # the stable modules of the same release

_MANIFEST = f"""
dist: {{name: otelcol, output_path: ./out}}
conf_resolver: {{default_uri_scheme: file}}
receivers: [{{gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v{VERSION}}}]
exporters: [{{gomod: go.opentelemetry.io/collector/exporter/otlphttpexporter v{VERSION}}}]
providers: [{{gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v{_PROVIDER_VERSION}}}]
"""

# Without a queue the Collector acknowledges a span only once the recorder has it.
_CONFIG = """
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
      http: {{endpoint: "127.0.0.1:{http}"}}
exporters:
  otlp_http:
    endpoint: "http://127.0.0.1:{recorder}"
    encoding: json
    compression: none
    sending_queue: {{enabled: false}}
    retry_on_failure: {{enabled: false}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_http]}}
"""


def go_available() -> bool:
    """Whether the Collector can be built here."""
    return shutil.which("go") is not None


def build() -> Path:
    """Return the Collector's binary, built on the first call.

    Raises:
        RuntimeError: the build failed; with the end of its output.
    """
    fingerprint = hashlib.sha256(_MANIFEST.encode()).hexdigest()[:8]
    return cached(f"collector-{VERSION}-{fingerprint}", _build_in) / "otelcol"


def _build_in(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        (work / "manifest.yaml").write_text(_MANIFEST)
        environment = {**os.environ, "GOBIN": directory, "CGO_ENABLED": "0"}
        run(["go", "install", f"go.opentelemetry.io/collector/cmd/builder@v{VERSION}"], work, environment)
        run(["./builder", "--config", "manifest.yaml"], work, environment)
        shutil.move(work / "out" / "otelcol", folder)


@dataclass(frozen=True)
class Collector:
    """A running Collector.

    Attributes:
        grpc_endpoint: for ``OTEL_EXPORTER_OTLP_ENDPOINT`` with the protocol ``grpc``.
        http_endpoint: the same for ``http/protobuf``; the path ``/v1/traces`` is not part of it.
    """

    grpc_endpoint: str
    http_endpoint: str
    recorder: "_Recorder"

    def spans(self, timeout_s: float = 10.0, *, count: int = 1) -> list[dict[str, Any]]:
        """What the Collector received, once that is ``count`` spans or more, or after ``timeout_s`` in any case.

        Each is a span of OTLP JSON; ``resource`` and ``scope`` are added to it, and all ``attributes`` are plain dicts.
        """
        return self.recorder.wait(count, timeout_s)

    def clear(self) -> None:
        """Forget the spans received so far."""
        self.recorder.clear()


@contextmanager
def run_collector() -> Iterator[Collector]:
    """Run a Collector on free loopback ports for the length of the ``with`` block.

    Raises:
        RuntimeError: it could not be built or did not start; with the end of its output.
    """
    binary = build()
    with tempfile.TemporaryDirectory() as directory, _Recorder() as recorder:
        grpc, http = free_port(), free_port()
        config = Path(directory) / "config.yaml"
        config.write_text(_CONFIG.format(grpc=grpc, http=http, recorder=recorder.server_port))
        with _process(binary, config):
            yield Collector(f"http://127.0.0.1:{grpc}", f"http://127.0.0.1:{http}", recorder)


@contextmanager
def _process(binary: Path, config: Path) -> Iterator[None]:
    with subprocess.Popen([str(binary), "--config", str(config)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        _await_ready(process.stderr)
        # Read on, or the Collector would block on a full pipe.
        reader = threading.Thread(target=process.stderr.read)
        reader.start()
        try:
            yield
        finally:
            process.terminate()
            reader.join()


def _await_ready(log: IO[str]) -> None:
    lines = []
    for line in log:
        lines.append(line)
        if "Everything is ready" in line:
            return
    raise RuntimeError(f"the Collector ended instead of starting:\n{''.join(lines)[-2000:]}")


class _Recorder(ThreadingHTTPServer):
    """Takes the Collector's exports."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _RecorderHandler)
        self._spans: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def record(self, export: dict[str, Any]) -> None:
        with self._changed:
            self._spans += flatten(export)
            self._changed.notify_all()

    def wait(self, count: int, timeout_s: float) -> list[dict[str, Any]]:
        with self._changed:
            self._changed.wait_for(lambda: len(self._spans) >= count, timeout_s)
            return list(self._spans)

    def clear(self) -> None:
        with self._changed:
            self._spans.clear()

    def server_close(self) -> None:
        self.shutdown()
        super().server_close()
        self._thread.join()


class _RecorderHandler(BaseHTTPRequestHandler):
    server: _Recorder

    def do_POST(self) -> None:
        self.server.record(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay silent."""


def flatten(export: dict[str, Any]) -> list[dict[str, Any]]:
    """The spans of an OTLP JSON trace export, each with its resource and scope, all attributes as plain dicts."""
    return [
        {
            **span,
            "attributes": _attributes(span),
            "events": [{**event, "attributes": _attributes(event)} for event in span.get("events", [])],
            "resource": _attributes(resource_spans.get("resource", {})),
            "scope": scope_spans.get("scope", {}),
        }
        for resource_spans in export.get("resourceSpans", [])
        for scope_spans in resource_spans.get("scopeSpans", [])
        for span in scope_spans.get("spans", [])
    ]


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {attribute["key"]: _value(attribute["value"]) for attribute in holder.get("attributes", [])}


def _value(value: dict[str, Any]) -> Any:
    ((kind, content),) = value.items()
    if kind == "arrayValue":
        return [_value(each) for each in content.get("values", [])]
    if kind == "kvlistValue":
        return {each["key"]: _value(each["value"]) for each in content.get("values", [])}
    return int(content) if kind == "intValue" else content  # 64-bit integers are strings in OTLP JSON


def main() -> None:
    """Run a Collector until interrupted and print each span as a line of JSON."""
    with run_collector() as collector, suppress(KeyboardInterrupt):
        print(f"gRPC {collector.grpc_endpoint}  HTTP {collector.http_endpoint}", flush=True)
        printed = 0
        while True:
            for span in collector.spans(timeout_s=3600, count=printed + 1)[printed:]:
                print(json.dumps(span), flush=True)
                printed += 1


if __name__ == "__main__":
    main()
