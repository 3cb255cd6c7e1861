"""Token counts of the Messages API."""

from __future__ import annotations

from typing import Any

from callspan.core.call import Call
from callspan.core.view import field, fields
from callspan_semconv import attributes as attr

_CACHE_READ = "cache_read_input_tokens"
_CACHE_WRITE = "cache_creation_input_tokens"

_TEXTS = (
    ("service_tier", attr.ANTHROPIC_RESPONSE_SERVICE_TIER),
    ("speed", attr.ANTHROPIC_RESPONSE_SPEED),
    ("inference_geo", attr.ANTHROPIC_RESPONSE_INFERENCE_GEO),
)


def read_usage(call: Call, usage: Any) -> None:
    """Token counts in the conventions' meaning: here the input is what was neither read from the cache nor written.

    Source: docs/gen-ai/anthropic.md, semantic-conventions-genai: the input is the sum of the three.
    """
    known = fields(usage)
    attributes = call.attributes
    counts = {name: value for name, value in known.items() if type(value) is int}
    if (fresh := counts.get("input_tokens")) is not None:
        attributes[attr.GEN_AI_USAGE_INPUT_TOKENS] = fresh + counts.get(_CACHE_READ, 0) + counts.get(_CACHE_WRITE, 0)
    by_life = field(known.get("cache_creation"), "ephemeral_1h_input_tokens")
    thinking = field(known.get("output_tokens_details"), "thinking_tokens")
    for attribute, count in (
        (attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, counts.get(_CACHE_READ)),
        (attr.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS, counts.get(_CACHE_WRITE)),
        (attr.GEN_AI_USAGE_OUTPUT_TOKENS, counts.get("output_tokens")),
        (attr.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, thinking),
        (attr.ANTHROPIC_USAGE_CACHE_WRITE_1H_INPUT_TOKENS, by_life or None),
    ):
        if type(count) is int:
            attributes[attribute] = count
    for name, attribute in _TEXTS:
        if isinstance(text := known.get(name), str):
            attributes[attribute] = text
