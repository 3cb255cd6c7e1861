"""Which policy a call gets, what equal policies share, and what happens when a policy breaks."""

import copy as copying
import threading
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from callspan_exporters.redaction import Policy, from_litellm, full, mask, none, remember
from callspan_semconv import jsonio
from tests.exporters.redaction_spans import chat, contents, messages, span

PII = mask(["email"], name="pii")


@pytest.mark.parametrize(
    ("default", "asked", "chosen"),
    [
        (full(), None, "full"),
        (full(), "none", "none"),
        (full(), "mask", "mask"),
        (full(masks=[PII]), "pii", "pii"),
        (full(), "pii", "none"),  # a mask nobody knows
        (full(), 7, "none"),
        (PII, "none", "none"),
        (PII, "mask", "pii+mask"),  # neither takes away more: both do
        (PII, "full", "pii"),
        (mask(["email"], name="pii", allow_opt_out=True), "full", "full"),
        (none(), "full", "none"),
        (none(), "mask", "none"),
        (none(allow_opt_out=True), "full", "full"),
        (none(allow_opt_out=True), "mask", "mask"),
        (none(masks=[PII], allow_opt_out=True), "pii", "pii"),
    ],
)
def test_a_call_may_tighten_and_only_loosen_where_allowed(default: Policy, asked: Any, chosen: str) -> None:
    """The table of docs/redaction.md."""
    attributes = {} if asked is None else {"callspan.redact": asked}
    assert default.for_call(chat(attributes)).name == chosen


def test_two_masks_are_applied_both() -> None:
    """A sink's mask and the one that a call asks for: what either finds goes, and the span says so."""
    default = mask({"badge": "B-[0-9]+"}, name="badges", redact_user_api_key_info=True, masks=[PII])
    original = chat({"callspan.redact": "pii", "foo.bar": "B-7 a@b.co"})
    left = default.for_call(original).redact(original).attributes or {}
    assert (left["foo.bar"], left["callspan.redacted"]) == ("[BADGE] [EMAIL]", "badges+pii")


def test_a_call_cannot_ask_api_key_info_back() -> None:
    """The policy that a call chose removes what the sink's policy removes."""
    default = none(redact_user_api_key_info=True, allow_opt_out=True)
    assert default.for_call(chat({"callspan.redact": "full"})).redact_user_api_key_info


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        ({}, full()),
        ({"turn_off_message_logging": True}, none()),
        ({"turn_off_message_logging": "true"}, none()),
        ({"message_logging": False}, none()),
        ({"message_logging": "False"}, none()),
        ({"turn_off_message_logging": True, "message_logging": True}, none()),
        ({"turn_off_message_logging": False, "message_logging": True}, full()),
        ({"redact_user_api_key_info": True}, full(redact_user_api_key_info=True)),
    ],
)
def test_litellms_settings(settings: dict[str, Any], chosen: Policy) -> None:
    """LiteLLM's names work, also as strings from a file or the environment."""
    assert from_litellm(**settings) == chosen


def test_a_setting_that_is_neither_true_nor_false_is_named() -> None:
    """``turn_off_message_logging: "no"`` is no silent off."""
    with pytest.raises(ValueError, match="turn_off_message_logging: expected true or false, got 'no'"):
        from_litellm(turn_off_message_logging="no")


def test_full_is_the_span_itself() -> None:
    """Nothing is copied, nothing is marked."""
    original = chat({"callspan.metadata": '{"user_api_key_alias":"x"}'})
    assert full().redact(original) is original


@pytest.mark.parametrize("policy", [full(redact_user_api_key_info=True), none(redact_user_api_key_info=True),
                                    mask(redact_user_api_key_info=True)], ids=lambda policy: policy.name)  # fmt: skip
@pytest.mark.parametrize("encode", [jsonio.dumps, lambda structure: structure], ids=["json", "structured"])
def test_user_api_key_info_goes(policy: Policy, encode: Any) -> None:
    """From metadata at any depth and from LiteLLM's own attributes; the other metadata stays."""
    metadata = {
        "team": "a",
        "user_api_key_alias": "sk-key",
        "requester_metadata": {"user_api_key_hash": "sk-key", "k": "v"},
    }
    found = {
        "callspan.metadata": encode(metadata),
        "metadata.user_api_key_team_id": "sk-key",
        "litellm.user_api_key.hash": "sk-key",
        "metadata.requester_metadata": "{'user_api_key_hash': 'sk-key'}",
    }
    left = policy.redact(chat(found)).attributes or {}
    assert "sk-key" not in repr(left)
    assert left["callspan.metadata"] == encode({"team": "a", "requester_metadata": {"k": "v"}})
    assert left.get("callspan.redacted") == (None if policy.name == "full" else policy.name)


def test_full_keeps_the_span_where_there_is_no_api_key_info() -> None:
    """Nothing to remove, nothing to copy."""
    original = chat({"callspan.metadata": '{"team":"a"}'})
    assert full(redact_user_api_key_info=True).redact(original) is original


def test_equal_policies_share_one_copy() -> None:
    """Ten sinks with the same policy cost one redaction; another policy gets another copy; the original is whole."""
    original = chat({"gen_ai.input.messages": messages("a@b.co")})
    before = repr(contents(original))
    assert none().redact(original) is none().redact(original)
    assert mask(["email"]).redact(original) is mask(["email"]).redact(original)
    assert mask(["email"]).redact(original) is not none().redact(original)
    assert none().redact(none().redact(original)) is none().redact(original)
    assert repr(contents(original)) == before


def test_a_changed_copy_of_a_span_is_another_span() -> None:
    """Someone else's processor that copies or changes spans in place does not get what was made before."""
    original = chat({"callspan.user": "before"})
    assert (none().redact(original).attributes or {})["callspan.user"] == "before"
    renamed = copying.copy(original)
    renamed._name = "embeddings"
    assert none().redact(renamed).name == "embeddings"
    changed = copying.copy(original)
    changed._attributes = {**(original.attributes or {}), "callspan.user": "after"}
    assert (none().redact(changed).attributes or {})["callspan.user"] == "after"
    original._attributes = {**(original.attributes or {}), "callspan.user": "later"}
    assert (none().redact(original).attributes or {})["callspan.user"] == "later"


def test_two_workers_that_want_the_same_thing_make_it_once() -> None:
    """The second waits for the first; who wants something else does not wait."""
    original, started, go_on = chat(), threading.Event(), threading.Event()
    made: list[str] = []

    def slow() -> str:
        started.set()
        assert go_on.wait(10)
        made.append("slow")
        return "slow"

    results: list[str] = []
    threads = [threading.Thread(target=lambda: results.append(remember(original, "mask", slow))) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    assert remember(original, "none", lambda: "quick") == "quick"
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert (results, made) == (["slow", "slow"], ["slow"])


class Broken(dict[str, Any]):
    """Attributes that cannot be read."""

    def copy(self) -> dict[str, Any]:
        raise RuntimeError("a secret")


@pytest.mark.parametrize(
    "policy", [none(), mask(), full(redact_user_api_key_info=True)], ids=lambda policy: policy.name
)
def test_a_span_that_cannot_be_read_leaves_without_anything(policy: Policy, caplog: pytest.LogCaptureFixture) -> None:
    """The bare fact that it happened, and when, and no word about it in the log."""
    original = span(name="a secret")
    original._attributes = Broken(text="a secret")
    copy: ReadableSpan = policy.redact(original)
    assert contents(copy)[:2] == ("redacted-by-litellm", {"callspan.redacted": f"{policy.name}:failed"})
    assert (copy.context, copy.start_time, copy.end_time) == (original.context, 1_000, 2_000)
    assert "secret" not in caplog.text
