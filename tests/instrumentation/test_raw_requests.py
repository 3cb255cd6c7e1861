"""The HTTP request of a call as a curl command: what was really sent, without its secrets, and only where asked for."""

import json
import shutil
import subprocess
from typing import Any

import cohere
import httpx as httpx1
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider

from callspan import context
from callspan.cli.fake_openai import FakeOpenAI, Request
from callspan.core import curl
from callspan.instrumentors import activate, uninstrument
from callspan_exporters.call_facts import details
from callspan_exporters.redaction import mask, none
from callspan_exporters.sink import Item
from callspan_semconv import attributes as attr
from callspan_semconv import to_payload
from tests.instrumentation.support import MODEL, OPENAI_MAJOR, Spans, collect, httpx, settle, user

CANARY = "sk-canary0123456789abcdef"


async def call(client: Any, text: str = "Hi", **arguments: Any) -> Any:
    return await settle(client.chat.completions.create(model=MODEL, messages=user(text), **arguments))


def run(command: str) -> None:
    """Run a command as a user would who pasted it into a shell."""
    if shutil.which("curl") is None:
        pytest.skip("no curl here to run the command with")
    subprocess.run(["sh", "-c", command + "\n"], check=True, capture_output=True, timeout=30)


def facts(request: Request) -> Any:
    """What makes two requests the same; other headers hold a secret or are curl's own."""
    headers = [request.headers.get(name) for name in ("content-type", "user-agent", "accept")]
    return request.method, request.path, request.query, request.body, headers


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"stream": True},
        {"extra_query": {"api-version": "it's 1"}},
        {"user": 'it\'s "quoted" $HOME `id` \\ \n ünïcode'},
    ],
    ids=["plain", "stream", "query", "quoting"],
)
async def test_the_command_repeats_the_request(
    arguments: Any, spans: Spans, either: Any, fake_openai: FakeOpenAI
) -> None:
    """Pasted into a shell, it sends the very same request again."""
    with context(log_raw_request=True):
        answer = await call(either, **arguments)
        if "stream" in arguments:
            await collect(answer)
    run(spans.one()[attr.CALLSPAN_RAW_REQUEST])
    first, again = fake_openai.requests
    assert facts(first) == facts(again)


async def test_ways_to_ask(spans: Spans, either: Any, tracer_provider: TracerProvider) -> None:
    """A block, metadata of a block, metadata of the call, or the setting, for every call; else nothing is kept."""
    asks: dict[str, Any] = {
        "block": ({"log_raw_request": True}, {}),
        "block's metadata": ({"metadata": {"log_raw_request": True}}, {}),
        "body": ({}, {"extra_body": {"metadata": {"log_raw_request": True}}}),
        "not": ({}, {}),
        "false": ({"metadata": {"log_raw_request": False}}, {"extra_body": {"metadata": {"log_raw_request": "false"}}}),
    }
    kept = {}
    for name, (said, arguments) in asks.items():
        with context(**said):
            await call(either, **arguments)
        kept[name] = attr.CALLSPAN_RAW_REQUEST in spans.take().attributes
    activate(tracer_provider=tracer_provider, log_raw_request=True)
    await call(either)
    kept["setting"] = attr.CALLSPAN_RAW_REQUEST in spans.one().attributes
    assert kept == {
        **dict.fromkeys(("block", "block's metadata", "body", "setting"), True),
        **dict.fromkeys(("not", "false"), False),
    }


async def test_nothing_is_wrapped_until_asked(spans: Spans, either: Any) -> None:
    """Calls that do not ask pay nothing, and with the instrumentation the wrapper goes."""
    send = httpx.Client.send
    await call(either)
    assert httpx.Client.send is send
    with context(log_raw_request=True):
        await call(either)
    assert httpx.Client.send is not send
    uninstrument()
    assert httpx.Client.send is send


async def test_secrets_are_masked(spans: Spans, fake_openai: FakeOpenAI) -> None:
    """In the URL, in headers of any name and in the body: the names stay, the values go."""
    client = openai.AsyncOpenAI(
        base_url=fake_openai.base_url.replace("://", f"://user:{CANARY}@"),
        api_key=CANARY,
        default_headers={"X-Gateway": "canary-without-a-shape", "Cookie": f"session={CANARY}"},
        max_retries=0,
    )
    with context(log_raw_request=True):
        await call(
            client,
            f"my key is {CANARY}",
            extra_query={"sig": "canary-signature", "code": CANARY, "v": "1"},
            extra_body={"password": 'canary"quoted', "nested": [{"api_key": "canary-key", "b": [CANARY]}]},
        )
    await client.close()
    command = spans.one()[attr.CALLSPAN_RAW_REQUEST]
    assert "canary" not in command
    for kept in ("authorization: [secret]", "X-Gateway: [secret]", "?v=1'", '"password":"[secret]"', "my key is [sec"):
        assert kept.lower() in command.lower()
    run(command)
    assert fake_openai.requests[-1].json["messages"] == user("my key is [secret]")


async def test_of_several_attempts_the_last(spans: Spans, fake_openai: FakeOpenAI) -> None:
    """A call that fails has its request too; a client that retries, the last one."""
    client = openai.AsyncOpenAI(base_url=fake_openai.base_url, api_key="k", max_retries=1)
    with context(log_raw_request=True), pytest.raises(openai.APIStatusError):
        await call(client, "!error 500")
    await client.close()
    command = spans.one()[attr.CALLSPAN_RAW_REQUEST]
    assert len(fake_openai.requests) == 2
    assert f"x-stainless-retry-count: {len(fake_openai.requests) - 1}" in command


def test_a_client_that_never_connects(spans: Spans, free_port: int) -> None:
    """What would have been sent helps most where nothing answers."""
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{free_port}/v1", api_key="k", max_retries=0)
    with client, context(log_raw_request=True), pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model=MODEL, messages=user("Hi"))
    assert f"http://127.0.0.1:{free_port}/v1/chat" in spans.one()[attr.CALLSPAN_RAW_REQUEST]


@pytest.mark.skipif(OPENAI_MAJOR < 3, reason="with openai 2 all tests here go through httpx")
@pytest.mark.parametrize("is_async", [False, True])
async def test_httpx(is_async: bool, spans: Spans, fake_openai: FakeOpenAI) -> None:
    """Clients that speak through httpx rather than httpx2."""
    http_client: Any = httpx1.AsyncClient() if is_async else httpx1.Client()
    kind: Any = cohere.AsyncClientV2 if is_async else cohere.ClientV2
    client = kind("k", base_url=fake_openai.url, client_name="it's", httpx_client=http_client)
    with context(log_raw_request=True), pytest.raises(cohere.NotFoundError):
        await settle(client.chat(model="command-a", messages=user("Hi"), request_options={"max_retries": 0}))
    await settle(http_client.aclose() if is_async else http_client.close())
    run(spans.one()[attr.CALLSPAN_RAW_REQUEST])
    first, again = fake_openai.requests
    assert facts(first) == facts(again)


def test_uploads(spans: Spans, client: openai.OpenAI) -> None:
    """Files are not text: the command says so instead."""
    with context(log_raw_request=True):
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"\xff\xfe"))
    command = spans.one()[attr.CALLSPAN_RAW_REQUEST]
    assert command.splitlines()[-1].startswith("# the body is not shown")
    assert "--data-raw" not in command


def test_requests_that_are_not_the_calls_own(spans: Spans, fake_openai: FakeOpenAI) -> None:
    """What a hook of the application's sends elsewhere in the middle of the call is not taken for its request."""

    def hook(_response: Any) -> None:
        httpx.get(fake_openai.url.replace("127.0.0.1", "localhost") + "/token")

    with (
        httpx.Client(event_hooks={"response": [hook]}) as http_client,
        openai.OpenAI(base_url=fake_openai.base_url, api_key="k", http_client=http_client) as client,
        context(log_raw_request=True),
    ):
        client.chat.completions.create(model=MODEL, messages=user("Hi"))
    assert [request.path for request in fake_openai.requests] == ["/v1/chat/completions", "/token"]
    assert f"{fake_openai.base_url}/chat/completions" in spans.one()[attr.CALLSPAN_RAW_REQUEST]


def test_secrets_in_escapes() -> None:
    """JSON may spell a key in ways that no pattern knows."""
    command = curl.command("POST", "http://a/", [], rb'{"a": "\u0073k-canary0123456789abcdef", "b": "kept"}')
    assert command.endswith("""--data-raw '{"a":"[secret]","b":"kept"}'""")


def test_long_bodies() -> None:
    """A body of megabytes is no text to read."""
    command = curl.command("POST", "http://a/", [], b"a" * (curl.MAX_BODY_BYTES + 1))
    assert command == f"curl -X POST \\\n  http://a/\n# the body is not shown: {curl.MAX_BODY_BYTES + 1} bytes"


async def test_it_is_content(spans: Spans, either: Any, tracer_provider: TracerProvider) -> None:
    """No policy lets more of it through than of the prompt; where none is recorded, it is not either."""
    with context(log_raw_request=True):
        await call(either, "write to jane@example.com")
        (span,) = spans.all
        spans.exporter.clear()
        activate(tracer_provider=tracer_provider, capture_content=False)
        await call(either)
    assert attr.CALLSPAN_RAW_REQUEST not in spans.one().attributes
    assert attr.CALLSPAN_RAW_REQUEST not in (none().redact(span).attributes or {})
    masked = str((mask(["email"]).redact(span).attributes or {})[attr.CALLSPAN_RAW_REQUEST])
    assert "write to [EMAIL]" in masked


async def test_where_it_shows(spans: Spans, either: Any) -> None:
    """In the payload, and so in each sink's metadata, as ``raw_request``."""
    with context(log_raw_request=True, metadata={"a": 1}):
        await call(either)
    (span,) = spans.all
    payload: Any = to_payload(span)
    command = dict(span.attributes or {})[attr.CALLSPAN_RAW_REQUEST]
    assert payload["metadata"]["requester_metadata"] == {"a": 1, "raw_request": command}
    assert details(payload, Item(span).metadata)["raw_request"] == command
    assert json.loads(str(command).rpartition("--data-raw ")[2].strip("'"))["messages"] == user("Hi")
