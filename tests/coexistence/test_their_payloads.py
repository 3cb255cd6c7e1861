"""What other packages record of a call becomes the same payload as what callspan records of it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.coexistence.support import ANTHROPIC, OPENAI, Outcome, need, outcome_of

pytestmark = pytest.mark.process

SAID = """
said = [{"role": "user", "content": "Hi"}]
tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
"""
OPENAI_CALLS = f"""{SAID}
import openai
client = openai.OpenAI(max_retries=0)
client.chat.completions.create(model="gpt-4o-mini", messages=said, temperature=0.25, max_tokens=64)
list(client.chat.completions.create(
    model="gpt-4o-mini", messages=said, stream=True, stream_options={{"include_usage": True}}))
client.chat.completions.create(model="gpt-4o", messages=said, tools=[tool])
client.embeddings.create(model="text-embedding-3-small", input=["Hi"])
"""
ANTHROPIC_CALLS = f"""{SAID}
import anthropic
client = anthropic.Anthropic(max_retries=0)
client.messages.create(model="claude-haiku-4-5", max_tokens=64, messages=said)
list(client.messages.create(model="claude-haiku-4-5", max_tokens=64, messages=said, stream=True))
"""
# No text of messages: it goes to log records, not to spans.
WITHOUT_CONTENT = {"opentelemetry-instrumentation-openai-v2"}
# Adds up the output tokens that a stream's first and last event say, of which the last has them all.
COUNTS_TWICE = {"opentelemetry-instrumentation-anthropic"}


def told(outcome: Outcome, package: str) -> Iterator[dict[str, Any]]:
    """The essence of each payload, as far as the package has it."""
    for call in outcome.calls:
        payload = call["payload"]
        essence = {name: payload[name] for name in ("call_type", "prompt_tokens", "completion_tokens", "status")}
        essence["response_cost"] = round(payload["response_cost"], 12)
        if payload["stream"] and package in COUNTS_TWICE:
            del essence["completion_tokens"], essence["response_cost"]
        if package not in WITHOUT_CONTENT and payload["call_type"] == "completion":
            essence["messages"] = payload["messages"]
            choices = (payload["response"] or {}).get("choices") or []
            essence["answer"] = [choice["message"]["content"] for choice in choices]
        yield essence


@pytest.mark.parametrize("package", [*OPENAI, *ANTHROPIC])
def test_the_same_payload(package: str) -> None:
    """Call type, tokens, cost, and a chat's prompt and answer."""
    need(package)
    client, calls = ("openai", OPENAI_CALLS) if package in OPENAI else ("anthropic", ANTHROPIC_CALLS)
    ours = outcome_of(calls)
    theirs = outcome_of(
        calls,
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=f"callspan-{client}",
        OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="span_only",
        ANTHROPIC_OPEN_TELEMETRY="false",  # the client's own spans would be second ones
    )
    assert ours.scopes == {"callspan"}
    assert "callspan" not in theirs.scopes
    assert list(told(theirs, package)) == list(told(ours, package))
