"""What a request may say about the recording of its calls, and which of several wishes counts."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from callspan import context
from callspan.call_context import EMPTY
from callspan.directives import Leave, from_baggage, read, tightest

OPERATOR = Leave(disable_callbacks=True)


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        ({"X-LiteLLM-Session-Id": "s"}, {}, {"session_id": "s"}),
        ({"x-litellm-trace-id": "t"}, {}, {"metadata": {"trace_id": "t"}, "session_id": "t"}),
        (
            {"x-litellm-trace-id": "t", "x-litellm-session-id": "s"},
            {},
            {"metadata": {"trace_id": "t"}, "session_id": "s"},
        ),
        ({"x-claude-code-session-id": "e96634a3-fa28"}, {}, {"session_id": "e96634a3-fa28"}),
        ({"x-session-id": "0123456789", "x-parent-session-id": "abcdefgh"}, {}, {"session_id": "abcdefgh"}),
        ({"x-vendor-session-id": "not an id"}, {}, {}),
        ({"x-litellm-agent-id": "a"}, {}, {"metadata": {"agent_id": "a"}}),
        ({"x-litellm-spend-logs-metadata": '{"a": 1}'}, {}, {"metadata": {"spend_logs_metadata": {"a": 1}}}),
        ({"x-litellm-spend-logs-metadata": "{"}, {}, {}),
        ({"x-litellm-tags": "a, b,,a"}, {}, {"tags": ("a", "b")}),
        ({"x-litellm-tags": "a"}, {"tags": ["b"]}, {"tags": ("b",)}),
        ({}, {"tags": ["b"], "metadata": {"tags": ["c", "b"]}}, {"metadata": {"tags": ["c", "b"]}, "tags": ("c", "b")}),
        (
            {"User-Agent": "curl/7.68.0"},
            {},
            {"metadata": {"user_agent": "curl/7.68.0"}, "tags": ("User-Agent: curl", "User-Agent: curl/7.68.0")},
        ),
        ({"user-agent": "curl"}, {}, {"metadata": {"user_agent": "curl"}, "tags": ("User-Agent: curl",)}),
        ({"x-litellm-disable-callbacks": "Langfuse, s3"}, {}, {"disabled_sinks": ("langfuse", "s3")}),
        ({"x-litellm-customer-id": "c"}, {"user": "u"}, {"user": "c"}),
        ({}, {"user": "u", "metadata": {"user_id": "m"}}, {"metadata": {"user_id": "m"}, "user": "u"}),
        ({}, {"metadata": {"user_id": "m"}}, {"metadata": {"user_id": "m"}, "user": "m"}),
        ({}, {"metadata": {"session_id": "m"}}, {"metadata": {"session_id": "m"}, "session_id": "m"}),
        ({}, {"litellm_trace_id": "t", "litellm_session_id": "s"}, {"metadata": {"trace_id": "t"}, "session_id": "s"}),
        ({}, {"metadata": '{"a": 1}', "litellm_metadata": {"a": 2, "b": 2}}, {"metadata": {"a": 1, "b": 2}}),
        ({}, {"no-log": True}, {"no_log": True}),
        ({}, {"no-log": "true"}, {"no_log": True}),
        ({}, {"metadata": {"no-log": True}}, {"metadata": {"no-log": True}, "no_log": True}),
        ({}, {"no-log": False}, {}),
        (
            {},
            {"metadata": {"log_raw_request": True}},
            {"metadata": {"log_raw_request": True}, "log_raw_request": True},
        ),
        ({}, {"metadata": [1], "tags": 7, "user": {"a": 1}, "no-log": {"a": 1}, "model": "m", "messages": []}, {}),
    ],
)
def test_what_a_request_says(headers: dict[str, str], body: dict[str, Any], said: dict[str, Any]) -> None:
    """Each of LiteLLM's headers and fields has its place; what has a wrong type says nothing."""
    assert read(headers, body, OPERATOR) == said


@pytest.mark.parametrize("key", ["user_api_key_team_id", "user_api_key_hash", "user_api_key", "user_api_end_user_x"])
def test_nobody_claims_to_be_another(key: str) -> None:
    """Whose key and team it is, only a gateway's own metadata says."""
    body = {"metadata": {key: "another", "a": 1}, "litellm_metadata": {key: "another"}}
    assert read({}, body) == {"metadata": {"a": 1}}
    assert read({}, body, Leave(identity=True)) == {"metadata": {"a": 1, key: "another"}}


def test_what_the_operator_does_not_leave_to_requests() -> None:
    """Sinks stay, the call is recorded, and the user agent is no tag, where the operator says so."""
    headers = {"x-litellm-disable-callbacks": "langfuse", "user-agent": "curl/7"}
    leave = Leave(no_log=False, user_agent_tags=False)
    assert read(headers, {"no-log": True}, leave) == {"metadata": {"user_agent": "curl/7"}}
    assert "disabled_sinks" not in read(headers)


@pytest.mark.parametrize(
    ("names", "name"),
    [
        ((), None),
        ((None, "full"), "full"),
        (("full", "none"), "none"),
        (("none", "pii"), "none"),
        (("pii", "full"), "pii"),
        (("pii", None, "staff", "pii"), "pii+staff"),
    ],
)
def test_the_tightest_counts(names: tuple[str | None, ...], name: str | None) -> None:
    """Whoever asks for more to be taken away gets it."""
    assert tightest(*names) == name


def test_baggage() -> None:
    """The two entries that say something about calls; all else in it is others'."""
    assert from_baggage({"session.id": "s", "callspan.redact": "pii", "user": "x"}) == {
        "session_id": "s",
        "redact": "pii",
    }
    assert from_baggage({"session.id": ["no", "text"]}) == {}


NAMES = (
    *("metadata", "litellm_metadata", "tags", "user", "user_id", "session_id", "trace_id", "no-log", "log_raw_request"),
    *("turn_off_message_logging", "litellm_session_id", "litellm_trace_id", "x-litellm-tags", "user-agent"),
    *("x-litellm-disable-callbacks", "x-litellm-spend-logs-metadata", "litellm-disable-message-redaction"),
)
JSON: Any = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.sampled_from(NAMES) | some.text(), inner),
    max_leaves=12,
)
HEADERS: Any = some.dictionaries(
    some.sampled_from(NAMES), some.text() | some.sampled_from(["true", "{", '{"a": 1}', ","])
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HEADERS, some.dictionaries(some.sampled_from(NAMES), JSON), HEADERS)
def test_nothing_that_a_request_says_breaks_anything(headers: Any, body: Any, baggage: Any) -> None:
    """Whatever JSON a body is and whatever headers hold, it makes a context, and what is to be withheld is."""
    said = read(headers, body, OPERATOR)
    merged = context(**said).merged(context(**from_baggage(baggage)).merged(EMPTY))
    assert body.get("turn_off_message_logging") is not True or merged.attributes["callspan.redact"] == "none"
    assert body.get("no-log") is not True or merged.no_log
