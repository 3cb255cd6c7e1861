"""google-genai, whose public methods lead to those that callspan records: OpenTelemetry's wraps the public ones."""

import importlib.metadata
import json
from collections.abc import Iterator

import pytest

from tests.coexistence.support import outcome_of
from tests.exporters.servers import Answer, Received, SinkServer

pytestmark = pytest.mark.process

PACKAGE = "opentelemetry-instrumentation-google-genai"
ANSWER = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 3, "totalTokenCount": 7},
    "modelVersion": "gemini-2.5-flash",
}
CALLS = """
import asyncio
from google import genai

client = genai.Client(api_key="local", http_options={"base_url": URL})
asked = {"model": "gemini-2.5-flash", "contents": "Hi"}
client.models.generate_content(**asked)
list(client.models.generate_content_stream(**asked))
client.chats.create(model="gemini-2.5-flash").send_message("Hi")

async def main():
    await client.aio.models.generate_content(**asked)
    async for _ in await client.aio.models.generate_content_stream(**asked):
        pass

asyncio.run(main())
"""


def respond(request: Received) -> Answer:
    """One answer, as an event where a stream is asked for."""
    body = json.dumps(ANSWER)
    if "stream" in request.path:
        return Answer(headers={"content-type": "text/event-stream"}, body=f"data: {body}\r\n\r\n".encode())
    return Answer(headers={"content-type": "application/json"}, body=body.encode())


@pytest.fixture
def google() -> Iterator[SinkServer]:
    """The Gemini API's server."""
    if int(importlib.metadata.version("google-genai").partition(".")[0]) > 2:
        pytest.skip("OpenTelemetry's instrumentation takes google-genai below 3 only; that has a CI lane of its own")
    try:
        importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{PACKAGE} is absent: it has a CI lane of its own")
    with SinkServer() as server:
        server.rule = respond
        yield server


def test_one_span_each(google: SinkServer) -> None:
    """One line says that callspan records the calls, and it does, with what was said."""
    outcome = outcome_of(f"URL = {google.url!r}\n{CALLS}")
    assert outcome.scopes == {"callspan"}
    assert len(outcome.calls) == len(google.requests) == 5
    assert all("Hello" in call["attributes"]["gen_ai.output.messages"] for call in outcome.calls)
    assert len(outcome.about(PACKAGE)) == 1


def test_the_other_records(google: SinkServer) -> None:
    """With callspan's own off, the other's spans are there, one each."""
    outcome = outcome_of(
        f"URL = {google.url!r}\n{CALLS}", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="callspan-google_genai"
    )
    assert "callspan" not in outcome.scopes
    assert len(outcome.calls) == len(google.requests) == 5
