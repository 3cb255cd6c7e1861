"""Langfuse: what its users see of a call."""

import base64
import hashlib
import json
import os
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from callspan_exporters.langfuse import LangfuseSpanExporter
from callspan_exporters.sink import Response, Verdict
from callspan_semconv import attributes as names
from tests.exporters import langfuse_view as view
from tests.exporters.otlp_recorder import DecodedSpan, accepted_spans, message
from tests.exporters.servers import SinkServer
from tests.exporters.sink_spans import finished_span, llm_span, text_messages

KEYS: dict[str, Any] = {"public_key": "pk-lf-1", "secret_key": "sk-lf-1"}


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LANGFUSE_")]:
        monkeypatch.delenv(name)


def sent(server: SinkServer, *spans: Any, **settings: Any) -> list[DecodedSpan]:
    exporter = LangfuseSpanExporter(**KEYS, host=server.url, **settings)
    assert exporter.export(list(spans)) is SpanExportResult.SUCCESS
    exporter.shutdown()
    return accepted_spans(server)


def sha(text: str, size: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[: size * 2]


def test_call_is_a_generation(sink_server: SinkServer) -> None:
    """Model, parameters, prompt, answer, tokens, cost and duration are where Langfuse shows them."""
    (span,) = sent(sink_server, llm_span())
    seen = view.observation(span)
    assert seen["type"] == "GENERATION"
    assert (seen["name"], seen["level"], seen["model"]) == ("chat gpt-4o-mini", "DEFAULT", "gpt-4o-mini")
    assert seen["input"] == {"messages": [{"role": "user", "content": "what llm are you"}]}
    assert (seen["output"]["role"], seen["output"]["content"]) == ("assistant", "I am a test.")
    assert seen["modelParameters"] == {"temperature": 0.2}
    assert seen["usageDetails"] == {"input": 10, "output": 20, "total": 30}
    assert seen["costDetails"] == {"input": 1.5e-06, "output": 1.2e-05, "total": 1.35e-05}
    assert seen["completionStartTime"] is None
    assert seen["metadata"]["response_id"] == "chatcmpl-1"
    assert span.scope == "callspan"
    assert span.resource["service.name"] == "shop"


def test_request_is_what_the_server_asks_for(sink_server: SinkServer) -> None:
    """Basic auth, the real-time write path and protobuf, at the OTLP route."""
    sent(sink_server, llm_span({"gen_ai.input.messages": text_messages("user", "x" * 2000)}))
    (request,) = sink_server.requests
    assert request.path == "/api/public/otel/v1/traces"
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"pk-lf-1:sk-lf-1").decode()
    assert request.headers["x-langfuse-ingestion-version"] == "4"
    assert request.headers["content-encoding"] == "gzip"


def test_body_fits_the_vendors_schema(sink_server: SinkServer) -> None:
    """The body passes Langfuse's own OpenAPI file, and the file does catch bad bodies."""
    sent(sink_server, llm_span(metadata={"tags": ["a"]}), llm_span(error="boom"))
    body = view.otlp_json(message(sink_server.requests[0]))
    assert view.schema_errors(body) == []
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["kind"] = "client"
    assert view.schema_errors(body)
    assert view.schema_errors({})


def test_failure_is_an_error(sink_server: SinkServer) -> None:
    """A failed call is a red generation with the reason, and no invented usage."""
    (span,) = sent(sink_server, llm_span(error="quota exceeded"))
    seen = view.observation(span)
    assert seen["level"] == "ERROR"
    assert "quota exceeded" in seen["statusMessage"]
    assert seen["output"] == seen["statusMessage"]
    assert seen["usageDetails"] is None
    assert seen["costDetails"] is None


def test_embedding_has_its_own_type(sink_server: SinkServer) -> None:
    """Embeddings are filed as such, with their input and without vectors."""
    call = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "text-embedding-3-small"}
    (span,) = sent(sink_server, llm_span(call))
    assert view.observation(span)["type"] == "EMBEDDING"


def test_cached_tokens_are_counted_once(sink_server: SinkServer) -> None:
    """Langfuse prices each kind of token by itself: cached ones are no input tokens."""
    usage = {"gen_ai.usage.cache_read.input_tokens": 4, "gen_ai.usage.cache_write.input_tokens": 3}
    (span,) = sent(sink_server, llm_span(usage))
    assert view.observation(span)["usageDetails"] == {
        "input": 3,
        "output": 20,
        "total": 30,
        "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": 3,
    }


def test_unknown_price_is_left_to_langfuse(sink_server: SinkServer) -> None:
    """No cost is sent for a model that has no price here."""
    (span,) = sent(sink_server, llm_span({"gen_ai.request.model": "my-own", "gen_ai.response.model": "my-own"}))
    assert view.observation(span)["costDetails"] is None


def test_stream_shows_its_first_token(sink_server: SinkServer) -> None:
    """Time to first token is that of the stream."""
    stream = {"gen_ai.request.stream": True, "gen_ai.response.time_to_first_chunk": 0.1}
    (span,) = sent(sink_server, llm_span(stream))
    assert view.observation(span)["completionStartTime"] == "2026-11-21T03:09:59.961563Z"


def test_all_choices_and_tools_are_shown(sink_server: SinkServer) -> None:
    """With n=2 both answers are there; tools stand beside the messages, not among the parameters."""
    tools = json.dumps([{"type": "function", "name": "weather", "parameters": {}}])
    answers = text_messages("assistant", "one", "two")
    (span,) = sent(sink_server, llm_span({"gen_ai.output.messages": answers, "gen_ai.tool.definitions": tools}))
    seen = view.observation(span)
    assert [message["content"] for message in seen["output"]] == ["one", "two"]
    assert seen["input"]["tools"][0]["function"]["name"] == "weather"
    assert "tools" not in seen["modelParameters"]


def test_metadata_of_the_request_names_things(sink_server: SinkServer) -> None:
    """The keys of LiteLLM's documentation do what it says."""
    metadata = {
        "generation_name": "ishaan-test-generation",
        "generation_id": "gen-id22",
        "trace_id": "trace-id22",
        "trace_user_id": "user-id2",
        "trace_name": "checkout",
        "session_id": "sess-1",
        "tags": ["jobID:1", "taskName:x"],
        "version": "v7",
        "trace_version": "v8",
        "trace_release": "r1",
        "trace_public": True,
        "trace_metadata": {"tenant": "acme"},
        "parent_observation_id": "agent-step",
        "prompt": {"name": "greeting", "version": 3},
        "debug_langfuse": True,
        "department": {"id": 7},
    }
    (span,) = sent(sink_server, llm_span(metadata=metadata, child_of_app=True))
    seen, of_trace = view.observation(span), view.trace(span)
    assert (seen["name"], seen["id"]) == ("ishaan-test-generation", sha("gen-id22", 8))
    assert (seen["traceId"], seen["parentObservationId"]) == (sha("trace-id22", 16), sha("agent-step", 8))
    assert (seen["promptName"], seen["promptVersion"], seen["version"]) == ("greeting", 3, "v7")
    assert (of_trace["name"], of_trace["userId"], of_trace["sessionId"]) == ("checkout", "user-id2", "sess-1")
    assert (of_trace["tags"], of_trace["public"], of_trace["release"]) == (["jobID:1", "taskName:x"], True, "r1")
    assert of_trace["metadata"]["tenant"] == "acme"
    assert of_trace["metadata"]["metadata_passed_to_litellm"]["generation_id"] == "gen-id22"
    assert seen["metadata"]["department"] == {"id": 7}
    assert "generation_id" not in seen["metadata"]


def test_own_ids_and_parent_stay(sink_server: SinkServer) -> None:
    """Without such metadata the span keeps its place in its trace, and heads what Langfuse sees of it."""
    call = llm_span(child_of_app=True)
    (span,) = sent(sink_server, call)
    assert call.context is not None
    assert call.parent is not None
    assert (span.trace_id, span.span_id) == (f"{call.context.trace_id:032x}", f"{call.context.span_id:016x}")
    assert span.parent_span_id == f"{call.parent.span_id:016x}"
    assert span.attributes["langfuse.internal.is_app_root"] is True
    assert view.trace(span)["name"] == "chat gpt-4o-mini"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("80e1afed08e019fc1110464cfa66635c", "80e1afed08e019fc1110464cfa66635c"),
        ("80e1afed-08e0-19fc-1110-464cfa66635c", "80e1afed08e019fc1110464cfa66635c"),
        ("0" * 32, sha("0" * 32, 16)),
        ("Order 7", sha("Order 7", 16)),
    ],
)
def test_trace_id_moves_the_call(sink_server: SinkServer, given: str, shown: str) -> None:
    """An id in hex is taken as it is, other text is hashed; no parent of the old trace dangles in the new one."""
    (span,) = sent(sink_server, llm_span(metadata={"trace_id": given}, child_of_app=True))
    assert (span.trace_id, span.parent_span_id) == (shown, "")


def test_existing_trace_is_continued(sink_server: SinkServer) -> None:
    """The call joins the trace below its root and rewrites only what it is told to."""
    metadata = {
        "existing_trace_id": "t1",
        "trace_name": "new name",
        "trace_user_id": "u",
        "tags": ["a"],
        "session_id": "s",
        "update_trace_keys": ["trace_name", "output"],
    }
    (span,) = sent(sink_server, llm_span(metadata=metadata))
    of_trace = view.trace(span)
    assert span.trace_id == sha("t1", 16)
    assert span.parent_span_id
    assert (of_trace["name"], of_trace["output"]["content"]) == ("new name", "I am a test.")
    assert (of_trace["userId"], of_trace["sessionId"], of_trace["tags"], of_trace["input"]) == (None,) * 4


def test_same_call_has_the_same_ids(sink_server: SinkServer) -> None:
    """Sending a call again changes nothing in Langfuse."""
    call = llm_span(metadata={"existing_trace_id": "t1", "generation_id": "g"})
    first, second = sent(sink_server, call) + sent(sink_server, call)[1:]
    assert first == second


@pytest.mark.parametrize(
    ("flag", "hidden"), [(True, True), ("true", True), ("please", True), (False, False), ("no", False)]
)
def test_input_and_output_can_be_masked(sink_server: SinkServer, flag: object, hidden: bool) -> None:
    """``mask_input`` and ``mask_output`` hide the texts; what is unclear hides them too."""
    (span,) = sent(sink_server, llm_span(metadata={"mask_input": flag, "mask_output": flag}))
    seen = view.observation(span)
    assert (seen["input"] == "redacted-by-litellm") is hidden
    assert (seen["output"] == "redacted-by-litellm") is hidden
    assert (b"what llm are you" in sink_server.requests[0].body) is not hidden


def test_masked_failure_says_only_its_class(sink_server: SinkServer) -> None:
    """A provider's error may quote the prompt: with ``mask_input`` the class of the error is what is left of it."""
    (span,) = sent(sink_server, llm_span(metadata={"mask_input": True}, error="bad prompt: canary"))
    seen = view.observation(span)
    assert (seen["level"], seen["statusMessage"], seen["output"]) == ("ERROR", "RateLimitError", "RateLimitError")
    assert b"canary" not in sink_server.requests[0].body


def test_default_tags(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """``langfuse_default_tags`` turns fields and metadata into tags, and skips what is unknown."""
    monkeypatch.setenv("PROXY_BASE_URL", "https://proxy.example.com")
    wanted = ["cache_hit", "cache_key", "proxy_base_url", "user_api_key_alias", "semantic-similarity"]
    metadata = {"user_api_key_alias": "prod-app1", "semantic-similarity": 0.8, "tags": ["a"]}
    (span,) = sent(sink_server, llm_span(metadata=metadata), default_tags=wanted)
    assert view.trace(span)["tags"] == [
        "a",
        "cache_hit:False",
        "proxy_base_url:https://proxy.example.com",
        "user_api_key_alias:prod-app1",
        "semantic-similarity:0.8",
    ]


def test_gateways_secrets_stay_out(sink_server: SinkServer) -> None:
    """Request headers, keys and Langfuse's own credentials in metadata are not logged."""
    secrets = {
        "headers": {"authorization": "Bearer canary"},
        "user_api_key": "canary",
        "langfuse_secret_key": "canary",
        "previous_models": ["canary"],
    }
    sent(sink_server, llm_span(metadata=secrets))
    assert b"canary" not in sink_server.requests[0].body


def test_environment_and_release(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both come from the environment, as in Langfuse's own SDK."""
    monkeypatch.setenv("LANGFUSE_TRACING_ENVIRONMENT", "staging")
    monkeypatch.setenv("GITHUB_SHA", "abc123")
    (span,) = sent(sink_server, llm_span())
    assert (view.observation(span)["environment"], view.trace(span)["release"]) == ("staging", "abc123")


def test_only_calls_are_sent_unless_asked(sink_server: SinkServer) -> None:
    """A web request is no generation; with ``span_scope="full"`` it is a span of the trace."""
    web = finished_span("GET /", {"http.route": "/"})
    assert not LangfuseSpanExporter(**KEYS, host=sink_server.url).accepts(web)
    (span,) = sent(sink_server, web, span_scope="full", environment="prod")
    assert span.attributes == {"http.route": "/", "langfuse.environment": "prod"}


def test_a_span_around_calls_is_no_generation(sink_server: SinkServer) -> None:
    """A framework's model span is a span of the trace, and its tokens are those of the calls inside."""
    around = finished_span(
        "chat m",
        {
            names.GEN_AI_OPERATION_NAME: "chat",
            names.GEN_AI_USAGE_INPUT_TOKENS: 3,
            names.CALLSPAN_ENCLOSES_CALLS: True,
        },
    )
    assert not LangfuseSpanExporter(**KEYS, host=sink_server.url).accepts(around)
    (span,) = sent(sink_server, around, span_scope="full")
    assert span.attributes == {
        names.GEN_AI_OPERATION_NAME: "chat",
        names.CALLSPAN_ENCLOSES_CALLS: True,
        "langfuse.observation.type": "span",
    }


def test_sampling_keeps_whole_traces() -> None:
    """Half of the traces means about half, and the same half each time."""
    exporter = LangfuseSpanExporter(**KEYS, sample_rate=0.5)
    calls = [llm_span(metadata={"trace_id": f"trace {n}"}) for n in range(200)]
    kept = [exporter.accepts(call) for call in calls]
    assert 70 < sum(kept) < 130
    assert kept == [exporter.accepts(call) for call in calls]


def test_tracing_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """``LANGFUSE_TRACING_ENABLED=false`` sends nothing."""
    monkeypatch.setenv("LANGFUSE_TRACING_ENABLED", "false")
    assert not LangfuseSpanExporter(**KEYS).accepts(llm_span())


@pytest.mark.parametrize(
    ("variables", "host", "endpoint"),
    [
        ({}, None, "https://cloud.langfuse.com/api/public/otel/v1/traces"),
        (
            {"LANGFUSE_BASE_URL": "https://us.cloud.langfuse.com/"},
            None,
            "https://us.cloud.langfuse.com/api/public/otel/v1/traces",
        ),
        ({"LANGFUSE_BASE_URL": "https://b", "LANGFUSE_HOST": "https://h"}, None, "https://h/api/public/otel/v1/traces"),
        (
            {"LANGFUSE_HOST": "https://h", "LANGFUSE_OTEL_HOST": "https://o/api/public/otel"},
            None,
            "https://o/api/public/otel/v1/traces",
        ),
        ({}, "langfuse.example.com", "https://langfuse.example.com/api/public/otel/v1/traces"),
        ({}, "localhost:3000", "http://localhost:3000/api/public/otel/v1/traces"),
        ({"LANGFUSE_OTEL_TRACES_EXPORT_PATH": "/own/path"}, "https://h/base", "https://h/base/own/path"),
    ],
)
def test_endpoint(variables: dict[str, str], host: str | None, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way to name a Langfuse server ends at its OTLP route."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert LangfuseSpanExporter(**KEYS, host=host).endpoint == endpoint


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"secret_key": "s"}, "LANGFUSE_PUBLIC_KEY.*public_key="),
        ({"public_key": "p"}, "LANGFUSE_SECRET_KEY.*secret_key="),
        ({**KEYS, "host": "ftp://x"}, "host is 'ftp://x'"),
        ({**KEYS, "environment": "Production"}, "LANGFUSE_TRACING_ENVIRONMENT.*'Production'"),
        ({**KEYS, "environment": "langfuse-x"}, "not beginning with 'langfuse'"),
        ({**KEYS, "sample_rate": 2}, "LANGFUSE_SAMPLE_RATE: 2 is not a number from 0 to 1"),
        ({**KEYS, "flush_at": 0}, "LANGFUSE_FLUSH_AT: 0 is not a number at least 1"),
        ({**KEYS, "span_scope": "half"}, "span_scope is 'half'"),
    ],
)
def test_wrong_setting_is_one_clear_error(settings: dict[str, Any], said: str) -> None:
    """The error names the setting and what was expected."""
    with pytest.raises(ValueError, match=said):
        LangfuseSpanExporter(**settings)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED),
        (408, Verdict.RETRY),
        (429, Verdict.RETRY),
        (500, Verdict.RETRY),
        (413, Verdict.SPLIT),
        (400, Verdict.REFUSED),
        (401, Verdict.REFUSED),
    ],
)
def test_answers(status: int, verdict: Verdict) -> None:
    """Langfuse's answers are retried, split or given up as its documentation says."""
    answer = Response(status, {"retry-after": "7", "content-type": "application/json"}, b"{}")
    outcome = LangfuseSpanExporter(**KEYS).classify(answer)
    assert outcome.verdict is verdict
    assert outcome.retry_after_s == (7 if verdict is Verdict.RETRY else None)
