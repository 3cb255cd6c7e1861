"""Recorded exchanges with real providers, replayed through a real client, and what their spans must say."""

import copy
import inspect
from dataclasses import dataclass
from typing import Any

from callspan_semconv import attributes as attr
from tests.instrumentation import recordings, support
from tests.instrumentation.recordings import Json
from tests.instrumentation.support import Read, collect, settle

# What the application gets, in plain data; the bodies that were sent; the exception.
Outcome = tuple[Any, list[bytes], BaseException | None]

# Parameters with an attribute of their own; all others are in callspan.request.parameters.
NAMED = {
    "model": attr.GEN_AI_REQUEST_MODEL,
    "temperature": attr.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": attr.GEN_AI_REQUEST_TOP_P,
    "top_k": attr.GEN_AI_REQUEST_TOP_K,
    "frequency_penalty": attr.GEN_AI_REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": attr.GEN_AI_REQUEST_PRESENCE_PENALTY,
    "max_tokens": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "max_completion_tokens": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "max_output_tokens": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "seed": attr.GEN_AI_REQUEST_SEED,
    "reasoning_effort": attr.GEN_AI_REQUEST_REASONING_LEVEL,
    "service_tier": attr.OPENAI_REQUEST_SERVICE_TIER,
    "previous_response_id": attr.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID,
    "conversation": attr.GEN_AI_CONVERSATION_ID,
}
CONTENT = {"messages", "input", "prompt", "tools", "instructions", "stream"}


class Provider:
    """The recorded provider: answers every request with the recorded answer, and keeps the body that came.

    Args:
        exchange: what was recorded.
        httpx: the HTTP library of the client: httpx2 or httpx.
    """

    def __init__(self, exchange: Json, httpx: Any = support.httpx) -> None:
        self._exchange = exchange
        self._httpx = httpx
        self.bodies: list[bytes] = []

    def __call__(self, request: Any) -> Any:
        self.bodies.append(request.content)
        headers = self._exchange["headers"]
        return self._httpx.Response(self._exchange["status"], headers=headers, content=recordings.body(self._exchange))

    def client(self, *, is_async: bool) -> Any:
        """An HTTP client that reaches this provider only."""
        kind = self._httpx.AsyncClient if is_async else self._httpx.Client
        return kind(transport=self._httpx.MockTransport(self))


@dataclass(frozen=True)
class Stainless:
    """A client library made by Stainless.

    Attributes:
        sync: its client class.
        asynchronous: the same, async.
        error: the base of its exceptions.
        paths: the resource (``chat.completions``) of each operation, and the path that it appends to the base URL.
        httpx: its HTTP library.
    """

    sync: Any
    asynchronous: Any
    error: type[BaseException]
    paths: dict[str, tuple[str, str]]
    httpx: Any = support.httpx

    async def __call__(self, exchange: Json, way: str) -> Outcome:
        """Make the recorded call: sync, async, raw or streaming response."""
        provider = Provider(exchange, self.httpx)
        resource_name, path = self.paths[exchange["operation"]]
        client = (self.asynchronous if way == "async" else self.sync)(
            base_url=exchange["url"].partition("?")[0].removesuffix(path),
            api_key="sk-local",
            max_retries=0,
            http_client=provider.client(is_async=way == "async"),
        )
        resource = client
        for name in resource_name.split("."):
            resource = getattr(resource, name)
        arguments = copy.deepcopy(exchange["request"])
        known = inspect.signature(resource.create).parameters
        kwargs = {key: value for key, value in arguments.items() if key in known}
        if rest := {key: value for key, value in arguments.items() if key not in known}:
            kwargs["extra_body"] = rest
        error: BaseException | None = None
        result: Any = None
        try:
            result = await _called(resource, kwargs, way)
        except self.error as raised:
            error = raised
        await settle(client.close())
        assert arguments == exchange["request"]
        return plain(result), provider.bodies, error


async def _called(resource: Any, kwargs: Any, way: str) -> Any:
    if way == "raw":
        result = resource.with_raw_response.create(**kwargs).parse()
    elif way == "streaming response":
        with resource.with_streaming_response.create(**kwargs) as response:
            return list(response.iter_lines())
    else:
        result = await settle(resource.create(**kwargs))
    return await collect(result) if kwargs.get("stream") else result


STAINLESS_WAYS = ["sync", "async", "raw", "streaming response"]


def plain(result: Any) -> Any:
    """A result in plain data that compares by value, with its types."""
    if isinstance(result, list):
        return [plain(item) for item in result]
    return (type(result), result.model_dump()) if hasattr(result, "model_dump") else result


def differences(exchange: dict[str, Any], span: Read, error: BaseException | None) -> list[str]:
    """What the span lacks or has wrong."""
    pairs = {**request_pairs(exchange, span), **answer_pairs(exchange, span, error)}
    return [f"{name}: {seen!r}, not {wanted!r}" for name, (seen, wanted) in pairs.items() if seen != wanted]


def request_pairs(exchange: dict[str, Any], span: Read) -> dict[str, tuple[Any, Any]]:
    request = exchange["request"]
    rest = span.parameters or {}
    pairs = {
        name: (span.get(NAMED[name]) if name in NAMED else rest.get(name), value)
        for name, value in request.items()
        if value is not None and name not in CONTENT | {"stop", "n", "encoding_format"}
    }
    if request.get("n") not in (None, 1):
        pairs["n"] = (span.get(attr.GEN_AI_REQUEST_CHOICE_COUNT), request["n"])
    if request.get("stop") is not None:
        stop = request["stop"]
        pairs["stop"] = (list(span[attr.GEN_AI_REQUEST_STOP_SEQUENCES]), [stop] if isinstance(stop, str) else stop)
    if "encoding_format" in request:
        pairs["encoding"] = (span.get(attr.GEN_AI_REQUEST_ENCODING_FORMATS), (request["encoding_format"],))
    if "instructions" in request:
        parts = span.json(attr.GEN_AI_SYSTEM_INSTRUCTIONS)
        pairs["instructions"] = (parts, [{"type": "text", "content": request["instructions"]}])
    pairs["stream"] = (bool(span.get(attr.GEN_AI_REQUEST_STREAM)), exchange["streaming"])
    tools = span.json(attr.GEN_AI_TOOL_DEFINITIONS) or []
    offered = [{"type": "function", **t["function"]} if "function" in t else t for t in request.get("tools") or ()]
    pairs["tools"] = (tools, offered)
    said = [
        (message["role"], "".join(part["content"] for part in message["parts"] if part["type"] == "text"))
        for message in span.input
    ]
    wanted = recordings.prompt(request)
    pairs["prompt"] = ([None if want is None else has for has, want in zip(said, wanted, strict=False)], wanted)
    parts = [part for message in span.input for part in message["parts"]]
    used = [
        (part.get("id"), part["arguments"] if part["type"] == "tool_call" else text_of(part["response"]))
        for part in parts
        if part["type"] in ("tool_call", "tool_call_response")
    ]
    pairs["prompt's tools"] = (used, recordings.prompt_tools(request))
    return pairs


def answer_pairs(exchange: dict[str, Any], span: Read, error: BaseException | None) -> dict[str, tuple[Any, Any]]:
    if error is not None:
        return {"error": (span.get(attr.ERROR_TYPE), f"{type(error).__module__}.{type(error).__qualname__}")}
    operation, whole = exchange["operation"], recordings.answer(exchange)
    pairs: dict[str, tuple[Any, Any]] = {
        "id": (span.get(attr.GEN_AI_RESPONSE_ID), whole.get("id")),
        "model": (span.get(attr.GEN_AI_RESPONSE_MODEL), whole.get("model")),
        "tokens": (answer_usage(span), recordings.tokens(whole)),
        "status": (span.ok, True),
    }
    if operation == "embeddings":
        return {**pairs, "vector": (span.get(attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT), recordings.vector_length(whole))}
    reasons = span.get(attr.GEN_AI_RESPONSE_FINISH_REASONS)
    pairs["finish reasons"] = (reasons and list(reasons), recordings.finish_reasons(operation, whole))
    pairs["output"] = (outputs_of(span), recordings.outputs(operation, whole))
    return pairs


def answer_usage(span: Read) -> tuple[Any, Any, Any, Any]:
    """Input, output, cached and reasoning tokens."""
    return (
        span.get(attr.GEN_AI_USAGE_INPUT_TOKENS),
        span.get(attr.GEN_AI_USAGE_OUTPUT_TOKENS),
        span.get(attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS),
        span.get(attr.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS),
    )


def outputs_of(span: Read) -> list[tuple[str, list[Any]]]:
    return [
        (
            "".join(part["content"] for part in message["parts"] if part["type"] == "text"),
            [(p.get("name"), p.get("id"), p.get("arguments")) for p in message["parts"] if p["type"] == "tool_call"],
        )
        for message in span.output or ()
    ]


def text_of(response: Any) -> str | None:
    return response if isinstance(response, str) else None
