"""google-genai over real sockets, as its first version has it too: later ones let a test replace the transport."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from google import genai
from google.genai import errors

from callspan_semconv import attributes as attr
from tests.instrumentation.support import Spans, collect, settle

MODEL = "gemini-2.0-flash"
WORDS = ("one ", "two ", "three")


class _Gemini(BaseHTTPRequestHandler):
    """The Gemini API, as far as these tests ask."""

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["content-length"]))
        status, kind, body = 200, "application/json", json.dumps(_answer("Hello")).encode()
        if b"refuse" in asked:
            status, body = 429, b'{"error": {"code": 429, "message": "Busy", "status": "RESOURCE_EXHAUSTED"}}'
        elif "stream" in self.path:
            kind = "text/event-stream"
            body = b"".join(b"data: " + json.dumps(_answer(word)).encode() + b"\r\n\r\n" for word in WORDS)
        elif "embed" in self.path.lower():
            body = b'{"embeddings": [{"values": [0.1, 0.2]}]}'
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _answer(text: str) -> Any:
    return {
        "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}],
        "modelVersion": f"{MODEL}-001",
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
    }


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Gemini) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(params=["sync", "async"])
def models(request: pytest.FixtureRequest, url: str) -> Iterator[Any]:
    options: Any = {"base_url": url, "headers": {"connection": "close"}}
    client = genai.Client(api_key="local", http_options=options)
    yield client.models if request.param == "sync" else client.aio.models
    del client  # it would close its connections as soon as nobody holds it


@pytest.mark.parametrize("method", ["generate_content", "generate_content_stream"])
async def test_content(method: str, models: Any, spans: Spans) -> None:
    """Text, tokens, models and server of a whole answer and of a stream."""
    result = await settle(getattr(models, method)(model=MODEL, contents="Hi", config={"temperature": 0.0}))
    said = "Hello"
    if method.endswith("stream"):
        await collect(result)
        said = "".join(WORDS)
    span = spans.one()
    assert (span.span.name, span.text, span.ok) == (f"generate_content {MODEL}", said, True)
    assert (span[attr.GEN_AI_USAGE_INPUT_TOKENS], span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]) == (3, 2)
    assert span[attr.GEN_AI_RESPONSE_MODEL] == f"{MODEL}-001"
    assert span[attr.GEN_AI_REQUEST_TEMPERATURE] == 0.0
    assert span[attr.SERVER_ADDRESS] == "127.0.0.1"
    assert span.input == [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]


async def test_embeddings(models: Any, spans: Spans) -> None:
    """Vectors are counted and measured."""
    await settle(models.embed_content(model=MODEL, contents="Hi"))
    assert (spans.one()[attr.CALLSPAN_EMBEDDING_VECTORS], spans.one()[attr.CALLSPAN_EMBEDDING_DIMENSIONS]) == (1, 2)


async def test_refused(models: Any, spans: Spans) -> None:
    """The library's exception, its class and status."""
    with pytest.raises(errors.ClientError):
        await settle(models.generate_content(model=MODEL, contents="refuse"))
    span = spans.one()
    assert span[attr.ERROR_TYPE] == "google.genai.errors.ClientError"
    assert span[attr.HTTP_RESPONSE_STATUS_CODE] == 429
