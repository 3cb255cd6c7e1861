"""Spans as payloads: the calls of LiteLLM's users, field by field."""

from typing import Any

import pytest
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import INVALID_SPAN_CONTEXT
from pydantic import TypeAdapter

from callspan_semconv import StandardLoggingPayload, to_payload
from callspan_semconv import attributes as names
from tests.semconv.spans import CHAT, START_NS, TRACE_ID, chat_payload, make_span, messages, payload_of, text

WIRE_ORDER = [
    *("id", "litellm_call_id", "trace_id", "session_id", "call_type", "cache_hit", "stream", "status"),
    *("status_fields", "custom_llm_provider", "saved_cache_cost", "startTime", "endTime"),
    *("completionStartTime", "response_time", "model", "metadata", "cache_key", "response_cost"),
    *("cost_breakdown", "autorouter_savings", "autorouter_savings_estimate", "autorouter_baseline_observation"),
    *("total_tokens", "prompt_tokens", "completion_tokens", "request_tags", "request_model_access_groups"),
    *("end_user", "api_base", "model_group", "model_id", "requester_ip_address", "user_agent", "messages"),
    *("response", "model_parameters", "hidden_params", "model_map_information", "error_str"),
    *("error_information", "response_cost_failure_debug_info", "zero_cost_diagnostic", "guardrail_information"),
    "standard_built_in_tools_params",
]

QUESTION = messages(
    {"role": "system", "parts": [text("You are terse.")]},
    {"role": "user", "parts": [text("What is the capital of France?")]},
)

# A non-streaming chat against an OpenAI-compatible server, with cached and reasoning tokens.
HTTP_CHAT: dict[str, Any] = CHAT | {
    names.OPENAI_API_TYPE: "chat_completions",
    names.CALLSPAN_CALL_ID: "e59e3bd9-1790-439d-90df-42fe29479735",
    names.CALLSPAN_CALL_TYPE: "completion",
    names.CALLSPAN_TAGS: ("a:b",),
    names.CALLSPAN_REQUEST_PARAMETERS: '{"user":"u-7"}',
    names.CALLSPAN_PROVIDER_REQUEST_ID: "req_abc123",
    names.GEN_AI_REQUEST_TEMPERATURE: 0.2,
    names.GEN_AI_REQUEST_SEED: 3,
    names.GEN_AI_RESPONSE_ID: "chatcmpl-1",
    names.GEN_AI_RESPONSE_MODEL: "gpt-4o-mini-2024-07-18",
    names.GEN_AI_RESPONSE_FINISH_REASONS: ("stop",),
    names.OPENAI_RESPONSE_SERVICE_TIER: "default",
    names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT: "fp_1",
    names.GEN_AI_USAGE_INPUT_TOKENS: 120,
    names.GEN_AI_USAGE_OUTPUT_TOKENS: 40,
    names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: 64,
    names.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: 16,
    names.GEN_AI_INPUT_MESSAGES: QUESTION,
    names.GEN_AI_OUTPUT_MESSAGES: messages({"role": "assistant", "parts": [text("Paris.")], "finish_reason": "stop"}),
    names.SERVER_ADDRESS: "127.0.0.1",
    names.SERVER_PORT: 39313,
}


def test_a_chat_call_has_every_field_with_its_documented_meaning() -> None:
    """What a webhook receives for an ordinary chat call."""
    payload = payload_of(HTTP_CHAT, duration_s=0.98)
    expected = {
        "id": "chatcmpl-1",
        "litellm_call_id": "e59e3bd9-1790-439d-90df-42fe29479735",
        "trace_id": f"{TRACE_ID:032x}",
        "session_id": "",
        "call_type": "completion",
        "cache_hit": None,
        "stream": None,
        "status": "success",
        "status_fields": {"llm_api_status": "success", "guardrail_status": "not_run"},
        "custom_llm_provider": "openai",
        "startTime": START_NS / 1e9,
        "response_time": 0.98,
        "model": "gpt-4o-mini",
        "total_tokens": 160,
        "prompt_tokens": 120,
        "completion_tokens": 40,
        "request_tags": ["a:b"],
        "end_user": None,
        "api_base": "127.0.0.1:39313",
        "model_group": "",
        "model_id": "",
        "messages": [
            {"role": "system", "content": "You are terse."},
            {"role": "user", "content": "What is the capital of France?"},
        ],
        "model_parameters": {"temperature": 0.2, "user": "u-7", "seed": 3},
        "error_str": None,
        "response_cost_failure_debug_info": None,
        "zero_cost_diagnostic": None,
    }
    assert {key: payload[key] for key in expected} == expected  # type: ignore[literal-required]  # keys from above
    assert payload["completionStartTime"] == payload["endTime"] == pytest.approx(START_NS / 1e9 + 0.98)
    assert payload["hidden_params"]["litellm_model_name"] == "openai/gpt-4o-mini"
    assert payload["hidden_params"]["additional_headers"] == {"request-id": "req_abc123"}
    assert payload["error_information"]["error_code"] == ""
    assert payload["model_map_information"]["model_map_key"] == "gpt-4o-mini-2024-07-18"


def test_a_chat_response_is_rebuilt_with_its_usage() -> None:
    """The ``response`` field is the chat completion that the application got."""
    payload = payload_of(HTTP_CHAT)
    response: Any = payload["response"]
    assert response["id"] == "chatcmpl-1"
    assert response["model"] == "gpt-4o-mini-2024-07-18"
    assert response["object"] == "chat.completion"
    assert response["system_fingerprint"] == "fp_1"
    assert response["service_tier"] == "default"
    assert response["choices"] == [
        {
            "finish_reason": "stop",
            "index": 0,
            "message": {"content": "Paris.", "role": "assistant", "tool_calls": None, "function_call": None},
        }
    ]
    usage = response["usage"]
    assert usage == payload["metadata"]["usage_object"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (120, 40, 160)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 64
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 16


def test_cost_breaks_down_as_litellm_documents_it() -> None:
    """Costs match LiteLLM's own for the same call, cached and reasoning parts included."""
    payload = payload_of(HTTP_CHAT)
    assert payload["response_cost"] == pytest.approx(3.72e-05)
    assert payload["cost_breakdown"] == pytest.approx(
        {
            "input_cost": 1.32e-05,
            "output_cost": 2.4e-05,
            "total_cost": 3.72e-05,
            "tool_usage_cost": 0.0,
            "service_tier": None,
            "data_residency": None,
            "vertex_location": None,
            "cache_read_cost": 4.8e-06,
            "reasoning_cost": 9.6e-06,
            "original_cost": 3.72e-05,
            "discount_percent": 0.0,
            "discount_amount": 0.0,
            "margin_percent": 0.0,
            "margin_fixed_amount": 0.0,
            "margin_total_amount": 0.0,
        }
    )


def test_the_cost_on_the_span_counts() -> None:
    """A price that was agreed where the call was made is not replaced by the price sheet's."""
    on_span = {names.CALLSPAN_COST_TOTAL: 3.0, names.CALLSPAN_COST_INPUT: 1.0, names.CALLSPAN_COST_OUTPUT: 2.0}
    payload = payload_of(HTTP_CHAT | on_span)
    breakdown = payload["cost_breakdown"]
    assert payload["response_cost"] == 3.0
    assert breakdown is not None
    assert (breakdown["input_cost"], breakdown["output_cost"], breakdown["total_cost"]) == (1.0, 2.0, 3.0)
    assert "cache_read_cost" not in breakdown


def test_response_time_of_a_stream_is_its_time_to_first_token() -> None:
    """A stream says when its first chunk came, and that it was one."""
    stream = {names.GEN_AI_REQUEST_STREAM: True, names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: 0.277}
    payload = payload_of(HTTP_CHAT | stream, duration_s=0.395)
    assert payload["response_time"] == 0.277
    assert payload["completionStartTime"] == pytest.approx(START_NS / 1e9 + 0.277)
    assert payload["endTime"] == pytest.approx(START_NS / 1e9 + 0.395)
    assert payload["stream"] is True
    assert payload["cache_hit"] is False
    assert payload["model_parameters"]["stream"] is True


def test_tool_calls_and_definitions_have_openais_shape() -> None:
    """A plain tool call has null content, and arguments as JSON text."""
    call = {"type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}
    tool = {"type": "function", "name": "get_weather", "description": "w", "parameters": {"type": "object"}}
    payload = payload_of(
        HTTP_CHAT
        | {
            names.GEN_AI_OUTPUT_MESSAGES: messages(
                {"role": "assistant", "parts": [call], "finish_reason": "tool_call"}
            ),
            names.GEN_AI_TOOL_DEFINITIONS: messages(tool),
        }
    )
    response: Any = payload["response"]
    choice = response["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"] == [
        {"function": {"arguments": '{"city":"Paris"}', "name": "get_weather"}, "id": "call_1", "type": "function"}
    ]
    function = {"name": "get_weather", "description": "w", "parameters": {"type": "object"}}
    assert payload["model_parameters"]["tools"] == [{"type": "function", "function": function}]


def test_a_failed_call_says_how_it_failed() -> None:
    """An HTTP 400: no tokens, no cost, no response, and a complete error."""
    exception = Event(
        "exception",
        {
            names.EXCEPTION_TYPE: "openai.BadRequestError",
            names.EXCEPTION_MESSAGE: "Invalid prompt: key sk-abcdef1234567890 given",
            names.EXCEPTION_STACKTRACE: "Traceback (most recent call last):\n  ...",
        },
    )
    failed = CHAT | {
        names.CALLSPAN_CALL_ID: "c-1",
        names.CALLSPAN_PROVIDER_REQUEST_ID: "req_abc123",
        names.ERROR_TYPE: "bad_prompt",
        names.HTTP_RESPONSE_STATUS_CODE: 400,
        names.GEN_AI_INPUT_MESSAGES: messages({"role": "user", "parts": [text("FAIL")]}),
    }
    payload = payload_of(failed, error="Invalid prompt", events=[exception])
    assert payload["id"] == payload["litellm_call_id"] == "c-1"
    assert payload["status"] == payload["status_fields"]["llm_api_status"] == "failure"
    assert payload["response"] == {}
    assert payload["cache_hit"] is False
    assert payload["stream"] is None
    assert payload["response_cost"] == payload["hidden_params"]["response_cost"] == 0.0
    assert payload["cost_breakdown"] is None
    assert payload["response_cost_failure_debug_info"] is None
    assert payload["metadata"]["usage_object"] == {}
    assert payload["error_str"] == "Invalid prompt: key [secret] given"
    information = payload["error_information"]
    assert information["error_code"] == "400"
    assert information["error_class"] == "BadRequestError"
    assert information["llm_provider"] == "openai"
    assert information["error_message"] == payload["error_str"]
    assert information["traceback"].startswith("Traceback")
    assert information["error_provider_request_id"] == "req_abc123"
    assert information["normalized_error"] == "400_INVALID_REQUEST"


@pytest.mark.parametrize(
    ("error_type", "status", "expected"),
    [
        ("openai.RateLimitError", 429, "429_RATE_LIMIT_EXCEEDED"),
        ("openai.RateLimitError", None, "429_RATE_LIMIT_EXCEEDED"),
        ("invalid_api_key", 401, "401_AUTHENTICATION_FAILED"),
        ("openai.APITimeoutError", None, "408_UPSTREAM_TIMEOUT"),
        ("openai.APIConnectionError", None, "500_PROVIDER_CONNECTION_ERROR"),
        ("context_length_exceeded", 400, "400_CONTEXT_WINDOW_EXCEEDED"),
        ("openai.InternalServerError", 502, "500_PROVIDER_INTERNAL_ERROR"),
        ("openai.InternalServerError", 503, "503_PROVIDER_OVERLOADED"),
        ("ValueError", None, "UNCLASSIFIED"),
        ("_OTHER", 418, "UNCLASSIFIED"),
    ],
)
def test_errors_have_stable_codes(error_type: str, status: int | None, expected: str) -> None:
    """Dashboards group errors by a code that does not depend on the provider's words."""
    attributes = CHAT | {names.ERROR_TYPE: error_type}
    if status is not None:
        attributes[names.HTTP_RESPONSE_STATUS_CODE] = status
    information = payload_of(attributes, error="x")["error_information"]
    assert information["normalized_error"] == expected
    limited = information["error_rate_limit_category"] == "vendor_rate_limit"
    assert limited == expected.startswith("429")


def test_a_stream_that_broke_keeps_what_was_used() -> None:
    """An interrupted stream with recovered usage is billed, though it failed."""
    payload = payload_of(HTTP_CHAT | {names.ERROR_TYPE: "ReadTimeout", names.GEN_AI_REQUEST_STREAM: True}, error="x")
    assert payload["status"] == "failure"
    assert payload["total_tokens"] == 160
    assert payload["response_cost"] > 0
    assert payload["stream"] is None


def test_embeddings_list_their_inputs_and_count_their_vectors() -> None:
    """Vectors are not on spans; their number and length are."""
    payload = payload_of(
        {
            names.GEN_AI_OPERATION_NAME: "embeddings",
            names.GEN_AI_PROVIDER_NAME: "openai",
            names.GEN_AI_REQUEST_MODEL: "text-embedding-3-small",
            names.CALLSPAN_CALL_ID: "c-2",
            names.GEN_AI_USAGE_INPUT_TOKENS: 3,
            names.CALLSPAN_EMBEDDING_VECTORS: 2,
            names.GEN_AI_EMBEDDINGS_DIMENSION_COUNT: 1536,
            names.GEN_AI_INPUT_MESSAGES: messages(
                {"role": "user", "parts": [text("a")]}, {"role": "user", "parts": [text("b")]}
            ),
        }
    )
    response: Any = payload["response"]
    assert payload["id"] == "c-2"
    assert payload["call_type"] == "embedding"
    assert payload["messages"] == [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    assert payload["response_cost"] == pytest.approx(6e-08)
    assert payload["model_parameters"] == {}
    assert (response["object"], response["data"]) == ("list", [])
    assert (response["vector_count"], response["dimensions"]) == (2, 1536)
    assert response["usage"]["total_tokens"] == 3


def test_the_responses_api_keeps_its_own_shape() -> None:
    """A Responses call is logged as a response object, with usage by the names of chat completions."""
    payload = payload_of(
        CHAT
        | {
            names.OPENAI_API_TYPE: "responses",
            names.GEN_AI_RESPONSE_ID: "resp_1",
            names.GEN_AI_RESPONSE_MODEL: "gpt-4o-mini-2024-07-18",
            names.GEN_AI_REQUEST_MAX_TOKENS: 50,
            names.GEN_AI_REQUEST_REASONING_LEVEL: "low",
            names.GEN_AI_SYSTEM_INSTRUCTIONS: messages(text("be terse")),
            names.GEN_AI_INPUT_MESSAGES: messages({"role": "user", "parts": [text("capital?")]}),
            names.GEN_AI_OUTPUT_MESSAGES: messages(
                {
                    "role": "assistant",
                    "parts": [
                        {"type": "reasoning", "content": "hm"},
                        {
                            "type": "server_tool_call",
                            "name": "web_search",
                            "id": "ws_1",
                            "server_tool_call": {"type": "web_search_call", "status": "completed"},
                        },
                        text("Paris"),
                        text("!"),
                        {"type": "tool_call", "id": "call_1", "name": "f", "arguments": {}},
                    ],
                }
            ),
            names.CALLSPAN_RESPONSE_CONTENT: '{"output_texts":[{"annotations":[{"type":"url_citation"}]}]}',
            names.GEN_AI_RESPONSE_FINISH_REASONS: ("stop",),
            names.GEN_AI_USAGE_INPUT_TOKENS: 12,
            names.GEN_AI_USAGE_OUTPUT_TOKENS: 5,
            names.GEN_AI_TOOL_DEFINITIONS: messages({"type": "file_search", "vector_store_ids": ["vs_1"]}),
        }
    )
    response: Any = payload["response"]
    assert payload["call_type"] == "responses"
    assert payload["messages"] == [{"role": "system", "content": "be terse"}, {"role": "user", "content": "capital?"}]
    assert (response["object"], response["status"], response["instructions"]) == ("response", "completed", "be terse")
    assert response["usage"]["prompt_tokens"] == 12
    assert response["output"] == [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "web_search_call", "status": "completed", "id": "ws_1"},
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "Paris", "annotations": [{"type": "url_citation"}]},
                {"type": "output_text", "text": "!", "annotations": []},
            ],
        },
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
    ]
    assert payload["model_parameters"]["max_output_tokens"] == response["max_output_tokens"] == 50
    assert payload["model_parameters"]["reasoning"] == {"effort": "low"}
    assert payload["standard_built_in_tools_params"] == {
        "web_search_options": None,
        "file_search": {"type": "file_search", "vector_store_ids": ["vs_1"]},
    }


def test_an_unknown_model_costs_nothing_and_says_why() -> None:
    """No price is guessed: the cost is 0, and two fields explain it."""
    payload = chat_payload(
        GEN_AI_REQUEST_MODEL="my-own-model", GEN_AI_USAGE_INPUT_TOKENS=10, GEN_AI_USAGE_OUTPUT_TOKENS=20
    )
    debug = payload["response_cost_failure_debug_info"]
    assert payload["response_cost"] == 0.0
    assert payload["cost_breakdown"] is None
    assert payload["hidden_params"]["response_cost"] is None
    assert debug is not None
    assert debug["model"] == "openai/my-own-model"
    assert "my-own-model" in debug["error_str"]
    assert payload["zero_cost_diagnostic"] == {
        "reason": "missing_pricing_key",
        "pricing_model": "my-own-model",
        "missing_pricing_keys": ["input_cost_per_token", "output_cost_per_token"],
    }
    assert payload["model_map_information"] == {"model_map_key": "my-own-model", "model_map_value": None}


def test_zero_is_a_value() -> None:
    """``temperature=0`` is a choice that the caller made, not an absent one."""
    parameters = chat_payload(GEN_AI_REQUEST_TEMPERATURE=0.0, GEN_AI_REQUEST_MAX_TOKENS=0)["model_parameters"]
    assert parameters == {"temperature": 0.0, "max_tokens": 0}


@pytest.mark.parametrize(
    ("metadata", "trace_id", "session_id"),
    [
        ("{}", f"{TRACE_ID:032x}", ""),
        ('{"trace_id":"t-1"}', "t-1", ""),
        ('{"session_id":"s-1"}', "s-1", "s-1"),
        ('{"trace_id":"t-1","session_id":"s-1"}', "t-1", "s-1"),
    ],
)
def test_trace_and_session_ids_come_from_the_metadata_first(metadata: str, trace_id: str, session_id: str) -> None:
    """A trace id that the caller gave is never replaced by its session."""
    payload = chat_payload(CALLSPAN_METADATA=metadata)
    assert (payload["trace_id"], payload["session_id"]) == (trace_id, session_id)


def test_a_conversation_is_the_session() -> None:
    """The conversation id of the provider or the framework is the session."""
    assert chat_payload(GEN_AI_CONVERSATION_ID="conv_1")["session_id"] == "conv_1"


def test_metadata_keeps_known_keys_and_never_the_api_key() -> None:
    """Known keys have their fields, free ones are the requester's, and a raw key goes nowhere."""
    metadata = chat_payload(
        CALLSPAN_METADATA='{"user_api_key_alias":"team-a","team_id":"t","spend_logs_metadata":{"k":"v"},"custom":1,'
        '"user_api_key":"sk-secret","usage_object":{"prompt_tokens":9}}'
    )["metadata"]
    assert metadata["user_api_key_alias"] == "team-a"
    assert metadata["team_id"] == "t"
    assert metadata["spend_logs_metadata"] == {"k": "v"}
    assert metadata["requester_metadata"] == {"custom": 1}
    assert metadata["usage_object"] == {}
    assert "sk-secret" not in str(metadata)


def test_a_hashed_api_key_is_kept() -> None:
    """LiteLLM's gateway puts the key's SHA-256 where the key was."""
    digest = "0123456789abcdef" * 4
    metadata = chat_payload(CALLSPAN_METADATA=f'{{"user_api_key":"{digest}"}}')["metadata"]
    assert metadata["user_api_key_hash"] == digest


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "not_run"),
        (["success", "guardrail_flagged"], "guardrail_flagged"),
        (["blocked", "success"], "guardrail_intervened"),
        (["failure"], "guardrail_failed_to_respond"),
        (["what?"], "not_run"),
    ],
)
def test_the_most_severe_guardrail_counts(statuses: list[str], expected: str) -> None:
    """One filter field for all guardrails that ran."""
    runs = ",".join(f'{{"guardrail_status":"{status}"}}' for status in statuses)
    payload = chat_payload(CALLSPAN_METADATA=f'{{"standard_logging_guardrail_information":[{runs}]}}')
    assert payload["status_fields"]["guardrail_status"] == expected
    assert payload["guardrail_information"] == [{"guardrail_status": status} for status in statuses]


def test_a_user_is_the_end_user_unless_the_gateway_knows_better() -> None:
    """The ``user`` of the call is whom it served."""
    assert chat_payload(CALLSPAN_USER="u-7")["end_user"] == "u-7"
    payload = chat_payload(CALLSPAN_USER="u-7", CALLSPAN_METADATA='{"user_api_key_end_user_id":"e-1"}')
    assert payload["end_user"] == "e-1"


@pytest.mark.parametrize(
    ("address", "port", "expected"),
    [
        (None, None, ""),
        ("api.openai.com", 443, "https://api.openai.com"),
        ("localhost", 80, "http://localhost"),
        ("localhost", 8080, "localhost:8080"),
        ("::1", 8080, "[::1]:8080"),
        ("api.openai.com", None, "api.openai.com"),
    ],
)
def test_api_base_says_what_the_span_knows(address: str | None, port: int | None, expected: str) -> None:
    """No scheme or path is made up."""
    attributes = {names.SERVER_ADDRESS: address, names.SERVER_PORT: port}
    payload = payload_of(CHAT | {key: value for key, value in attributes.items() if value is not None})
    assert payload["api_base"] == expected
    assert payload["hidden_params"]["api_base"] == (expected or None)


def test_a_span_of_another_library_has_a_stable_call_id() -> None:
    """The same span delivered twice is recognised as the same call."""
    first, second = payload_of(CHAT), payload_of(CHAT)
    assert (
        first["id"] == first["litellm_call_id"] == second["litellm_call_id"] == "00f067aa-0ba9-02b7-a1a1-24ca397f5a28"
    )
    nobody = payload_of(CHAT, context=INVALID_SPAN_CONTEXT)
    assert (nobody["id"], nobody["litellm_call_id"], nobody["trace_id"]) == ("", None, "")


def test_a_redacted_chat_has_litellms_shape() -> None:
    """With ``turn_off_message_logging`` the prompt is one message, and the answer keeps its ids and reasons."""
    redacted = messages({"role": "assistant", "parts": [text("redacted-by-litellm")], "finish_reason": "stop"})
    payload = payload_of(
        HTTP_CHAT
        | {
            names.CALLSPAN_REDACTED: "none",
            names.GEN_AI_SYSTEM_INSTRUCTIONS: messages(text("redacted-by-litellm")),
            names.GEN_AI_INPUT_MESSAGES: messages({"role": "user", "parts": [text("redacted-by-litellm")]}),
            names.GEN_AI_OUTPUT_MESSAGES: redacted,
        }
    )
    response: Any = payload["response"]
    assert payload["messages"] == [{"role": "user", "content": "redacted-by-litellm"}]
    assert response["choices"][0]["message"]["content"] == "redacted-by-litellm"
    assert response["id"] == "chatcmpl-1"
    assert payload["response_cost"] > 0


@pytest.mark.parametrize("more", [{names.GEN_AI_OPERATION_NAME: "embeddings"}, {names.ERROR_TYPE: "X"}])
def test_a_redacted_answer_without_choices_is_the_placeholder(more: dict[str, str]) -> None:
    """Embeddings, images and failures show nothing but the placeholder."""
    assert payload_of(CHAT | {names.CALLSPAN_REDACTED: "none"} | more)["response"] == {"text": "redacted-by-litellm"}


def test_without_recorded_content_the_skeleton_remains() -> None:
    """A span of a library that records no content still tells what happened."""
    payload = chat_payload(GEN_AI_RESPONSE_ID="r", GEN_AI_RESPONSE_FINISH_REASONS=("stop", "length"))
    response: Any = payload["response"]
    assert payload["messages"] is None
    assert [choice["finish_reason"] for choice in response["choices"]] == ["stop", "length"]
    assert response["choices"][0]["message"]["content"] is None
    assert response["usage"] is None


def test_keys_are_in_the_order_of_the_wire_and_values_of_the_declared_types() -> None:
    """Consumers that compare columns by position, or parse by the declared types, get what they expect."""
    payload = payload_of(HTTP_CHAT)
    assert list(payload) == WIRE_ORDER
    assert set(WIRE_ORDER) == set(StandardLoggingPayload.__required_keys__)
    TypeAdapter(StandardLoggingPayload).validate_python(payload, strict=True)


def test_two_payloads_share_nothing() -> None:
    """A callback that edits its payload does not edit another sink's."""
    span = make_span(HTTP_CHAT)
    first, second = to_payload(span), to_payload(span)
    assert first is not None
    first["metadata"]["applied_guardrails"] = ["edited"]
    first["error_information"]["error_class"] = "edited"
    first["model_map_information"]["model_map_value"] = None
    assert second == to_payload(span)
