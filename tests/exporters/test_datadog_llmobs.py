"""Datadog LLM Observability: what its users see of a call."""

import json
import re
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from callspan_exporters.datadog import DatadogLLMObsSpanExporter
from callspan_exporters.sink import Item
from tests.exporters.servers import SinkServer
from tests.exporters.sink_spans import START_NS, llm_span, text_messages
from tests.exporters.vendor_schemas import json_schema_errors, litellm_body, missing_keys
from tests.servers.datadog_agent import DatadogAgent

_SCHEMA = "datadog-llmobs-spans-v1.schema.json"


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's name is not this test's."""
    monkeypatch.setenv("HOSTNAME", "host1")
    monkeypatch.delenv("POD_NAME", raising=False)


def bodies(server: SinkServer, *spans: ReadableSpan, **settings: Any) -> list[dict[str, Any]]:
    exporter = DatadogLLMObsSpanExporter("dd-key", base_url=server.url, **settings)
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    exporter.shutdown()
    return [json.loads(request.body) for request in server.requests]


def sent(server: SinkServer, *spans: ReadableSpan, **settings: Any) -> list[dict[str, Any]]:
    return [span for body in bodies(server, *spans, **settings) for span in body["data"]["attributes"]["spans"]]


def messages(*values: dict[str, Any]) -> str:
    return json.dumps(values)


def test_a_call_is_an_llm_span(sink_server: SinkServer) -> None:
    """Prompt, answer, model, tokens, cost and time are where Datadog shows them."""
    metadata = {"session_id": "chat-7", "user_api_key_alias": "Key 1", "user_api_key_team_alias": "core"}
    call = llm_span({"callspan.user": "alice"}, metadata=metadata, tags=["jobID:1"])
    (span,) = sent(sink_server, call, env="test")
    context = call.get_span_context()
    assert context is not None
    meta = span.pop("meta")
    assert span == {
        "parent_id": "undefined",
        "trace_id": "chat-7",
        "span_id": str(context.span_id),
        "apm_id": str(context.trace_id % 2**64),
        "session_id": "chat-7",
        "name": "litellm_llm_call",
        "start_ns": START_NS,
        "duration": 163_621_000,
        "status": "ok",
        "metrics": {
            "input_tokens": 10,
            "output_tokens": 20,
            "total_tokens": 30,
            "input_cost": 1.5e-06,
            "output_cost": 1.2e-05,
            "total_cost": 1.35e-05,
        },
        "tags": [
            *("env:test", "service:litellm-server", "version:unknown", "HOSTNAME:host1", "POD_NAME:unknown"),
            *("request_tag:jobid:1", "team:core", "user:alice", "key_alias:key_1"),
        ],
    }
    assert (meta["kind"], meta["error"]) == ("llm", None)
    assert meta["input"] == {"messages": [{"role": "user", "content": "what llm are you"}]}
    assert meta["output"] == {"messages": [{"role": "assistant", "content": "I am a test."}]}
    known = meta["metadata"]
    assert (known["model_name"], known["model_provider"], known["id"]) == ("gpt-4o-mini", "openai", "chatcmpl-1")
    assert known["_dd"] == {"cost_tags": ["user", "key_alias", "team"]}


def test_the_request(sink_server: SinkServer) -> None:
    """Who sends is said once per request."""
    (body,) = bodies(sink_server, llm_span(), llm_span(), service="shop")
    (request,) = sink_server.requests
    assert (request.method, request.path) == ("POST", "/api/intake/llm-obs/v1/trace/spans")
    assert request.headers["dd-api-key"] == "dd-key"
    attributes = body["data"]["attributes"]
    assert (body["data"]["type"], attributes["ml_app"], len(attributes["spans"])) == ("span", "shop", 2)
    assert attributes["tags"][1] == "service:shop"


def test_tools_and_reasoning(sink_server: SinkServer) -> None:
    """Calls, results, thoughts and definitions of tools each have their place, whatever API they came from."""
    call = {"type": "tool_call", "id": "c1", "name": "f", "arguments": {"x": 1}}
    result = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "sunny"}]}
    parts = [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "a"}, call]
    answer = {"role": "assistant", "parts": parts, "finish_reason": "tool_call"}
    tools = [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}]
    common = {
        "gen_ai.input.messages": messages({"role": "assistant", "parts": [call]}, result),
        "gen_ai.output.messages": messages(answer),
        "gen_ai.tool.definitions": json.dumps(tools),
    }
    chat, responses = sent(sink_server, llm_span(common), llm_span({**common, "openai.api.type": "responses"}))
    made = {"name": "f", "arguments": {"x": 1}, "tool_id": "c1", "type": "function"}
    assert chat["meta"]["tool_definitions"] == [{"name": "f", "description": "d", "schema": {"type": "object"}}]
    assert chat["meta"]["input"]["messages"] == [
        {"role": "assistant", "content": "", "tool_calls": [made]},
        {
            "role": "tool",
            "content": "",
            "tool_results": [{"name": "", "result": "sunny", "tool_id": "c1", "type": "tool_result"}],
        },
    ]
    assert chat["meta"]["output"]["messages"] == [
        {"role": "assistant", "content": "a", "reasoning_content": "hm", "tool_calls": [made]}
    ]
    assert responses["meta"]["output"]["messages"] == [
        {"role": "assistant", "content": "", "reasoning_content": "hm"},
        {"role": "assistant", "content": "a"},
        {"role": "assistant", "content": "", "tool_calls": [made]},
    ]
    assert json_schema_errors(_SCHEMA, json.loads(sink_server.requests[0].body)) == []


def test_a_failure_is_an_error(sink_server: SinkServer) -> None:
    """With its kind and reason, and without invented tokens and costs."""
    (span,) = sent(sink_server, llm_span(error="boom"))
    assert span["status"] == "error"
    assert span["meta"]["error"] == {"message": "boom", "type": "RateLimitError", "stack": ""}
    assert (span["metrics"], span["meta"]["output"]) == ({}, {"messages": []})


def test_an_unknown_price_is_left_to_datadog(sink_server: SinkServer) -> None:
    """A cost of 0 would keep Datadog from estimating it."""
    (span,) = sent(sink_server, llm_span({"gen_ai.request.model": "own", "gen_ai.response.model": "own"}))
    assert span["metrics"] == {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30}


def test_cached_and_reasoning_tokens_and_a_streams_first_token(sink_server: SinkServer) -> None:
    """As metrics, where there are any."""
    call: dict[str, Any] = {
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.cache_write.input_tokens": 3,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 0.1,
    }
    (span,) = sent(sink_server, llm_span(call))
    assert {key: value for key, value in span["metrics"].items() if not key.endswith("_cost")} == {
        "input_tokens": 10,
        "output_tokens": 20,
        "total_tokens": 30,
        "cache_read_input_tokens": 4,
        "cache_write_input_tokens": 3,
        "non_cached_input_tokens": 3,
        "reasoning_output_tokens": 5,
        "time_to_first_token": pytest.approx(0.1),
    }
    assert span["meta"]["metadata"]["latency_metrics"] == {"time_to_first_token_ms": pytest.approx(100)}


def test_metadata_steers(sink_server: SinkServer) -> None:
    """A call takes the place in a trace that the application names; only there may it be an embedding."""
    place = {"name": "rank", "span_id": "s-1", "parent_id": "p-1", "trace_id": "t-1"}
    embedding: dict[str, Any] = {"gen_ai.operation.name": "embeddings", "callspan.embedding.vector_count": 2}
    spans = sent(sink_server, llm_span(embedding, metadata=place), llm_span(embedding))
    assert [spans[0][key] for key in ("name", "span_id", "parent_id", "trace_id")] == ["rank", "s-1", "p-1", "t-1"]
    assert [span["meta"]["kind"] for span in spans] == ["embedding", "llm"]
    assert spans[0]["meta"]["input"] == {"documents": [{"text": "what llm are you"}]}
    assert spans[0]["meta"]["output"] == {"value": "[2 embedding(s) returned]"}


def test_a_span_over_the_limit_says_what_is_missing(sink_server: SinkServer) -> None:
    """It keeps its shape, and a tag finds it."""
    large = llm_span({"gen_ai.input.messages": text_messages("user", *["x" * 3_000_000] * 2)})
    (span,) = sent(sink_server, large)
    body = sink_server.requests[0].body
    assert len(body) <= 5_000_000
    assert json_schema_errors(_SCHEMA, json.loads(body)) == []
    assert span["tags"][-1] == "callspan_shortened:true"
    assert "characters left out]" in span["meta"]["input"]["messages"][0]["content"]


@pytest.mark.parametrize("settings", [{"api_key": "key", "site": "datadoghq.eu"}, {"agent_host": "localhost"}])
def test_any_span_can_be_made_to_fit(settings: dict[str, Any]) -> None:
    """Also one whose size is in the metadata, and it stays a span."""
    wide = {f"a{i}": {f"b{j}": {f"c{k}": "v" * 60 for k in range(50)} for j in range(50)} for i in range(50)}
    (request,) = DatadogLLMObsSpanExporter(**settings).encode([Item(llm_span(metadata=wide))])
    assert len(request.body) <= 5_000_000
    body = json.loads(request.body)
    (span,) = body[0]["spans"] if "agent_host" in settings else body["data"]["attributes"]["spans"]
    assert span["meta"]["metadata"]["model_name"] == "gpt-4o-mini"
    assert span["meta"]["output"] == {"messages": [{"role": "assistant", "content": "I am a test."}]}
    assert "keys left out]" in str(span["meta"]["metadata"]["requester_metadata"])


def test_body_fits_the_schema(sink_server: SinkServer) -> None:
    """And the schema catches a body that is wrong."""
    (body,) = bodies(sink_server, llm_span(tags=["a"]), llm_span(error="boom"))
    assert json_schema_errors(_SCHEMA, body) == []
    body["data"]["attributes"]["spans"][0]["meta"]["input"]["messages"] = "text"
    assert json_schema_errors(_SCHEMA, body)
    assert json_schema_errors(_SCHEMA, {"data": {"type": "span", "attributes": {"ml_app": "x", "spans": []}}})


@pytest.mark.parametrize(("name", "error"), [("dd-spans-1", None), ("dd-spans-2", "boom")])
def test_nothing_of_litellms_span_is_missing(sink_server: SinkServer, name: str, error: str | None) -> None:
    """Except numbers that nobody measured, see docs/sinks/datadog.md."""
    (body,) = bodies(sink_server, llm_span(error=error, tags=["jobID:1"]))
    unmeasured = re.compile(r".*\.(time_to_first_token(_ms)?|(input|output|total)_tokens|total_cost|response_cost)")
    missing = missing_keys(litellm_body(name), body)
    assert [key for key in missing if not unmeasured.fullmatch(key)] == []
    assert error or len(missing) == 2


def test_an_agent_takes_it(datadog_agent: DatadogAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Datadog's test agent has the call, in the form that Datadog's own tracer sends."""
    monkeypatch.setenv("LITELLM_DD_AGENT_HOST", "127.0.0.1")
    monkeypatch.setenv("LITELLM_DD_LLM_OBS_PORT", str(datadog_agent.port))
    exporter = DatadogLLMObsSpanExporter(service="shop")
    call = llm_span()
    assert exporter.export([call, llm_span(error="boom")]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    done, failed = datadog_agent.llmobs_events()
    assert (done["event_type"], done["_dd.stage"]) == ("span", "raw")
    (span,) = done["spans"]
    assert span["meta"]["span"] == {"kind": "llm"}
    assert (span["meta"]["model_name"], span["meta"]["model_provider"]) == ("gpt-4o-mini", "openai")
    assert span["meta"]["output"]["messages"][0]["content"] == "I am a test."
    assert span["metrics"]["total_cost"] == 1.35e-05
    assert "ml_app:shop" in span["tags"]
    context = call.get_span_context()
    assert context is not None
    assert span["_dd"]["apm_trace_id"] == f"{context.trace_id:032x}"
    assert failed["spans"][0]["meta"]["error"]["message"] == "boom"


def test_the_site_names_the_intake() -> None:
    """Every site has the same form."""
    (request,) = DatadogLLMObsSpanExporter("key", "datadoghq.eu").encode([Item(llm_span())])
    assert request.target == "https://api.datadoghq.eu/api/intake/llm-obs/v1/trace/spans"
