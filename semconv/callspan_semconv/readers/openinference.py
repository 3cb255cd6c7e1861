"""OpenInference (Arize): ``llm.*``, ``embedding.*``, ``input.value``, messages spread over indexed names.

Source: https://github.com/Arize-ai/openinference, ``spec/semantic_conventions.md``.
"""

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from callspan_semconv import attributes as names
from callspan_semconv.messages import Part
from callspan_semconv.readers import flat, genai
from callspan_semconv.readers.common import as_object, as_str, as_strings
from callspan_semconv.record import CallRecord

_KIND: Final = "openinference.span.kind"
_OPERATIONS: Final = {"LLM": "chat", "EMBEDDING": "embeddings", "RERANKER": "rerank"}
_PROVIDERS: Final = {"aws": "aws.bedrock", "google": "gcp.gemini", "vertexai": "gcp.vertex_ai"}
_NAMES: Final = {
    "embedding.model_name": names.GEN_AI_RESPONSE_MODEL,
    "llm.model_name": names.GEN_AI_RESPONSE_MODEL,
    "reranker.model_name": names.GEN_AI_RESPONSE_MODEL,
    "llm.token_count.prompt": names.GEN_AI_USAGE_INPUT_TOKENS,
    "llm.token_count.completion": names.GEN_AI_USAGE_OUTPUT_TOKENS,
    "llm.token_count.prompt_details.cache_read": names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
    "llm.token_count.prompt_details.cache_write": names.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS,
    "llm.token_count.prompt_details.audio": names.GEN_AI_USAGE_AUDIO_INPUT_TOKENS,
    "llm.token_count.completion_details.reasoning": names.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
    "llm.token_count.completion_details.audio": names.GEN_AI_USAGE_AUDIO_OUTPUT_TOKENS,
    "llm.finish_reason": names.GEN_AI_RESPONSE_FINISH_REASONS,
    "llm.cost.total": names.CALLSPAN_COST_TOTAL,
    "llm.cost.prompt": names.CALLSPAN_COST_INPUT,
    "llm.cost.completion": names.CALLSPAN_COST_OUTPUT,
    "session.id": names.GEN_AI_CONVERSATION_ID,
    "user.id": names.CALLSPAN_USER,
    "metadata": names.CALLSPAN_METADATA,
    "tag.tags": names.CALLSPAN_TAGS,
}
# Of a request, what has a place of its own.
_NOT_PARAMETERS: Final = frozenset({"model", "messages", "input", "prompt", "instructions", "tools"})


def matches(attributes: Mapping[str, Any]) -> bool:
    """Whether OpenInference says that this is a call of a model."""
    kind = attributes.get(_KIND)
    return isinstance(kind, str) and kind in _OPERATIONS


def read(span: ReadableSpan, attributes: Mapping[str, Any]) -> CallRecord:
    """Read a span of OpenInference's."""
    translated = {**attributes, **flat.renamed(attributes, _NAMES)}
    named = as_str(attributes.get(names.GEN_AI_OPERATION_NAME))
    translated[names.GEN_AI_OPERATION_NAME] = named or _operation(attributes)
    provider = as_str(attributes.get("llm.provider")) or as_str(attributes.get("llm.system"))
    if provider is not None:
        translated.setdefault(names.GEN_AI_PROVIDER_NAME, _PROVIDERS.get(provider, provider))
    _read_request(translated, attributes)
    _read_answer(translated, attributes)
    for name, value in _content(attributes).items():
        translated.setdefault(name, value)
    record = genai.read(span, translated)
    record.tags = as_strings(translated.get(names.CALLSPAN_TAGS))
    return record


def _operation(attributes: Mapping[str, Any]) -> str:
    if flat.has_under(attributes, "llm.prompts.", "llm.choices."):
        return "text_completion"
    if flat.has_under(attributes, "output.images."):
        return "image_generation"
    return _OPERATIONS[attributes[_KIND]]


def _read_request(translated: dict[str, Any], attributes: Mapping[str, Any]) -> None:
    given = as_object(attributes.get("llm.invocation_parameters", attributes.get("embedding.invocation_parameters")))
    if as_str(given.get("model")):
        translated.setdefault(names.GEN_AI_REQUEST_MODEL, given["model"])
    if given.get("stream") is True:
        translated[names.GEN_AI_REQUEST_STREAM] = True
    parameters = {name: value for name, value in given.items() if name not in _NOT_PARAMETERS}
    translated.setdefault(names.CALLSPAN_REQUEST_PARAMETERS, parameters)


def _read_answer(translated: dict[str, Any], attributes: Mapping[str, Any]) -> None:
    """What the answer says of itself, from its JSON; an embedding's, which is long, only from its vectors."""
    if attributes[_KIND] == "EMBEDDING":
        vectors = [
            vector
            for node in flat.items(flat.under(attributes, "embedding.embeddings."))
            if isinstance(vector := _inner(node, "embedding").get("vector"), (list, tuple))
        ]
        if vectors:
            translated[names.CALLSPAN_EMBEDDING_VECTORS] = len(vectors)
            translated[names.CALLSPAN_EMBEDDING_DIMENSIONS] = len(vectors[0])
        return
    answer = as_object(attributes.get("output.value"))
    for field, name in (
        ("id", names.GEN_AI_RESPONSE_ID),
        ("service_tier", names.OPENAI_RESPONSE_SERVICE_TIER),
        ("system_fingerprint", names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT),
    ):
        if as_str(answer.get(field)):
            translated.setdefault(name, answer[field])


def _content(attributes: Mapping[str, Any]) -> dict[str, Any]:
    prompt = _messages(attributes, "llm.input_messages.") or _texts(attributes, "llm.prompts.", "prompt", "user")
    prompt = prompt or _texts(attributes, "embedding.embeddings.", "embedding", "user")
    answer = _messages(attributes, "llm.output_messages.")
    answer = answer or _texts(attributes, "llm.choices.", "completion", "assistant")
    is_model = attributes[_KIND] == "LLM"
    found = {
        names.GEN_AI_INPUT_MESSAGES: prompt or (_whole(attributes.get("input.value"), "user") if is_model else []),
        names.GEN_AI_OUTPUT_MESSAGES: answer
        or (_whole(attributes.get("output.value"), "assistant") if is_model else []),
        names.GEN_AI_TOOL_DEFINITIONS: [
            schema
            for node in flat.items(flat.under(attributes, "llm.tools."))
            if (schema := _tool(as_object(_inner(node, "tool").get("json_schema"))))
        ],
    }
    return {name: value for name, value in found.items() if value}


def _messages(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    return [_message(_inner(node, "message")) for node in flat.items(flat.under(attributes, prefix))]


def _message(message: flat.Node) -> dict[str, Any]:
    if "tool_call_id" in message:
        parts = [flat.tool_result(message["tool_call_id"], message.get("content"))]
    else:
        parts = flat.content_parts(message.get("content"))
    parts += [_part(_inner(node, "message_content")) for node in flat.items(message.get("contents"))]
    for node in flat.items(message.get("tool_calls")):
        call = _inner(node, "tool_call")
        function = _inner(call, "function")
        parts.append(flat.tool_call(call.get("id"), function.get("name"), function.get("arguments")))
    return {"role": as_str(message.get("role")), "parts": parts}


def _part(content: flat.Node) -> Part:
    kind, text = as_str(content.get("type")), content.get("text")
    url = _inner(_inner(content, "image"), "image").get("url")
    if isinstance(url, str):
        return flat.image(url)
    if isinstance(text, str):
        return {"type": "reasoning", "content": text} if kind == "reasoning" else flat.text_part(text)
    return {**content, "type": kind or "unknown"}


def _texts(attributes: Mapping[str, Any], prefix: str, field: str, role: str) -> list[dict[str, Any]]:
    texts = (_inner(node, field).get("text") for node in flat.items(flat.under(attributes, prefix)))
    return [{"role": role, "parts": [flat.text_part(text)]} for text in texts if isinstance(text, str)]


def _whole(value: object, role: str) -> list[dict[str, Any]]:
    return [{"role": role, "parts": [flat.text_part(value)]}] if isinstance(value, str) and value else []


def _tool(schema: dict[str, Any]) -> dict[str, Any]:
    """A definition, in which OpenAI's nests the function."""
    function = schema.get("function")
    return {"type": "function", **function} if isinstance(function, dict) else schema


def _inner(node: flat.Node, name: str) -> flat.Node:
    inner = node.get(name)
    return inner if isinstance(inner, dict) else {}
