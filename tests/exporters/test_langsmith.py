"""LangSmith: what its users see of a call, and where in a trace."""

import json
import re
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from callspan_exporters.langsmith import LangsmithSpanExporter
from callspan_exporters.sink import Item, Response, Verdict
from tests.exporters.servers import Answer, SinkServer
from tests.exporters.sink_spans import finished_span, llm_span, text_messages
from tests.exporters.spans import calls
from tests.exporters.vendor_schemas import json_schema_errors, litellm_body, missing_keys

_SCHEMA = "langsmith-runs-batch.schema.json"
CALL = "11111111-2222-4333-8444-555555555555"
OWN = f"20261121T030959861563Z{CALL}"
ROOT, PARENT = "aaaaaaaa-0000-7000-8000-000000000001", "aaaaaaaa-0000-7000-8000-000000000002"
PARENTS = f"20261121T030900000000Z{ROOT}.20261121T030901000000Z{PARENT}"


def bodies(server: SinkServer, *spans: ReadableSpan, **settings: Any) -> list[dict[str, Any]]:
    exporter = LangsmithSpanExporter("ls-key", "shop", server.url, **settings)
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    exporter.shutdown()
    return [json.loads(request.body) for request in server.requests]


def sent(server: SinkServer, *spans: ReadableSpan, **settings: Any) -> list[dict[str, Any]]:
    return [run for body in bodies(server, *spans, **settings) for run in body["post"]]


def test_a_call_is_a_run(sink_server: SinkServer) -> None:
    """Prompt, answer, model, tokens, cost, tags and times are where LangSmith shows them."""
    (run,) = sent(sink_server, llm_span({"callspan.user": "alice"}, tags=["jobID:1"]))
    outputs, extra = run.pop("outputs"), run.pop("extra")
    assert run == {
        "id": CALL,
        "trace_id": CALL,
        "parent_run_id": None,
        "dotted_order": OWN,
        "name": "LLMRun",
        "run_type": "llm",
        "session_name": "shop",
        "start_time": "2026-11-21T03:09:59.861563Z",
        "end_time": "2026-11-21T03:10:00.025184Z",
        "inputs": {"messages": [{"role": "user", "content": "what llm are you"}]},
        "error": None,
        "tags": ["jobID:1"],
    }
    assert outputs["choices"][0]["message"]["content"] == "I am a test."
    assert outputs["usage_metadata"] == {
        "input_tokens": 10,
        "output_tokens": 20,
        "total_tokens": 30,
        "input_cost": 1.5e-06,
        "output_cost": 1.2e-05,
        "total_cost": 1.35e-05,
    }
    known = extra["metadata"]
    assert (known["ls_provider"], known["ls_model_name"], known["ls_temperature"]) == ("openai", "gpt-4o-mini", 0.2)
    assert (known["ls_model_type"], known["end_user"], known["response_id"]) == ("chat", "alice", "chatcmpl-1")
    assert extra["invocation_params"] == {"model": "gpt-4o-mini", "temperature": 0.2}


def test_the_request(sink_server: SinkServer) -> None:
    """A batch of at most 100 runs, with the key and the workspace."""
    assert [len(body["post"]) for body in bodies(sink_server, *calls(150), tenant_id="t-1")] == [100, 50]
    request = sink_server.requests[0]
    assert (request.method, request.path) == ("POST", "/api/v1/runs/batch")
    assert (request.headers["x-api-key"], request.headers["x-tenant-id"]) == ("ls-key", "t-1")


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, (CALL, CALL, None, OWN)),
        ({"dotted_order": PARENTS}, (CALL, ROOT, PARENT, f"{PARENTS}.{OWN}")),
        ({"dotted_order": PARENTS, "run_id": PARENT}, (PARENT, ROOT, ROOT, PARENTS)),
        ({"dotted_order": PARENTS, "run_id": ROOT}, (ROOT, ROOT, None, OWN.replace(CALL, ROOT))),
        ({"dotted_order": "yesterday", "trace_id": ROOT, "parent_run_id": PARENT}, (CALL, CALL, None, OWN)),
        ({"id": PARENT.upper()}, (PARENT, PARENT, None, OWN.replace(CALL, PARENT))),
        ({"id": "customer-7", "trace_id": "chat-7"}, (CALL, CALL, None, OWN)),
    ],
    ids=["root", "under a run", "as that run", "never under itself", "no place", "own id", "not an id"],
)
def test_the_place_in_a_trace_is_always_valid(
    sink_server: SinkServer, metadata: dict[str, Any], expected: tuple[str | None, ...]
) -> None:
    """Whatever the application says, ids and order agree, so that LangSmith never refuses the batch."""
    (run,) = sent(sink_server, llm_span(metadata=metadata))
    assert tuple(run[key] for key in ("id", "trace_id", "parent_run_id", "dotted_order")) == expected
    steps = [step.partition("Z")[2] for step in run["dotted_order"].split(".")]
    assert (steps[0], steps[-1]) == (run["trace_id"], run["id"])


def test_a_call_id_that_is_no_uuid_becomes_one(sink_server: SinkServer) -> None:
    """The same one every time, so a repeated request changes nothing."""
    first, second = sent(sink_server, *[llm_span({"callspan.call_id": "call 1"}) for _ in range(2)])
    assert first["id"] == second["id"]
    assert json_schema_errors(_SCHEMA, {"post": [first]}) == []


def test_sessions_and_own_metadata_are_metadata(sink_server: SinkServer) -> None:
    """LangSmith groups by ``extra.metadata.session_id``; a run's ``session_id`` would be a project's id."""
    metadata = {"session_id": "chat-7", "customer": "x", "id": "customer-7", "trace_id": "t", "headers": {"a": "b"}}
    steering = {"run_name": "rank", "project_name": "other", "langsmith_api_key": "lsv2", "user_api_key_alias": "k"}
    (run,) = sent(sink_server, llm_span(metadata={**metadata, **steering}))
    known = run["extra"]["metadata"]
    assert "session_id" not in run
    assert (run["name"], run["session_name"]) == ("rank", "other")
    assert [known[key] for key in ("session_id", "customer", "id", "trace_id")] == ["chat-7", "x", "customer-7", "t"]
    assert known["user_api_key_alias"] == "k"
    assert not {"headers", "run_name", "project_name", "langsmith_api_key", "requester_metadata"} & known.keys()


def test_a_failure_shows_its_error(sink_server: SinkServer) -> None:
    """With what was asked, and without invented tokens."""
    (run,) = sent(sink_server, llm_span(error="boom"))
    assert (run["error"], run["outputs"]) == ("boom", None)
    assert run["extra"]["metadata"]["error_information"]["error_class"] == "RateLimitError"
    assert run["inputs"]["messages"][0]["content"] == "what llm are you"


def test_a_stream_has_its_first_token(sink_server: SinkServer) -> None:
    """From which LangSmith computes the time to it; and cached and reasoning tokens are told apart."""
    call: dict[str, Any] = {
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 0.1,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 5,
    }
    (run,) = sent(sink_server, llm_span(call))
    assert run["events"] == [{"name": "new_token", "time": "2026-11-21T03:09:59.961563Z"}]
    usage = run["outputs"]["usage_metadata"]
    assert (usage["input_token_details"], usage["output_token_details"]) == ({"cache_read": 4}, {"reasoning": 5})


def test_an_embedding_is_an_embedding(sink_server: SinkServer) -> None:
    """Not a chat."""
    (run,) = sent(sink_server, llm_span({"gen_ai.operation.name": "embeddings"}))
    assert run["run_type"] == "embedding"
    assert "ls_model_type" not in run["extra"]["metadata"]


def test_409_says_that_the_runs_are_there(sink_server: SinkServer) -> None:
    """After an answer that got lost the repeated request is no error."""
    sink_server.rule = lambda _: Answer(409, body=b'{"error":"already exists"}')
    assert sent(sink_server, llm_span())
    exporter = LangsmithSpanExporter("key")
    assert exporter.classify(Response(422)).verdict is Verdict.REFUSED


def test_traces_are_sampled_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fraction works, by trace: of calls under one run all are sent, or none."""
    monkeypatch.setenv("LANGSMITH_SAMPLING_RATE", "0.3")
    exporter = LangsmithSpanExporter("key")
    single = [exporter.accepts(llm_span()) for _ in range(400)]
    assert 60 < sum(single) < 180
    roots = [f"20261121T030900000000Zaaaaaaaa-0000-7000-8000-{number:012x}" for number in range(100)]
    grouped = [{exporter.accepts(llm_span(metadata={"dotted_order": root})) for _ in range(3)} for root in roots]
    assert all(len(answers) == 1 for answers in grouped)
    assert {True} in grouped
    assert {False} in grouped
    assert not exporter.accepts(finished_span("GET /", {}))
    assert sum(exporter.accepts(span) for span in [llm_span()] * 50) in {0, 50}


def test_settings_from_the_environment(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of LiteLLM and of LangSmith's SDK; the server's limit wins over a larger batch size."""
    monkeypatch.setenv("LANGSMITH_API_KEY", "env-key")
    monkeypatch.setenv("LANGSMITH_PROJECT", "env-project")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", f"{sink_server.url}/api/v1/")
    monkeypatch.setenv("LANGSMITH_WORKSPACE_ID", "w-1")
    monkeypatch.setenv("LANGSMITH_DEFAULT_RUN_NAME", "call")
    monkeypatch.setenv("LANGSMITH_BATCH_SIZE", "512")
    exporter = LangsmithSpanExporter()
    assert exporter.export([llm_span()]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    (request,) = sink_server.requests
    (run,) = json.loads(request.body)["post"]
    assert (run["session_name"], run["name"]) == ("env-project", "call")
    assert (request.headers["x-api-key"], request.headers["x-tenant-id"]) == ("env-key", "w-1")
    assert request.path == "/api/v1/runs/batch"
    assert exporter.batching.max_items == 100


@pytest.mark.parametrize("base", ["https://ls.example", "https://ls.example/api", "https://ls.example/api/v1/"])
def test_where_the_api_is(base: str) -> None:
    """A host, or the API's address as LangSmith's SDK takes it."""
    (request,) = LangsmithSpanExporter("key", base_url=base).encode([Item(llm_span())])
    assert request.target == "https://ls.example/api/v1/runs/batch"


def test_a_run_over_the_limit_says_what_is_missing() -> None:
    """It keeps its shape, and a tag finds it."""
    large = llm_span({"gen_ai.input.messages": text_messages("user", *["x" * 11_000_000] * 2)}, tags=["a"])
    (request,) = LangsmithSpanExporter("key").encode([Item(large), Item(llm_span())])
    assert len(request.body) <= 20_000_000
    body = json.loads(request.body)
    assert json_schema_errors(_SCHEMA, body) == []
    run, untouched = body["post"]
    assert (run["tags"], untouched["tags"]) == (["a", "callspan_shortened"], [])
    assert "characters left out]" in run["inputs"]["messages"][0]["content"]


def test_body_fits_the_schema(sink_server: SinkServer) -> None:
    """And the schema catches a body that is wrong."""
    nested = llm_span(metadata={"dotted_order": PARENTS, "session_id": "s"}, tags=["a"])
    (body,) = bodies(sink_server, nested, llm_span(error="boom"), llm_span({"gen_ai.request.stream": True}))
    assert json_schema_errors(_SCHEMA, body) == []
    for broken in ({"id": 1}, {"run_type": "call"}, {"dotted_order": CALL}, {"inputs": "text"}, {"tags": "a"}):
        assert json_schema_errors(_SCHEMA, {"post": [{**body["post"][0], **broken}]})


@pytest.mark.parametrize(("name", "error"), [("langsmith-batch-1", None), ("langsmith-batch-2", "boom")])
def test_nothing_of_litellms_run_is_missing(sink_server: SinkServer, name: str, error: str | None) -> None:
    """Except what docs/sinks/langsmith.md gives a reason for: other places, nulls, and a failure's zeros."""
    (body,) = bodies(sink_server, llm_span(error=error, metadata={"session_id": "s"}, tags=["a"]))
    theirs = litellm_body(name)
    (run,) = theirs["post"]
    said = _present(run.pop("inputs")) | _present(run.pop("extra"))
    moved = re.compile(r"\.?post\.(session_id|outputs(\..*)?)" if error else r"post\.(session_id|outputs\.created)")
    assert [key for key in missing_keys(theirs, body) if not moved.fullmatch(key)] == []
    elsewhere = {"id", "startTime", "endTime", "request_tags", "messages", "response", "model_parameters", "error_str"}
    elsewhere |= {"prompt_tokens", "completion_tokens", "total_tokens", "response_cost"}
    left_out = {"metadata", "requester_metadata", "model_map_information"}
    assert said.keys() - body["post"][0]["extra"]["metadata"].keys() - elsewhere - left_out == set()


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"api_key": None}, "langsmith: api_key is missing; set the environment variable LANGSMITH_API_KEY"),
        ({"base_url": "smith"}, "langsmith: base_url: 'smith' is not a URL"),
        ({"sampling_rate": 3}, "LANGSMITH_SAMPLING_RATE: 3 is not a number from 0 to 1"),
        ({"batch_size": 0}, "LANGSMITH_BATCH_SIZE: 0 is not a number at least 1"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    """One error that names the variable and the argument."""
    with pytest.raises(ValueError, match=message):
        LangsmithSpanExporter(**{"api_key": "key", **settings})
