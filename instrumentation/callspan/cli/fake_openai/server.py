"""The HTTP server: loopback only, one thread a connection, every request kept."""

import json
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from callspan.cli.fake_openai import audio, chat, completions, embeddings, errors, images
from callspan.cli.fake_openai.responses import Responses
from callspan.cli.fake_openai.wire import EventStream, Json, Reply, Request

Route = Callable[[Request], Reply | EventStream]


class FakeOpenAI:
    """A local server that answers as the OpenAI API does, for demos and tests; needs no key worth the name.

    It listens on a free port of 127.0.0.1 from construction until `close` (or the end of the ``with`` block). What it
    answers is steered by the prompts: see `callspan.cli.fake_openai.directives`.

    Example:
        >>> with FakeOpenAI() as server:
        ...     client = openai.OpenAI(base_url=server.base_url, api_key="sk-local")
        ...     client.responses.create(model="gpt-4o-mini", input="Hello")

    Attributes:
        requests: what arrived, in order of arrival.
        url: the root, without a path: the ``azure_endpoint`` of an Azure client.
        base_url: the ``base_url`` of an OpenAI client.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._routes = _routes(Responses())
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.base_url = f"{self.url}/v1"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="fake-openai", daemon=True
        )
        self._thread.start()

    def answer(self, request: Request) -> Reply | EventStream:
        """Find who answers a request; 404 for a path that no API here has."""
        for route in (request.route, request.route.rpartition("/")[0] + "/*"):
            if (request.method, route) in self._routes:
                return self._routes[request.method, route](request)
        return errors.reply(404, f"Invalid URL ({request.method} {request.path})")

    def close(self) -> None:
        """Stop listening, drop open connections and wait for their threads."""
        self.closing.set()
        self._server.shutdown()
        self._server.drop_connections()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> "FakeOpenAI":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _routes(responses: Responses) -> dict[tuple[str, str], Route]:
    return {
        ("POST", "/chat/completions"): chat.create,
        ("POST", "/completions"): completions.create,
        ("POST", "/embeddings"): embeddings.create,
        ("POST", "/moderations"): embeddings.moderate,
        ("POST", "/responses"): responses.create,
        ("GET", "/responses/*"): responses.retrieve,
        ("POST", "/images/generations"): images.create,
        ("POST", "/images/edits"): images.create,
        ("POST", "/images/variations"): images.create,
        ("POST", "/audio/speech"): audio.speak,
        ("POST", "/audio/transcriptions"): audio.transcribe,
        ("POST", "/audio/translations"): audio.transcribe,
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing joins the threads
    request_queue_size = 128

    def __init__(self, api: FakeOpenAI) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._open_lock:
            self._open.add(connection)
        return connection, address

    def close_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().close_request(request)

    def drop_connections(self) -> None:
        """Wake the threads that wait for the next request of a client that keeps its connection."""
        with self._open_lock, suppress(OSError):
            for connection in self._open:
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with suppress(ConnectionError):  # a client may leave at any time
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay silent: what arrived is in `FakeOpenAI.requests`."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        request = self._read()
        self.server.api.requests.append(request)
        self._pause(request)
        answer = errors.refused(request) or self.server.api.answer(request)
        if isinstance(answer, EventStream):
            self._send_events(request, answer)
        elif "reset-midstream" in request.directives:
            self.close_connection = True
        else:
            self._send(request, answer)

    def _read(self) -> Request:
        target = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        parsed = parse_body(headers.get("content-type", ""), body)
        return Request(self.command, target.path, dict(parse_qsl(target.query)), headers, body, parsed)

    def _pause(self, request: Request) -> None:
        if "slow" in request.directives:
            self.server.api.closing.wait(float(request.directives["slow"] or 0.1))

    def _send_head(self, request: Request, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        request_id = str(uuid.uuid4()) if request.azure else f"req_{uuid.uuid4().hex}"
        common = {"x-request-id": request_id, "openai-processing-ms": "12", "openai-version": "2020-10-01"}
        for name, value in {**common, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, request: Request, reply: Reply) -> None:
        size = {"content-length": str(len(reply.body)), "content-type": reply.content_type}
        self._send_head(request, reply.status, {**reply.headers, **size})
        self.wfile.write(reply.body)

    def _send_events(self, request: Request, stream: EventStream) -> None:
        head = {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"}
        self._send_head(request, 200, head)
        # An early end, not a TCP reset: a reset would discard what the client has not read yet.
        dropped = "reset-midstream" in request.directives
        for frame in stream.frames[: len(stream.frames) // 2] if dropped else stream.frames:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))
            self._pause(request)
        if dropped:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")


def parse_body(content_type: str, body: bytes) -> Json:
    """Return a JSON object or a form's fields (files by name and size); empty if the body is neither."""
    if content_type.startswith("application/json"):
        with suppress(ValueError):
            parsed = json.loads(body)
            return parsed if isinstance(parsed, dict) else {}
    if not content_type.startswith("multipart/form-data"):
        return {}
    form = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    return {_field(part): _value(part) for part in form.walk() if not part.is_multipart()}


def _field(part: Message) -> str:
    return str(part.get_param("name", header="content-disposition"))


def _value(part: Message) -> str | Json:
    content = part.get_payload(decode=True)
    data = content if isinstance(content, bytes) else b""
    filename = part.get_filename()
    return data.decode() if filename is None else {"filename": filename, "size": len(data)}
