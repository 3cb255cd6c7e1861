"""Another library's model span around a call: one of the two counts."""

from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider

import callspan
from callspan_semconv import attributes as attr
from callspan_semconv import to_payload
from tests.instrumentation.support import MODEL, Spans, user


def ask(client: openai.OpenAI) -> None:
    client.chat.completions.create(model=MODEL, messages=user("Hi"))


@pytest.mark.parametrize(
    ("around", "counted"),
    [
        ({attr.GEN_AI_OPERATION_NAME: "chat"}, [MODEL]),
        ({attr.GEN_AI_OPERATION_NAME: "generate_content", attr.GEN_AI_REQUEST_MODEL: "alias"}, [MODEL]),
        ({attr.GEN_AI_OPERATION_NAME: "invoke_agent"}, [MODEL]),
        ({"http.request.method": "POST"}, [MODEL]),
    ],
)
def test_the_calls_own_span_counts(
    around: Any, counted: list[str], spans: Spans, tracer_provider: TracerProvider, client: openai.OpenAI
) -> None:
    """A framework's span keeps what it said; only a model span says besides that it is no call of its own."""
    with tracer_provider.get_tracer("framework").start_as_current_span("around", attributes=around):
        ask(client)
    inner, outer = spans.all
    assert inner.parent == outer.context
    assert [payload["model"] for span in spans.all if (payload := to_payload(span)) is not None] == counted
    marked = {attr.CALLSPAN_ENCLOSES_CALLS: True} if around.get(attr.GEN_AI_OPERATION_NAME) in CALLS else {}
    assert dict(outer.attributes or {}) == {**around, **marked}


CALLS = ("chat", "generate_content")


def test_nothing_is_counted_of_a_call_that_is_not_recorded(
    spans: Spans, tracer_provider: TracerProvider, client: openai.OpenAI
) -> None:
    """``no_log`` holds for the framework's span too."""
    attributes = {attr.GEN_AI_OPERATION_NAME: "chat"}
    with (
        tracer_provider.get_tracer("framework").start_as_current_span("around", attributes=attributes),
        callspan.context(no_log=True),
    ):
        ask(client)
    assert to_payload(spans.one().span) is None


def test_a_span_without_a_call_counts(spans: Spans, tracer_provider: TracerProvider) -> None:
    """Where no client that is recorded is beneath, the framework's span is the call."""
    tracer_provider.get_tracer("framework").start_span("alone", attributes={attr.GEN_AI_OPERATION_NAME: "chat"}).end()
    assert to_payload(spans.one().span) is not None
