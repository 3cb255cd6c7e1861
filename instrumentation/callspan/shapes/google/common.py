"""What the methods of the Gemini API have in common: the config and the usage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from callspan.core.call import Call
from callspan.shapes.google.content import get, snake, text_of
from callspan_semconv import attributes as attr
from callspan_semconv import jsonio

_TRANSPORT = frozenset({"http_options", "should_return_http_response"})
_PORTS = {"https": 443, "http": 80}


def options(config: Any) -> dict[str, Any]:
    """The fields of a config that were given, in snake case; a config is an SDK object or a dict in either case."""
    known: Mapping[str, Any] = config if isinstance(config, Mapping) else getattr(config, "__dict__", {})
    return {snake(name): value for name, value in known.items() if value is not None}


def read_options(call: Call, given: Mapping[str, Any], names: Mapping[str, str], skip: frozenset[str]) -> None:
    """Write options to their attributes, and those that have none to ``callspan.request.parameters``."""
    rest = {}
    for name, value in given.items():
        if (attribute := names.get(name)) is not None:
            call.attributes[attribute] = text_of(value)
        elif name not in skip and name not in _TRANSPORT:
            rest[name] = value
    if rest and call.captures_content:
        call.attributes[attr.CALLSPAN_REQUEST_PARAMETERS] = jsonio.dumps(rest)
    if url := get(given.get("http_options"), "base_url"):  # for this call only
        split = urlsplit(url)
        call.attributes[attr.SERVER_ADDRESS] = split.hostname or ""
        call.attributes[attr.SERVER_PORT] = split.port or _PORTS.get(split.scheme, 443)


_COUNTS = {
    attr.GEN_AI_USAGE_INPUT_TOKENS: ("prompt_token_count", "tool_use_prompt_token_count"),
    attr.GEN_AI_USAGE_OUTPUT_TOKENS: ("candidates_token_count", "thoughts_token_count"),
    attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: ("cached_content_token_count",),
    attr.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: ("thoughts_token_count",),
}
_BY_MODALITY = {
    ("prompt_tokens_details", "TEXT"): attr.GEN_AI_USAGE_TEXT_INPUT_TOKENS,
    ("prompt_tokens_details", "AUDIO"): attr.GEN_AI_USAGE_AUDIO_INPUT_TOKENS,
    ("prompt_tokens_details", "IMAGE"): attr.GEN_AI_USAGE_IMAGE_INPUT_TOKENS,
    ("tool_use_prompt_tokens_details", "TEXT"): attr.GEN_AI_USAGE_TEXT_INPUT_TOKENS,
    ("tool_use_prompt_tokens_details", "AUDIO"): attr.GEN_AI_USAGE_AUDIO_INPUT_TOKENS,
    ("tool_use_prompt_tokens_details", "IMAGE"): attr.GEN_AI_USAGE_IMAGE_INPUT_TOKENS,
    ("candidates_tokens_details", "TEXT"): attr.GEN_AI_USAGE_TEXT_OUTPUT_TOKENS,
    ("candidates_tokens_details", "AUDIO"): attr.GEN_AI_USAGE_AUDIO_OUTPUT_TOKENS,
    ("candidates_tokens_details", "IMAGE"): attr.GEN_AI_USAGE_IMAGE_OUTPUT_TOKENS,
}


def read_usage(call: Call, usage: Any) -> None:
    """Token counts. Google counts thoughts apart from the answer, and what its tools read apart from the prompt.

    Cached tokens are counted in the prompt's (https://ai.google.dev/api/generate-content#UsageMetadata).
    """
    if usage is None:
        return
    for attribute, names in _COUNTS.items():
        counts = [count for name in names if isinstance(count := getattr(usage, name, None), int)]
        if counts:
            call.attributes[attribute] = sum(counts)
    by_modality: dict[str, int] = {}
    for name in {name for name, _ in _BY_MODALITY}:
        for detail in getattr(usage, name, None) or ():
            kind = _BY_MODALITY.get((name, str(text_of(detail.modality))))
            if kind is not None and isinstance(detail.token_count, int):
                by_modality[kind] = by_modality.get(kind, 0) + detail.token_count
    call.attributes.update(by_modality)
