"""TLS: which servers a sink trusts, over HTTPS and gRPC."""

import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from callspan_exporters.otlp import OTLPSpanExporter
from callspan_exporters.s3 import S3SpanExporter
from tests.exporters.sink_spans import llm_span


class _Yes(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    do_PUT = do_POST  # noqa: N815 - http.server's name

    def log_message(self, *args: object) -> None:
        """Quiet."""


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust this server hangs up."""


@pytest.fixture
def https(certificate: Path) -> Iterator[str]:
    """The URL of an HTTPS server that says yes to everything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = _Quiet(("127.0.0.1", 0), _Yes)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def grpcs(certificate: Path) -> Iterator[str]:
    """The URL of a gRPC server with TLS that says yes to everything."""
    yes = grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server = grpc.server(ThreadPoolExecutor(2), [grpc.method_handlers_generic_handler(service, {"Export": yes})])
    credentials = grpc.ssl_server_credentials([(certificate.read_bytes(), certificate.read_bytes())])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield f"https://127.0.0.1:{port}"
    server.stop(0).wait()


def result(exporter: SpanExporter) -> SpanExportResult:
    try:
        return exporter.export([llm_span()])
    finally:
        exporter.shutdown()


def test_https_server_must_be_trusted(https: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of one's own authority is refused until ``OTEL_EXPORTER_OTLP_CERTIFICATE`` names it."""
    assert result(OTLPSpanExporter("http", https, export_timeout_s=0.3)) is SpanExportResult.FAILURE
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(certificate))
    assert result(OTLPSpanExporter("http", https)) is SpanExportResult.SUCCESS


def test_grpc_server_must_be_trusted(grpcs: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same over gRPC."""
    assert result(OTLPSpanExporter("grpc", grpcs, export_timeout_s=0.3)) is SpanExportResult.FAILURE
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(certificate))
    assert result(OTLPSpanExporter("grpc", grpcs)) is SpanExportResult.SUCCESS


@pytest.mark.parametrize(("trust", "trusted"), [("file", True), (False, True), (True, False)])
def test_s3_verify(https: str, certificate: Path, trust: Any, trusted: bool) -> None:
    """``s3_verify`` is a file of authorities, or false for none at all."""
    exporter = S3SpanExporter(
        "bucket",
        s3_endpoint_url=https,
        s3_aws_access_key_id="id",
        s3_aws_secret_access_key="key",
        s3_verify=str(certificate) if trust == "file" else trust,
        export_timeout_s=0.3 if not trusted else 30.0,
    )
    assert (result(exporter) is SpanExportResult.SUCCESS) is trusted
