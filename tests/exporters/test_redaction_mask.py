"""Masks: what matches is replaced wherever it stands, and a mask that fails takes the content with it."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import Event

from callspan_exporters.redaction import MaskPattern, mask, none
from callspan_semconv import to_payload
from tests.exporters.redaction_spans import MEASUREMENTS, chat, contents, messages, readable


def masked_value(value: Any, **settings: Any) -> Any:
    """What a mask makes of an attribute's value."""
    return (mask(**settings).redact(chat({"foo.bar": value})).attributes or {})["foo.bar"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("to bob.o'neil+x@mail.example.co.uk.", "to [EMAIL]."),
        ("mailto:jürgen@exämple.de", "mailto:[EMAIL]"),
        ("4111 1111 1111 1111", "[CREDIT_CARD]"),
        ("4111-1111-1111-1111,", "[CREDIT_CARD],"),
        ("card=378282246310005", "card=[CREDIT_CARD]"),
        ("3782 822463 10005", "[CREDIT_CARD]"),
        ("order 5678 4111 1111 1111 1111 22", "order 5678 [CREDIT_CARD] 22"),
        ("ssn\n123-45-6789", "ssn\n[US_SSN]"),
        ("DE89 3704 0044 0532 0130 00 THIS", "[IBAN] THIS"),
        ("pay GB82WEST12345698765432 now", "pay [IBAN] now"),
        ("BE68 5390 0754 7034 PLEASE", "[IBAN] PLEASE"),
        ("from 10.0.0.1, fe80::1", "from [IP_ADDRESS], [IP_ADDRESS]"),
        ("call +49 (30) 1234567", "call [PHONE]"),
        ("(415) 555-2671 or 415.555.2671", "[PHONE] or [PHONE]"),
    ],
)
def test_built_in_patterns_find(text: str, left: str) -> None:
    """All of them are on by default."""
    assert masked_value(text) == left


@pytest.mark.parametrize(
    "text",
    ["4111 1111 1111 1112", "000-45-6789", "GB82 WEST 1234 5698 7654 33", "at 12:30:45", "std::vector", "v1.2.3",
     "999.1.1.1", "2026-11-21 10:38:44", "call_4111111111111112", "a@b", "1,234,567.89"],
)  # fmt: skip
def test_built_in_patterns_leave_alone(text: str) -> None:
    """Check digits and number ranges keep ordinary numbers readable."""
    assert masked_value(text) == text


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ('{"to":"a@b.co","n":1}', '{"to":"[EMAIL]","n":1}'),
        ({"to": ["a@b.co", 1.5, None, True]}, {"to": ["[EMAIL]", 1.5, None, True]}),
        (("a@b.co", "x"), ("[EMAIL]", "x")),
        ('{"card":4111111111111111}', '{"card":"[CREDIT_CARD]"}'),
        ({"card": 4111111111111111, "n": 7}, {"card": "[CREDIT_CARD]", "n": 7}),
        ('{"a@b.co":1,"c@d.co":2}', '{"[EMAIL]":1,"[EMAIL].2":2}'),
        (r'{"arguments":"{\"to\":\"a@b.co\"}"}', r'{"arguments":"{\"to\":\"[EMAIL]\"}"}'),
        ('{"to":"a@b.co","to":"x"}', '{"to":"x"}'),
        (r'{"to":"a\u0040b.co"}', '{"to":"[EMAIL]"}'),
        (r'{"ssn":"is\n123-45-6789", "cut', '{"ssn":"is\n[US_SSN]", "cut'),
        (r'[12] see C:\new', r"[12] see C:\new"),
        ('{"big":123456789012345678901234567890}', '{"big":123456789012345678901234567890}'),
        (b"a@b.co", "redacted-by-litellm"),
    ],
)  # fmt: skip
def test_json_is_masked_inside(value: Any, left: Any) -> None:
    """Leaves, keys and JSON within JSON; what is valid JSON stays so."""
    assert masked_value(value) == left


def test_everything_that_may_be_content_is_masked() -> None:
    """Messages, metadata, user, status, events and errors; identifiers and measurements are not."""
    original = chat(
        {
            "gen_ai.input.messages": messages("I am a@b.co"),
            "callspan.metadata": '{"owner":"a@b.co"}',
            "callspan.user": "a@b.co",
            "gen_ai.request.stop_sequences": ("a@b.co",),
            "gen_ai.response.id": "10.0.0.1",
        },
        name="mail to a@b.co",
        events=[Event("exception", {"exception.type": "E", "exception.message": "no a@b.co"})],
    )
    copy = mask(["email", "ip_address"]).redact(original)
    assert "a@b.co" not in readable(copy)
    attributes = copy.attributes or {}
    assert attributes["gen_ai.response.id"] == "10.0.0.1"
    assert attributes["gen_ai.input.messages"] == messages("I am [EMAIL]")
    assert copy.name == "mail to [EMAIL]"
    assert dict(copy.events[0].attributes or {}) == {"exception.type": "E", "exception.message": "no [EMAIL]"}


def test_a_callable_that_replaces_everything_keeps_messages_readable() -> None:
    """Roles, types and measurements are not texts: the payload is complete."""
    copy = mask((), [lambda text: "*"]).redact(chat({"gen_ai.input.messages": messages("a", "b")}))
    payload = to_payload(copy)
    assert payload is not None
    assert payload["messages"] == [{"role": "user", "content": "*"}, {"role": "user", "content": "*"}]
    assert {key: (copy.attributes or {})[key] for key in MEASUREMENTS} == MEASUREMENTS


def fails(text: str) -> str:
    raise ValueError(text)


@pytest.mark.parametrize("broken", [fails, lambda text: None, lambda text: text.encode()])
def test_a_mask_that_fails_takes_the_content_with_it(
    broken: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The span is there as under ``none``, and says so; nothing of the text is logged."""
    original = chat({"gen_ai.input.messages": messages("a secret"), "foo.bar": "a secret"})
    copy = mask((), [broken], name="pii").redact(original)
    expected = none().redact(original)
    assert (copy.attributes or {})["callspan.redacted"] == "pii:failed"
    assert contents(copy)[0] == contents(expected)[0]
    assert {**(copy.attributes or {}), "callspan.redacted": "none"} == expected.attributes
    assert "secret" not in caplog.text


def test_own_patterns() -> None:
    """A mapping of names to expressions, with or without a replacement; ready patterns; one name."""
    assert masked_value("B-123456 a@b.co", patterns={"badge": r"B-[0-9]{6}"}) == "[BADGE] a@b.co"
    assert masked_value("B-123456", patterns={"badge": (r"B-([0-9]{2})[0-9]+", r"B-\1..")}) == "B-12.."
    assert masked_value("B-1", patterns=[MaskPattern("b", re.compile("B"), "C"), "email"]) == "C-1"
    assert masked_value("a@b.co 10.0.0.1", patterns="email") == "[EMAIL] 10.0.0.1"


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"patterns": ["emial"]}, ValueError, "emial.*email, credit_card"),
        ({"patterns": {"x": "("}}, ValueError, "'x': expected a regular expression, or a pair .*: missing "),
        ({"patterns": {"x": 5}}, ValueError, "'x': expected a regular expression"),
        ({"patterns": {"x": ("a", r"\1")}}, ValueError, "'x': expected .* invalid group reference"),
        ({"patterns": {"x": ("a", "b", "c")}}, ValueError, "'x': expected a regular expression, or a pair"),
        ({"patterns": {"x": "a*"}}, ValueError, "'x': expected a regular expression that does not match the empty"),
        ({"callables": ["upper"]}, TypeError, "expected hashable callables, got str"),
        ({"name": "none"}, ValueError, "'none'"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], error: type[Exception], says: str) -> None:
    """One clear error at configuration."""
    with pytest.raises(error, match=says):
        mask(**settings)


@pytest.mark.parametrize("value", ["[" * 5_000 + '"a@b.co"' + "]" * 5_000, json.dumps(json.dumps({"to": "a@b.co"}))])
def test_json_however_deep_does_not_hide_a_match(value: str) -> None:
    """Nested deeper than Python can follow, it goes as content that could not be masked."""
    assert "a@b.co" not in repr(contents(mask().redact(chat({"foo.bar": value}))))
