"""Where callspan fails between the application and the anthropic package, the application does not notice."""

from typing import Any

import anthropic
import httpx2
import pytest

from callspan.clients import anthropic as client_module
from callspan.core import call_ids, guard, raw
from callspan_semconv import attributes as attr
from tests.instrumentation import anthropic_server
from tests.instrumentation.anthropic_server import MODEL
from tests.instrumentation.support import Spans, user


@pytest.fixture(autouse=True)
def no_reader_fails() -> None:
    """Here callspan is made to fail."""


def _vendor(request: Any) -> Any:
    whole = anthropic_server.events(anthropic_server.message(anthropic_server.text("Hello")))
    kind = {"content-type": "text/event-stream"}
    return httpx2.Response(200, headers=kind, content=b"".join(anthropic_server.frames(whole)))


@pytest.mark.parametrize(
    ("module", "name", "site"),
    [
        (client_module, "recorded_elsewhere", "anthropic.request"),
        (raw, "observe", "chat.result"),
        (call_ids, "remember", "chat.result"),
    ],
)
def test_a_stream_goes_on(module: Any, name: str, site: str, spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is there, the failure is counted, and the call has its span."""

    def broken(*_: Any) -> None:
        raise LookupError

    monkeypatch.setattr(module, name, broken)
    before = guard.failures().get((site, "LookupError"), 0)
    client = anthropic.Anthropic(api_key="x", http_client=httpx2.Client(transport=httpx2.MockTransport(_vendor)))
    with client.messages.stream(model=MODEL, max_tokens=9, messages=user("Hi")) as stream:
        assert stream.get_final_text() == "Hello"
    assert guard.failures()[site, "LookupError"] == before + 1
    assert spans.one()[attr.GEN_AI_REQUEST_MODEL] == MODEL
