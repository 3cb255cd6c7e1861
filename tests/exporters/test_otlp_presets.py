"""MLflow, Arize AX, Arize Phoenix and Langtrace: what each is sent, and what the real servers make of it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExportResult

from callspan_exporters.arize import ArizeSpanExporter, PhoenixSpanExporter
from callspan_exporters.delivery.engine import deliver
from callspan_exporters.langtrace import LangtraceSpanExporter
from callspan_exporters.mlflow import MlflowSpanExporter
from callspan_exporters.otlp_base import OTLPExporter
from callspan_exporters.otlp_spans import with_changes
from callspan_exporters.sink import Item, Response, Verdict
from tests.exporters.otlp_recorder import DecodedSpan, accepted_spans, message
from tests.exporters.servers import Answer, SinkServer
from tests.exporters.sink_spans import finished_span, llm_span
from tests.servers.mlflow import MLflow, run_mlflow
from tests.servers.phoenix import Phoenix, run_phoenix
from tests.servers.python import MLFLOW, PHOENIX, is_installed

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
CALL: dict[str, Any] = {
    "callspan.user": "palantir",
    "callspan.cost.input": 0.001,
    "callspan.cost.output": 0.0015,
    "callspan.cost.total": 0.0025,
    "gen_ai.conversation.id": "s1",
    "gen_ai.tool.definitions": json.dumps(TOOLS),
}
WIRE = Path(__file__).parents[3] / "shared" / "samples" / "litellm-wire"

PRESETS: dict[str, Callable[[str], OTLPExporter]] = {
    "mlflow": MlflowSpanExporter,
    "arize": lambda url: ArizeSpanExporter("sp1", "arkey", endpoint=url),
    "arize_phoenix": PhoenixSpanExporter,
    "langtrace": lambda url: LangtraceSpanExporter("ltkey", url),
}


def received(server: SinkServer, exporter: OTLPExporter, *spans: Any) -> list[DecodedSpan]:
    """What arrives of these spans."""
    try:
        assert exporter.export(spans) is SpanExportResult.SUCCESS
    finally:
        exporter.shutdown()
    return accepted_spans(server)


# --- what each is sent -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_numbers_are_the_same_everywhere(sink_server: SinkServer, name: str) -> None:
    """Every preset carries the call's id, its tokens and its cost; the content is there once."""
    (span,) = received(sink_server, PRESETS[name](sink_server.url), llm_span(CALL))
    texts = [str(value) for value in span.attributes.values()]
    assert "11111111-2222-4333-8444-555555555555" in texts
    assert (span.attributes["gen_ai.usage.input_tokens"], span.attributes["callspan.cost.total"]) == (10, 0.0025)
    assert "gen_ai.input.messages" not in span.attributes
    assert b"what llm are you" in sink_server.requests[0].body


@pytest.mark.parametrize("name", PRESETS)
def test_failures_are_there_too(sink_server: SinkServer, name: str) -> None:
    """A failed call keeps its status and its reason."""
    (span,) = received(sink_server, PRESETS[name](sink_server.url), llm_span(error="quota"))
    assert span.status == (2, "quota")


@pytest.mark.parametrize("name", PRESETS)
def test_other_spans_stay_as_they_are(sink_server: SinkServer, name: str) -> None:
    """A web request in the same trace is sent with its own attributes."""
    (span,) = received(sink_server, PRESETS[name](sink_server.url), finished_span("GET /", {"http.route": "/"}))
    assert span.attributes == {"http.route": "/"}


def test_openinference(sink_server: SinkServer) -> None:
    """Arize reads OpenInference: messages and tools by number, tokens, cost, session, user."""
    call = {
        "gen_ai.input.messages": json.dumps(
            [
                {"role": "user", "parts": [{"type": "text", "content": "weather?"}]},
                {
                    "role": "assistant",
                    "parts": [{"type": "tool_call", "id": "t1", "name": "f", "arguments": {"city": "Paris"}}],
                },
                {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t1", "result": "rain"}]},
            ]
        )
    }
    (span,) = received(sink_server, PRESETS["arize"](sink_server.url), llm_span({**CALL, **call}, tags=["a:b"]))
    found = span.attributes
    asked = "llm.input_messages."
    assert found["openinference.span.kind"] == "LLM"
    assert (found[f"{asked}0.message.role"], found[f"{asked}0.message.content"]) == ("user", "weather?")
    tool_call = f"{asked}1.message.tool_calls.0.tool_call."
    assert (found[f"{tool_call}id"], found[f"{tool_call}function.name"]) == ("t1", "f")
    assert json.loads(found[f"{tool_call}function.arguments"]) == {"city": "Paris"}
    assert (found[f"{asked}2.message.tool_call_id"], found[f"{asked}2.message.content"]) == ("t1", "rain")
    assert found["llm.output_messages.0.message.content"] == found["output.value"] == "I am a test."
    assert json.loads(found["llm.tools.0.tool.json_schema"]) == TOOLS[0]
    assert [found[f"llm.token_count.{side}"] for side in ("prompt", "completion", "total")] == [10, 20, 30]
    assert [found[f"llm.cost.{side}"] for side in ("prompt", "completion", "total")] == [0.001, 0.0015, 0.0025]
    assert (found["user.id"], found["session.id"], found["tag.tags"]) == ("palantir", "s1", ["a:b"])


def test_openinference_of_images_and_embeddings(sink_server: SinkServer) -> None:
    """A picture is a picture; an embedding has its texts and its model."""
    parts = [{"type": "text", "content": "see"}, {"type": "uri", "modality": "image", "uri": "https://x/y.png"}]
    picture = llm_span({"gen_ai.input.messages": json.dumps([{"role": "user", "parts": parts}])})
    embedding = llm_span({"gen_ai.operation.name": "embeddings"})
    shown, embedded = received(sink_server, PRESETS["arize"](sink_server.url), picture, embedding)
    content = "llm.input_messages.0.message.contents.1.message_content"
    assert shown.attributes[f"{content}.image.image.url"] == "https://x/y.png"
    assert embedded.attributes["openinference.span.kind"] == "EMBEDDING"
    assert embedded.attributes["embedding.model_name"] == "gpt-4o-mini"
    assert embedded.attributes["embedding.embeddings.0.embedding.text"] == "what llm are you"


def test_arize_headers_and_project(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arize's names of today and the older ones, and the project on the resource."""
    monkeypatch.setenv("ARIZE_PROJECT_NAME", "shop-llm")
    (span,) = received(sink_server, PRESETS["arize"](sink_server.url), llm_span())
    headers = sink_server.requests[0].headers
    assert [headers[name] for name in ("authorization", "arize-space-id", "api_key", "space_id")] == [
        *("arkey", "sp1", "arkey", "sp1")
    ]
    assert (span.resource["openinference.project.name"], span.resource["service.name"]) == ("shop-llm", "shop")


def test_phoenix_project_of_a_call(sink_server: SinkServer) -> None:
    """A call's metadata may name another project than the sink's."""
    exporter = PhoenixSpanExporter(sink_server.url, "phkey", "p1")
    spans = received(sink_server, exporter, llm_span(), llm_span(metadata={"phoenix_project_name": "p2"}))
    assert {span.resource["openinference.project.name"] for span in spans} == {"p1", "p2"}
    assert sink_server.requests[0].headers["authorization"] == "Bearer phkey"


def test_langtrace_requests(sink_server: SinkServer) -> None:
    """Langtrace reads one scope of one resource per request, uncompressed, from who calls itself an OTLP exporter."""
    span = llm_span(CALL)
    spans = [span, with_changes(span, resource=Resource({"service.name": "other"})), llm_span(error="x")]
    arrived = received(sink_server, PRESETS["langtrace"](sink_server.url), *spans, *[llm_span()] * 20)
    assert len(arrived) == 23
    for request in sink_server.requests:
        assert (request.path, request.headers["x-api-key"]) == ("/api/trace", "ltkey")
        assert "otel-otlp-exporter" in request.headers["user-agent"].lower()
        assert "content-encoding" not in request.headers
        (group,) = message(request).resource_spans
        assert len(group.scope_spans) == 1
    call = message(sink_server.requests[0]).resource_spans[0].scope_spans[0].spans[0]
    events = {event.name: event.attributes[0].value.string_value for event in call.events}
    assert json.loads(events["gen_ai.content.prompt"]) == [{"role": "user", "content": "what llm are you"}]
    assert json.loads(events["gen_ai.content.completion"])[0]["content"] == "I am a test."
    assert arrived[0].attributes["gen_ai.usage.prompt_tokens"] == 10


@pytest.mark.parametrize(
    ("name", "sample", "elsewhere"),
    [
        ("arize", "arize-traces-1.json", {"llm.user", "llm.response.cost", "llm.request.temperature"}),
        ("arize_phoenix", "phoenix-traces-1.json", {"llm.user", "llm.response.cost", "llm.request.temperature"}),
        ("langtrace", "langtrace-trace-1.json", set()),
    ],
)
def test_no_key_of_litellm_is_lacking(sink_server: SinkServer, name: str, sample: str, elsewhere: set[str]) -> None:
    """Every attribute that LiteLLM sends is there, but for those that docs/sinks/arize.md gives a reason for."""
    if not (WIRE / sample).exists():
        pytest.skip("LiteLLM's recorded requests are not here")
    (span,) = received(sink_server, PRESETS[name](sink_server.url), llm_span(CALL))
    recorded = json.loads((WIRE / sample).read_text())["body"]
    (theirs,) = [span["attributes"] for span in recorded if "metadata" in span["attributes"] or span["events"]]
    ours = {key.replace(".1.message", ".0.message") for key in span.attributes}
    assert {key.replace(".1.message", ".0.message") for key in theirs} - ours - elsewhere == set()


# --- settings and answers --------------------------------------------------------------------------------------------


def test_mlflow_experiment_by_name(sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is looked up once, with the credentials; one that does not exist is a clear reason at once."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", sink_server.url)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "my shop")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t1")
    sink_server.script = [Answer(404), Answer(body=b'{"experiment": {"experiment_id": "7"}}')]
    exporter = MlflowSpanExporter()
    report = deliver(exporter, [Item(llm_span())], deadline_s=5)
    assert (report.refused, report.retried) == (1, 0)
    assert exporter.export([llm_span()]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    asked, again, sent = sink_server.requests
    assert asked.path == again.path == "/api/2.0/mlflow/experiments/get-by-name?experiment_name=my+shop"
    assert (sent.path, sent.headers["x-mlflow-experiment-id"]) == ("/v1/traces", "7")
    assert {request.headers["authorization"] for request in sink_server.requests} == {"Bearer t1"}


@pytest.mark.parametrize(
    ("name", "status", "verdict"),
    [
        ("mlflow", 422, Verdict.REFUSED),
        ("mlflow", 501, Verdict.REFUSED),
        ("mlflow", 500, Verdict.RETRY),
        ("arize", 503, Verdict.RETRY),
        ("arize_phoenix", 415, Verdict.REFUSED),
        ("arize_phoenix", 503, Verdict.RETRY),
        ("langtrace", 500, Verdict.RETRY),
        ("langtrace", 401, Verdict.REFUSED),
    ],
)
def test_answers(name: str, status: int, verdict: Verdict) -> None:
    """What recovers is retried, what cannot is refused."""
    assert PRESETS[name]("http://127.0.0.1").classify(Response(status)).verdict is verdict


def test_langtrace_says_404_for_anything(sink_server: SinkServer) -> None:
    """404 is this server's own failure: the calls are sent again."""
    sink_server.script = [Answer(404)]
    assert len(received(sink_server, PRESETS["langtrace"](sink_server.url), llm_span())) == 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (MlflowSpanExporter, "tracking_uri is missing; set the environment variable MLFLOW_TRACKING_URI"),
        (lambda: MlflowSpanExporter("sqlite:///x"), "tracking_uri: 'sqlite:///x' is not a URL"),
        (ArizeSpanExporter, "space_id is missing; set the environment variable ARIZE_SPACE_ID or ARIZE_SPACE_KEY"),
        (lambda: ArizeSpanExporter("sp"), "api_key is missing; set the environment variable ARIZE_API_KEY"),
        (lambda: PhoenixSpanExporter("here"), "endpoint: 'here' is not a URL"),
        (LangtraceSpanExporter, "api_key is missing; set the environment variable LANGTRACE_API_KEY"),
    ],
)
def test_wrong_option_is_one_clear_error(make: Callable[[], Any], said: str) -> None:
    """The error names the setting and what was expected."""
    with pytest.raises(ValueError, match=said):
        make()


# --- the real servers ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mlflow() -> Iterator[MLflow]:
    if not is_installed(MLFLOW):
        pytest.skip("no MLflow here: python -m tests.servers.python installs it, which takes minutes")
    with run_mlflow() as server:
        yield server


@pytest.fixture(scope="module")
def phoenix() -> Iterator[Phoenix]:
    if not is_installed(PHOENIX):
        pytest.skip("no Phoenix here: python -m tests.servers.python installs it, which takes minutes")
    with run_phoenix() as server:
        yield server


def test_mlflow_shows_the_call(mlflow: MLflow) -> None:
    """MLflow has the tokens, the cost, the session, the user and the tags, and a failed call as failed."""
    good, bad = llm_span(CALL, tags=["env:prod"]), llm_span(error="quota")
    exporter = MlflowSpanExporter(mlflow.url)
    assert exporter.export([good, bad]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    found = mlflow.trace(good.get_span_context().trace_id)  # type: ignore[union-attr]  # an ended span has a context
    data = found["trace_metadata"]
    assert json.loads(data["mlflow.trace.tokenUsage"]) == {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30}
    assert json.loads(data["mlflow.trace.cost"])["total_cost"] == 0.0025
    assert (data["mlflow.trace.session"], data["mlflow.trace.user"]) == ("s1", "palantir")
    assert (found["tags"]["env"], found["state"]) == ("prod", "OK")
    assert (found["request_preview"], found["response_preview"]) == ("what llm are you", "I am a test.")
    (span,) = mlflow.spans(good.get_span_context().trace_id)  # type: ignore[union-attr]  # see above
    assert span["attributes"]["mlflow.spanType"] == "CHAT_MODEL"
    assert mlflow.trace(bad.get_span_context().trace_id)["state"] == "ERROR"  # type: ignore[union-attr]  # see above


def test_mlflow_refusals_are_clear(mlflow: MLflow) -> None:
    """An experiment that does not exist is a dead letter at once."""
    exporter = MlflowSpanExporter(mlflow.url, experiment_name="nobody-has-this")
    report = deliver(exporter, [Item(llm_span())], deadline_s=10)
    exporter.shutdown()
    assert (report.refused, report.retried) == (1, 0)
    assert report.reason.startswith("404")


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_phoenix_shows_the_call(phoenix: Phoenix, transport: str) -> None:
    """Phoenix has the call as an LLM span of the project, with messages, tokens and cost."""
    exporter = PhoenixSpanExporter(phoenix.url if transport == "http" else phoenix.grpc, project=transport)
    assert exporter.export([llm_span(CALL), llm_span(error="quota")]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    spans = {span["status_code"]: span for span in phoenix.spans(transport, 2)}
    assert spans["ERROR"]["status_message"] == "quota"
    found = spans["UNSET"]["attributes"]
    assert spans["UNSET"]["span_kind"] == "LLM"
    assert found["llm.input_messages.0.message.content"] == "what llm are you"
    assert (found["llm.token_count.total"], found["llm.cost.total"], found["session.id"]) == (30, 0.0025, "s1")
