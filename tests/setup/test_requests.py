"""The settings that say what requests may decide, and what is kept of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider

import callspan
from callspan.cli.fake_openai import FakeOpenAI
from callspan.middleware import ASGIMiddleware
from tests.exporters.servers import SinkServer
from tests.instrumentation.support import user


@pytest.fixture(autouse=True)
def _uninstrument() -> Iterator[None]:
    yield
    callspan.uninstrument()


@pytest.fixture
def request_(provider: TracerProvider, fake_openai: FakeOpenAI, server: SinkServer) -> Any:
    """``await request_(headers, body, **settings)``: what the sink gets of a web request's call."""

    async def app(*_request: Any) -> None:
        async with openai.AsyncOpenAI(base_url=fake_openai.base_url, api_key="k", max_retries=0) as client:
            await client.chat.completions.create(model="gpt-5-mini", messages=user("Hi"))

    async def send(_message: Any) -> None:
        pass

    async def request(headers: dict[str, str], body: bytes = b"{}", **settings: Any) -> list[str]:
        hook = {"callback_type": "generic_api", "endpoint": f"{server.url}/hook"}
        callspan.configure(callbacks=["hook"], callback_settings={"hook": hook}, tracer_provider=provider, **settings)

        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": "POST", "headers": [*pairs, (b"content-type", b"application/json")]}
        await ASGIMiddleware(app, read_body=True)(scope, receive, send)
        assert callspan.flush(10)
        return [request.body.decode() for request in server.requests]

    return request


@pytest.mark.parametrize("allowed", [False, True])
async def test_sinks_disabled_by_a_request(allowed: bool, request_: Any) -> None:
    """The named sink does not get the call, where the operator allows that."""
    delivered = await request_({"x-litellm-disable-callbacks": "s3, Hook"}, allow_callback_disabling=allowed)
    assert len(delivered) == (not allowed)


@pytest.mark.parametrize("ignored", [False, True])
async def test_no_log(ignored: bool, request_: Any) -> None:
    """A request asks not to be recorded; the operator may not heed it."""
    delivered = await request_({}, b'{"no-log": true}', global_disable_no_log_param=ignored)
    assert len(delivered) == ignored


@pytest.mark.parametrize("off", [False, True])
async def test_user_agent(off: bool, request_: Any) -> None:
    """The user agent becomes tags, unless switched off."""
    (payload,) = await request_({"user-agent": "curl/8"}, disable_add_user_agent_to_request_tags=off)
    assert ("User-Agent: curl" in payload) is not off


@pytest.mark.parametrize("key", ["log_raw_request", "log_raw_request_response"])
async def test_raw_requests(key: str, request_: Any, tmp_path: Path) -> None:
    """By callspan's name or LiteLLM's, every call has its request."""
    file = tmp_path / "config.yaml"
    file.write_text(f"litellm_settings:\n  {key}: true\n")
    (payload,) = await request_({}, config_file=file)
    assert "curl -X POST" in payload
