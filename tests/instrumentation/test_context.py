"""What the application says about its calls with ``callspan.context``."""

import asyncio
import threading
from typing import Any

import pytest
from opentelemetry.baggage import set_baggage
from opentelemetry.context import attach, detach

from callspan import context
from callspan_semconv import attributes as attr
from tests.instrumentation.support import MODEL, Spans, collect, settle, user


async def call(client: Any, **arguments: Any) -> Any:
    return await settle(client.chat.completions.create(model=MODEL, messages=user("Hi"), **arguments))


async def test_everything_that_can_be_said(spans: Spans, either: Any) -> None:
    """Each argument has its place on the span; sinks and redaction are asked for by the span itself."""
    with context(
        metadata={"team": "search"},
        tags=["a"],
        user="u-1",
        session_id="s-1",
        trace_name="t",
        generation_name="g",
        redact="none",
        sinks=["local"],
    ):
        await call(either)
    span = spans.one()
    assert span.json(attr.CALLSPAN_METADATA) == {"team": "search", "trace_name": "t", "generation_name": "g"}
    assert span[attr.CALLSPAN_TAGS] == ("a",)
    assert span[attr.CALLSPAN_USER] == "u-1"
    assert span[attr.GEN_AI_CONVERSATION_ID] == "s-1"
    assert span[attr.CALLSPAN_REDACT] == "none"
    assert span[attr.CALLSPAN_SINKS] == ("local",)


async def test_blocks_nest(spans: Spans, either: Any) -> None:
    """Metadata is merged, tags are added, the rest is overridden; after the block, the outer values are back."""
    async with context(metadata={"a": 1, "b": 1}, tags=["x"], user="outer"):
        with context(metadata={"b": 2}, tags=["y", "x"], user="inner"):
            await call(either)
        inner = spans.take()
        await call(either)
        outer = spans.take()
    await call(either)
    assert inner.json(attr.CALLSPAN_METADATA) == {"a": 1, "b": 2}
    assert (inner[attr.CALLSPAN_TAGS], inner[attr.CALLSPAN_USER]) == (("x", "y"), "inner")
    assert outer.json(attr.CALLSPAN_METADATA) == {"a": 1, "b": 1}
    assert (outer[attr.CALLSPAN_TAGS], outer[attr.CALLSPAN_USER]) == (("x",), "outer")
    said = {attr.CALLSPAN_METADATA, attr.CALLSPAN_TAGS, attr.CALLSPAN_USER}
    assert not said & set(spans.one().attributes)


async def test_request_goes_over_context(spans: Spans, either: Any) -> None:
    """What the request itself says about metadata and user goes over what the block says; tags add up."""
    with context(metadata={"a": 1, "b": 1}, tags=["x"]):
        await call(either, extra_body={"metadata": {"b": 2, "tags": ["y"]}})
    span = spans.one()
    assert span.json(attr.CALLSPAN_METADATA) == {"a": 1, "b": 2, "tags": ["y"]}
    assert span[attr.CALLSPAN_TAGS] == ("x", "y")


async def test_tasks_inherit(spans: Spans, either: Any) -> None:
    """Tasks started inside have the values of that moment; siblings do not see each other's."""

    async def one(name: str) -> None:
        with context(tags=[name]):
            await asyncio.sleep(0)
            await call(either)

    with context(user="u-1"):
        await asyncio.gather(*(one(name) for name in "abc"))
    read: Any = [dict(span.attributes or {}) for span in spans.all]
    assert sorted(attributes[attr.CALLSPAN_TAGS] for attributes in read) == [("a",), ("b",), ("c",)]
    assert {attributes[attr.CALLSPAN_USER] for attributes in read} == {"u-1"}


async def test_stream_keeps_what_was_said_when_it_began(spans: Spans, either: Any) -> None:
    """A stream that is read after the block still belongs to it."""
    with context(user="u-1"):
        stream = await call(either, stream=True)
    await collect(stream)
    assert spans.one()[attr.CALLSPAN_USER] == "u-1"


def test_threads_do_not_inherit(spans: Spans, client: Any) -> None:
    """A new thread starts with nothing said, as with every context variable."""
    with context(user="u-1"):
        thread = threading.Thread(
            target=lambda: client.chat.completions.create(model=MODEL, messages=user("Hi")), name="other"
        )
        thread.start()
        thread.join()
    assert attr.CALLSPAN_USER not in spans.one().attributes


async def test_no_log(spans: Spans, either: Any, fake_openai: Any) -> None:
    """Calls that are not to be recorded are made, and leave nothing; an inner block may record again."""
    with context(no_log=True):
        await call(either)
        assert not spans.all
        assert "traceparent" not in fake_openai.requests[0].headers
        with context(no_log=False, user="u-1"):
            await call(either)
    assert spans.one()[attr.CALLSPAN_USER] == "u-1"


@pytest.mark.parametrize(
    ("said", "arguments"),
    [
        ({"metadata": {"no-log": True}}, {}),
        ({}, {"extra_body": {"no-log": True}}),
        ({}, {"extra_body": {"metadata": {"no-log": "true"}}}),
    ],
)
async def test_no_log_in_the_call(
    said: Any, arguments: Any, spans: Spans, either: Any, fake_openai: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """By LiteLLM's name, in metadata or in the body; the server gets what the application said."""
    with caplog.at_level("INFO", "callspan"), context(**said):
        await call(either, **arguments)
    assert not spans.all
    assert arguments.get("extra_body", {}).items() <= fake_openai.requests[0].json.items()
    assert [record.getMessage() for record in caplog.records if record.name == "callspan"] == [
        "callspan: no-log request: this call is not recorded: chat"
    ]


@pytest.mark.parametrize("said", [{}, {"session_id": "s-own"}])
async def test_baggage(said: Any, spans: Spans, either: Any) -> None:
    """What OpenTelemetry has taken from a request: its session, unless the application names one, and a policy."""
    token = attach(set_baggage("session.id", "s-1", set_baggage("callspan.redact", "none")))
    with context(**said):
        await call(either, extra_body={"turn_off_message_logging": False})
    detach(token)
    span = spans.one()
    assert span[attr.GEN_AI_CONVERSATION_ID] == said.get("session_id", "s-1")
    assert span[attr.CALLSPAN_REDACT] == "none"


@pytest.mark.parametrize("wrong", [{"metadata": "text"}, {"tags": "text"}, {"sinks": "local"}])
def test_wrong_arguments(wrong: Any) -> None:
    """A single string where several are meant, and metadata that is no mapping, are refused by name."""
    with pytest.raises(TypeError, match=next(iter(wrong))):
        context(**wrong)
