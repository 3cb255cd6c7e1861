"""What Cohere's APIs have in common: parameters and usage."""

from __future__ import annotations

from typing import Any

from callspan.core.call import Call
from callspan.core.model import Parameters
from callspan.core.view import field, fields
from callspan.shapes.openai.common import OUTPUT_TYPES, read_parameters
from callspan_semconv import attributes as attr

_NAMES = {
    "temperature": attr.GEN_AI_REQUEST_TEMPERATURE,
    "p": attr.GEN_AI_REQUEST_TOP_P,
    "k": attr.GEN_AI_REQUEST_TOP_K,
    "max_tokens": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "seed": attr.GEN_AI_REQUEST_SEED,
    "frequency_penalty": attr.GEN_AI_REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": attr.GEN_AI_REQUEST_PRESENCE_PENALTY,
    "conversation_id": attr.GEN_AI_CONVERSATION_ID,
    "output_dimension": attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT,
}
_READ_HERE = frozenset({"model", "stop_sequences", "request_options"})


def read_request(call: Call, parameters: Parameters, content: frozenset[str]) -> None:
    """Write the parameters, but not ``content``, which is read elsewhere."""
    read_parameters(call, parameters, _NAMES, _READ_HERE | content)
    if (stop := parameters.get("stop_sequences")) is not None:
        call.attributes[attr.GEN_AI_REQUEST_STOP_SEQUENCES] = tuple(stop)
    if (wanted := parameters.get("response_format")) is not None:
        output = OUTPUT_TYPES.get(str(field(wanted, "type")))
        if output is not None:
            call.attributes[attr.GEN_AI_OUTPUT_TYPE] = output


_USAGE = {
    "input_tokens": attr.GEN_AI_USAGE_INPUT_TOKENS,
    "output_tokens": attr.GEN_AI_USAGE_OUTPUT_TOKENS,
    "cached_tokens": attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
}


def read_usage(call: Call, usage: Any) -> None:
    """Token counts: the billed ones where both are told, as the conventions ask (``gen_ai.usage.input_tokens``)."""
    for counts in (usage, field(usage, "tokens"), field(usage, "billed_units")):
        known = fields(counts)
        for name, attribute in _USAGE.items():
            # The clients for AWS say -1 where the platform says nothing.
            if isinstance(count := known.get(name), (int, float)) and count >= 0:
                call.attributes[attribute] = int(count)
