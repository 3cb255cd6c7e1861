"""What LiteLLM's pages for its proxy show, at the sinks that they name: one run, its requests told apart by call id."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.e2e import sinks
from tests.exporters.servers import SinkServer
from tests.proxy.recorded import TEAM_KEY, Ask, Run, client, curl, record
from tests.proxy.server import chat, needs_proxy
from tests.servers.moto import Moto

pytestmark = [pytest.mark.process, needs_proxy]

TRACE, CALLER = "80e1afed08e019fc1110464cfa66635c", "02e80198930058d4"
METADATA = {
    "generation_name": "ishaan-test-generation",
    "generation_id": "gen-id22",
    "trace_id": "trace-id22",
    "trace_user_id": "user-id2",
}
TAGS = ["jobID:214590dsff09fds", "taskName:run_page_classification"]
MESSAGES = [{"role": "user", "content": "this is a test request, write a short poem"}]
TEAM = f"Authorization: Bearer {TEAM_KEY}"

ASKS: dict[str, Ask] = {
    "plain": curl(chat()),
    "metadata by curl": curl(chat(metadata=METADATA)),
    "metadata by openai": client(model="gpt-3.5-turbo", messages=MESSAGES, extra_body={"metadata": METADATA}),
    "tags by curl": curl(chat(user="palantir", metadata={"tags": TAGS}), "Authorization: Bearer sk-1234"),
    "tags by openai": client(
        model="gpt-3.5-turbo", messages=MESSAGES, user="palantir", extra_body={"metadata": {"tags": TAGS}}
    ),
    "no-log by curl": curl({**chat("not logged"), "no-log": True}, path="/v1/chat/completions"),
    "no-log by openai": client(model="gpt-3.5-turbo", messages=MESSAGES, extra_body={"no-log": True}),
    "raw request": curl(chat(metadata={"log_raw_request": True})),
    "traceparent": client(
        model="gpt-3.5-turbo", messages=MESSAGES, extra_headers={"traceparent": f"00-{TRACE}-{CALLER}-01"}
    ),
    "stream by curl": curl(chat("count with me", stream=True)),
    "stream by openai": client(model="gpt-3.5-turbo", messages=MESSAGES, stream=True),
    "team": curl(chat(user="ishaan-app", temperature=0.2), TEAM),
    "embedding": curl({"model": "text-embedding-ada-002", "input": ["hi"]}, path="/embeddings"),
    "refused": curl(chat("!error 400")),
    "fallback": curl(chat(model="down")),
    "fake endpoint": curl(chat("Hello, Claude gm!", "fake-openai-endpoint")),
    "responses": curl({"model": "gpt-3.5-turbo", "input": "hello"}, path="/v1/responses"),
    "completions": curl({"model": "gpt-3.5-turbo", "prompt": "hello"}, path="/v1/completions"),
}
LOGGED = sorted(name for name in ASKS if not name.startswith("no-log"))
SUCCEEDED = sorted(set(LOGGED) - {"refused"})


def logged_ids(run: Run) -> list[str]:
    """The id of every call that is logged; with the one that failed before its fallback."""
    return sorted(run.answers[name].call_id for name in (*LOGGED, "fallback"))


def holds(whole: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    """Whether ``part`` is in ``whole``."""
    return {key: whole.get(key) for key in part} == dict(part)


@pytest.fixture(scope="module")
def store(_running_moto: Moto) -> Moto:
    _running_moto.clear()
    return _running_moto


@pytest.fixture(scope="module")
def run(store: Moto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with FakeOpenAI() as upstream, SinkServer() as server:
        yield record(
            "sinks.yaml",
            tmp_path_factory.mktemp("proxy"),
            upstream,
            server,
            ASKS,
            AWS_ACCESS_KEY_ID=store.access_key_id,
            AWS_SECRET_ACCESS_KEY=store.secret_access_key,
            S3_SERVER=store.url,
        )


@pytest.mark.parametrize("name", SUCCEEDED)
def test_it_answers(name: str, run: Run) -> None:
    """callspan beside it, the proxy answers as before."""
    assert run.answers[name].status == 200


@pytest.mark.parametrize("name", LOGGED)
def test_one_span_with_the_id_of_the_header(name: str, run: Run) -> None:
    """Each call to a model is one everywhere, by the id in ``x-litellm-call-id``; a fallback is a second call."""
    calls = 2 if name == "fallback" else 1
    assert len(run.spans(name)) == calls
    assert len(run.payloads(name)) == calls


def test_nothing_else(run: Run) -> None:
    """No call is recorded twice, under another id, or although ``no-log`` was asked for."""
    ids = logged_ids(run)
    assert sorted(payload["litellm_call_id"] for payload in sinks.hooked(run.server)) == ids
    spans = sinks.accepted_spans(run.server, "otel")
    recorded = [
        span.attributes for span in spans if any(name.startswith(("gen_ai.", "llm.")) for name in span.attributes)
    ]
    assert sorted(attributes["callspan.call_id"] for attributes in recorded) == ids


@pytest.mark.parametrize("name", ["metadata by curl", "metadata by openai"])
def test_langfuse_metadata(name: str, run: Run) -> None:
    """The request's metadata names the generation, the trace and its user at Langfuse."""
    shown = run.langfuse(name)
    assert shown["name"] == METADATA["generation_name"]
    assert shown["trace"]["userId"] == METADATA["trace_user_id"]
    assert holds(json.loads(run.span(name).attributes["callspan.metadata"]), METADATA)
    assert holds(run.payload(name)["metadata"]["requester_metadata"], METADATA)


@pytest.mark.parametrize("name", ["tags by curl", "tags by openai"])
def test_tags_and_user(name: str, run: Run) -> None:
    """The request's tags and user are the call's."""
    assert set(run.payload(name)["request_tags"]) >= set(TAGS)
    assert set(run.span(name).attributes["callspan.tags"]) >= set(TAGS)
    assert set(run.langfuse(name)["trace"]["tags"]) >= set(TAGS)
    assert run.payload(name)["end_user"] == "palantir"


def test_key_and_team(run: Run) -> None:
    """What the proxy knows about key and team is in the payload, on the span, and in Langfuse's tags."""
    metadata = run.payload("team")["metadata"]
    known = {
        "user_api_key_alias": "prod-app1",
        "user_api_key_user_id": "user_123",
        "user_api_key_user_email": "user@example.com",
        "user_api_key_team_id": "team-7",
        "user_api_key_team_alias": "team_alpha",
        "user_api_key_end_user_id": "ishaan-app",
        "user_api_key_request_route": "/chat/completions",
    }
    assert holds(metadata, known)
    assert len(metadata["user_api_key_hash"]) == 64
    assert holds(json.loads(run.span("team").attributes["callspan.metadata"]), known)
    tags = {"user_api_key_alias:prod-app1", "user_api_key_team_alias:team_alpha", "user_api_key_user_id:user_123"}
    assert set(run.langfuse("team")["trace"]["tags"]) >= tags


def test_the_key_itself_is_nowhere(run: Run) -> None:
    """Neither the caller's key nor the provider's leaves for a sink."""
    everything = b"".join(request.body for request in run.server.requests)
    assert TEAM_KEY.encode() not in everything
    assert b"sk-upstream-" not in everything


def test_payload_of_a_call(run: Run) -> None:
    """Model, group, address, tokens and LiteLLM's own cost."""
    payload, answer = run.payload("team"), run.answers["team"]
    assert payload["trace_id"] == run.span("team").trace_id
    assert payload["response_cost"] == float(answer.headers["x-litellm-response-cost"])
    assert payload["model_group"] == "gpt-3.5-turbo"
    assert payload["model_id"] == answer.headers["x-litellm-model-id"]
    assert payload["api_base"] == run.upstream.base_url
    assert payload["custom_llm_provider"] == "openai"
    assert payload["response"]["choices"][0]["message"]["content"] == "You said: what llm are you"
    assert payload["model_parameters"]["temperature"] == 0.2
    assert payload["requester_ip_address"] == "127.0.0.1"
    assert any(tag.startswith("User-Agent: curl") for tag in payload["request_tags"])


def test_one_trace(run: Run) -> None:
    """The caller's ``traceparent`` goes on through the call to the model's server, as the setting allows."""
    span = run.span("traceparent")
    assert span.trace_id == TRACE
    assert run.ancestry(span) == CALLER
    sent = [request.headers.get("traceparent", "") for request in run.upstream.requests]
    assert f"00-{TRACE}-{span.span_id}-01" in sent
    assert span.resource["service.name"] == "litellm"


@pytest.mark.parametrize("name", ["stream by curl", "stream by openai"])
def test_streams(name: str, run: Run) -> None:
    """The whole text and its usage, and the time to the first piece."""
    payload = run.payload(name)
    assert payload["stream"] is True
    assert payload["response"]["choices"][0]["message"]["content"].startswith("You said: ")
    assert payload["total_tokens"] == payload["prompt_tokens"] + payload["completion_tokens"] > 0
    assert payload["completionStartTime"] < payload["endTime"]


def test_embedding(run: Run) -> None:
    """An embedding is one too."""
    payload = run.payload("embedding")
    assert (payload["call_type"], payload["prompt_tokens"] > 0) == ("aembedding", True)
    assert run.span("embedding").name.startswith("embeddings ")


def test_failure(run: Run) -> None:
    """The provider's refusal: a failure with its status, in the sinks that take failures."""
    assert run.answers["refused"].status == 400
    payload = run.payload("refused")
    assert (payload["status"], payload["error_information"]["error_class"]) == ("failure", "BadRequestError")
    call_id = run.answers["refused"].call_id
    assert call_id not in sinks.received(run.server, "langfuse").decode(errors="replace")  # success_callback


def test_fallback(run: Run) -> None:
    """A deployment that is down fails as a call of its own; the one that answered has the response's id."""
    failed, answered = sorted(run.payloads("fallback"), key=lambda payload: float(payload["startTime"]))
    assert (failed["status"], answered["status"]) == ("failure", "success")
    assert (failed["model"], answered["model"]) == ("gpt-4o", "gpt-3.5-turbo")
    assert failed["trace_id"] == answered["trace_id"]
    assert answered["id"] == run.answers["fallback"].json["id"] != failed["id"]


def test_raw_request(run: Run) -> None:
    """The request to the provider as curl, its key masked, where the request asked for it."""
    raw = run.langfuse("raw request")["metadata"]["raw_request"]
    assert raw.startswith("curl ")
    assert run.upstream.base_url in raw
    assert "sk-upstream-0" not in raw
    assert "raw_request" not in run.langfuse("plain")["metadata"]


def test_no_log(run: Run) -> None:
    """Not a word of a call that is not to be logged."""
    assert run.answers["no-log by curl"].status == run.answers["no-log by openai"].status == 200
    assert b"not logged" not in b"".join(request.body for request in run.server.requests)


def test_object_stores(run: Run, store: Moto) -> None:
    """One object a call, under the team's alias where it has one."""
    objects = {key: json.loads(body) for key, body in store.objects().items()}
    assert sorted(each["litellm_call_id"] for each in objects.values()) == logged_ids(run)
    team = run.answers["team"].call_id
    (key,) = [key for key, each in objects.items() if each["litellm_call_id"] == team]
    assert key.startswith("my-test-path/team_alpha/")
    assert all(key.startswith("my-test-path/") for key in objects)


def test_datadog(run: Run) -> None:
    """One log line a call, successes and failures."""
    requests = [request for request in run.server.requests if request.path.startswith("/api/v2/logs")]
    logs = [log for request in requests for log in json.loads(request.body)]
    assert len(logs) == len(logged_ids(run))
    assert {log["ddsource"] for log in logs} == {"litellm"}


def test_litellm_does_not_send_too(run: Run) -> None:
    """LiteLLM starts without the sinks' packages, says who delivers, and sends nothing itself."""
    assert "callspan delivers in LiteLLM's place to: otel, s3, datadog, audit, langfuse" in run.output
    assert "Initialized Success Callbacks" not in run.output  # there are none left
    assert {request.headers["user-agent"].partition("/")[0] for request in run.server.requests} == {"callspan"}


def test_custom_callback(run: Run) -> None:
    """The user's class runs once a call, in LiteLLM, as its page shows."""
    assert run.output.count("On Async Success!") == len(SUCCEEDED)
    assert run.output.count("On Async Failure !") == 2  # the refusal, and the deployment that was down
    answer = run.answers["team"]
    assert "Messages: [{'role': 'user', 'content': 'what llm are you'}], User: ishaan-app" in run.output
    assert "'url': '" + run.url + "/chat/completions', 'method': 'POST'" in run.output
    assert re.search(r"Model Info: {.*'input_cost_per_token': 0.002.*'mode': 'embedding'", run.output)
    assert f"Standard: {answer.call_id}" in run.output


def test_it_ends_well(run: Run) -> None:
    """SIGTERM: every sink has everything by the end, and nothing of callspan's failed on the way."""
    assert "Application shutdown complete" in run.output
    assert "callspan failed" not in run.output
