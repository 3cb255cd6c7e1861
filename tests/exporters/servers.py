"""A sink's server that misbehaves as it is told."""

from __future__ import annotations

import gzip
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

_MARKER = re.compile(rb"marker-(\d+);")


@dataclass(frozen=True)
class Received:
    """One request, decompressed, and how it was answered."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    status: int = 0

    @property
    def markers(self) -> list[int]:
        """The numbers of the calls in it (see `tests.exporters.spans`)."""
        return sorted({int(number) for number in _MARKER.findall(self.body)})


@dataclass(frozen=True)
class Answer:
    """What the server answers; ``hang`` answers only when the server stops."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang: bool = False


class SinkServer:
    """Listens on loopback, remembers every request, and answers by rule: 200 unless told otherwise.

    ``rule`` decides by the request; ``script`` holds answers for the next requests, which come first.

    Args:
        certificate: a PEM file with its key: listen with TLS.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self._certificate = certificate
        self.rule: Callable[[Received], Answer] = lambda _: Answer()
        self.script: list[Answer] = []
        self.requests: list[Received] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if self._certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        scheme = "https" if self._certificate is not None else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def accepted(self) -> list[int]:
        """The calls in requests that were answered with 2xx, as often as they came."""
        return sorted(number for request in self.requests if request.status < 300 for number in request.markers)

    def wait_for(self, count: int, timeout_s: float = 10.0) -> None:
        """Until so many requests have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, timeout_s), "no request came"

    def answer(self, request: Received) -> Answer:
        with self._changed:
            answer = self.script.pop(0) if self.script else self.rule(request)
            status = 599 if answer.hang else answer.status
            self.requests.append(Received(request.method, request.path, request.headers, request.body, status))
            self._changed.notify_all()
        if answer.hang:
            self._stopping.wait(30)
        return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what these tests are about."""


def _handler(sink: SinkServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = sink.answer(Received(self.command, self.path, headers, body))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    for method in ("GET", "POST", "PUT"):
        setattr(Handler, f"do_{method}", Handler._respond)
    return Handler


def refused_port() -> int:
    """A loopback port that refuses connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
