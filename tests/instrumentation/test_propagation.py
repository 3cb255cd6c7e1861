"""The trace goes on at one's own servers, and not to vendors."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from opentelemetry import baggage
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import TracerProvider

from callspan.instrumentors import activate
from tests.instrumentation.support import MODEL, OPENAI_MAJOR, Spans, answering, collect, httpx, settle, user
from tests.instrumentation.test_endpoints import COMPLETION


def traceparent_of(span: Any) -> str:
    context = span.context
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


@pytest.mark.parametrize("stream", [False, True])
async def test_own_server_continues_the_trace(
    stream: bool, spans: Spans, either: Any, fake_openai: Any, tracer_provider: TracerProvider
) -> None:
    """A server on a private host gets this call's span as parent, within the application's trace; never baggage."""
    with tracer_provider.get_tracer("app").start_as_current_span("request") as parent:
        token = attach(baggage.set_baggage("account", "secret"))
        result = await settle(either.responses.create(model=MODEL, input="Hi", stream=stream))
        if stream:
            await collect(result)
        detach(token)
    (span,) = (span for span in spans.all if span.name != "request")
    headers = fake_openai.requests[0].headers
    assert headers["traceparent"] == traceparent_of(span)
    assert span.parent is not None
    assert span.parent.span_id == parent.get_span_context().span_id
    assert "baggage" not in headers


@pytest.mark.parametrize("name", ["traceparent", "Traceparent"])
async def test_own_header_stays(name: str, spans: Spans, either: Any, fake_openai: Any) -> None:
    """A traceparent that the application sets itself is sent as it is; other headers are kept beside ours."""
    mine = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers: Any = {name: mine, "x-mine": "1"}
    await settle(either.embeddings.create(model="m", input="x", extra_headers=headers))
    await settle(either.embeddings.create(model="m", input="x", extra_headers={"x-mine": "1"}))
    first, second = (request.headers for request in fake_openai.requests)
    assert first["traceparent"] == mine
    assert second["traceparent"] == traceparent_of(spans.all[1])
    assert first["x-mine"] == second["x-mine"] == "1"
    assert headers == {name: mine, "x-mine": "1"}


HOSTS: Any = [
    ("https://api.openai.com/v1", None, False),
    ("https://gateway.example.com/v1", None, False),
    ("http://localhost:4000/v1", None, True),
    ("http://10.1.2.3/v1", None, True),
    ("http://litellm:4000/v1", None, True),
    ("https://llm.prod.svc.cluster.local/v1", None, True),
    ("https://api.openai.com/v1", True, True),
    ("https://gateway.example.com/v1", ["example.com"], True),
    ("https://notexample.com/v1", ["example.com"], False),
    ("http://localhost:4000/v1", ["example.com"], True),
    ("http://localhost:4000/v1", False, False),
]


@pytest.mark.parametrize(("base_url", "forward", "sent"), HOSTS)
def test_which_hosts(base_url: str, forward: Any, sent: bool, spans: Spans) -> None:
    """Private hosts by default; all, none, or named ones if the operator says so."""
    activate(forward_traceparent=forward)
    requests: list[Any] = []

    def answer(request: Any) -> Any:
        requests.append(request)
        return httpx.Response(200, json=COMPLETION)

    with openai.OpenAI(base_url=base_url, api_key="sk-local", http_client=answering(answer)) as client:
        client.chat.completions.create(model=MODEL, messages=user("Hi"))
    assert ("traceparent" in requests[0].headers) == sent


@pytest.fixture
def http_instrumented(tracer_provider: TracerProvider) -> Iterator[None]:
    from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor

    instrumentor = HTTPX2ClientInstrumentor()
    instrumentor.instrument(tracer_provider=tracer_provider)
    yield
    instrumentor.uninstrument()


@pytest.mark.skipif(
    OPENAI_MAJOR < 3, reason="openai 2 speaks through httpx, whose instrumentation is another package's"
)
@pytest.mark.parametrize("stream", [False, True])
async def test_beside_http_instrumentation(
    http_instrumented: None, stream: bool, spans: Spans, fake_openai: Any, tracer_provider: TracerProvider
) -> None:
    """With httpx2 instrumented too: one header, one trace, and the HTTP span is a child of the call's."""
    with openai.OpenAI(base_url=fake_openai.base_url, api_key="sk-local") as client:
        result: Any = client.chat.completions.create(model=MODEL, messages=user("Hi"), stream=stream)
        if stream:
            list(result)
    http, call = sorted(spans.all, key=lambda span: span.name.startswith("chat"))
    assert http.parent is not None
    assert call.context is not None
    assert http.parent.span_id == call.context.span_id
    assert fake_openai.requests[0].headers["traceparent"] == traceparent_of(http)
