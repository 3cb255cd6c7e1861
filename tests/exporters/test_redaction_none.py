"""Policy ``none``: what is left is the structure that LiteLLM's users know, and every measurement."""

from typing import Any

import pytest
from opentelemetry.sdk.trace import Event, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from callspan_exporters.redaction import none
from callspan_exporters.redaction.vocabulary import Kind, is_llm_scope, kind_of
from callspan_semconv import REDACTED, attributes, jsonio, to_payload
from tests.exporters.redaction_spans import MEASUREMENTS, chat, messages, span

ANSWER = [
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "hm"},
            {"type": "text", "content": "I will look."},
            {"type": "text", "content": "Wait."},
            {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}},
            {"type": "blob", "modality": "image", "content": "AAAA"},
        ],
        "finish_reason": "tool_call",
    },
    {"role": "assistant", "parts": [{"type": "tool_call", "id": "call_2", "name": "stop", "arguments": "{}"}]},
]
BARE_ANSWER = [
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": REDACTED},
            {"type": "text", "content": REDACTED},
            {"type": "tool_call", "name": "get_weather", "id": "call_1", "arguments": REDACTED},
        ],
        "finish_reason": "tool_call",
    },
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "name": "stop", "id": "call_2", "arguments": REDACTED}],
    },
]
TOOLS = [{"type": "function", "name": "get_weather", "description": "of a city", "parameters": {"type": "object"}}]
BARE_INPUT = [{"role": "user", "parts": [{"type": "text", "content": REDACTED}]}]


def left_of(attributes_: dict[str, Any], **rest: Any) -> dict[str, Any]:
    """The attributes besides the measurements that a redacted call has left."""
    left = none().redact(chat(attributes_, **rest)).attributes or {}
    return {key: value for key, value in left.items() if key not in MEASUREMENTS and key != "callspan.redacted"}


@pytest.mark.parametrize("encode", [jsonio.dumps, lambda structure: structure], ids=["json", "structured"])
def test_messages_keep_their_structure(encode: Any) -> None:
    """The prompt is one user message; the answer keeps choices, tool calls and finish reasons, in the same encoding."""
    left = left_of(
        {
            "gen_ai.input.messages": encode([{"role": "system", "parts": []}, {"role": "user", "parts": []}]),
            "gen_ai.output.messages": encode(ANSWER),
            "gen_ai.system_instructions": encode([{"type": "text", "content": "be brief"}]),
            "gen_ai.tool.definitions": encode(TOOLS),
        }
    )
    assert left == {
        "gen_ai.input.messages": encode(BARE_INPUT),
        "gen_ai.output.messages": encode(BARE_ANSWER),
        "gen_ai.tool.definitions": encode([{"type": "function", "name": "get_weather"}]),
    }


@pytest.mark.parametrize("broken", ["", "no json", '[{"role":"assistant","par', "null", "{}", "7"])
def test_an_answer_that_is_no_message_list_is_one_choice(broken: str) -> None:
    """An attribute cut by a length limit still reads as one redacted answer."""
    left = left_of({"gen_ai.output.messages": broken})
    assert jsonio.loads(left["gen_ai.output.messages"]) == [{**BARE_INPUT[0], "role": "assistant"}]


def test_the_payload_looks_like_litellms() -> None:
    """A sink that reads payloads sees what it sees with LiteLLM's ``turn_off_message_logging``."""
    payload = to_payload(
        none().redact(
            chat(
                {
                    "gen_ai.input.messages": messages("a secret", "b"),
                    "gen_ai.output.messages": messages("c", role="assistant"),
                }
            )
        )
    )
    assert payload is not None
    assert payload["messages"] == [{"role": "user", "content": REDACTED}]
    response: Any = payload["response"]
    assert response["choices"][0]["message"]["content"] == REDACTED
    assert (payload["prompt_tokens"], payload["completion_tokens"]) == (120, 40)
    assert payload["response_cost"] == 3.72e-05


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (
            {"gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "x", "gen_ai.prompt.1.content": "y"},
            {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": REDACTED},
        ),
        (
            {"gen_ai.completion.0.tool_calls.0.name": "f", "gen_ai.completion.0.tool_calls.0.arguments": "{}"},
            {"gen_ai.completion.0.tool_calls.0.name": "f", "gen_ai.completion.0.tool_calls.0.arguments": REDACTED},
        ),
        (
            {"llm.input_messages.4.message.content": "x"},
            {"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": REDACTED},
        ),
        (
            {"llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "x"},
            {"llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": REDACTED},
        ),
        (
            {"llm.tools.0.tool.json_schema": '{"type":"function","function":{"name":"f","parameters":{}}}'},
            {"llm.tools.0.tool.json_schema": '{"type":"function","function":{"name":"f"}}'},
        ),
        (
            {"llm.request.functions.0.name": "f", "llm.request.functions.0.description": "d"},
            {"llm.request.functions.0.name": "f"},
        ),
        ({"traceloop.entity.input": "x", "traceloop.span.kind": "tool"},
         {"traceloop.entity.input": REDACTED, "traceloop.span.kind": "tool"}),
        ({"llm.invocation_parameters": '{"temperature":0.5,"stop":["x"],"user":"bob"}'},
         {"llm.invocation_parameters": '{"temperature":0.5}'}),
        ({"gen_ai.tool.name": "search docs", "gen_ai.tool.call.arguments": {"q": "x"}},
         {"gen_ai.tool.name": "search docs", "gen_ai.tool.call.arguments": REDACTED}),
        ({"retrieval.documents.0.document.id": "d1", "retrieval.documents.0.document.content": "x"},
         {"retrieval.documents.0.document.id": "d1"}),
        ({"gen_ai.request.stop_sequences": ("###",)}, {}),
        ({"llm.openai.messages": "[]", "foo.bar": 1}, {}),
    ],
)  # fmt: skip
def test_other_vocabularies(found: dict[str, Any], left: dict[str, Any]) -> None:
    """OpenLLMetry, OpenInference and LiteLLM spans keep the same structure under their own names."""
    assert left_of(found) == left


def test_what_the_developer_attached_stays() -> None:
    """Tags, user and metadata are there for attribution; prompts that LiteLLM keeps in metadata are not."""
    kept = {
        "callspan.tags": ("prod", "any text at all"),
        "callspan.user": "Bob Smith",
        "callspan.metadata": '{"team":"search","trace_name":"nightly run"}',
        "gen_ai.conversation.id": "s 1",
    }
    assert left_of(kept) == kept
    metadata = {"team": "search", "mcp_tool_call_metadata": {"arguments": "x"}, "nested": [{"raw_request": "curl"}]}
    left = left_of({"callspan.metadata": jsonio.dumps(metadata)})
    assert jsonio.loads(left["callspan.metadata"]) == {"team": "search", "nested": [{}]}


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("chat gpt-4o", "chat gpt-4o"),
        ("openai.chat", "openai.chat"),
        ("POST /v1/messages", "POST /v1/messages"),
        ("invoke_agent Travel Agent", "invoke_agent Travel Agent"),
        ("Tell me about Bob", "chat gpt-4o"),
        ("chat about my illness", "chat gpt-4o"),
        ("bob@example.com", "chat gpt-4o"),
    ],
)
def test_span_names(name: str, left: str) -> None:
    """A name that says what ran stays; one that may say what was said is replaced."""
    assert none().redact(chat({"gen_ai.agent.name": "Travel Agent"}, name=name)).name == left


def test_a_span_about_something_else_is_not_copied() -> None:
    """HTTP and database spans pass through as the objects that they are, without a mark."""
    request = span({"http.route": "/x", "db.query.text": "SELECT 1"}, name="GET /x", events=[Event("note", {"a": "b"})])
    assert none().redact(request) is request


def test_errors_keep_their_type() -> None:
    """An error that quotes the prompt loses its text, not its class and status."""
    recorded = {
        "exception.type": "openai.BadRequestError",
        "exception.message": "your prompt: x",
        "exception.stacktrace": "x",
    }
    failed = chat(
        {"error.type": "openai.BadRequestError"},
        events=[Event("exception", recorded, 1_500)],
        status=Status(StatusCode.ERROR, "your prompt: x"),
    )
    copy = none().redact(failed)
    assert dict(copy.events[0].attributes or {}) == {
        "exception.type": "openai.BadRequestError",
        "exception.message": REDACTED,
        "exception.stacktrace": REDACTED,
    }
    assert (copy.events[0].timestamp, copy.status.status_code) == (1_500, StatusCode.ERROR)
    assert copy.status.description == REDACTED


def test_dropped_counts_survive() -> None:
    """What the SDK had to drop is still reported."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(span_limits=SpanLimits(max_span_attributes=4, max_events=1, max_event_attributes=1))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("openai").start_as_current_span("chat") as live:
        live.set_attributes({f"gen_ai.request.p{n}": n for n in range(6)})
        live.add_event("gen_ai.choice", {"index": 0, "b": 1})
        live.add_event("gen_ai.choice", {"index": 1, "b": 1})
    (original,) = exporter.get_finished_spans()
    copy = none().redact(original)
    assert original.dropped_attributes > 0
    assert copy.dropped_attributes == original.dropped_attributes
    assert copy.dropped_events == original.dropped_events == 1
    assert copy.events[0].dropped_attributes == original.events[0].dropped_attributes == 1


@pytest.mark.parametrize(
    ("scope", "about_llm"),
    [
        ("opentelemetry.instrumentation.openai.v1", True),
        ("opentelemetry.instrumentation.google_generativeai", True),
        ("openinference.instrumentation.langchain", True),
        ("litellm", True),
        ("ai", True),
        ("opentelemetry.instrumentation.httpx", False),
        ("acme.ai.billing", False),
        ("opentelemetry.instrumentation.botocore", False),
    ],
)
def test_scopes(scope: str, about_llm: bool) -> None:
    """A library that is known to trace LLM calls is redacted whatever it calls its attributes."""
    assert is_llm_scope(scope) is about_llm
    left = none().redact(span({"text": "a secret"}, name="x", scope=scope)).attributes
    assert ("text" in (left or {})) is not about_llm


def test_every_attribute_of_ours_is_decided() -> None:
    """A new attribute is content until someone says that it is harmless."""
    names = {value for name, value in vars(attributes).items() if name.isupper() and "." in str(value)}
    assert {name for name in names if kind_of(name) is Kind.UNKNOWN} == {
        "gen_ai.request.stop_sequences",
        "gen_ai.system_instructions",
        "gen_ai.token.type",
        "gen_ai.tool.description",
        "callspan.raw_request",
        "callspan.request.parameters",
        "callspan.response.content",
    }
