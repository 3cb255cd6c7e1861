"""The ASGI middleware, under a real server: what a web request says holds for the calls made for it."""

import asyncio
import gzip
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import openai
import pytest
from fastapi.responses import JSONResponse
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind

from callspan.call_context import EMPTY, current_context
from callspan.cli.fake_openai import FakeOpenAI
from callspan.middleware import ASGIMiddleware
from callspan.middleware.requests import Calls
from callspan_semconv import attributes as attr
from tests.instrumentation.support import MODEL, Spans, user
from tests.instrumentation.web import CALLER, TRACE, TRACEPARENT, Service, place, serve


@pytest.fixture
def service(fake_openai: FakeOpenAI) -> Service:
    return Service(fake_openai)


@pytest.fixture
def serving(service: Service, spans: Spans) -> Iterator[Callable[..., str]]:
    """``serving(**options)``: the address of the service behind the middleware."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(serve(ASGIMiddleware(service.app(), **options)))


def post(url: str, headers: dict[str, str] | None = None, body: Any = None) -> httpx.Response:
    return httpx.post(url, headers=headers, json=body or {}, timeout=20)


def test_what_headers_say(serving: Any, spans: Spans) -> None:
    """Trace, session, tags, user agent, user: on the span of the call that the endpoint makes."""
    headers = {
        "traceparent": TRACEPARENT,
        "x-litellm-tags": "a,b",
        "x-litellm-session-id": "s-1",
        "x-litellm-customer-id": "u-1",
        "user-agent": "curl/8",
    }
    assert post(serving() + "/ask", headers).status_code == 200
    span = spans.one()
    assert place(span.span) == f"{TRACE}-{CALLER}"
    assert span[attr.CALLSPAN_TAGS] == ("a", "b", "User-Agent: curl", "User-Agent: curl/8")
    assert (span[attr.GEN_AI_CONVERSATION_ID], span[attr.CALLSPAN_USER]) == ("s-1", "u-1")
    assert span.json(attr.CALLSPAN_METADATA) == {"user_agent": "curl/8"}


def test_bodies_are_read_where_asked(serving: Any, spans: Spans) -> None:
    """Metadata, tags and user of the body; the application gets all of it."""
    body = {"text": "Hi", "metadata": {"job": "j", "user_api_key_team_id": "claimed"}, "tags": ["t"], "user": "u"}
    assert post(serving(read_body=True) + "/ask", body=body).json() == {"body": body}
    span = spans.take()
    assert span.json(attr.CALLSPAN_METADATA)["job"] == "j"
    assert "user_api_key_team_id" not in span.json(attr.CALLSPAN_METADATA)
    assert (span[attr.CALLSPAN_TAGS][0], span[attr.CALLSPAN_USER]) == ("t", "u")
    post(serving() + "/ask", body=body)
    assert attr.CALLSPAN_USER not in spans.one().attributes


def test_no_log(serving: Any, spans: Spans, caplog: pytest.LogCaptureFixture) -> None:
    """The call is made and leaves nothing but a word in the log, which does not quote it."""
    with caplog.at_level(logging.INFO, "callspan"):
        response = post(serving(read_body=True) + "/ask", body={"text": "my secret", "no-log": True})
    assert response.status_code == 200
    assert "x-litellm-call-id" not in response.headers
    assert not spans.all
    assert [record.getMessage() for record in caplog.records if record.name == "callspan"] == [
        "callspan: no-log request: this call is not recorded: chat"
    ]


def test_what_responses_say(serving: Any, spans: Spans) -> None:
    """Id and cost of the call; of several all ids and the sum; nothing where there is nothing."""
    address = serving()
    one = post(address + "/ask")
    assert one.headers["x-litellm-call-id"] == spans.one()[attr.CALLSPAN_CALL_ID]
    cost = spans.take()[attr.CALLSPAN_COST_TOTAL]
    assert one.headers["x-litellm-response-cost"] == repr(cost)
    two = post(address + "/ask", body={"texts": ["Hi"] * 2})
    ids = [(span.attributes or {})[attr.CALLSPAN_CALL_ID] for span in spans.all]
    assert two.headers["x-litellm-call-id"].split(", ") == ids
    assert float(two.headers["x-litellm-response-cost"]) == pytest.approx(2 * cost)
    for response in (post(address + "/none"), post(serving(response_headers=False) + "/ask")):
        assert not [name for name in response.headers if "litellm" in name]
    many = post(address + "/ask", body={"texts": ["Hi"] * 33})
    assert "x-litellm-call-id" not in many.headers


@pytest.mark.parametrize("texts", [["!no-usage"], ["Hi", "!no-usage"]])
def test_a_cost_that_nobody_knows(texts: list[str], serving: Any, spans: Spans) -> None:
    """Of a call without usage the id is told, and no cost rather than a wrong one."""
    response = post(serving() + "/ask", body={"texts": texts})
    assert len(response.headers["x-litellm-call-id"].split(",")) == len(texts)
    assert "x-litellm-response-cost" not in response.headers


def test_ids_that_no_header_may_hold() -> None:
    """An id that a client has chosen cannot add headers of its own."""
    call: Any = type("Call", (), {"call_id": "a\r\nset-cookie: b", "attributes": {}})()
    calls = Calls()
    calls.begun(call)
    assert calls.headers() == {}


@pytest.mark.parametrize("way", ["/thread", "/background", "/raises"])
def test_wherever_the_call_is_made(way: str, serving: Any, spans: Spans, service: Service) -> None:
    """In a thread, after the response, before an error: what the request says holds."""
    response = post(serving() + way, {"x-litellm-session-id": "s-1", "traceparent": TRACEPARENT})
    assert response.status_code == (500 if way == "/raises" else 200)
    if way == "/background":
        assert service.later.wait(10)
    span = spans.one()
    assert span[attr.GEN_AI_CONVERSATION_ID] == "s-1"
    assert place(span.span) == f"{TRACE}-{CALLER}"


def test_streams(serving: Any, spans: Spans) -> None:
    """Of a stream the id is known when the headers leave, its cost is not; a call made while streaming is too late."""
    response = post(serving() + "/stream", {"x-litellm-session-id": "s-1"})
    first, second = sorted(spans.all, key=lambda span: span.start_time or 0)
    assert response.text
    assert response.headers["x-litellm-call-id"] == (first.attributes or {})[attr.CALLSPAN_CALL_ID]
    assert "x-litellm-response-cost" not in response.headers
    for span in (first, second):
        assert (span.attributes or {})[attr.GEN_AI_CONVERSATION_ID] == "s-1"


def test_sinks_are_disabled_where_allowed(serving: Any, spans: Spans) -> None:
    """A request names the sinks that shall not have its calls, if the operator lets it."""
    headers = {"x-litellm-disable-callbacks": "langfuse, s3"}
    post(serving(allow_callback_disabling=True) + "/ask", headers)
    assert spans.take()[attr.CALLSPAN_DISABLED_SINKS] == ("langfuse", "s3")
    post(serving() + "/ask", headers)
    assert attr.CALLSPAN_DISABLED_SINKS not in spans.one().attributes


async def test_requests_do_not_mix(serving: Any, spans: Spans) -> None:
    """Of many requests at once, each call has its own request's session, and each response its own id."""
    address = serving()
    async with httpx.AsyncClient(timeout=20) as client:

        async def one(number: int) -> tuple[str, str]:
            headers = {"x-litellm-session-id": f"s-{number}"}
            path = ("/ask", "/thread")[number % 2]
            response = await client.post(address + path, headers=headers, json={})
            return f"s-{number}", response.headers["x-litellm-call-id"]

        told = await asyncio.gather(*(one(number) for number in range(20)))
    attributes: list[Any] = [span.attributes for span in spans.all]
    assert sorted((a[attr.GEN_AI_CONVERSATION_ID], a[attr.CALLSPAN_CALL_ID]) for a in attributes) == sorted(told)


@pytest.mark.parametrize("outside", [False, True], ids=["instrumentation outside", "middleware outside"])
def test_beside_opentelemetrys_own(
    outside: bool, spans: Spans, tracer_provider: TracerProvider, service: Service
) -> None:
    """With FastAPI's instrumentation there is one server span, the caller's child and the call's parent."""
    app = service.app()
    if not outside:
        app.add_middleware(ASGIMiddleware)
    FastAPIInstrumentor.instrument_app(app, tracer_provider=tracer_provider, exclude_spans=["send", "receive"])
    with serve(ASGIMiddleware(app) if outside else app) as address:
        response = post(address + "/ask", {"traceparent": TRACEPARENT})
    FastAPIInstrumentor.uninstrument_app(app)
    assert response.headers["x-litellm-call-id"]
    call, server = spans.all
    assert (server.kind, place(server)) == (SpanKind.SERVER, f"{TRACE}-{CALLER}")
    assert server.context is not None
    assert place(call) == f"{TRACE}-{server.context.span_id:016x}"


def test_spans_of_the_application(
    spans: Spans, tracer_provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody else continues the trace, the application's own spans are in it too."""
    monkeypatch.delitem(sys.modules, "opentelemetry.instrumentation.asgi")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with tracer_provider.get_tracer("app").start_as_current_span("work"):
            await JSONResponse({})(scope, receive, send)

    with serve(ASGIMiddleware(app)) as address:
        post(address, {"traceparent": TRACEPARENT})
    (work,) = (span for span in spans.all if span.name == "work")
    assert place(work) == f"{TRACE}-{CALLER}"


@pytest.mark.parametrize(
    ("size", "content_type"),
    [(10, "application/json"), (3_000_000, "application/json"), (100_000, "application/octet-stream")],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_arrive_whole(size: int, content_type: str, chunked: bool, serving: Any) -> None:
    """Whatever the body is, and however it is sent, the application gets every byte of it."""
    content = b"x" * size
    body: Any = (content[start : start + 9_999] for start in range(0, size, 9_999)) if chunked else content
    response = httpx.post(serving(read_body=True) + "/none", content=body, headers={"content-type": content_type})
    assert response.json() == {"bytes": size}


async def test_bodies_in_pieces(spans: Spans, client: openai.OpenAI) -> None:
    """A body that comes in several pieces is read as a whole; one that does not end is not waited for."""
    pieces = [json.dumps({"tags": ["t"]}).encode(), b" " * 400_000]
    received = 0

    async def receive(*_message: Any) -> Any:
        nonlocal received
        received += 1
        return {"type": "http.request", "body": pieces[min(received, 2) - 1], "more_body": received != last}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        client.chat.completions.create(model=MODEL, messages=user("Hi"))

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}
    last = 2
    await ASGIMiddleware(app, read_body=True)(scope, receive, receive)
    assert spans.take()[attr.CALLSPAN_TAGS] == ("t",)
    received, last = 0, -1
    await ASGIMiddleware(app, read_body=True, max_body_bytes=1_000_000)(scope, receive, receive)
    assert attr.CALLSPAN_TAGS not in spans.one().attributes
    assert received == 4


@pytest.mark.parametrize(
    ("content", "headers", "withheld"),
    [
        (b'{"turn_off_message_logging": true}', {"content-type": "application/x-www-form-urlencoded"}, True),
        (b'{"turn_off_message_logging": true}', {}, True),
        (b'{"turn_off_message_logging": false}', {}, False),
        (b'{"turn_off_message_logging": true, "temperature": NaN}', {"content-type": "application/json"}, True),
        (gzip.compress(b"{}", mtime=0), {"content-type": "application/json", "content-encoding": "gzip"}, True),
        (b" " * 2000, {"content-type": "application/json"}, True),
        (b"a=b", {"content-type": "application/x-www-form-urlencoded"}, False),
        (b"[1]", {"content-type": "application/json"}, False),
        (b"{", {"content-type": "multipart/form-data; boundary=a"}, False),
    ],
)
async def test_bodies_that_ask_for_redaction(
    content: bytes, headers: dict[str, str], withheld: bool, spans: Spans, client: openai.OpenAI
) -> None:
    """Whatever the body is said to be, its wish is heard; one that cannot be read may have asked."""

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        assert (await receive())["body"] == content
        client.chat.completions.create(model=MODEL, messages=user("Hi"))

    async def receive(*_message: Any) -> Any:
        return {"type": "http.request", "body": content}

    sent = {**headers, "content-length": str(len(content))}
    pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
    scope = {"type": "http", "method": "POST", "headers": pairs}
    await ASGIMiddleware(app, read_body=True, max_body_bytes=1000)(scope, receive, receive)
    assert (spans.one().get(attr.CALLSPAN_REDACT) == "none") is withheld


async def test_conversations_over_one_request(spans: Spans) -> None:
    """A body that is not JSON and has no known length may be answered while it comes: it is not waited for."""
    order: list[str] = []

    async def receive(*_message: Any) -> Any:
        order.append("received")
        return {"type": "http.request", "body": b"{", "more_body": True}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        order.append("app")
        await receive()

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/x-ndjson")]}
    await ASGIMiddleware(app, read_body=True)(scope, receive, receive)
    assert order == ["app", "received"]


async def test_other_events_pass(spans: Spans) -> None:
    """Websockets and the server's own events reach the application as they are."""
    seen = []

    async def app(*event: Any) -> None:
        seen.append(event)

    middleware = ASGIMiddleware(app, read_body=True)
    events: list[Any] = [({"type": kind}, object(), object()) for kind in ("websocket", "lifespan")]
    for event in events:
        await middleware(*event)
    assert seen == events


async def test_nothing_is_left_behind(spans: Spans) -> None:
    """After a request, also one that fails or is thrown away half way, nothing of it is current."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert current_context() is not EMPTY
        await receive()

    async def fails() -> Any:
        raise ConnectionError

    async def never(*_message: Any) -> Any:
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "POST", "headers": [(b"traceparent", TRACEPARENT.encode())]}
    middleware = ASGIMiddleware(app)
    with pytest.raises(ConnectionError):
        await middleware(scope, fails, never)
    assert current_context() is EMPTY
    assert not trace.get_current_span().get_span_context().is_valid
    task = asyncio.create_task(middleware(scope, never, never))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    coroutine: Any = middleware(scope, never, never)
    await asyncio.create_task(_begin(coroutine))
    coroutine.close()  # elsewhere than where it began
    assert current_context() is EMPTY


async def _begin(coroutine: Any) -> None:
    coroutine.send(None)
