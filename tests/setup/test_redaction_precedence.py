"""Who decides whether a call's content leaves: the table of docs/redaction.md, row by row and in every combination."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider

import callspan
from callspan import directives
from callspan.cli.fake_openai import FakeOpenAI
from callspan.middleware import ASGIMiddleware
from callspan_exporters.redaction import Policy, full, none
from callspan_semconv.attributes import CALLSPAN_REDACT
from tests.exporters.servers import SinkServer
from tests.instrumentation.support import user
from tests.setup.spans import SECRET

OUT, IN, X_IN = (
    "LiteLLM-Disable-Message-Redaction",
    "LiteLLM-Enable-Message-Redaction",
    "x-litellm-enable-message-redaction",
)
OFF = {"turn_off_message_logging": True}
LEAVE = {"allow_redaction_opt_out": True}
TEAM = {"default_team_settings": [{"team_id": "a", "turn_off_message_logging": True}]}
MEMBER = {"user_api_key_team_id": "a"}
PARAMETER = "turn_off_message_logging"


@pytest.fixture
def instrumented() -> Iterator[None]:
    yield
    callspan.uninstrument()


async def text_at_the_sink(provider: TracerProvider, fake: FakeOpenAI, server: SinkServer, **said: Any) -> str:
    """Configure, make a call for a web request, and read what the sink gets of its prompt."""
    hook = {"callback_type": "generic_api", "endpoint": f"{server.url}/hook", **said.get("sink", {})}
    callspan.configure(
        callbacks=["hook"], callback_settings={"hook": hook}, tracer_provider=provider, **said.get("process", {})
    )

    async def app(*_request: Any) -> None:
        async with openai.AsyncOpenAI(base_url=fake.base_url, api_key="k", max_retries=0) as client:
            with callspan.context(**said.get("context", {})):
                await client.chat.completions.create(
                    model="gpt-5-mini", messages=user(SECRET), **said.get("arguments", {})
                )

    body = json.dumps(said.get("body", {})).encode()
    headers = {"content-type": "application/json", **said.get("headers", {})}

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(_message: Any) -> None:
        pass

    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "headers": pairs}
    await ASGIMiddleware(app, read_body=True)(scope, receive, send)
    assert callspan.flush(10)
    (request,) = server.requests
    (payload,) = json.loads(request.body)
    return str(payload["messages"][0]["content"])


@pytest.mark.parametrize(
    ("leaves", "said"),
    [
        # Nobody asks: what process and sink say.
        (True, {}),
        (False, {"process": OFF}),
        (False, {"process": {"turn_off_message_logging": "true"}}),
        (False, {"sink": {"message_logging": False}}),
        (False, {"process": OFF, "sink": {"message_logging": True}}),
        # The key's or team's policy counts with them.
        (False, {"process": TEAM, "context": {"metadata": MEMBER}}),
        (True, {"process": TEAM, "context": {"metadata": {"user_api_key_team_id": "another"}}}),
        (True, {"process": TEAM, "body": {"metadata": MEMBER}}),  # a claim
        (False, {"process": TEAM, "context": {"metadata": MEMBER}, "headers": {OUT: "true"}}),
        (True, {"process": {**TEAM, **LEAVE}, "context": {"metadata": MEMBER}, "headers": {OUT: "true"}}),
        # Whoever asks for redaction gets it.
        (False, {"headers": {IN: "true"}}),
        (False, {"headers": {X_IN: "true"}}),
        (False, {"headers": {IN: "yes please"}}),
        (False, {"body": {PARAMETER: True}}),
        (False, {"body": {PARAMETER: "true"}}),
        (False, {"body": {PARAMETER: "whatever"}}),
        (False, {"body": {"metadata": {PARAMETER: True}}}),
        (False, {"headers": {"baggage": "callspan.redact=none"}}),
        (False, {"headers": {"baggage": "callspan.redact=a-mask-that-nobody-knows"}}),
        (False, {"context": {"redact": "none"}}),
        (False, {"context": {"metadata": {PARAMETER: "true"}}}),
        (False, {"arguments": {"extra_body": {PARAMETER: True}}}),
        (False, {"arguments": {"extra_body": {"metadata": {PARAMETER: True}}}}),
        # "false" is false.
        (True, {"headers": {IN: "false"}}),
        (True, {"body": {PARAMETER: "false"}}),
        (False, {"process": {**OFF, **LEAVE}, "headers": {OUT: "false"}}),
        (False, {"process": {**OFF, **LEAVE}, "headers": {OUT: ""}}),
        # An opt-out needs the operator's leave.
        *((False, {"process": OFF, **asks}) for asks in (
            {"headers": {OUT: "true"}},
            {"body": {PARAMETER: False}},
            {"headers": {"baggage": "callspan.redact=full"}},
            {"context": {"redact": "full"}},
            {"arguments": {"extra_body": {PARAMETER: False}}},
        )),
        *((True, {"process": {**OFF, **LEAVE}, **asks}) for asks in (
            {"headers": {OUT: "true"}},
            {"body": {PARAMETER: "false"}},
            {"headers": {"baggage": "callspan.redact=full"}},
            {"context": {"redact": "full"}},
            {"arguments": {"extra_body": {PARAMETER: False}}},
        )),
        (False, {"sink": {"message_logging": False}, "headers": {OUT: "true"}}),
        (True, {"process": LEAVE, "sink": {"message_logging": False}, "headers": {OUT: "true"}}),
        # Of an opt-out and a wish for redaction, the wish counts.
        (False, {"process": LEAVE, "headers": {OUT: "true", IN: "true"}}),
        (False, {"process": LEAVE, "headers": {OUT: "true"}, "body": {PARAMETER: True}}),
        (False, {"process": LEAVE, "headers": {IN: "true"}, "body": {PARAMETER: False}}),
        (False, {"process": LEAVE, "headers": {IN: "true"}, "context": {"redact": "full"}}),
        (False, {"process": LEAVE, "headers": {"baggage": "callspan.redact=none"}, "context": {"redact": "full"}}),
        (False, {"process": LEAVE, "headers": {OUT: "true"}, "context": {"redact": "none"}}),
    ],
    ids=str,
)  # fmt: skip
async def test_the_table(
    leaves: bool, said: Any, provider: TracerProvider, fake_openai: FakeOpenAI, server: SinkServer, instrumented: None
) -> None:
    """From the request's header to the sink's payload."""
    text = await text_at_the_sink(provider, fake_openai, server, **said)
    assert text == (SECRET if leaves else "redacted-by-litellm")


class Asking:
    """As much of a span as the choice of its policy looks at."""

    def __init__(self, asks: str | None) -> None:
        self.attributes = {} if asks is None else {CALLSPAN_REDACT: asks}


@pytest.mark.parametrize("leave", [False, True])
@pytest.mark.parametrize("policy", [full(), none()], ids=lambda policy: policy.name)
def test_every_combination(leave: bool, policy: Policy) -> None:
    """Any wish for redaction holds; without one, an opt-out where there is leave; without either, the sink's policy."""
    policy = Policy(policy.name, policy.strictness, allow_opt_out=leave)
    words = (None, "", "true", "false", "False", "unclear")
    parameters = (None, True, False, "true", "false", "unclear")
    others = (None, "none", "full")
    for out, enable, x_enable, parameter, baggage, block in itertools.product(
        words, words, (None, "true", "false"), parameters, others, others
    ):
        named = {OUT: out, IN: enable, X_IN: x_enable}
        headers = {name: value for name, value in named.items() if value is not None}
        asked = directives.read(headers, {PARAMETER: parameter}).get("redact")
        asks = directives.tightest(asked, directives.from_baggage({"callspan.redact": baggage}).get("redact"), block)
        wished = (
            {enable, x_enable} & {"true", "unclear"}
            or parameter in (True, "true", "unclear")
            or "none" in (baggage, block)
        )
        opted_out = out == "true" or parameter in (False, "false") or "full" in (baggage, block)
        span: Any = Asking(asks)
        expected = "none" if wished else "full" if opted_out and leave else policy.name
        assert policy.for_call(span).name == expected, (named, parameter, baggage, block)
