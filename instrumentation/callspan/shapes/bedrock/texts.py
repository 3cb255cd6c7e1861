"""Bodies of models that take a prompt and give texts, vectors or images: Titan, Llama, Mistral, Cohere, AI21, ...

Their fields have names that tell them apart, so one table of names reads them all.
Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from callspan.core.call import Call
from callspan.core.model import Parameters
from callspan.shapes.parts import blob, set_json, tool_call
from callspan_semconv import attributes as attr

Body = Mapping[str, Any]

_NAMES = {
    attr.GEN_AI_REQUEST_TEMPERATURE: ("temperature",),
    attr.GEN_AI_REQUEST_TOP_P: ("top_p", "topP", "p"),
    attr.GEN_AI_REQUEST_TOP_K: ("top_k", "topK", "k"),
    attr.GEN_AI_REQUEST_MAX_TOKENS: ("max_tokens", "maxTokens", "max_gen_len", "maxTokenCount", "max_tokens_to_sample"),
    attr.GEN_AI_REQUEST_SEED: ("seed",),
    attr.GEN_AI_REQUEST_FREQUENCY_PENALTY: ("frequency_penalty",),
    attr.GEN_AI_REQUEST_PRESENCE_PENALTY: ("presence_penalty",),
    attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT: ("dimensions", "embeddingDimension", "output_dimension"),
}
_ATTRIBUTES = {name: attribute for attribute, names in _NAMES.items() for name in names}
_COUNTS = ("num_generations", "numResults", "numberOfImages")
_STOPS = ("stop_sequences", "stopSequences", "stop")
# Objects that hold further parameters.
_NESTED = (
    *("textGenerationConfig", "embeddingConfig", "imageGenerationConfig"),
    *("singleEmbeddingParams", "textToImageParams"),
)
_PROMPTS = frozenset(
    {"inputText", "prompt", "message", "chat_history", "preamble", "texts", "text", "inputImage", "images", "tools"}
)


def read_request(call: Call, given: Parameters) -> None:
    """Read a body: parameters by name, and the prompt."""
    flat: dict[str, Any] = {}
    for name, value in given.items():
        flat.update(value if name in _NESTED and isinstance(value, Mapping) else {name: value})
    attributes, rest = call.attributes, {}
    for name, value in flat.items():
        if (attribute := _ATTRIBUTES.get(name)) is not None and isinstance(value, (int, float)):
            attributes[attribute] = value
        elif name in _COUNTS and isinstance(value, int):
            attributes.update({attr.GEN_AI_REQUEST_CHOICE_COUNT: value} if value != 1 else {})
        elif name in _STOPS and value:
            attributes[attr.GEN_AI_REQUEST_STOP_SEQUENCES] = (value,) if isinstance(value, str) else tuple(value)
        elif name not in _PROMPTS and value is not None:
            rest[name] = value
    if call.captures_content:
        set_json(call, attr.CALLSPAN_REQUEST_PARAMETERS, rest)
        set_json(call, attr.GEN_AI_INPUT_MESSAGES, _prompt(flat))
        if preamble := flat.get("preamble"):
            set_json(call, attr.GEN_AI_SYSTEM_INSTRUCTIONS, [{"type": "text", "content": preamble}])
        set_json(call, attr.GEN_AI_TOOL_DEFINITIONS, [{"type": "function", **tool} for tool in flat.get("tools") or ()])


def _prompt(flat: Body) -> list[dict[str, Any]]:
    """Texts as messages of a user; Cohere's history before its message."""
    said = [
        (str(turn.get("role", "USER")).lower(), turn.get("message")) for turn in flat.get("chat_history") or () if turn
    ]
    for name in ("message", "prompt", "inputText", "text"):
        value = flat.get(name)
        if isinstance(value, Mapping):  # Nova: {"truncationMode": ..., "value": ...}
            value = value.get("value")
        said += [("user", value)] if isinstance(value, str) else []
    said += [("user", text) for text in flat.get("texts") or () if isinstance(text, str)]
    messages = [{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in said]
    images = [flat.get("inputImage"), *(flat.get("images") or ())]
    media = [blob("image", None, image) for image in images if isinstance(image, str)]
    return messages + ([{"role": "user", "parts": media}] if media else [])


Output = tuple[Any, Any]  # a text, or the parts of a message, and why it ended


def outputs(body: Body) -> list[Output]:
    """What an answer, or a chunk of a streamed one, brings."""
    if body.get("event_type") not in (None, "text-generation", "stream-end"):  # Cohere: stream-start, citations, ...
        return []
    for name, text_path, reason_path in _LISTS:
        if isinstance(items := body.get(name), list) and all(isinstance(item, Mapping) for item in items):
            return [(_deep(item, text_path), _deep(item, reason_path)) for item in items]
    for name in ("outputText", "generation", "text", "completion"):
        if isinstance(text := body.get(name), str):
            return [(text, _reason(body))]
    return [("", reason)] if (reason := _reason(body)) else []


# The list of an answer's alternatives, and where an item has its text and the reason.
_LISTS: tuple[tuple[str, Sequence[str], Sequence[str]], ...] = (
    ("results", ("outputText",), ("completionReason",)),  # Titan
    ("outputs", ("text",), ("stop_reason",)),  # Mistral
    ("choices", ("text",), ("stop_reason",)),  # DeepSeek
    ("generations", ("text",), ("finish_reason",)),  # Cohere Command
    ("completions", ("data", "text"), ("finishReason", "reason")),  # AI21 Jurassic
)


def _deep(item: Any, path: Sequence[str]) -> Any:
    for name in path:
        item = item.get(name) if isinstance(item, Mapping) else None
    return item


def _reason(body: Body) -> Any:
    return next((body[name] for name in ("stop_reason", "finish_reason", "completionReason") if body.get(name)), None)


_METRICS = "amazon-bedrock-invocationMetrics"
_TOKENS = {
    "inputTextTokenCount": attr.GEN_AI_USAGE_INPUT_TOKENS,
    "prompt_token_count": attr.GEN_AI_USAGE_INPUT_TOKENS,
    "inputTokenCount": attr.GEN_AI_USAGE_INPUT_TOKENS,
    "totalOutputTextTokenCount": attr.GEN_AI_USAGE_OUTPUT_TOKENS,
    "generation_token_count": attr.GEN_AI_USAGE_OUTPUT_TOKENS,
    "outputTokenCount": attr.GEN_AI_USAGE_OUTPUT_TOKENS,
}


def read_usage(call: Call, body: Body) -> None:
    """Counts in a body, or in the metrics that Bedrock adds to the last chunk of a stream."""
    for name, value in {**body, **body.get(_METRICS, {})}.items():
        # Titan's counts are floats without a fraction.
        if (attribute := _TOKENS.get(name)) is not None and isinstance(value, (int, float)):
            call.attributes[attribute] = int(value)
    results = body.get("results")
    counts = [item["tokenCount"] for item in results or () if isinstance(item, Mapping) and "tokenCount" in item]
    if counts:
        call.attributes[attr.GEN_AI_USAGE_OUTPUT_TOKENS] = int(sum(counts))


def read_response(call: Call, body: Body) -> None:
    """Read a complete answer."""
    read_usage(call, body)
    if isinstance(response_id := body.get("response_id") or body.get("id"), str):
        call.attributes[attr.GEN_AI_RESPONSE_ID] = response_id
    if "embedding" in body or "embeddings" in body or "embeddingsByType" in body:
        _read_vectors(call, body)
    elif isinstance(images := body.get("images"), list):
        parts = [[blob("image", None, image)] for image in images if isinstance(image, str)]
        set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, [{"role": "assistant", "parts": part} for part in parts])
    elif isinstance(ranked := body.get("results"), list) and ranked and "relevance_score" in ranked[0]:
        set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, {"results": ranked})
    else:
        called = [tool_call(each.get("name"), None, each.get("parameters")) for each in body.get("tool_calls") or ()]
        write(call, outputs(body), called)
        beside = {name: value for name in ("amazon-bedrock-trace", "citations") if (value := body.get(name))}
        set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, beside)


def write(call: Call, found: list[Output], called: Sequence[Any] = ()) -> None:
    """Write texts and why each ended."""
    if any(reason for _, reason in found):
        call.attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = tuple(str(reason or "error") for _, reason in found)
    messages = []
    for text, reason in found:
        message = {"role": "assistant", "parts": [{"type": "text", "content": text}, *called]}
        messages.append({**message, "finish_reason": reason} if reason else message)
    set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, messages)


def _read_vectors(call: Call, body: Body) -> None:
    vectors = body.get("embeddings", body.get("embeddingsByType"))
    if isinstance(vectors, Mapping):  # by type: float, int8, ...
        vectors = next(iter(vectors.values()), ())
        vectors = vectors if not vectors or isinstance(vectors[0], list) else [vectors]
    if vectors is None:
        vectors = [body["embedding"]]
    call.attributes[attr.CALLSPAN_EMBEDDING_VECTORS] = len(vectors)
    if vectors:
        first = vectors[0].get("embedding", ()) if isinstance(vectors[0], Mapping) else vectors[0]
        call.attributes[attr.CALLSPAN_EMBEDDING_DIMENSIONS] = len(first)
        call.attributes.setdefault(attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT, len(first))


class Chunks:
    """Collects the chunks of a streamed text."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._texts: dict[int, list[str]] = {}
        self._reasons: dict[int, Any] = {}

    def feed(self, chunk: Body) -> None:
        """Take a chunk."""
        read_usage(self._call, chunk)
        for index, (text, reason) in enumerate(outputs(chunk)):
            self._texts.setdefault(index, []).append(text or "")
            self._reasons[index] = reason or self._reasons.get(index)

    def finish(self, call: Call) -> None:
        """Write what came."""
        write(call, [("".join(pieces), self._reasons[index]) for index, pieces in sorted(self._texts.items())])
