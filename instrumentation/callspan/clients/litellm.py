"""The litellm package: its functions, beneath which other clients run, and so its router, which calls them.

Source: https://docs.litellm.ai/docs
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from callspan.core import state
from callspan.core.call import Call
from callspan.core.endpoints import place
from callspan.core.model import Client, Endpoint, Hook, Operation, Parameters, Target
from callspan.core.propagation import inject, merged_into
from callspan.shapes.cohere.retrieval import RERANK
from callspan.shapes.litellm import logged, request, result
from callspan.shapes.litellm.messages import MESSAGES
from callspan.shapes.openai.chat import CHAT
from callspan.shapes.openai.completions import TEXT_COMPLETION
from callspan.shapes.openai.embeddings import EMBEDDINGS
from callspan.shapes.openai.media import IMAGE_EDIT, IMAGE_GENERATION, IMAGE_VARIATION, SPEECH, TRANSCRIPTION
from callspan.shapes.openai.responses import RESPONSES
from callspan_semconv import attributes as attr
from callspan_semconv.providers import current_name

_Choice = Callable[[Any, tuple[Any, ...], dict[str, Any]], Operation | None]

# Other functions put headers into the body, or nowhere.
_TAKE_HEADERS = frozenset({"chat", "text_completion", "embeddings"})
_with_headers = merged_into("extra_headers")

# Mark what LiteLLM's async functions call beneath.
_ASYNC_MARKS = ("acompletion", "atext_completion", "aembedding", "aresponses", "aimg_generation", "arerank")


def _operation(shape: Operation, *positional: str) -> Operation:
    stream = shape.stream
    return replace(
        shape,
        request=request.reading(shape.request),
        response=result.answering(shape.response),
        stream=None if stream is None else lambda call: result.Stream(stream(call)),
        positional=positional,
        around=result.read_around,
    )


def _attempt(operation: Operation) -> _Choice:
    """With ``fallbacks`` a function calls itself for each model in turn: each of those is a call of its own."""

    def choose(_instance: Any, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation | None:
        return None if kwargs.get("fallbacks") or any(kwargs.get(name) for name in _ASYNC_MARKS) else operation

    return choose


_OPERATIONS = {
    "completion": _operation(CHAT, "model", "messages"),
    "text_completion": _operation(TEXT_COMPLETION, "prompt", "model"),
    "embedding": _operation(EMBEDDINGS, "model", "input", "dimensions", "encoding_format"),
    "responses": _operation(RESPONSES, "input", "model"),
    "rerank": _operation(RERANK, "model", "query", "documents", "custom_llm_provider", "top_n"),
    "image_generation": _operation(IMAGE_GENERATION, "prompt", "model", "n"),
    "image_edit": _operation(IMAGE_EDIT, "image", "prompt", "model"),
    "image_variation": _operation(IMAGE_VARIATION, "image", "model", "n"),
    "transcription": _operation(TRANSCRIPTION, "model", "file"),
    "speech": _operation(SPEECH, "model", "input", "voice"),
}


def _targets(name: str, operation: Operation) -> tuple[Target, Target]:
    choice = _attempt(operation)
    return Target("litellm", name, choice, is_async=False), Target("litellm", f"a{name}", choice, is_async=True)


@lru_cache(maxsize=1024)
def _endpoint(provider: str, url: str) -> Endpoint:
    known = {attr.GEN_AI_PROVIDER_NAME: current_name(provider)} if provider else {}
    where = place(url) if url else {}
    # See `_arguments`.
    return Endpoint(current_name(provider), where.get(attr.SERVER_ADDRESS, ""), {**known, **where}, forwards=False)


def _by_call(_nowhere: Endpoint, _instance: Any, parameters: Parameters) -> tuple[Endpoint, Parameters]:
    """Where a call goes, as far as its parameters say, and the model without the provider in front of it."""
    url = parameters.get("api_base") or parameters.get("base_url")
    model = parameters.get("model")
    provider, name = _resolve(model, parameters.get("custom_llm_provider")) if isinstance(model, str) else ("", model)
    return _endpoint(provider, url if isinstance(url, str) else ""), {**parameters, "model": name}


def _resolve(model: str, given: object) -> tuple[str, str]:
    """The provider and its model, by LiteLLM's rules as far as they need no look at the environment.

    What LiteLLM itself resolves replaces the provider when it answers.
    """
    litellm: Any = sys.modules["litellm"]
    prefix, slash, rest = model.partition("/")
    if isinstance(given, str) and given:
        return given, rest if slash and prefix == given else model
    if slash and prefix in litellm.provider_list:
        return prefix, rest
    known = litellm.model_cost.get(model) or {}
    return str(known.get("litellm_provider") or ""), model


def _arguments(call: Call, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments with the call's id, and its ``traceparent`` where the operator asked for that.

    Not to private hosts unasked, as from other clients: not every provider of LiteLLM's takes headers.
    """
    kwargs = request.with_call_id(call, kwargs)
    telemetry, url = state.telemetry, kwargs.get("api_base") or kwargs.get("base_url") or ""
    host = place(url).get(attr.SERVER_ADDRESS, "")
    if telemetry is None or call.operation.name not in _TAKE_HEADERS or not telemetry.propagation.asks(host):
        return kwargs
    return _with_headers(kwargs, inject(call.context))


CLIENT = Client(
    name="litellm",
    targets=(
        *(target for name, operation in _OPERATIONS.items() for target in _targets(name, operation)),
        Target("litellm", "anthropic_messages", MESSAGES, is_async=True),
        Target("litellm.anthropic_interface.messages", "acreate", MESSAGES, is_async=True),
        Target("litellm.anthropic_interface.messages", "create", MESSAGES, is_async=False),
    ),
    endpoint=lambda _instance: _endpoint("", ""),
    by_call=_by_call,
    surroundings=request.surroundings,
    arguments=_arguments,
    hooks=(
        Hook("litellm.utils", "function_setup", logged.when_made),
        Hook("litellm.router", "Router._update_kwargs_before_fallbacks", request.mark_trace_id),
        Hook("litellm.router", "run_async_function", request.carry_context),
        Hook("litellm.litellm_core_utils.fallback_utils", "run_async_function", request.carry_context),
    ),
    newest=1,
)
