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
from callspan.core.endpoints import place
from callspan.core.model import Client, Endpoint, Hook, Operation, Parameters, Target
from callspan.core.propagation import Propagation, merged_into
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
def _endpoint(provider: str, url: str, propagation: Propagation | None = None) -> Endpoint:
    known = {attr.GEN_AI_PROVIDER_NAME: current_name(provider)} if provider else {}
    where = place(url) if url else {}
    address = where.get(attr.SERVER_ADDRESS, "")
    # As LiteLLM's own setting of that name has it, only where asked: not every provider takes headers.
    forwards = propagation is not None and propagation.asks(address)
    return Endpoint(current_name(provider), address, {**known, **where}, forwards=forwards)


def _by_call(_nowhere: Endpoint, _instance: Any, parameters: Parameters) -> tuple[Endpoint, Parameters]:
    """Where a call goes, as far as its parameters say, and the model without the provider in front of it."""
    url = parameters.get("api_base") or parameters.get("base_url")
    model = parameters.get("model")
    provider, name = _resolve(model, parameters.get("custom_llm_provider")) if isinstance(model, str) else ("", model)
    propagation = state.telemetry.propagation if state.telemetry is not None else None
    return _endpoint(provider, url if isinstance(url, str) else "", propagation), {**parameters, "model": name}


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
    with_headers=merged_into("extra_headers"),
    surroundings=request.surroundings,
    arguments=request.with_call_id,
    hooks=(
        Hook("litellm.utils", "function_setup", logged.when_made),
        Hook("litellm.router", "Router._update_kwargs_before_fallbacks", request.mark_trace_id),
    ),
    newest=1,
)
