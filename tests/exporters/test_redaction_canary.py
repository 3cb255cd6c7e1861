"""Wherever a secret stands on a span, in whatever vocabulary, no policy but ``full`` lets it out."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, Status, StatusCode

from callspan_exporters.redaction import Policy, mask, none
from callspan_semconv import jsonio
from tests.exporters.redaction_spans import CONTEXT, MEASUREMENTS, chat, readable, span

CANARY = "canary7f3a"
NONE = none()
MASK = mask({"canary": CANARY})
UNTIMED = settings(deadline=None)  # a busy machine is no failure
POLICIES = pytest.mark.parametrize("policy", [NONE, MASK], ids=lambda policy: policy.name)

CONTENT_KEYS = [
    # the GenAI conventions and callspan's own
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.tool.description", "gen_ai.agent.description",
    "gen_ai.retrieval.query.text", "gen_ai.retrieval.documents", "gen_ai.request.stop_sequences",
    "gen_ai.prompt.variable.name", "gen_ai.evaluation.explanation", "gen_ai.input.messages_ref",
    "callspan.response.content", "callspan.request.parameters", "callspan.unheard_of",
    # OpenLLMetry
    "gen_ai.prompt", "gen_ai.completion", "gen_ai.prompt.0.content", "gen_ai.prompt.3.tool_calls.0.arguments",
    "gen_ai.completion.0.content", "gen_ai.completion.0.tool_calls.0.arguments", "gen_ai.completion.0.refusal",
    "llm.request.functions.0.description", "llm.request.functions.0.parameters", "llm.prompts", "llm.completions",
    "traceloop.entity.input", "traceloop.entity.output", "traceloop.prompt.template",
    # OpenInference
    "input.value", "output.value", "llm.input_messages.0.message.content", "llm.tools.0.tool.json_schema",
    "llm.input_messages.0.message.contents.0.message_content.text", "llm.output_messages.0.message.content",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments", "llm.prompt_template.variables",
    "llm.invocation_parameters", "retrieval.documents.0.document.content", "embedding.embeddings.0.embedding.text",
    "tool.parameters",
    # LiteLLM, Langfuse, Vercel AI SDK, MLflow, ADK
    "llm.openai.messages", "llm.openai.choices", "hidden_params", "metadata.requester_metadata",
    "metadata.mcp_tool_call_metadata", "langfuse.observation.input", "langfuse.observation.status_message",
    "ai.prompt.messages", "ai.response.toolCalls", "ai.toolCall.args", "mlflow.spanInputs",
    "gcp.vertex.agent.llm_request",
    # nobody's
    "foo.bar", f"foo.{CANARY}", "exception.message", "exception.stacktrace", "error.message",
    # names that promise a number or an identifier, with a sentence under them
    "gen_ai.usage.input_tokens.note", "llm.token_count.prompt", "error.type", "gen_ai.response.finish_reasons",
    "gen_ai.request.reasoning.level", "gen_ai.prompt.version", "llm.finish_reason", "gen_ai.completion.0.role",
]  # fmt: skip

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
sentences = st.builds("{} {} {}".format, words, st.just(CANARY), words)
part_types = st.sampled_from(["text", "reasoning", "blob", "uri", "refusal", "server_tool_call", "tool_call_response"])
parts = st.one_of(
    st.builds(lambda kind, text: {"type": kind, "content": text, kind: {"type": text}}, part_types, sentences),
    st.builds(lambda text: {"type": "tool_call", "name": "f", "id": "c1", "arguments": {text: [text, 7]}}, sentences),
    st.builds(lambda text: {"type": "tool_call", "name": text, "arguments": json.dumps({"q": text})}, sentences),
)
message_lists = st.lists(
    st.builds(
        lambda role, content, text: {"role": role, "parts": content, "finish_reason": "stop", "extra": text},
        st.sampled_from(["user", "assistant", "tool"]), st.lists(parts, max_size=3), sentences,
    ),
    min_size=1, max_size=3,
)  # fmt: skip
structures = st.recursive(
    sentences,
    lambda inner: st.lists(inner, min_size=1, max_size=2) | st.dictionaries(sentences, inner, min_size=1, max_size=2),
    max_leaves=4,
)
values: st.SearchStrategy[Any] = st.one_of(
    sentences,
    structures,
    structures.map(jsonio.dumps),
    structures.map(json.dumps).map(lambda text: text[:-1]),  # cut by an attribute length limit
    message_lists,
    message_lists.map(jsonio.dumps),
    sentences.map(str.encode),
)
attributes = st.dictionaries(st.sampled_from(CONTENT_KEYS), values, max_size=5)
events = st.builds(Event, st.sampled_from(["gen_ai.choice", "exception", "note"]) | sentences, attributes)
links = st.builds(lambda found: Link(CONTEXT, found), attributes)
statuses = st.builds(Status, st.just(StatusCode.ERROR), st.none() | sentences)
llm_spans = st.builds(
    lambda found, name, found_events, found_links, status: chat(
        found, name=name, events=found_events, links=found_links, status=status
    ),
    attributes,
    st.just("chat gpt-4o") | sentences,
    st.lists(events, max_size=2),
    st.lists(links, max_size=1),
    statuses,
)


def in_json(of: ReadableSpan) -> list[str]:
    """The names of attributes that are JSON strings."""
    found = []
    for key, value in (of.attributes or {}).items():
        if isinstance(value, str) and value[:1] in '[{"':
            try:
                json.loads(value)
            except ValueError:
                continue
            found.append(key)
    return found


@POLICIES
@UNTIMED
@given(original=llm_spans)
def test_no_secret_leaves(policy: Policy, original: ReadableSpan) -> None:
    """Neither the span nor its payload shows it; measurements are as they were."""
    copy = policy.redact(original)
    assert CANARY not in readable(copy)
    copied = copy.attributes or {}
    overwritten = original.attributes or {}
    assert {key: copied.get(key) for key, value in MEASUREMENTS.items() if overwritten[key] == value} == {
        key: value for key, value in MEASUREMENTS.items() if overwritten[key] == value
    }
    assert copied["callspan.redacted"] == policy.name


@UNTIMED
@given(original=llm_spans)
def test_masked_json_is_still_json(original: ReadableSpan) -> None:
    """A sink that parses message attributes can parse them after masking too."""
    masked = MASK.redact(original).attributes or {}
    for key in in_json(original):
        value = masked.get(key, "null")
        assert isinstance(value, str)
        json.loads(value)


@POLICIES
@UNTIMED
@given(original=llm_spans)
def test_redacting_twice_is_redacting_once(policy: Policy, original: ReadableSpan) -> None:
    """A span that comes back from a file, already redacted, stays as it is."""
    once = policy.redact(original)
    reread = span(once.attributes, name=once.name, events=once.events, links=once.links, status=once.status)
    assert readable(policy.redact(reread)) == readable(once)


@POLICIES
@UNTIMED
@given(text=sentences, value=values)
def test_errors_do_not_carry_secrets_into_spans_around(policy: Policy, text: str, value: Any) -> None:
    """A web framework's span that recorded the provider's error keeps its own attributes and loses the error's text."""
    recorded = {"exception.type": "BadRequest", "exception.message": text, "exception.stacktrace": text, "extra": value}
    request = span(
        {"http.route": "/ask", "error.message": text},
        name="POST /ask",
        events=[Event("exception", recorded), Event("gen_ai.user.message", {"content": value})],
        links=[Link(CONTEXT, {"gen_ai.prompt.0.content": value})],
        status=Status(StatusCode.ERROR, text),
    )
    copy = policy.redact(request)
    assert CANARY not in readable(copy)
    assert (copy.name, (copy.attributes or {})["http.route"]) == ("POST /ask", "/ask")
    again = policy.redact(span(copy.attributes, name=copy.name, events=copy.events, links=copy.links))
    assert again.attributes == copy.attributes
    assert (copy.events[0].attributes or {})["exception.type"] == "BadRequest"
