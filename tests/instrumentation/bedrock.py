"""A local Bedrock: an HTTP server that answers with what it is given, and the ways to call it."""

import binascii
import json
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CREDENTIALS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
EVENT_STREAM = "application/vnd.amazon.eventstream"


class FakeBedrock:
    """Answers in turn: each a status, headers and a body; keeps the requests' headers and bodies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    def says(self, body: Any, headers: dict[str, str] | None = None, status: int = 200) -> None:
        """The next answer: JSON, or the bytes of an event stream."""
        kind = EVENT_STREAM if isinstance(body, bytes) else "application/json"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": kind, "x-amzn-RequestId": "req-1", **(headers or {})}
        self.answers.append((status, given, content))


@contextmanager
def fake_bedrock() -> Iterator[FakeBedrock]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: Any) -> None:
            """Silent."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            fake.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status, headers, content = fake.answers.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake = FakeBedrock(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


def _header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()


def event(kind: str, payload: Any, message: str = "event") -> bytes:
    """One message of an AWS event stream."""
    type_header = ":event-type" if message == "event" else ":exception-type"
    headers = (
        _header(type_header, kind) + _header(":message-type", message) + _header(":content-type", "application/json")
    )
    content = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(content), len(headers))
    prelude += struct.pack(">I", binascii.crc32(prelude))
    whole = prelude + headers + content
    return whole + struct.pack(">I", binascii.crc32(whole))
