"""Galileo: what its users see of a call, and who sends it."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from callspan_exporters.bearer import BearerToken, Token
from callspan_exporters.galileo import GalileoSpanExporter
from callspan_exporters.sink import Item
from tests.exporters.servers import Answer, Received, SinkServer
from tests.exporters.sink_spans import llm_span
from tests.exporters.spans import calls
from tests.exporters.vendor_schemas import litellm_body, missing_keys, openapi_errors

CALL = "11111111-2222-4333-8444-555555555555"
PASSWORD: dict[str, Any] = {"username": "ada@example.com", "password": "pass & word"}


def bodies(server: SinkServer, *spans: ReadableSpan, **settings: Any) -> list[dict[str, Any]]:
    exporter = GalileoSpanExporter("p-1", api_key="g-key", base_url=server.url, **settings)
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    exporter.shutdown()
    return [json.loads(request.body) for request in server.requests]


def sent(server: SinkServer, *spans: ReadableSpan) -> list[dict[str, Any]]:
    return [trace for body in bodies(server, *spans) for trace in body["traces"]]


def schema_errors(body: Any) -> list[str]:
    return openapi_errors("galileo-openapi.yaml", "/projects/{project_id}/traces", "application/json", body)


def test_a_call_is_a_trace_with_a_span(sink_server: SinkServer) -> None:
    """Question and answer, messages, model, tokens, cost and duration are where Galileo shows them."""
    (trace,) = sent(sink_server, llm_span({"callspan.user": "alice"}, tags=["jobID:1"]))
    (span,) = trace.pop("spans")
    common = {
        "trace_id": CALL,
        "name": "completion",
        "created_at": "2026-11-21T03:09:59.861563Z",
        "status_code": 200,
        "metrics": {
            "duration_ns": 163_621_000,
            "num_input_tokens": 10,
            "num_output_tokens": 20,
            "num_total_tokens": 30,
            "cost": 1.35e-05,
        },
        "tags": ["jobID:1"],
        "external_id": CALL,
    }
    known = {trace["user_metadata"].pop("user"), span.pop("user_metadata")["user"]}
    assert known == {"alice"}
    assert trace.pop("user_metadata")["response_id"] == "chatcmpl-1"
    assert trace == {**common, "type": "trace", "id": CALL, "input": "what llm are you", "output": "I am a test."}
    assert UUID(span.pop("id")).version == 4
    assert span == {
        **common,
        "type": "llm",
        "parent_id": CALL,
        "input": [{"role": "user", "content": "what llm are you"}],
        "output": {"role": "assistant", "content": "I am a test."},
        "model": "gpt-4o-mini",
        "temperature": 0.2,
        "finish_reason": "stop",
    }


def test_the_request(sink_server: SinkServer) -> None:
    """With the key, to the project's stream; Galileo is to answer when it has stored it."""
    stream = "22222222-2222-4222-8222-222222222222"
    (body,) = bodies(sink_server, *calls(3), log_stream_id=stream)
    (request,) = sink_server.requests
    assert (request.method, request.path) == ("POST", "/ingest/traces/p-1")
    assert request.headers["galileo-api-key"] == "g-key"
    assert (body["log_stream_id"], body["reliable"], len(body["traces"])) == (stream, True, 3)


def test_a_session_is_a_session(sink_server: SinkServer) -> None:
    """Galileo takes one session per request, so calls of others go apart."""
    spans = [llm_span(metadata={"session_id": name}) for name in ("chat-1", "chat-2", "chat-1")]
    found = bodies(sink_server, *spans, llm_span())
    assert [(body.get("session_external_id"), len(body["traces"])) for body in found] == [
        ("chat-1", 2),
        ("chat-2", 1),
        (None, 1),
    ]


def test_tools_and_reasoning(sink_server: SinkServer) -> None:
    """Calls and results of tools are messages, thoughts are events, whatever API they came from."""
    call = {"type": "tool_call", "id": "c1", "name": "f", "arguments": {"x": 1}}
    result = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "sunny"}]}
    thanks = {"role": "model", "parts": [{"type": "text", "content": "Thanks."}]}
    parts = [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "a"}, call]
    common = {
        "gen_ai.input.messages": json.dumps([{"role": "assistant", "parts": [call]}, result, thanks]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": parts, "finish_reason": "tool_call"}]),
        "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": "f", "parameters": {"type": "object"}}]),
    }
    made = {"id": "c1", "function": {"name": "f", "arguments": '{"x":1}'}}
    for trace in sent(sink_server, llm_span(common), llm_span({**common, "openai.api.type": "responses"})):
        (span,) = trace["spans"]
        assert span["input"] == [
            {"role": "assistant", "content": "", "tool_calls": [made]},
            {"role": "tool", "content": "sunny", "tool_call_id": "c1"},
            {"role": "assistant", "content": "Thanks."},
        ]
        assert span["output"] == {"role": "assistant", "content": "a", "tool_calls": [made]}
        assert span["events"] == [{"type": "reasoning", "content": "hm"}]
        assert json.loads(trace["output"]) == span["output"]
        assert len(span["tools"]) == 1
    assert schema_errors(json.loads(sink_server.requests[0].body)) == []


def test_a_failure_has_its_status_and_error(sink_server: SinkServer) -> None:
    """And no invented tokens."""
    (trace,) = sent(sink_server, llm_span(error="boom"))
    assert (trace["status_code"], trace["output"]) == (429, "boom")
    assert trace["metrics"].keys() == {"duration_ns"}
    (_, unknown) = sent(sink_server, llm_span({"error.type": "Odd"}))
    assert unknown["status_code"] == 500


def test_metadata_is_text_and_a_stream_has_its_first_token(sink_server: SinkServer) -> None:
    """Galileo takes nothing else there."""
    stream = {"gen_ai.request.stream": True, "gen_ai.response.time_to_first_chunk": 0.1}
    metadata = {"team": "search", "n": 1, "nested": {"a": 1}, "headers": {"authorization": "x"}}
    (trace,) = sent(sink_server, llm_span(stream, metadata=metadata))
    known = trace["user_metadata"]
    assert [known[key] for key in ("team", "n", "nested")] == ["search", "1", '{"a":1}']
    assert "headers" not in known
    assert trace["metrics"]["time_to_first_token_ns"] == 100_000_000


def test_an_id_that_is_no_uuid4_becomes_one(sink_server: SinkServer) -> None:
    """Galileo refuses others; the same call has the same one every time."""
    ids = ("call 1", "call 1", "01a1fe03-e167-7da0-bf92-379216eb37d7")
    first, again, other = sent(sink_server, *[llm_span({"callspan.call_id": text}) for text in ids])
    assert (first["id"], first["spans"][0]["id"]) == (again["id"], again["spans"][0]["id"])
    assert {UUID(trace["id"]).version for trace in (first, other)} == {4}


def login(*statuses: int) -> Callable[[Received], Answer]:
    """A server whose tokens are numbered, and which answers traces with these statuses in turn, then 200."""
    left, tokens = list(statuses), iter(range(1, 9))

    def rule(request: Received) -> Answer:
        if request.path == "/login":
            return Answer(body=json.dumps({"access_token": f"t-{next(tokens)}", "token_type": "bearer"}).encode())
        return Answer(left.pop(0) if left else 200)

    return rule


def by_password(server: SinkServer, *spans: ReadableSpan) -> SpanExportResult:
    exporter = GalileoSpanExporter("p-1", base_url=server.url, **PASSWORD)
    exporter.export_timeout_s = 0.6
    result = exporter.export(spans or [llm_span()])
    exporter.shutdown()
    return result


def test_a_password_logs_in_once(sink_server: SinkServer) -> None:
    """The form that Galileo asks for, and then its token, for every request."""
    sink_server.rule = login()
    exporter = GalileoSpanExporter("p-1", base_url=sink_server.url, **PASSWORD)
    assert [exporter.export([llm_span()]) for _ in range(2)] == [SpanExportResult.SUCCESS] * 2
    exporter.shutdown()
    first, *traces = sink_server.requests
    assert (first.path, first.headers["content-type"]) == ("/login", "application/x-www-form-urlencoded")
    assert parse_qs(first.body.decode()) == {key: [value] for key, value in PASSWORD.items()}
    sent_to = [(request.path, request.headers["authorization"]) for request in traces]
    assert sent_to == [("/v2/projects/p-1/traces", "Bearer t-1")] * 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_ended_is_renewed_once(sink_server: SinkServer, status: int) -> None:
    """The request is repeated with a new one, and everything arrives."""
    sink_server.rule = login(status)
    assert by_password(sink_server) is SpanExportResult.SUCCESS
    tokens = [request.headers.get("authorization") for request in sink_server.requests]
    assert tokens == [None, "Bearer t-1", None, "Bearer t-2"]


def test_a_token_is_renewed_for_all_threads_at_once() -> None:
    """Whoever was refused with the old one gets the new one without another log-in."""
    tokens = iter("abc")
    token = BearerToken(lambda: Token(next(tokens), float("inf")))
    old = token.authorization()
    assert [token.renewed(old), token.renewed(old), token.authorization()] == ["Bearer b"] * 3


def test_a_refusal_that_a_new_token_does_not_change_is_final(sink_server: SinkServer) -> None:
    """One log-in more, and no further request."""
    sink_server.rule = login(403, 403)
    assert by_password(sink_server) is SpanExportResult.FAILURE
    assert len(sink_server.requests) == 4


@pytest.mark.parametrize(
    ("answer", "reason", "requests"),
    [
        (Answer(401), "401 unauthorized: check the sink's credentials", 1),
        (Answer(422), "401 unauthorized: check the sink's credentials (authentication failed)", 1),
        (Answer(200), "401 unauthorized: check the sink's credentials (authentication failed)", 1),
        (Answer(404), "404 not found: check the sink's endpoint", 1),
        (Answer(429, {"Retry-After": "9"}), "429", 1),
    ],
)
def test_a_login_that_fails(
    sink_server: SinkServer, caplog: pytest.LogCaptureFixture, answer: Answer, reason: str, requests: int
) -> None:
    """One message that says why, and nothing is sent without a token; the password is nowhere."""
    sink_server.rule = lambda _: answer
    assert by_password(sink_server, *calls(5)) is SpanExportResult.FAILURE
    assert f"galileo: 5 of 5 calls not delivered: {reason}" in caplog.text
    assert len(sink_server.requests) == requests
    assert "pass & word" not in caplog.text


def test_settings_from_the_environment(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key wins over a password there, and what the code says over both."""
    sink_server.rule = login()
    for name, value in {
        "BASE_URL": f"{sink_server.url}/",
        "PROJECT_ID": "p-2",
        "USERNAME": "u",
        "PASSWORD": "p",
    }.items():
        monkeypatch.setenv(f"GALILEO_{name}", value)
    for key in ("", "env-key"):
        monkeypatch.setenv("GALILEO_API_KEY", key)
        exporter = GalileoSpanExporter()
        assert exporter.export([llm_span()]) is SpanExportResult.SUCCESS
        exporter.shutdown()
    assert [r.path for r in sink_server.requests] == ["/login", "/v2/projects/p-2/traces", "/ingest/traces/p-2"]
    in_code = GalileoSpanExporter(username="u")
    assert [request.target for request in in_code.encode([Item(llm_span())])] == [
        f"{sink_server.url}/v2/projects/p-2/traces"
    ]
    monkeypatch.delenv("GALILEO_BASE_URL")
    (request,) = GalileoSpanExporter().encode([Item(llm_span())])
    assert request.target == "https://api.galileo.ai/ingest/traces/p-2"


def test_body_fits_the_vendors_schema(sink_server: SinkServer) -> None:
    """Galileo's own OpenAPI file accepts it, and catches a broken one."""
    spans = [llm_span(tags=["a"]), llm_span(error="boom"), llm_span({"gen_ai.operation.name": "embeddings"})]
    (body,) = bodies(sink_server, *spans, log_stream_id="22222222-2222-4222-8222-222222222222")
    assert schema_errors(body) == []
    for broken in ({"user_metadata": {"n": 1}}, {"input": {"a": 1}}, {"tags": "a"}, {"status_code": "ok"}):
        assert schema_errors({**body, "traces": [{**body["traces"][0], **broken}]})
    assert schema_errors({**body, "traces": []})


def test_nothing_of_litellms_trace_is_missing(sink_server: SinkServer) -> None:
    """Every key that LiteLLM sends."""
    (body,) = bodies(sink_server, llm_span(tags=["a"]), log_stream_id="22222222-2222-4222-8222-222222222222")
    assert missing_keys(litellm_body("galileo-ingest-traces-1"), body) == set()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"project_id": None}, "galileo: project_id is missing; set the environment variable GALILEO_PROJECT_ID"),
        ({"api_key": None}, "variable GALILEO_API_KEY or GALILEO_USERNAME and GALILEO_PASSWORD, or pass api_key="),
        ({"api_key": None, "username": "u"}, "galileo: password is missing; set the environment variable"),
        ({"api_key": None, **PASSWORD}, "galileo: base_url is missing; set the environment variable GALILEO_BASE_URL"),
        ({"base_url": "galileo"}, "galileo: base_url: 'galileo' is not a URL"),
        ({"batch_size": 0}, "galileo.batch_size: 0 is not a number at least 1"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    """One error that names the variable and the argument."""
    with pytest.raises(ValueError, match=message):
        GalileoSpanExporter(**{"project_id": "p-1", "api_key": "key", **settings})
