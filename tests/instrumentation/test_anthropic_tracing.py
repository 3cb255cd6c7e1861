"""The anthropic package traces itself: a call is one span all the same, and no header goes out that should not."""

import importlib.metadata
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider

import callspan
from callspan.instrumentors import activate, uninstrument
from callspan_semconv import attributes as attr
from tests.instrumentation import anthropic_server
from tests.instrumentation.anthropic_server import MODEL
from tests.instrumentation.support import Read, Spans, user

pytestmark = pytest.mark.skipif(
    int(importlib.metadata.version("anthropic").partition(".")[0]) < 2, reason="anthropic 1 makes no spans of its own"
)

ASKED: dict[str, Any] = {"model": MODEL, "max_tokens": 64, "messages": user("Hi")}
NATIVE = "com.anthropic.sdk.python"


class Vendor:
    """The server, at any address; keeps the headers that came."""

    def __init__(self) -> None:
        self.headers: list[Any] = []

    def __call__(self, request: Any) -> Any:
        self.headers.append(request.headers)
        if b'"stream":true' in request.content:
            whole = anthropic_server.events(anthropic_server.message(anthropic_server.text("Hello")))
            kind = {"content-type": "text/event-stream"}
            return httpx2.Response(200, headers=kind, content=b"".join(anthropic_server.frames(whole)))
        if request.url.path.endswith("count_tokens"):
            return httpx2.Response(200, json={"input_tokens": 1})
        return httpx2.Response(200, json=anthropic_server.message(anthropic_server.text("Hello")))


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def make(vendor: Vendor, tracer_provider: TracerProvider) -> Callable[..., Any]:
    """Makes clients whose own spans go where ours go."""

    def client(base_url: str = "http://localhost", **options: Any) -> Any:
        http = httpx2.Client(transport=httpx2.MockTransport(vendor))
        traced: Any = {"tracer_provider": tracer_provider, **options}
        return anthropic.Anthropic(base_url=base_url, api_key="x", http_client=http, open_telemetry=traced)

    return client


def _create(client: Any) -> Any:
    return client.messages.create(**ASKED)


def _stream(client: Any) -> Any:
    with client.messages.create(stream=True, **ASKED) as stream:
        return list(stream)


def _helper(client: Any) -> Any:
    with client.messages.stream(**ASKED) as stream:
        return stream.get_final_message()


def _raw(client: Any) -> Any:
    return client.beta.messages.with_raw_response.create(**ASKED).parse()


WAYS = [_create, _stream, _helper, _raw]


@pytest.mark.parametrize("call", WAYS)
def test_one_span_and_our_header(call: Any, spans: Spans, make: Any, vendor: Vendor) -> None:
    """The only span is callspan's, and a private host continues it; baggage goes nowhere."""
    token = context.attach(baggage.set_baggage("user", "secret"))
    call(make())
    context.detach(token)
    span = spans.one()
    assert span.span.instrumentation_scope is not None
    assert span.span.instrumentation_scope.name == "callspan"
    (headers,) = vendor.headers
    sent = span.span.get_span_context()
    assert sent is not None
    assert headers["traceparent"].split("-")[1:3] == [f"{sent.trace_id:032x}", f"{sent.span_id:016x}"]
    assert "baggage" not in headers


@pytest.mark.parametrize("call", WAYS)
def test_nothing_goes_to_the_vendor(call: Any, spans: Spans, make: Any, vendor: Vendor) -> None:
    """The package would send trace headers and baggage to any host; callspan sends none to a public one unasked."""
    token = context.attach(baggage.set_baggage("user", "secret"))
    call(make("https://api.anthropic.com"))
    context.detach(token)
    assert spans.one()[attr.GEN_AI_PROVIDER_NAME] == "anthropic"
    assert not {"traceparent", "tracestate", "baggage"} & set(vendor.headers[0])


def test_asked_to_forward(spans: Spans, make: Any, vendor: Vendor) -> None:
    """A setting lets the vendor continue the trace."""
    activate(forward_traceparent=["anthropic.com"])
    _create(make("https://api.anthropic.com"))
    assert f"{spans.one().span.get_span_context().trace_id:032x}" in vendor.headers[0]["traceparent"]  # type: ignore[union-attr]


def test_client_that_is_told_not_to_propagate(spans: Spans, make: Any, vendor: Vendor) -> None:
    """The client's own switch counts for callspan's header too."""
    _create(make(propagation=False))
    assert spans.one().ok
    assert "traceparent" not in vendor.headers[0]


def test_conversation_of_the_client(spans: Spans, make: Any) -> None:
    """The conversation that the client was given is on the span, unless the call says another."""
    client = make(conversation_id="conv_1")
    _create(client)
    assert spans.take()[attr.GEN_AI_CONVERSATION_ID] == "conv_1"
    with callspan.context(session_id="s1"):
        _create(client)
    assert spans.one()[attr.GEN_AI_CONVERSATION_ID] == "s1"


def test_other_calls_keep_their_spans(spans: Spans, make: Any, vendor: Vendor) -> None:
    """What callspan does not record is traced by the package as ever, with its header."""
    make().messages.count_tokens(model=MODEL, messages=ASKED["messages"])
    assert spans.one().span.name == "anthropic.messages.count_tokens"
    assert "traceparent" in vendor.headers[0]


def test_no_log(spans: Spans, make: Any) -> None:
    """A call that is not to be recorded is not recorded by the package either."""
    with callspan.context(no_log=True):
        _create(make())
    assert not spans.all


def test_after_uninstrument(spans: Spans, make: Any) -> None:
    """Without callspan the package's tracing is as it was, for the same client."""
    client = make()
    _create(client)
    assert spans.take().span.name == f"chat {MODEL}"
    uninstrument()
    _create(client)
    span = spans.one().span
    assert span.instrumentation_scope is not None
    assert (span.instrumentation_scope.name, span.name) == (NATIVE, "anthropic.messages.create")


def test_tool_runner_keeps_its_span(spans: Spans, make: Any) -> None:
    """The package's span of a tool loop stays, and the loop's calls are callspan's, beneath it."""

    @anthropic.beta_tool
    def noop() -> str:
        """Do nothing."""
        return ""

    list(make().beta.messages.tool_runner(tools=[noop], **ASKED))
    call, loop = (Read(span) for span in spans.all)
    assert (call.span.name, loop.span.name) == (f"chat {MODEL}", "anthropic.messages.tool_runner")
    assert call.span.parent == loop.span.get_span_context()


def test_inside_the_application_s_span(spans: Spans, make: Any, tracer_provider: TracerProvider) -> None:
    """Nested where the call is made, also where a manager is entered later."""
    with trace.get_tracer("app", tracer_provider=tracer_provider).start_as_current_span("work") as work:
        _helper(make())
    assert spans.all[0].parent == work.get_span_context()


@pytest.mark.process
def test_a_provider_of_callspan_s_own_makes_nothing_go_out() -> None:
    """An application without tracing sends no trace headers anywhere, and with callspan it sends none to the vendor."""
    program = """
        import anthropic, httpx2, callspan
        callspan.configure(callbacks=["console"])
        seen = []
        def vendor(request):
            seen.append(request)
            return httpx2.Response(200, json={"input_tokens": 1})
        http = httpx2.Client(transport=httpx2.MockTransport(vendor))
        for host in ("https://api.anthropic.com", "http://localhost"):
            client = anthropic.Anthropic(base_url=host, api_key="x", http_client=http)
            client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "Hi"}])
        print(["traceparent" in request.headers for request in seen])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "[False, True]" in done.stdout
