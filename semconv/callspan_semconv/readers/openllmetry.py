"""OpenLLMetry (Traceloop): the conventions' names where there are any by now, and its own for the rest and before.

Source: ``opentelemetry-semantic-conventions-ai`` and the instrumentations of https://github.com/traceloop/openllmetry.
"""

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from callspan_semconv import attributes as names
from callspan_semconv.readers import flat, genai
from callspan_semconv.readers.common import as_str, parse
from callspan_semconv.record import CallRecord

REQUEST_TYPE: Final = "llm.request.type"
_STREAMING: Final = ("gen_ai.is_streaming", "llm.is_streaming")
_PROPERTIES: Final = "traceloop.association.properties."

_OPERATIONS: Final = {
    "chat": "chat",
    "completion": "text_completion",
    "embedding": "embeddings",
    "rerank": "rerank",
}
_PROVIDERS: Final = {
    "aws": "aws.bedrock",
    "google": "gcp.gemini",
    "vertexai": "gcp.vertex_ai",
    "huggingface": "huggingface",
    "togetherai": "together_ai",
}
NAMES: Final = {
    "gen_ai.system": names.GEN_AI_PROVIDER_NAME,
    "gen_ai.usage.prompt_tokens": names.GEN_AI_USAGE_INPUT_TOKENS,
    "gen_ai.usage.completion_tokens": names.GEN_AI_USAGE_OUTPUT_TOKENS,
    "gen_ai.usage.cache_read_input_tokens": names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
    "gen_ai.usage.cache_creation_input_tokens": names.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS,
    "gen_ai.usage.reasoning_tokens": names.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
    "llm.usage.reasoning_tokens": names.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
    "llm.frequency_penalty": names.GEN_AI_REQUEST_FREQUENCY_PENALTY,
    "llm.presence_penalty": names.GEN_AI_REQUEST_PRESENCE_PENALTY,
    "llm.top_k": names.GEN_AI_REQUEST_TOP_K,
    "llm.chat.stop_sequences": names.GEN_AI_REQUEST_STOP_SEQUENCES,
    "gen_ai.request.reasoning_effort": names.GEN_AI_REQUEST_REASONING_LEVEL,
    "gen_ai.request.max_completion_tokens": names.GEN_AI_REQUEST_MAX_TOKENS,
    "gen_ai.request.n": names.GEN_AI_REQUEST_CHOICE_COUNT,
    "gen_ai.response.finish_reason": names.GEN_AI_RESPONSE_FINISH_REASONS,
    "gen_ai.response.stop_reason": names.GEN_AI_RESPONSE_FINISH_REASONS,
    "llm.response.finish_reason": names.GEN_AI_RESPONSE_FINISH_REASONS,
    "llm.response.stop_reason": names.GEN_AI_RESPONSE_FINISH_REASONS,
    "gen_ai.openai.response.system_fingerprint": names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
    "gen_ai.openai.system_fingerprint": names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
    "gen_ai.openai.api_base": names.CALLSPAN_API_BASE,
    "gen_ai.user": names.CALLSPAN_USER,
    "llm.user": names.CALLSPAN_USER,
    f"{_PROPERTIES}session_id": names.GEN_AI_CONVERSATION_ID,
}


def matches(attributes: Mapping[str, Any]) -> bool:
    """Whether OpenLLMetry made this span, and of a model call."""
    kind = attributes.get(REQUEST_TYPE)
    if kind is None:
        return _STREAMING[0] in attributes and genai.matches(attributes)
    return kind in _OPERATIONS if isinstance(kind, str) else False


def read(span: ReadableSpan, attributes: Mapping[str, Any]) -> CallRecord:
    """Read a span of OpenLLMetry's."""
    translated = {**attributes, **flat.renamed(attributes, NAMES)}
    if as_str(attributes.get(names.GEN_AI_OPERATION_NAME)) is None:
        translated[names.GEN_AI_OPERATION_NAME] = _OPERATIONS.get(attributes.get(REQUEST_TYPE, ""), "chat")
    provider = as_str(translated.get(names.GEN_AI_PROVIDER_NAME))
    if provider is not None:  # older releases write the vendor's name as the vendor does: OpenAI, Anthropic, AWS
        translated[names.GEN_AI_PROVIDER_NAME] = _PROVIDERS.get(provider.lower(), provider.lower())
    if any(attributes.get(name) in (True, "True", "true") for name in _STREAMING):
        translated[names.GEN_AI_REQUEST_STREAM] = True
    if properties := flat.under(attributes, _PROPERTIES):
        translated[names.CALLSPAN_METADATA] = {**properties, **_object(attributes.get(names.CALLSPAN_METADATA))}
    translated.update(content(attributes))
    return genai.read(span, translated)


def content(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Indexed messages and tools under the conventions' names; nothing of what a span has under those already."""
    found = {
        names.GEN_AI_INPUT_MESSAGES: [_message(node) for node in flat.items(flat.under(attributes, "gen_ai.prompt."))],
        names.GEN_AI_OUTPUT_MESSAGES: [
            _message(node) for node in flat.items(flat.under(attributes, "gen_ai.completion."))
        ],
        names.GEN_AI_TOOL_DEFINITIONS: [
            {"type": "function", **node, **({"parameters": parse(node["parameters"])} if "parameters" in node else {})}
            for node in flat.items(flat.under(attributes, "llm.request.functions."))
        ],
    }
    return {name: value for name, value in found.items() if value and name not in attributes}


def _message(node: flat.Node) -> dict[str, Any]:
    role = as_str(node.get("role"))
    if role == "tool" or "tool_call_id" in node:
        parts = [flat.tool_result(node.get("tool_call_id"), node.get("content"))]
    else:
        parts = flat.content_parts(node.get("content"))
    if isinstance(called := node.get("function_call"), dict):
        parts.append(flat.tool_call(None, called.get("name"), called.get("arguments")))
    parts += [
        flat.tool_call(call.get("id"), call.get("name"), call.get("arguments"))
        for call in flat.items(node.get("tool_calls"))
    ]
    return {"role": role, "parts": parts, "finish_reason": as_str(node.get("finish_reason"))}


def _object(value: object) -> dict[str, Any]:
    parsed = parse(value)
    return parsed if isinstance(parsed, dict) else {}
