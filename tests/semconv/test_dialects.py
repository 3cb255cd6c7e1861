"""Spans that other libraries make, in words of their own, become the same payloads as callspan's."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import Event

from callspan_semconv import attributes as names
from callspan_semconv import is_llm_span, jsonio, to_payload
from callspan_semconv.convert import conversion_errors
from callspan_semconv.readers import READERS, find_reader, litellm, older, openinference, openllmetry
from tests.semconv.spans import make_span, payload_of

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}

# The same chat, in each dialect: a system prompt, an image, a tool's call and its result, an answer of text and a call.
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.system": "openai",
    "llm.model_name": "gpt-4o-2024-08-06",
    "llm.invocation_parameters": '{"model":"gpt-4o","temperature":0.5,"max_tokens":9,"stream":true}',
    "input.value": '{"model":"gpt-4o"}',
    "output.value": '{"id":"chatcmpl-1","system_fingerprint":"fp_1"}',
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be brief",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": "Where?",
    "llm.input_messages.1.message.contents.1.message_content.type": "image",
    "llm.input_messages.1.message.contents.1.message_content.image.image.url": "https://x.test/a.png",
    "llm.input_messages.2.message.role": "assistant",
    "llm.input_messages.2.message.tool_calls.0.tool_call.id": "call_1",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.name": "weather",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments": '{"city":"Rome"}',
    "llm.input_messages.3.message.role": "tool",
    "llm.input_messages.3.message.tool_call_id": "call_1",
    "llm.input_messages.3.message.content": "Sunny",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "Rome",
    "llm.output_messages.0.message.tool_calls.0.tool_call.id": "call_1",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "weather",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"city":"Rome"}',
    "llm.tools.0.tool.json_schema": jsonio.dumps(
        {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    ),
    "llm.finish_reason": "tool_calls",
    "llm.token_count.prompt": 20,
    "llm.token_count.completion": 7,
    "llm.token_count.prompt_details.cache_read": 5,
    "llm.token_count.completion_details.reasoning": 3,
    "session.id": "s1",
    "user.id": "u1",
    "metadata": '{"team":"search"}',
    "tag.tags": ("a", "b"),
}
OPENLLMETRY = {
    "llm.request.type": "chat",
    "gen_ai.system": "OpenAI",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.max_tokens": 9,
    "llm.is_streaming": True,
    "gen_ai.openai.system_fingerprint": "fp_1",
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Be brief",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": '[{"type":"text","text":"Where?"},{"type":"image_url","image_url":'
    '{"url":"https://x.test/a.png"}}]',
    "gen_ai.prompt.2.role": "assistant",
    "gen_ai.prompt.2.tool_calls.0.id": "call_1",
    "gen_ai.prompt.2.tool_calls.0.name": "weather",
    "gen_ai.prompt.2.tool_calls.0.arguments": '{"city":"Rome"}',
    "gen_ai.prompt.3.role": "tool",
    "gen_ai.prompt.3.tool_call_id": "call_1",
    "gen_ai.prompt.3.content": "Sunny",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "Rome",
    "gen_ai.completion.0.finish_reason": "tool_calls",
    "gen_ai.completion.0.tool_calls.0.id": "call_1",
    "gen_ai.completion.0.tool_calls.0.name": "weather",
    "gen_ai.completion.0.tool_calls.0.arguments": '{"city":"Rome"}',
    "llm.request.functions.0.name": "weather",
    "llm.request.functions.0.parameters": jsonio.dumps(SCHEMA),
    "gen_ai.usage.prompt_tokens": 20,
    "gen_ai.usage.completion_tokens": 7,
    "llm.usage.total_tokens": 27,
    "gen_ai.usage.cache_read_input_tokens": 5,
    "gen_ai.usage.reasoning_tokens": 3,
    "gen_ai.user": "u1",
    "traceloop.association.properties.session_id": "s1",
    "traceloop.association.properties.team": "search",
}
OLDER = {
    "gen_ai.system": "openai",
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.max_tokens": 9,
    "gen_ai.openai.response.system_fingerprint": "fp_1",
    "gen_ai.response.finish_reasons": ("tool_calls",),
    "gen_ai.usage.prompt_tokens": 20,
    "gen_ai.usage.completion_tokens": 7,
}
OLDER_EVENTS = [
    Event("gen_ai.system.message", {"content": "Be brief"}),
    Event("gen_ai.user.message", {"gen_ai.event.content": jsonio.dumps({"role": "user", "content": [
        {"type": "text", "text": "Where?"}, {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]})}),
    Event("gen_ai.assistant.message", {"tool_calls": jsonio.dumps([CALL])}),
    Event("gen_ai.tool.message", {"content": "Sunny", "id": "call_1"}),
    Event("gen_ai.choice", {"finish_reason": "tool_calls", "message": jsonio.dumps(
        {"role": "assistant", "content": "Rome", "tool_calls": [CALL]})}),
]  # fmt: skip
LITELLM = {
    "litellm.call_id": "0fb0d7af-5caa-4e0e-973a-6fa35f4160bd",
    "llm.request.type": "acompletion",
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.max_tokens": 9,
    "llm.is_streaming": "True",
    "llm.user": "u1",
    "gen_ai.usage.input_tokens": 20,
    "gen_ai.usage.output_tokens": 7,
    "gen_ai.cost.total_cost": 0.75,
    "gen_ai.cost.input_cost": 0.5,
    "gen_ai.cost.output_cost": 0.25,
    "gen_ai.response.finish_reasons": '["tool_calls"]',
    "metadata.user_api_key_team_id": "team-1",
    "metadata.user_api_key_alias": "",
    "metadata.spend_logs_metadata": "{'team': 'search'}",
    "hidden_params": '{"api_base":"https://api.openai.com","model_id":"m1","response_cost":0.75}',
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Where?"}]}]',
    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Rome"}],'
    '"finish_reason":"tool_calls"}]',
}
PROMPT = [
    {"role": "system", "content": "Be brief"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Where?"},
            {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
        ],
    },
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "Sunny", "tool_call_id": "call_1"},
]


@pytest.mark.parametrize(
    ("attributes", "events", "reader"),
    [(OPENINFERENCE, [], openinference), (OPENLLMETRY, [], openllmetry), (OLDER, OLDER_EVENTS, older)],
    ids=["openinference", "openllmetry", "older"],
)
def test_a_chat(attributes: dict[str, Any], events: list[Event], reader: Any) -> None:
    """Prompt, answer, tool calls, models, ids, parameters and usage, whatever the attributes are called."""
    assert find_reader(attributes) is reader
    payload = payload_of(attributes, events=events)
    assert payload["messages"] == PROMPT
    response = payload["response"]
    assert isinstance(response, dict)
    (choice,) = response["choices"]
    assert (choice["message"]["content"], choice["message"]["tool_calls"]) == ("Rome", [CALL])
    assert choice["finish_reason"] == "tool_calls"
    assert (response["id"], response["model"], response["system_fingerprint"]) == (
        "chatcmpl-1", "gpt-4o-2024-08-06", "fp_1"
    )  # fmt: skip
    assert (payload["model"], payload["custom_llm_provider"]) == ("gpt-4o", "openai")
    assert (payload["call_type"], payload["status"]) == ("completion", "success")
    assert (payload["prompt_tokens"], payload["completion_tokens"]) == (20, 7)
    assert {**payload["model_parameters"], "tools": 0, "stream": 0} == {
        "temperature": 0.5, "max_tokens": 9, "tools": 0, "stream": 0
    }  # fmt: skip
    assert payload["response_cost"] > 0


@pytest.mark.parametrize("attributes", [OPENINFERENCE, OPENLLMETRY], ids=["openinference", "openllmetry"])
def test_what_surrounds_a_chat(attributes: dict[str, Any]) -> None:
    """Tools, details of usage, stream, session, user and metadata."""
    payload = payload_of(attributes)
    (tool,) = payload["model_parameters"]["tools"]
    assert (tool["function"]["name"], tool["function"]["parameters"]) == ("weather", SCHEMA)
    usage = payload["metadata"]["usage_object"]
    assert usage is not None
    assert usage["prompt_tokens_details"]["cached_tokens"] == 5
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 3
    assert (payload["stream"], payload["session_id"], payload["end_user"]) == (True, "s1", "u1")
    requester = payload["metadata"]["requester_metadata"]
    assert requester is not None
    assert requester["team"] == "search"


def test_litellm() -> None:
    """What LiteLLM has computed and what it knows of the caller stays as it says."""
    assert find_reader(LITELLM) is litellm
    payload = payload_of(LITELLM)
    assert payload["litellm_call_id"] == LITELLM["litellm.call_id"]
    assert (payload["call_type"], payload["stream"], payload["end_user"]) == ("acompletion", True, "u1")
    assert (payload["response_cost"], payload["prompt_tokens"], payload["completion_tokens"]) == (0.75, 20, 7)
    breakdown = payload["cost_breakdown"]
    assert breakdown is not None
    assert (breakdown["input_cost"], breakdown["output_cost"]) == (0.5, 0.25)
    assert payload["metadata"]["user_api_key_team_id"] == "team-1"
    assert payload["metadata"]["user_api_key_alias"] is None
    assert payload["metadata"]["spend_logs_metadata"] == {"team": "search"}
    assert (payload["api_base"], payload["hidden_params"]["model_id"]) == ("https://api.openai.com", "m1")
    assert payload["messages"] == [{"role": "user", "content": "Where?"}]


def test_litellm_without_an_answer() -> None:
    """LiteLLM gives its own id out for the response's, and the error's text as an attribute."""
    failed = {
        **{name: LITELLM[name] for name in ("litellm.call_id", "gen_ai.system", "gen_ai.request.model")},
        "llm.request.type": "aembedding",
        "gen_ai.response.id": LITELLM["litellm.call_id"],
        "error.type": "RateLimitError",
        "error.message": "slow down",
        "http.response.status_code": 429,
    }
    payload = payload_of(failed, error="slow down")
    assert (payload["status"], payload["call_type"], payload["error_str"]) == ("failure", "aembedding", "slow down")
    assert payload["error_information"] is not None
    assert payload["error_information"]["error_code"] == "429"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"openinference.span.kind": "CHAIN", "llm.model_name": "m"}, None),
        ({"openinference.span.kind": "TOOL"}, None),
        ({"openinference.span.kind": "EMBEDDING", "embedding.model_name": "m"}, "embedding"),
        ({"openinference.span.kind": "RERANKER", "reranker.model_name": "m"}, "rerank"),
        ({"openinference.span.kind": "LLM", "llm.prompts.0.prompt.text": "Hi"}, "text_completion"),
        ({"openinference.span.kind": "LLM", "output.images.0.image.url": "x"}, "image_generation"),
        ({"traceloop.span.kind": "workflow"}, None),
        ({"llm.request.type": "completion"}, "text_completion"),
        ({"llm.request.type": "embedding"}, "embedding"),
        ({"llm.request.type": "rerank"}, "rerank"),
        ({"llm.request.type": "unknown"}, None),
        ({"gen_ai.is_streaming": False, "gen_ai.operation.name": "chat"}, "completion"),
        ({"gen_ai.system": "openai", "gen_ai.request.model": "m"}, "completion"),
        ({"gen_ai.system": "openai", "gen_ai.operation.name": "execute_tool"}, None),
        ({"gen_ai.system": "openai"}, None),
        ({"litellm.call_id": "x"}, None),
        ({"litellm.call_id": "x", "gen_ai.request.model": "m"}, None),
        ({"litellm.call_id": "x", "gen_ai.request.model": "m", "llm.request.type": "arerank"}, "arerank"),
        ({"llm.openai.stringified_raw_response": "{}", "metadata.user_api_key_team_id": "t"}, None),
    ],
)
def test_model_calls_and_nothing_else(attributes: dict[str, Any], expected: str | None) -> None:
    """Chains, tools, workflows, requests and raw requests are no calls."""
    span = make_span(attributes)
    payload = to_payload(span)
    assert is_llm_span(span) is (expected is not None)
    assert (None if payload is None else payload["call_type"]) == expected


def test_an_embedding_of_openinference() -> None:
    """Texts, the vectors' number and length; the vectors themselves are too long for anybody."""
    payload = payload_of({
        "openinference.span.kind": "EMBEDDING",
        "embedding.model_name": "text-embedding-3-small",
        "embedding.embeddings.0.embedding.text": "a",
        "embedding.embeddings.0.embedding.vector": (0.5, 0.25, 0.125),
        "embedding.embeddings.1.embedding.text": "b",
        "embedding.embeddings.1.embedding.vector": (0.5, 0.25, 0.125),
        "llm.token_count.prompt": 2,
    })  # fmt: skip
    assert payload["messages"] == [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    assert payload["prompt_tokens"] == 2
    assert "0.125" not in jsonio.dumps(payload)


def test_a_library_that_writes_both() -> None:
    """The conventions' names win over another dialect's beside them."""
    payload = payload_of({**OPENINFERENCE, names.GEN_AI_OPERATION_NAME: "generate_content",
                          names.GEN_AI_REQUEST_MODEL: "gemini-2.5-flash"})  # fmt: skip
    assert (payload["call_type"], payload["model"]) == ("generate_content", "gemini-2.5-flash")


# Every name that a reader looks at, with values of all kinds beneath it.
NAMES = sorted({*OPENINFERENCE, *OPENLLMETRY, *OLDER, *LITELLM, "llm.prompts.0.prompt.text", "gen_ai.prompt",
                "gen_ai.completion", "embedding.embeddings.0.embedding.vector", "gen_ai.prompt.99999999999.role",
                "gen_ai.prompt..", "llm.tools.0", "gen_ai.completion.0.tool_calls", "embedding.invocation_parameters",
                "litellm.cost.total_cost", "litellm.team.id", "llm.choices.0.completion.text"})  # fmt: skip
MARKS = [{"openinference.span.kind": "LLM"}, {"openinference.span.kind": "EMBEDDING"}, {"llm.request.type": "chat"},
         {"litellm.call_id": "x", "gen_ai.request.model": "m", "llm.request.type": "completion"},
         {"gen_ai.system": "openai", "gen_ai.request.model": "m"}]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=4)
    | st.sampled_from(["[1, {", "{'a': [", "[[[[", '[{"type": 1}]', '{"a": {"b": 1}}', "(" * 300, "[" * 5000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
EVENTS = st.builds(
    Event,
    st.sampled_from([*older._PROMPT_EVENTS, *older._WHOLE, older._CHOICE, "exception"]),
    st.dictionaries(st.sampled_from(["content", "role", "message", "tool_calls", "gen_ai.event.content", "id"]),
                    st.text(max_size=20) | st.integers() | st.sampled_from(['[{"id": 1}]', '{"content": [1]}'])),
)  # fmt: skip


@example({"openinference.span.kind": "LLM"}, {"gen_ai.operation.name": []}, [])
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(MARKS), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12), st.lists(EVENTS, max_size=3)
)
def test_no_span_breaks_a_reader(mark: Mapping[str, Any], attributes: Mapping[str, Any], events: list[Event]) -> None:
    """Whatever stands in a span, there is a payload, and nothing is raised."""
    before = dict(conversion_errors)
    span = make_span({**attributes, **mark}, events=events)
    payload = to_payload(span)
    assert conversion_errors == before
    assert payload is not None
    jsonio.dumps(payload)


def test_each_reader_is_asked() -> None:
    """A dialect that no example here has would go unnoticed."""
    examples: list[dict[str, Any]] = [OPENINFERENCE, OPENLLMETRY, OLDER, LITELLM, {names.GEN_AI_OPERATION_NAME: "chat"}]
    assert {find_reader(example) for example in examples} == set(READERS)
