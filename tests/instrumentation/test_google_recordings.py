"""Recorded exchanges with Gemini, replayed through google-genai."""

import copy
import json
from typing import Any

import pytest
from google.genai import errors, types

from callspan_semconv import attributes as attr
from tests.instrumentation import recordings
from tests.instrumentation.google import answering_client
from tests.instrumentation.replay import Outcome, outputs_of, plain
from tests.instrumentation.support import Read, collect, settle

Json = dict[str, Any]

_CONFIG = ("systemInstruction", "tools", "toolConfig")


async def call(exchange: Json, way: str) -> Outcome:
    """Make the recorded call."""
    bodies: list[bytes] = []

    def answer(request: Any) -> Any:
        bodies.append(request.content)
        return exchange["status"], exchange["headers"], exchange["body"].encode()

    client = answering_client(answer, vertex=exchange["vendor"] == "vertex")
    models = client.aio.models if way == "async" else client.models
    arguments = arguments_of(exchange)
    before = copy.deepcopy(arguments)
    method = exchange["operation"] + ("_stream" if exchange["streaming"] else "")
    result: Any = None
    error: BaseException | None = None
    try:
        result = await settle(getattr(models, method)(**arguments))
        if exchange["streaming"]:
            result = await collect(result)
    except (
        errors.APIError,
        AttributeError,
    ) as raised:  # the SDK does not know enums by number, which some answers have
        error = raised
    assert arguments == before
    return plain(result), bodies, error


def arguments_of(exchange: Json) -> Json:
    """The arguments that send the recorded request."""
    request = exchange["request"]
    model = exchange["url"].rpartition("/models/")[2].partition(":")[0]
    if "requests" in request:
        contents: Any = [types.Content.model_validate_json(json.dumps(each["content"])) for each in request["requests"]]
        return {"model": model, "contents": contents}
    contents = [types.Content.model_validate_json(json.dumps(each)) for each in request["contents"]]
    config = {**request.get("generationConfig", {}), **{name: request[name] for name in _CONFIG if name in request}}
    return {
        "model": model,
        "contents": contents,
        "config": types.GenerateContentConfig.model_validate_json(json.dumps(named(config))) if config else None,
    }


# The numbers of the enum ``Type``: some requests were recorded with these.
_TYPES = ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")


def named(value: Any) -> Any:
    """A request with the types of its schemas by name, as the SDK takes them."""
    if isinstance(value, list):
        return list(map(named, value))
    if not isinstance(value, dict):
        return value
    return {
        key: _TYPES[item] if key in ("type", "type_") and isinstance(item, int) else named(item)
        for key, item in value.items()
    }


def answers(exchange: Json) -> list[Json]:
    """The answer, or the pieces of it."""
    return list(recordings.events(exchange)) if exchange["streaming"] else [json.loads(exchange["body"])]


def tokens(answer: Json) -> tuple[Any, ...]:
    """Input, output, cached and reasoning tokens by the conventions: totals."""
    usage = answer.get("usageMetadata", {})

    def total(*names: str) -> int | None:
        found = [usage[name] for name in names if name in usage]
        return sum(found) if found else None

    return (
        total("promptTokenCount", "toolUsePromptTokenCount"),
        total("candidatesTokenCount", "thoughtsTokenCount"),
        total("cachedContentTokenCount"),
        total("thoughtsTokenCount"),
    )


def outputs(exchange: Json) -> list[tuple[str, list[Any]]]:
    """Text and function calls of every candidate."""
    texts: dict[int, str] = {}
    calls: dict[int, list[Any]] = {}
    for answer in answers(exchange):
        for candidate in answer["candidates"]:
            index = candidate.get("index", 0)
            for part in candidate.get("content", {}).get("parts", ()):
                texts[index] = texts.get(index, "") + (part.get("text", "") if not part.get("thought") else "")
                if called := part.get("functionCall"):
                    calls.setdefault(index, []).append((called["name"], called.get("id"), called.get("args", {})))
    return [(texts[index], calls.get(index, [])) for index in sorted(texts)]


def prompt(contents: list[Json]) -> list[Any]:
    """Role, text and tools of every message of the prompt."""
    return [(each.get("role", "user"), [_prompt_part(part) for part in each["parts"]]) for each in contents]


def _prompt_part(part: Json) -> Any:
    if called := part.get("functionCall", part.get("function_call")):
        return ("tool_call", called["name"], called.get("id"), called.get("args", {}))
    if said := part.get("functionResponse", part.get("function_response")):
        return ("tool_call_response", said["name"], said.get("id"), said["response"])
    file = part.get("fileData", part.get("file_data"))
    data = part.get("inlineData", part.get("inline_data"))
    names = {"executableCode": "server_tool_call", "codeExecutionResult": "server_tool_call_response"}
    kind = next((kind for name, kind in names.items() if name in part), None)
    if kind is None:
        kind = "uri" if file else "blob" if data else "text"
    return (kind, part.get("text"))


def seen_prompt(messages: Any) -> list[Any]:
    def read(part: Json) -> Any:
        if part["type"] == "tool_call":
            return ("tool_call", part["name"], part.get("id"), part["arguments"])
        if part["type"] == "tool_call_response":
            return ("tool_call_response", part["name"], part.get("id"), part["response"])
        return (part["type"], part["content"] if part["type"] == "text" else None)

    return [(message["role"], list(map(read, message["parts"]))) for message in messages]


_NAMED = {
    "temperature": attr.GEN_AI_REQUEST_TEMPERATURE,
    "topP": attr.GEN_AI_REQUEST_TOP_P,
    "topK": attr.GEN_AI_REQUEST_TOP_K,
    "candidateCount": attr.GEN_AI_REQUEST_CHOICE_COUNT,
    "stopSequences": attr.GEN_AI_REQUEST_STOP_SEQUENCES,
}


def in_camel_case(config: Json) -> Json:
    return types.GenerateContentConfig.model_validate(config).model_dump(mode="json", by_alias=True, exclude_none=True)


def request_pairs(exchange: Json, span: Read) -> dict[str, tuple[Any, Any]]:
    request = exchange["request"]
    rest = in_camel_case(span.parameters or {})
    pairs: dict[str, tuple[Any, Any]] = {}
    for name, value in in_camel_case(request.get("generationConfig", {})).items():
        seen = span.get(_NAMED[name]) if name in _NAMED else rest.get(name)
        wanted = None if (name, value) == ("candidateCount", 1) else value
        pairs[name] = (list(seen) if isinstance(seen, tuple) else seen, wanted)
    if "toolConfig" in request:
        pairs["toolConfig"] = (rest.get("toolConfig"), request["toolConfig"])
    offered = [
        name
        for tool in request.get("tools", ())
        for key, value in tool.items()
        for name in ([each["name"] for each in value] if key == "functionDeclarations" else [key])
    ]
    seen_tools = span.json(attr.GEN_AI_TOOL_DEFINITIONS) or ()
    camel = {"google_search": "googleSearch", "code_execution": "codeExecution"}
    pairs["tools"] = ([tool.get("name") or camel[tool["type"]] for tool in seen_tools], offered)
    said = [part["content"] for part in span.json(attr.GEN_AI_SYSTEM_INSTRUCTIONS) or ()]
    instruction = request.get("systemInstruction", {"parts": []})
    pairs["system"] = (said, [part["text"] for part in instruction["parts"]])
    contents = request["contents"] if "contents" in request else [each["content"] for each in request["requests"]]
    pairs["prompt"] = (seen_prompt(span.input), prompt(contents))
    return pairs


def differences(exchange: Json, span: Read, error: BaseException | None) -> list[str]:
    pairs = request_pairs(exchange, span)
    if error is None:
        pairs |= answer_pairs(exchange, span)
    else:
        pairs["error"] = (span[attr.ERROR_TYPE].rpartition(".")[2], type(error).__name__)
    return [f"{name}: {seen!r}, not {wanted!r}" for name, (seen, wanted) in pairs.items() if seen != wanted]


def answer_pairs(exchange: Json, span: Read) -> dict[str, tuple[Any, Any]]:
    usage = tuple(
        span.get(name)
        for name in (
            attr.GEN_AI_USAGE_INPUT_TOKENS,
            attr.GEN_AI_USAGE_OUTPUT_TOKENS,
            attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
            attr.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
        )
    )
    last = answers(exchange)[-1]
    pairs: dict[str, tuple[Any, Any]] = {"tokens": (usage, tokens(last))}
    pairs["ok"] = (span.ok, True)
    pairs["provider"] = (
        span[attr.GEN_AI_PROVIDER_NAME],
        "gcp.vertex_ai" if exchange["vendor"] == "vertex" else "gcp.gemini",
    )
    pairs["model"] = (f"/{span[attr.GEN_AI_REQUEST_MODEL]}:" in exchange["url"], True)
    if exchange["operation"] == "embed_content":
        pairs["vector"] = (span[attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT], len(last["embeddings"][0]["values"]))
    else:
        pairs["stream"] = (bool(span.get(attr.GEN_AI_REQUEST_STREAM)), exchange["streaming"])
        pairs["id"] = (span[attr.GEN_AI_RESPONSE_ID], last["responseId"])
        pairs["answering model"] = (span[attr.GEN_AI_RESPONSE_MODEL], last["modelVersion"])
        reasons = [str(candidate["finishReason"]) for candidate in last["candidates"]]
        pairs["finish reasons"] = (list(span[attr.GEN_AI_RESPONSE_FINISH_REASONS]), reasons)
        pairs["output"] = (outputs_of(span), outputs(exchange))
    return pairs


@recordings.needed
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_every_exchange_is_recorded_right(way: str, replayed: Any) -> None:
    """Every recorded exchange gives a span with all that the provider said, and the application sees no difference."""
    await replayed(recordings.load("google"), way, call, differences)
