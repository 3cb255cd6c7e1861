"""The ollama package: the methods of its clients, and the functions of the module, which are bound to one of them.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from callspan.core.call import Call
from callspan.core.endpoints import EndpointCache, at
from callspan.core.model import Client, Operation, Parameters, Target, methods
from callspan.core.view import field, fields
from callspan.shapes.openai.common import read_parameters
from callspan.shapes.openai.completions import text_messages
from callspan.shapes.parts import binary, blob, plain, set_json, tool_call
from callspan_semconv import attributes as attr

_OPTIONS = {
    "temperature": attr.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": attr.GEN_AI_REQUEST_TOP_P,
    "top_k": attr.GEN_AI_REQUEST_TOP_K,
    "seed": attr.GEN_AI_REQUEST_SEED,
    "num_predict": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "frequency_penalty": attr.GEN_AI_REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": attr.GEN_AI_REQUEST_PRESENCE_PENALTY,
}
_NAMES = {"dimensions": attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT}
_READ_HERE = frozenset({"model", "messages", "prompt", "system", "input", "images", "tools", "stream"})


def _request(call: Call, parameters: Parameters) -> None:
    attributes = call.attributes
    options = plain(parameters.get("options")) or {}
    rest = {name: value for name, value in options.items() if name not in _OPTIONS and name != "stop"}
    if rest:
        parameters = {**parameters, "options": rest}
    for name, attribute in _OPTIONS.items():
        if (value := options.get(name)) is not None:
            attributes[attribute] = value
    if (stop := options.get("stop")) is not None:
        attributes[attr.GEN_AI_REQUEST_STOP_SEQUENCES] = (stop,) if isinstance(stop, str) else tuple(stop)
    read_parameters(call, parameters, _NAMES, _READ_HERE if rest else _READ_HERE | {"options"})
    if parameters.get("stream"):
        attributes[attr.GEN_AI_REQUEST_STREAM] = True
    if isinstance(think := parameters.get("think"), str):
        attributes[attr.GEN_AI_REQUEST_REASONING_LEVEL] = think
    if parameters.get("format"):  # "json", or a schema
        attributes[attr.GEN_AI_OUTPUT_TYPE] = "json"


def _chat_request(call: Call, parameters: Parameters) -> None:
    _request(call, parameters)
    if call.captures_content:
        set_json(call, attr.GEN_AI_INPUT_MESSAGES, list(map(_message, parameters.get("messages") or ())))
        set_json(call, attr.GEN_AI_TOOL_DEFINITIONS, list(map(_tool, parameters.get("tools") or ())))


def _generate_request(call: Call, parameters: Parameters) -> None:
    _request(call, parameters)
    if not call.captures_content:
        return
    if system := parameters.get("system"):
        set_json(call, attr.GEN_AI_SYSTEM_INSTRUCTIONS, [{"type": "text", "content": system}])
    parts = [{"type": "text", "content": prompt}] if (prompt := parameters.get("prompt")) else []
    parts += _images(parameters.get("images"))
    set_json(call, attr.GEN_AI_INPUT_MESSAGES, [{"role": "user", "parts": parts}] if parts else None)


def _embed_request(call: Call, parameters: Parameters) -> None:
    _request(call, parameters)
    set_json(call, attr.GEN_AI_INPUT_MESSAGES, text_messages(parameters.get("input") or parameters.get("prompt")))


def _message(message: Any) -> dict[str, Any]:
    role, content = field(message, "role"), field(message, "content")
    if role == "tool":
        result = {"role": role, "parts": [{"type": "tool_call_response", "response": content}]}
        name = field(message, "tool_name") or field(message, "name")
        return {**result, "name": name} if name else result
    return {"role": role, "parts": _parts(message, content, field(message, "thinking"))}


def _parts(message: Any, content: Any, thinking: Any) -> list[dict[str, Any]]:
    """Parts of a message: thinking and text, pictures, tool calls (which have no ids)."""
    parts = [{"type": "reasoning", "content": thinking}] if thinking else []
    if content:
        parts.append({"type": "text", "content": content})
    parts += _images(field(message, "images"))
    for call in field(message, "tool_calls") or ():
        function = field(call, "function")
        parts.append(tool_call(field(function, "name"), field(call, "id"), field(function, "arguments")))
    return parts


# No path of a file is as long; what is longer is base64.
_MAX_PATH_CHARS = 1024


def _images(images: Iterable[Any] | None) -> list[dict[str, Any]]:
    """Pictures: bytes, base64, or paths of files, which are named and not read."""
    parts = []
    for image in images or ():
        value = getattr(image, "value", image)
        if isinstance(value, bytes):
            parts.append(binary("image", None, value))
        elif isinstance(value, str) and len(value) > _MAX_PATH_CHARS:
            parts.append(blob("image", None, value))
        else:
            parts.append({"type": "uri", "modality": "image", "uri": str(value)})
    return parts


def _tool(tool: Any) -> Any:
    """A tool definition, or a function of the application's, which the library describes to the model itself."""
    if callable(tool):
        definition = {"type": "function", "name": getattr(tool, "__name__", type(tool).__name__)}
        return {**definition, "description": tool.__doc__} if tool.__doc__ else definition
    given = plain(tool)
    function = given.get("function")
    return {"type": "function", **plain(function)} if isinstance(function, Mapping) else given


def _read_counts(call: Call, response: Any) -> None:
    attributes = call.attributes
    known = fields(response)
    if model := known.get("model"):
        attributes[attr.GEN_AI_RESPONSE_MODEL] = model
    if (count := known.get("prompt_eval_count")) is not None:
        attributes[attr.GEN_AI_USAGE_INPUT_TOKENS] = count
    if (count := known.get("eval_count")) is not None:
        attributes[attr.GEN_AI_USAGE_OUTPUT_TOKENS] = count
    if reason := known.get("done_reason"):
        attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = (reason,)


class _Accumulator:
    """Collects an answer; a whole one is a stream of one chunk.

    Chunks of ``generate`` carry the text in ``response``, those of ``chat`` in a message.
    """

    def __init__(self, _call: Call) -> None:
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._more: list[dict[str, Any]] = []
        self._logprobs: list[Any] = []
        self._last: Any = None

    def feed(self, chunk: Any) -> None:
        """Take a chunk."""
        self._last = chunk
        known = fields(chunk)
        message = known.get("message", chunk)
        said = fields(message)
        if text := said.get("content") or known.get("response"):
            self._text.append(text)
        if thinking := said.get("thinking"):
            self._thinking.append(thinking)
        if said.get("tool_calls") or said.get("images"):
            self._more += _parts(message, None, None)
        if picture := known.get("image"):
            self._more.append(blob("image", None, picture))
        self._logprobs += known.get("logprobs") or ()

    def finish(self, call: Call) -> None:
        """Write what came."""
        if self._last is None:
            return
        _read_counts(call, self._last)
        parts = [{"type": "reasoning", "content": "".join(self._thinking)}] if self._thinking else []
        if self._text:
            parts.append({"type": "text", "content": "".join(self._text)})
        output: dict[str, Any] = {"role": "assistant", "parts": parts + self._more}
        if reason := fields(self._last).get("done_reason"):
            output["finish_reason"] = reason
        set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, [output])
        if self._logprobs:
            set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, {"logprobs": [plain(each) for each in self._logprobs]})


def _response(call: Call, response: Any) -> None:
    answer = _Accumulator(call)
    answer.feed(response)
    answer.finish(call)


def _vectors(call: Call, response: Any) -> None:
    _read_counts(call, response)
    known = fields(response)
    vectors = known.get("embeddings") or [known["embedding"]]
    call.attributes[attr.CALLSPAN_EMBEDDING_VECTORS] = len(vectors)
    call.attributes[attr.CALLSPAN_EMBEDDING_DIMENSIONS] = len(vectors[0])
    call.attributes.setdefault(attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT, len(vectors[0]))


_OPERATIONS = {
    "chat": Operation("chat", "completion", _chat_request, _response, _Accumulator, ("model", "messages")),
    "generate": Operation(
        "text_completion",
        "text_completion",
        _generate_request,
        _response,
        _Accumulator,
        ("model", "prompt", "suffix"),
    ),
    "embed": Operation(
        "embeddings",
        "embedding",
        _embed_request,
        _vectors,
        positional=("model", "input", "truncate", "options", "keep_alive", "dimensions"),
    ),
    "embeddings": Operation(
        "embeddings", "embedding", _embed_request, _vectors, positional=("model", "prompt", "options", "keep_alive")
    ),
}

CLIENT = Client(
    name="ollama",
    targets=(
        *methods("ollama._client", "Client", _OPERATIONS),
        # Bound when the package was imported, perhaps before the class was wrapped.
        *(Target("ollama", name, operation, is_async=False) for name, operation in _OPERATIONS.items()),
    ),
    endpoint=EndpointCache(
        lambda client: vars(client._client).get("_base_url"),  # noqa: SLF001 - the library names its host no other way
        lambda client: at(client._client.base_url, "ollama"),  # noqa: SLF001
    ),
    newest=0,
)
