"""Redaction of spans that other libraries made, each with its own words for prompts and answers."""

from typing import Any

import pytest
from opentelemetry.sdk.trace import Event

from callspan_exporters.redaction import Policy, mask, none
from callspan_exporters.redaction.vocabulary import Kind, kind_of
from callspan_semconv import jsonio, to_payload
from callspan_semconv.attributes import REDACTED
from tests.exporters.redaction_spans import readable, span
from tests.semconv.test_dialects import LITELLM, OLDER, OLDER_EVENTS, OPENINFERENCE, OPENLLMETRY

CANARY = "canary7f3a"
SENTENCE = f"tell {CANARY} no more"
DIALECTS: dict[str, tuple[dict[str, Any], list[Event]]] = {
    "openinference": (OPENINFERENCE, []),
    "openllmetry": (OPENLLMETRY, []),
    "older": (OLDER, OLDER_EVENTS),
    "litellm": (LITELLM, []),
}
# Names that developers give, and labels: `none` keeps both, and masks look into labels.
KEPT = {"none": {Kind.NAME, Kind.LABEL, Kind.METADATA}, "mask": {Kind.NAME}}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_without_content(dialect: str) -> None:
    """The call, its numbers and its models stay; nothing of what was said does, in the span or the payload."""
    attributes, events = DIALECTS[dialect]
    payload = to_payload(none().redact(span(attributes, events=events)))
    assert payload is not None
    assert (payload["prompt_tokens"], payload["completion_tokens"]) == (20, 7)
    assert payload["model"].startswith("gpt-4o")  # OpenInference has the name that was asked for among parameters only
    assert payload["messages"] == [{"role": "user", "content": REDACTED}]
    shown = jsonio.dumps(payload)
    assert not [said for said in ("Where?", "Be brief", "Rome", "Sunny", "x.test") if said in shown]


@pytest.mark.parametrize("policy", [none(), mask({"canary": CANARY})], ids=lambda policy: policy.name)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_attribute_and_event(dialect: str, policy: Policy) -> None:
    """A sentence of the user's leaves under no name."""
    attributes, events = DIALECTS[dialect]
    leaks = [
        name
        for name in attributes
        if CANARY in readable(policy.redact(span({**attributes, name: SENTENCE}, events=events)))
    ]
    assert [name for name in leaks if kind_of(name) not in KEPT[policy.name]] == []
    for event in events:
        said = Event(event.name, dict.fromkeys(event.attributes or {}, SENTENCE))
        assert CANARY not in readable(policy.redact(span(attributes, events=[said])))
