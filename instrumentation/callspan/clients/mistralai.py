"""The mistralai package, 3.x: chat, agents, fill-in-the-middle and embeddings, much in the shapes of OpenAI.

Source: https://docs.mistral.ai/api
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from callspan.core import guard
from callspan.core.call import Call
from callspan.core.endpoints import EndpointCache, at
from callspan.core.model import Client, Hook, Operation, Parameters, Target
from callspan.core.propagation import merged_into
from callspan.core.shims import recorded_elsewhere
from callspan.shapes.openai.chat import CHAT
from callspan.shapes.openai.chat_stream import ChatAccumulator
from callspan.shapes.openai.completions import TEXT_COMPLETION
from callspan.shapes.openai.embeddings import EMBEDDINGS
from callspan_semconv import attributes as attr

# Mistral's names of parameters -> OpenAI's.
_NAMES = {"random_seed": "seed", "inputs": "input", "output_dimension": "dimensions"}
_TRANSPORT = frozenset({"retries", "server_url", "timeout_ms", "http_headers"})

_Reader = Callable[[Call, Parameters], None]


def _reading(request: _Reader, *, streams: bool = False) -> _Reader:
    """OpenAI's reader of a request, for Mistral's."""

    def read(call: Call, parameters: Parameters) -> None:
        given = {_NAMES.get(name, name): value for name, value in parameters.items() if name not in _TRANSPORT}
        request(call, given | {"stream": True} if streams else given)
        call.attributes.pop(attr.OPENAI_API_TYPE, None)

    return read


class _Accumulator(ChatAccumulator):
    """Collects ``CompletionEvent``, whose data are chunks as OpenAI has them."""

    def feed(self, chunk: Any) -> None:
        """Take an event."""
        super().feed(chunk.data)


def _streamed(operation: Operation, request: _Reader) -> Operation:
    return replace(operation, request=_reading(request, streams=True), stream=_Accumulator)


_CHAT = replace(CHAT, request=_reading(CHAT.request), stream=None)
# The answer is a chat's.
_FIM = replace(TEXT_COMPLETION, request=_reading(TEXT_COMPLETION.request), response=CHAT.response, stream=None)
_OPERATIONS = {
    "chat.Chat.complete": _CHAT,
    "chat.Chat.stream": _streamed(_CHAT, CHAT.request),
    "agents.Agents.complete": _CHAT,
    "agents.Agents.stream": _streamed(_CHAT, CHAT.request),
    "fim.Fim.complete": _FIM,
    "fim.Fim.stream": _streamed(_FIM, TEXT_COMPLETION.request),
    "embeddings.Embeddings.create": replace(EMBEDDINGS, request=_reading(EMBEDDINGS.request)),
}


def _targets(name: str, operation: Operation) -> tuple[Target, Target]:
    module, _, path = name.partition(".")
    module = f"mistralai.client.{module}"
    return Target(module, path, operation, is_async=False), Target(module, f"{path}_async", operation, is_async=True)


def _without_own_span(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Keep the package, which traces itself on request, from making a span of a call that has one here."""
    try:
        if recorded_elsewhere("mistralai"):
            return args[1] if len(args) > 1 else kwargs["request"]
    except Exception as error:  # noqa: BLE001 - the boundary: the application's request goes on
        guard.report("mistralai.request", error)
    return wrapped(*args, **kwargs)


_endpoint = EndpointCache(
    lambda settings: settings.server_url or settings.server,
    lambda settings: at(settings.get_server_details()[0], "mistral_ai"),
)

CLIENT = Client(
    name="mistralai",
    targets=tuple(target for name, operation in _OPERATIONS.items() for target in _targets(name, operation)),
    endpoint=lambda resource: _endpoint(resource.sdk_configuration),
    with_headers=merged_into("http_headers"),
    hooks=(Hook("mistralai.client._hooks.tracing", "TracingHook.before_request", _without_own_span),),
    newest=3,
)
