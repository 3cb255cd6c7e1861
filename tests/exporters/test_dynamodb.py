"""DynamoDB: what lies in the table, its limits, and what its answers mean."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from callspan.setup.settings import load
from callspan.setup.sinks import build, plans
from callspan_exporters.delivery.engine import deliver
from callspan_exporters.dynamodb import DynamodbSpanExporter
from callspan_exporters.sink import Item, Response, Verdict
from tests.exporters.servers import Answer, Received, SinkServer
from tests.exporters.sink_spans import finished_span, llm_span, text_messages
from tests.exporters.spans import calls
from tests.servers.dynalite import TABLE, Dynalite, create_table
from tests.servers.moto import Moto, client

Make = Callable[..., DynamodbSpanExporter]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes exporters, and closes them."""
    made: list[DynamodbSpanExporter] = []

    def build(url: str, **options: Any) -> DynamodbSpanExporter:
        keys = {"aws_access_key_id": "id", "aws_secret_access_key": "key", "region_name": "us-east-1"}
        made.append(DynamodbSpanExporter(**{"dynamodb_table_name": TABLE, "endpoint_url": url, **keys, **options}))
        return made[-1]

    yield build
    for exporter in made:
        exporter.shutdown()


WHERE = {"dynamodb_table_name": TABLE, "region_name": "us-east-1"}
# The attributes that LiteLLM's documentation shows, all of them strings.
LITELLM = {
    *("id", "call_type", "startTime", "endTime", "model", "modelParameters", "messages", "response", "usage"),
    *("metadata", "user"),
}


def test_call_is_one_item(dynalite: Dynalite, make: Make) -> None:
    """A call has LiteLLM's attributes as strings, and tokens and cost as numbers."""
    span = llm_span({"callspan.user": "ishaan-2", "callspan.cost.total": 0.0025})
    assert make(dynalite.url).export([span]) is SpanExportResult.SUCCESS
    (item,) = dynalite.items()
    assert {name for name in LITELLM if "S" in item.get(name, {})} == LITELLM
    texts = {name: item[name]["S"] for name in LITELLM}
    assert (texts["id"], texts["call_type"], texts["model"]) == ("chatcmpl-1", "completion", "gpt-4o-mini")
    assert (texts["startTime"], texts["endTime"]) == ("2026-11-21 03:09:59.861563", "2026-11-21 03:10:00.025184")
    assert texts["user"] == "ishaan-2"
    assert json.loads(texts["messages"]) == [{"role": "user", "content": "what llm are you"}]
    assert json.loads(texts["response"])["choices"][0]["message"]["content"] == "I am a test."
    payload = Item(span).payload
    assert payload is not None
    numbers = {name: float(item[name]["N"]) for name in ("response_cost", "prompt_tokens", "completion_tokens")}
    assert numbers == {name: payload[name] for name in numbers}  # type: ignore[literal-required]  # a set of its keys
    assert numbers["prompt_tokens"] == 10


def test_failures_are_there_too(dynalite: Dynalite, make: Make) -> None:
    """A failed call is an item under its call id, with the reason."""
    assert make(dynalite.url).export([llm_span(error="quota")]) is SpanExportResult.SUCCESS
    (item,) = dynalite.items()
    assert item["id"]["S"] == "11111111-2222-4333-8444-555555555555"
    assert (item["status"]["S"], item["error_str"]["S"], "response" in item) == ("failure", "quota", False)


def test_values_as_litellm_wrote_them(dynalite: Dynalite, make: Make) -> None:
    """``python_repr`` writes Python's own text, for readers that parse it."""
    assert make(dynalite.url, value_format="python_repr").export([llm_span()]) is SpanExportResult.SUCCESS
    (item,) = dynalite.items()
    assert item["messages"]["S"] == "[{'role': 'user', 'content': 'what llm are you'}]"


def test_more_calls_than_a_request_holds(dynalite: Dynalite, make: Make) -> None:
    """DynamoDB takes 25 calls per request; 60 arrive, also where one comes twice."""
    spans = [llm_span({"gen_ai.response.id": f"r{n:02}"}) for n in range(60)]
    assert make(dynalite.url).export([*spans, *spans[:10], spans[0]]) is SpanExportResult.SUCCESS
    assert [item["id"]["S"] for item in dynalite.items()] == [f"r{n:02}" for n in range(60)]


@pytest.mark.parametrize("text", ["ä" * 600_000, '"' * 500_000, "lone \ud800"])
def test_long_and_odd_content(dynalite: Dynalite, make: Make, text: str) -> None:
    """What exceeds 400 KB is shortened and says so; characters that DynamoDB refuses are replaced."""
    span = llm_span({"gen_ai.input.messages": text_messages("user", text), "gen_ai.response.id": text})
    assert make(dynalite.url).export([span]) is SpanExportResult.SUCCESS
    (item,) = dynalite.items()
    assert json.loads(item["messages"]["S"])[0]["role"] == "user"
    assert item.get("shortened") == ({"BOOL": True} if len(text) > 400_000 else None)


def test_only_calls_are_written(dynalite: Dynalite, make: Make) -> None:
    """A web request is no log record."""
    assert make(dynalite.url).export([finished_span("GET /", {})]) is SpanExportResult.SUCCESS
    assert dynalite.items() == []


def test_throttled_calls_are_sent_again(sink_server: SinkServer, make: Make) -> None:
    """What DynamoDB returns as unprocessed is sent again, alone, however large the answer is."""

    def unprocessed(request: Received) -> Answer:
        puts = json.loads(request.body)["RequestItems"][TABLE]
        return Answer(body=json.dumps({"UnprocessedItems": {TABLE: puts[2:4]}}).encode())

    first = True

    def rule(request: Received) -> Answer:
        nonlocal first
        answer, first = unprocessed(request) if first else Answer(body=b'{"UnprocessedItems":{}}'), False
        return answer

    sink_server.rule = rule
    exporter = make(sink_server.url)
    items = [Item(span) for span in calls(5, {2: "x" * 100_000})]
    report = deliver(exporter, items, deadline_s=10)
    assert (report.delivered, report.retried) == (5, 2)
    assert [request.markers for request in sink_server.requests] == [[0, 1, 2, 3, 4], [2, 3]]


def test_requests_are_signed(sink_server: SinkServer, make: Make) -> None:
    """The request is DynamoDB's own, signed for its service and region."""
    assert make(sink_server.url, region_name="eu-west-1").export([llm_span()]) is SpanExportResult.SUCCESS
    (request,) = sink_server.requests
    assert request.headers["x-amz-target"] == "DynamoDB_20120810.BatchWriteItem"
    assert "/eu-west-1/dynamodb/aws4_request" in request.headers["authorization"]


# --- who may write -------------------------------------------------------------------------------------------------


def test_signature_is_checked(moto: Moto, make: Make) -> None:
    """A server that checks who writes takes the right keys and no others."""
    keys = {"aws_access_key_id": moto.access_key_id, "aws_secret_access_key": moto.secret_access_key}
    database = client("dynamodb", moto.url, **dict(zip(("key_id", "secret"), keys.values(), strict=True)))
    create_table(database)
    assert make(moto.url, **keys).export([llm_span()]) is SpanExportResult.SUCCESS
    for wrong in keys:
        exporter = make(moto.url, **{**keys, wrong: "AKIAWRONG"}, export_timeout_s=0.3)
        assert exporter.export([llm_span({"gen_ai.response.id": wrong})]) is SpanExportResult.FAILURE
    assert [item["id"]["S"] for item in database.scan(TableName=TABLE)["Items"]] == ["chatcmpl-1"]
    database.delete_table(TableName=TABLE)


def test_wrong_keys_are_not_retried(sink_server: SinkServer, make: Make) -> None:
    """DynamoDB's 400 for an unknown key is one clear reason at once."""
    sink_server.rule = lambda _: Answer(400, body=b'{"__type":"com.amazon.coral.service#UnrecognizedClientException"}')
    report = deliver(make(sink_server.url), [Item(span) for span in calls(3)], deadline_s=5)
    assert (report.refused, report.retried, len(sink_server.requests)) == (3, 0, 1)
    assert report.reason.startswith("401 UnrecognizedClientException: the access key id does not exist: check aws_")


def test_missing_table_is_named(dynalite: Dynalite, make: Make) -> None:
    """A table that does not exist is said to be missing, at once."""
    report = deliver(make(dynalite.url, dynamodb_table_name="nobody-has-this"), [Item(llm_span())], deadline_s=5)
    assert (report.refused, report.retried) == (1, 0)
    assert report.reason.startswith("404 ResourceNotFoundException: the table does not exist in this region")


def test_litellms_file(dynalite: Dynalite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration of LiteLLM's documentation works as it is."""
    file = tmp_path / "config.yaml"
    file.write_text(f"litellm_settings:\n  success_callback: [dynamodb]\n  dynamodb_table_name: {TABLE}\n")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_REGION_NAME": "us-east-1",
        "AWS_ENDPOINT_URL_DYNAMODB": dynalite.url,
    }.items():
        monkeypatch.setenv(name, value)
    (plan,) = plans(load(config_file=str(file)).settings)
    exporter = build(plan, str(file))
    assert exporter.export([llm_span()]) is SpanExportResult.SUCCESS
    exporter.shutdown()
    assert len(dynalite.items()) == 1


# --- answers and settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "answers"),
    [
        (
            Verdict.RETRY,
            "429 ThrottlingException, 429 ProvisionedThroughputExceededException, 403 AccessDeniedException",
        ),
        (
            Verdict.RETRY,
            "403 AccessDeniedException, 500 InternalServerError, 503 ServiceUnavailable, 408 ExpiredTokenException",
        ),
        (Verdict.REFUSED, "400 ValidationException, 401 UnrecognizedClientException, 404 ResourceNotFoundException"),
        (Verdict.SPLIT, "413 "),
    ],
)
def test_answers(make: Make, sink_server: SinkServer, verdict: Verdict, answers: str) -> None:
    """DynamoDB's 400 for all is read by its code: what recovers is retried, what cannot is refused."""
    exporter = make(sink_server.url)
    (request,) = exporter.encode([Item(llm_span())])
    for answer in answers.split(", "):
        status, _, code = answer.partition(" ")
        body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "canary"}).encode()
        sink_server.script = [Answer(400 if int(status) < 500 and int(status) != 413 else int(status), body=body)]
        outcome = exporter.classify(exporter.send(request, 5))
        assert outcome.verdict is verdict, answer
        assert outcome.reason.startswith(status)
        assert "canary" not in outcome.reason


def test_not_json() -> None:
    """A proxy's page in place of an answer counts by its status."""
    exporter = DynamodbSpanExporter(TABLE, "us-east-1")
    assert exporter.classify(Response(502, {}, b"<html>")).verdict is Verdict.RETRY
    assert exporter.classify(Response(200, {}, b"[]")).verdict is Verdict.DELIVERED


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {},
            "dynamodb_table_name is missing; set the environment variable DYNAMODB_TABLE_NAME, or pass",
        ),
        ({"dynamodb_table_name": TABLE}, "region_name is missing; set .* AWS_REGION_NAME or AWS_REGION"),
        ({**WHERE, "value_format": "xml"}, "value_format is 'xml'; expected 'json' or 'python_repr'"),
        ({**WHERE, "endpoint_url": "x:1"}, "endpoint_url: 'x:1' is not a URL; expected http://host:port"),
    ],
)
def test_wrong_option_is_one_clear_error(options: dict[str, Any], said: str) -> None:
    """The error names the option and what was expected."""
    complete = (
        {"dynamodb_table_name": TABLE, "region_name": "r"} if len(options) and TABLE not in options.values() else {}
    )
    with pytest.raises(ValueError, match=said):
        DynamodbSpanExporter(**{**complete, **options})
