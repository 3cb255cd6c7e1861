"""Which spans are model calls, and that none can break the conversion."""

import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import Event, ReadableSpan

from callspan_semconv import attributes as names
from callspan_semconv import is_llm_span, jsonio, to_payload
from callspan_semconv.convert import conversion_errors
from tests.semconv.spans import CHAT, make_span, payload_of

OPERATION = names.GEN_AI_OPERATION_NAME
MODEL = {names.GEN_AI_REQUEST_MODEL: "m"}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({OPERATION: "chat"}, True),
        ({OPERATION: "text_completion"}, True),
        ({OPERATION: "generate_content"}, True),
        ({OPERATION: "embeddings"}, True),
        ({OPERATION: "image_generation"}, True),
        ({OPERATION: "transcription"}, True),
        ({OPERATION: "moderation"}, True),
        ({OPERATION: "rerank"}, True),
        ({OPERATION: "ocr"}, False),
        ({OPERATION: "ocr"} | MODEL, True),
        ({OPERATION: "execute_tool"} | MODEL, False),
        ({OPERATION: "invoke_agent"} | MODEL, False),
        ({OPERATION: "create_agent"} | MODEL, False),
        ({OPERATION: "invoke_workflow"} | MODEL, False),
        ({OPERATION: "retrieval"} | MODEL, False),
        ({OPERATION: "search_memory"} | MODEL, False),
        ({OPERATION: "fetch_response"} | MODEL, False),
        ({OPERATION: "fetch_response", names.CALLSPAN_CALL_TYPE: "responses"}, True),
        ({OPERATION: "chat", names.CALLSPAN_ENCLOSES_CALLS: True}, False),
        ({OPERATION: 7} | MODEL, False),
        (MODEL, False),
        ({"http.request.method": "POST"}, False),
        ({}, False),
    ],
)
def test_model_calls_and_nothing_else_reach_the_sinks(attributes: dict[str, Any], expected: bool) -> None:
    """One payload per model call; agents, tools and re-reads are spans, but no calls to bill."""
    span = make_span(attributes)
    assert is_llm_span(span) is expected
    assert (to_payload(span) is not None) is expected


def test_a_background_response_is_delivered_as_a_response() -> None:
    """The retrieve that brings a background result is the call, and says what became of it."""
    payload = payload_of(
        {
            OPERATION: "fetch_response",
            names.CALLSPAN_CALL_TYPE: "responses",
            names.GEN_AI_RESPONSE_STATUS: "incomplete",
            names.GEN_AI_USAGE_INPUT_TOKENS: 3,
        }
    )
    response: Any = payload["response"]
    assert payload["call_type"] == "responses"
    assert (response["object"], response["status"]) == ("response", "incomplete")


@pytest.mark.parametrize(
    "name", [names.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS, "gen_ai.usage.cache_creation.input_tokens"]
)
def test_cache_writes_are_read_under_both_names(name: str) -> None:
    """Tokens written to a cache count, whichever release of the conventions wrote them."""
    payload = payload_of(CHAT | {names.GEN_AI_USAGE_INPUT_TOKENS: 9, names.GEN_AI_USAGE_OUTPUT_TOKENS: 1, name: 5})
    usage = payload["metadata"]["usage_object"]
    assert usage is not None
    assert usage["cache_creation_input_tokens"] == 5
    assert usage["prompt_tokens_details"]["cache_creation_tokens"] == 5


def test_the_former_provider_attribute_is_read() -> None:
    """Spans of older libraries know their provider."""
    payload = payload_of({OPERATION: "chat", "gen_ai.system": "az.ai.openai"})
    assert payload["custom_llm_provider"] == "azure"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_PART_KEYS = st.sampled_from(
    [
        *("type", "content", "text", "name", "id", "arguments", "response", "result", "modality", "uri", "file_id"),
        *("role", "parts", "finish_reason", "choices", "message", "output_texts", "server_tool_call"),
    ]
)
_MESSAGE_LIKE = st.recursive(
    st.sampled_from(["text", "tool_call", "blob", "uri", "reasoning", "audio", "image", "user", "assistant"]) | _JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_PART_KEYS, inner, max_size=4),
    max_leaves=12,
)
_VALUES = (
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.lists(st.text(max_size=5), max_size=3).map(tuple)
    | _MESSAGE_LIKE
    | _MESSAGE_LIKE.map(jsonio.dumps)
)
_NAMES = st.sampled_from(
    [
        value
        for key, value in vars(names).items()
        if key.isupper() and isinstance(value, str) and value != names.CALLSPAN_ENCLOSES_CALLS
    ]
)
_OPERATIONS = st.sampled_from(["chat", "embeddings", "image_generation", "text_completion", "transcription", "odd"])


@given(st.dictionaries(_NAMES, _VALUES, max_size=20), _OPERATIONS, st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_attributes_give_a_payload(attributes: dict[str, Any], operation: str, failed: bool) -> None:
    """However malformed a span is, the call is delivered, and as valid JSON."""
    attributes |= {OPERATION: operation, names.GEN_AI_REQUEST_MODEL: "m"}
    events = [Event("exception", attributes), Event("exception")] if failed else []
    span = make_span(attributes, error="x" if failed else None, events=events)
    payload = to_payload(span)
    assert payload is not None
    assert list(jsonio.loads(jsonio.dump_bytes(payload))) == list(payload)


def test_what_is_no_span_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """A broken exporter input is one line in the log, without content, and a count."""

    class Broken(ReadableSpan):
        @property
        def attributes(self) -> Any:
            raise LookupError("secret prompt")

    conversion_errors.clear()
    with caplog.at_level(logging.WARNING):
        assert to_payload(Broken("x")) is None
        assert to_payload(Broken("x")) is None
    assert conversion_errors["LookupError"] == 2
    assert len(caplog.records) == 1
    assert "secret prompt" not in caplog.text


def test_spans_without_times_are_converted() -> None:
    """A span that was never ended, or never started, still has numbers for times."""
    payload = to_payload(ReadableSpan("chat", attributes=CHAT))
    assert payload is not None
    assert (payload["startTime"], payload["endTime"], payload["response_time"]) == (0.0, 0.0, 0.0)
