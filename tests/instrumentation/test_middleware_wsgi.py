"""The WSGI middleware, under a real server: what a web request says holds for the calls made for it."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from io import BytesIO
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.util import FileWrapper

import flask
import httpx
import openai
import pytest
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind

from callspan.call_context import EMPTY, current_context
from callspan.cli.fake_openai import FakeOpenAI
from callspan.middleware import WSGIMiddleware
from callspan_semconv import attributes as attr
from tests.instrumentation.support import MODEL, Spans, user
from tests.instrumentation.web import CALLER, TRACE, TRACEPARENT, place


def service(fake: FakeOpenAI) -> flask.Flask:
    """A Flask application that calls a model in every way that a request can."""
    app = flask.Flask("service")

    def call(text: str = "Hi", **arguments: Any) -> Any:
        with openai.OpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client:
            answer = client.chat.completions.create(model=MODEL, messages=user(text), **arguments)
            return list(answer) if arguments else answer

    @app.post("/ask")
    def ask() -> Any:
        body = flask.request.get_json()
        call(body.get("text", "Hi"))
        return {"body": body}

    @app.post("/stream")
    def stream() -> Any:
        call()

        def pieces() -> Iterator[str]:
            yield "a"
            call(stream=True)
            yield "b"

        return flask.Response(pieces())

    @app.post("/none")
    def none() -> Any:
        return {"bytes": len(flask.request.get_data())}

    @app.post("/raises")
    def raises() -> Any:
        return call("!error 400")

    return app


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = False


class Silent(WSGIRequestHandler):
    def log_message(self, *_args: Any) -> None:
        """Silent."""


@contextmanager
def serve(app: Any) -> Iterator[str]:
    with make_server("127.0.0.1", 0, app, Server, Silent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def serving(fake_openai: FakeOpenAI, spans: Spans) -> Iterator[Callable[..., str]]:
    """``serving(**options)``: the address of the service behind the middleware."""
    with ExitStack() as stack:

        def start(**options: Any) -> str:
            app: Any = service(fake_openai)
            app.wsgi_app = WSGIMiddleware(app.wsgi_app, **options)
            return stack.enter_context(serve(app))

        yield start


def post(url: str, headers: dict[str, str] | None = None, body: Any = None) -> httpx.Response:
    return httpx.post(url, headers=headers, json=body or {}, timeout=20)


def test_what_headers_say(serving: Any, spans: Spans) -> None:
    """Trace, session, tags and user agent on the span, id and cost on the response."""
    headers = {"traceparent": TRACEPARENT, "x-litellm-tags": "a", "X-Vendor-Session-Id": "s-123456", "user-agent": "c"}
    response = post(serving() + "/ask", headers)
    span = spans.one()
    assert place(span.span) == f"{TRACE}-{CALLER}"
    assert (span[attr.CALLSPAN_TAGS], span[attr.GEN_AI_CONVERSATION_ID]) == (("a", "User-Agent: c"), "s-123456")
    assert response.headers["x-litellm-call-id"] == span[attr.CALLSPAN_CALL_ID]
    assert response.headers["x-litellm-response-cost"] == repr(span[attr.CALLSPAN_COST_TOTAL])


def test_bodies_are_read_where_asked(serving: Any, spans: Spans) -> None:
    """Metadata and no-log of the body; the application gets all of it."""
    body = {"metadata": {"job": "j"}}
    address = serving(read_body=True)
    assert post(address + "/ask", body=body).json() == {"body": body}
    assert spans.take().json(attr.CALLSPAN_METADATA)["job"] == "j"
    assert "x-litellm-call-id" not in post(address + "/ask", body={"no-log": True}).headers
    assert not spans.all


def test_streams(serving: Any, spans: Spans) -> None:
    """What is called while the response is being sent belongs to the request as well."""
    response = post(serving() + "/stream", {"x-litellm-session-id": "s-1", "traceparent": TRACEPARENT})
    assert response.text == "ab"
    attributes: list[Any] = [span.attributes for span in spans.all]
    assert [each[attr.GEN_AI_CONVERSATION_ID] for each in attributes] == ["s-1", "s-1"]
    assert {place(span) for span in spans.all} == {f"{TRACE}-{CALLER}"}
    assert response.headers["x-litellm-call-id"] == attributes[0][attr.CALLSPAN_CALL_ID]


def test_failures(serving: Any, spans: Spans) -> None:
    """A request that fails has its call's id, and no cost."""
    response = post(serving() + "/raises")
    assert response.status_code == 500
    assert response.headers["x-litellm-call-id"] == spans.one()[attr.CALLSPAN_CALL_ID]
    assert "x-litellm-response-cost" not in response.headers


def test_requests_do_not_mix(serving: Any, spans: Spans) -> None:
    """Of many requests at once, each call has its own request's session, and each response its own id."""
    address = serving()

    def one(number: int) -> tuple[str, str]:
        response = post(f"{address}/{('ask', 'stream')[number % 2]}", {"x-litellm-session-id": f"s-{number}"})
        return f"s-{number}", response.headers["x-litellm-call-id"]

    with ThreadPoolExecutor(8) as pool:
        told = set(pool.map(one, range(20)))
    attributes: list[Any] = [span.attributes for span in spans.all]
    made = {(each[attr.GEN_AI_CONVERSATION_ID], each[attr.CALLSPAN_CALL_ID]) for each in attributes}
    assert (len(told), len(made)) == (20, 30)
    assert told < made


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_bodies_arrive_whole(size: int, serving: Any) -> None:
    """Whatever the body is, the application gets every byte of it."""
    headers = {"content-type": "application/json"}
    response = httpx.post(serving(read_body=True) + "/none", content=b"x" * size, headers=headers)
    assert response.json() == {"bytes": size}


@pytest.mark.parametrize(
    ("content", "environ", "asks"),
    [
        (b'{"turn_off_message_logging": true}', {}, "none"),
        (b'{"turn_off_message_logging": true}', {"CONTENT_TYPE": "application/x-www-form-urlencoded"}, "none"),
        (b"{" + b" " * 2000, {}, "none"),
        (
            b"{}",
            {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_TYPE": "application/json"},
            "none",
        ),
        (b"{}", {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}, None),
        (b"{}", {}, None),
        (b"", {"CONTENT_LENGTH": "", "REQUEST_METHOD": "GET"}, None),
        (b"", {"CONTENT_LENGTH": ""}, None),
    ],
)
def test_bodies_that_ask_for_redaction(content: bytes, environ: Any, asks: str | None, spans: Spans) -> None:
    """Whatever the body is said to be, its wish is heard; one that cannot be read may have asked."""
    seen: list[Any] = []

    def app(environ: Any, _start_response: Any) -> list[bytes]:
        seen.append(current_context().attributes.get(attr.CALLSPAN_REDACT))
        return [environ["wsgi.input"].read()]

    given = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(content)), "wsgi.input": BytesIO(content), **environ}
    middleware = WSGIMiddleware(app, read_body=True, max_body_bytes=1000)
    assert middleware(given, lambda *_head: None) == [content]
    assert seen == [asks]


@pytest.mark.parametrize("outside", [False, True], ids=["instrumentation outside", "middleware outside"])
def test_beside_opentelemetrys_own(
    outside: bool, spans: Spans, tracer_provider: TracerProvider, fake_openai: FakeOpenAI
) -> None:
    """With OpenTelemetry's middleware there is one server span, the caller's child and the call's parent."""
    app: Any = service(fake_openai).wsgi_app
    if outside:
        app = WSGIMiddleware(OpenTelemetryMiddleware(app, tracer_provider=tracer_provider))
    else:
        app = OpenTelemetryMiddleware(WSGIMiddleware(app), tracer_provider=tracer_provider)
    with serve(app) as address:
        response = post(address + "/ask", {"traceparent": TRACEPARENT})
    assert response.headers["x-litellm-call-id"]
    call, server = spans.all
    assert (server.kind, place(server)) == (SpanKind.SERVER, f"{TRACE}-{CALLER}")
    assert server.context is not None
    assert place(call) == f"{TRACE}-{server.context.span_id:016x}"


def answer(app: Any, environ: dict[str, Any]) -> tuple[Any, list[Any]]:
    """What an application returns and hands to ``start_response``."""
    started: list[Any] = []
    return WSGIMiddleware(app)(environ, lambda *head: started.append(head)), started


def test_lists_and_files_stay_what_they_are(spans: Spans, tmp_path: Any) -> None:
    """Servers count lists and send files by the system's own means."""
    environ = {"REQUEST_METHOD": "GET", "wsgi.file_wrapper": FileWrapper}
    body = [b"all"]
    assert answer(lambda *_: body, environ)[0] is body
    (tmp_path / "file").write_bytes(b"all")
    with (tmp_path / "file").open("rb") as file:
        wrapped = FileWrapper(file)
        assert answer(lambda *_: wrapped, environ)[0] is wrapped


def test_nothing_is_left_behind(spans: Spans) -> None:
    """The server's thread never sees what a request says; the application's iterable is closed."""
    seen: list[Any] = []

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            seen.append(current_context())
            yield json.dumps({}).encode()

        def close(self) -> None:
            seen.append(current_context())

    def app(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("X-LiteLLM-Call-Id", "own")])
        return Pieces()

    result, started = answer(app, {"REQUEST_METHOD": "GET", "HTTP_X_LITELLM_TAGS": "a"})
    assert next(result) == b"{}"
    result.close()
    assert current_context() is EMPTY
    assert [said.attributes[attr.CALLSPAN_TAGS] for said in seen] == [("a",), ("a",)]
    assert started == [("200 OK", [("X-LiteLLM-Call-Id", "own")])]
