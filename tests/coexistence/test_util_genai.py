"""Inside a model call that OpenTelemetry's own packages record, callspan makes no second span, but adds to theirs."""

import importlib.util

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.coexistence.support import outcome_of

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        importlib.util.find_spec("opentelemetry.util") is None
        or importlib.util.find_spec("opentelemetry.util.genai") is None,
        reason="opentelemetry-util-genai is absent: it has a CI lane of its own",
    ),
]

OUTER = """
import callspan, openai
from opentelemetry import trace
from opentelemetry.util.genai.handler import TelemetryHandler

handler = TelemetryHandler(instrumentation_scope_name="framework")
asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.25}
client = openai.OpenAI()
"""
INSIDE = {
    "chat": "client.chat.completions.create(**asked)",
    "stream": "list(client.chat.completions.create(stream=True, stream_options={'include_usage': True}, **asked))",
    "raw": "client.chat.completions.with_raw_response.create(**asked).parse()",
}


@pytest.mark.parametrize("call", INSIDE)
def test_the_enclosing_span_has_it_all(call: str, server: FakeOpenAI) -> None:
    """Usage, ids, parameters, cost and what `callspan.context` said are on the one span; one line says whose it is."""
    outcome = outcome_of(f"""{OUTER}
with callspan.context(tags=["nightly"]), handler.inference("framework", request_model="any"):
    {INSIDE[call]}
""")
    (span,) = outcome.calls
    assert (span["scope"], len(server.requests)) == ("framework", 1)
    has = span["attributes"]
    assert (has["gen_ai.usage.input_tokens"], has["gen_ai.request.temperature"]) == (4, 0.25)
    assert has["gen_ai.response.id"].startswith("chatcmpl-")
    assert (has["gen_ai.request.model"], has["gen_ai.provider.name"]) == ("any", "framework")  # the outer says so
    assert (has["callspan.tags"], bool(has["callspan.call_id"]), has["callspan.cost.total"] > 0) == (
        ["nightly"], True, True
    )  # fmt: skip
    http = [each for each in outcome.spans if "http" in each["scope"]]
    assert {each["parent"] for each in http} == {span["id"]}
    assert outcome.about("framework") == [
        "callspan: model calls made inside spans of framework are recorded there; callspan adds what it knows"
    ]


def test_only_a_call_of_the_same_kind(server: FakeOpenAI) -> None:
    """An embedding inside a chat is another call; an embedding inside an embedding is not."""
    embed = 'client.embeddings.create(model="text-embedding-3-small", input=["Hi"])'
    outcome = outcome_of(f"""{OUTER}
with handler.inference("framework", request_model="any"):
    {embed}
with handler.embedding("framework", request_model="any"):
    {embed}
""")
    assert [call["scope"] for call in outcome.calls] == ["callspan", "framework", "framework"]
    assert outcome.calls[2]["attributes"]["gen_ai.usage.input_tokens"] == 1


def test_an_error(server: FakeOpenAI) -> None:
    """The enclosing span fails as its package sees fit; the application has its exception."""
    outcome = outcome_of(f"""{OUTER}
asked["messages"][0]["content"] = "!error 400"
try:
    with handler.inference("framework", request_model="any"):
        client.chat.completions.create(**asked)
except openai.BadRequestError:
    trace.get_tracer("app").start_span("caught").end()
""")
    (call,) = outcome.calls
    assert (call["scope"], call["attributes"]["error.type"]) == ("framework", "openai.BadRequestError")
    assert "caught" in {span["name"] for span in outcome.spans}


def test_theirs_inside_ours(server: FakeOpenAI) -> None:
    """An invocation that begins inside a call of callspan's makes no span."""
    outcome = outcome_of(f"""{OUTER}
import httpx2
hooks = {{"request": [lambda _: handler.inference("framework", request_model="any").stop()]}}
openai.OpenAI(http_client=httpx2.Client(event_hooks=hooks)).chat.completions.create(**asked)
handler.inference("framework", request_model="any").stop()
""")
    assert [call["scope"] for call in outcome.calls] == ["callspan", "framework"]
