"""Our own code made to raise at every boundary: the application's call, result and exception are untouched.

This is the one place where our code is patched: there is no other way to make it fail.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from callspan.core import call as calls
from callspan.core import call_ids, guard, raw, shims
from callspan.core.endpoints import EndpointCache
from callspan.core.propagation import Propagation
from callspan.core.telemetry import Instruments
from callspan.shapes.openai import chat, chat_stream
from callspan_semconv import attributes as attr
from callspan_semconv import prices, secrets
from tests.instrumentation import ways
from tests.instrumentation.support import Spans, collect, settle
from tests.instrumentation.ways import CHAT, SAID, Api, name


class OursError(Exception):
    """What our code raises here."""


def fail(*_args: Any, **_kwargs: Any) -> Any:
    raise OursError("canary: content that must not be logged")


# What a way of calling goes through.
PASSES: dict[Any, set[str]] = {
    ways.create: {"begin", "answer", "end"},
    ways.raw: {"begin", "answer", "end", "raw"},
    ways.streaming_response: {"begin", "answer", "end", "raw", "bytes"},
    ways.stream: {"begin", "stream", "end", "proxy"},
    ways.raw_stream: {"begin", "stream", "end", "raw", "bytes"},
    ways.helper: {"begin", "stream", "end", "proxy"},
}
# What is patched, and what a call must go through to get there.
BOUNDARIES: dict[str, tuple[Any, tuple[str, ...], str]] = {
    "call context": (shims, ("current_context",), "begin"),
    "arguments": (shims, ("_readable",), "begin"),
    "endpoint": (EndpointCache, ("__call__",), "begin"),
    "call": (shims, ("Call",), "begin"),
    "start attributes": (calls, ("_start_attributes",), "begin"),
    "call id": (calls, ("_uuid4",), "begin"),
    "propagation": (Propagation, ("allows",), "begin"),
    "injection": (shims, ("inject",), "begin"),
    "request reader": (chat, ("read_common",), "begin"),
    "response reader": (chat, ("_output",), "answer"),
    "accumulator": (chat_stream.ChatAccumulator, ("__init__",), "stream"),
    "accumulator's feed": (chat_stream.ChatAccumulator, ("feed",), "stream"),
    "accumulator's finish": (chat_stream.ChatAccumulator, ("finish",), "stream"),
    "headers": (calls.Call, ("read_headers",), "proxy"),
    "raw headers": (calls.Call, ("read_headers",), "raw"),
    "watch": (shims, ("watch",), "proxy"),
    "proxy": (shims, ("_proxy",), "proxy"),
    "raw observer": (raw, ("observe",), "raw"),
    "raw reader": (raw, ("_read",), "raw"),
    "tee": (raw, ("tee",), "bytes"),
    "raw body": (raw.Body, ("feed",), "bytes"),
    "raw body's end": (raw.Body, ("finish",), "bytes"),
    "error reader": (calls.Call, ("_read_error",), "error"),
    "secrets": (secrets, ("scrub",), "error"),
    "prices": (prices, ("cost",), "answer"),
    "stream's end": (calls.Call, ("_end_stream",), "proxy"),
    "end": (calls.Call, ("_end",), "end"),
    "meter": (Instruments, ("record",), "end"),
    "call ids": (call_ids, ("remember",), "answer"),
}
# Before the span exists nothing can be said on it, and a failure in its very end leaves it as it is.
NO_SPAN = {"call context", "arguments", "endpoint", "call", "start attributes", "call id", "stream's end", "end"}
# What these fail to do is not read by anybody, so the span lacks nothing.
NOTHING_LOST = {"propagation", "injection", "meter", "call ids"}


@pytest.fixture(autouse=True)
def no_reader_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here failures are wanted; each test counts its own, and logs them as if they were the first."""
    monkeypatch.setattr(guard, "_failures", Counter())


@pytest.fixture
def broken(metrics: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes our code raise at a boundary, in calls that are recorded in full."""

    def break_it(boundary: str) -> None:
        owner, attributes, _ = BOUNDARIES[boundary]
        for attribute in attributes:
            monkeypatch.setattr(owner, attribute, fail)

    return break_it


async def make(way: Any, client: Any, api: Api = CHAT, text: str = f"!say {SAID}") -> str:
    """Make a call and give the text of its answer, however it comes."""
    result = await way(api.resource(client), api.arguments(text))
    if not isinstance(result, ways.Opened):
        return str(result.choices[0].message.content)
    items = await collect(result.items)
    await settle(result.close())
    if way is ways.helper:
        return str(items[-1].content)
    return "".join(item.choices[0].delta.content or "" for item in items if item.choices)


def check(boundary: str, exported: Spans, caplog: pytest.LogCaptureFixture) -> None:
    """Failures are counted, and logged once each, without content; the span says that something is missing."""
    messages = [record.getMessage() for record in caplog.records if record.name == "callspan"]
    assert len(messages) == len(guard.failures()) > 0
    assert "canary" not in caplog.text
    assert len(exported.all) == (0 if boundary in NO_SPAN else 1)
    if boundary not in NO_SPAN | NOTHING_LOST:
        assert exported.one()[attr.CALLSPAN_CAPTURE_ERRORS]


ANSWERS = [(boundary, way) for boundary, where in BOUNDARIES.items() for way in PASSES if where[2] in PASSES[way]]
ERRORS = [boundary for boundary, where in BOUNDARIES.items() if where[2] in ("begin", "error", "end")]


@pytest.mark.parametrize(("boundary", "way"), ANSWERS, ids=name)
async def test_answers_are_untouched(
    boundary: str, way: Any, broken: Any, either: Any, exported: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever fails inside, the application gets its answer."""
    broken(boundary)
    assert await make(way, either) == SAID
    check(boundary, exported, caplog)


@pytest.mark.parametrize("way", [ways.create, ways.stream], ids=name)
@pytest.mark.parametrize("boundary", ERRORS)
async def test_exceptions_are_untouched(
    boundary: str, way: Any, broken: Any, either: Any, exported: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever fails inside, the application sees the SDK's exception, and none of ours behind it."""
    broken(boundary)
    with pytest.raises(openai.RateLimitError, match="Rate limit reached") as caught:
        await make(way, either, text="!error 429")
    error: BaseException | None = caught.value
    while error is not None:
        assert not isinstance(error, OursError)
        error = error.__cause__ or error.__context__
    check(boundary, exported, caplog)


@pytest.mark.parametrize("site", ["start", "end"])
@pytest.mark.parametrize("way", [ways.create, ways.raw, ways.stream, ways.raw_stream], ids=name)
async def test_other_peoples_processors(
    site: str, way: Any, spans: Spans, either: Any, tracer_provider: TracerProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """A span processor that raises breaks neither an answer nor an exception."""
    processor = SpanProcessor()
    setattr(processor, f"on_{site}", fail)
    tracer_provider.add_span_processor(processor)
    assert await make(way, either) == SAID
    with pytest.raises(openai.RateLimitError):
        await make(way, either, text="!error 429")
    assert len(caplog.records) == len(guard.failures()) == 1
    assert "canary" not in caplog.text


@pytest.fixture(autouse=True)
def all_warnings(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.WARNING, "callspan"):
        yield
