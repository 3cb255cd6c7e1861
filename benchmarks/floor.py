"""The floor: what one would write by hand to get the same span, with the SDK and the standard library alone.

It knows its one provider, its two models and their prices, and reads only what these answers hold: every message is a
text, every usage is complete, every stream has one choice. What callspan costs beyond it is the price of reading
whatever else comes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import Any

from openai.resources.chat.completions import AsyncCompletions, Completions
from openai.resources.embeddings import Embeddings
from opentelemetry.trace import Span, SpanKind, Tracer, TracerProvider, use_span

_START: dict[str, str | int] = {
    "gen_ai.provider.name": "openai",
    "server.address": "api.openai.com",
    "server.port": 443,
    "callspan.api_base": "https://api.openai.com/v1",
}
# USD per token.
_PRICES = {"gpt-4o-mini-2024-07-18": (0.15e-6, 0.6e-6), "text-embedding-3-small": (0.02e-6, 0.0)}


@contextmanager
def floor(tracer_provider: TracerProvider) -> Iterator[None]:
    """Wrap the methods that the benchmarks call."""
    tracer = tracer_provider.get_tracer("floor")
    methods: list[tuple[Any, Callable[..., Any]]] = [
        (Completions, _chat(tracer, Completions.create)),
        (AsyncCompletions, _async_chat(tracer, AsyncCompletions.create)),
        (Embeddings, _embeddings(tracer, Embeddings.create)),
    ]
    originals = [owner.create for owner, _ in methods]
    for owner, wrapper in methods:
        owner.create = wrapper
    try:
        yield
    finally:
        for (owner, _), original in zip(methods, originals, strict=True):
            owner.create = original


def _chat(tracer: Tracer, create: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Completions, **kwargs: Any) -> Any:
        start = perf_counter()
        span = _span(tracer, "chat", kwargs["model"])
        with _current(span):
            response = create(self, **kwargs)
        if kwargs.get("stream"):
            return _stream(span, start, kwargs, response)
        span.set_attributes(_chat_attributes("completion", kwargs, response))
        span.end()
        return response

    return wrapper


def _async_chat(tracer: Tracer, create: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(self: AsyncCompletions, **kwargs: Any) -> Any:
        start = perf_counter()
        span = _span(tracer, "chat", kwargs["model"])
        with _current(span):
            response = await create(self, **kwargs)
        if kwargs.get("stream"):
            return _async_stream(span, start, kwargs, response)
        span.set_attributes(_chat_attributes("acompletion", kwargs, response))
        span.end()
        return response

    return wrapper


def _embeddings(tracer: Tracer, create: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Embeddings, **kwargs: Any) -> Any:
        span = _span(tracer, "embeddings", kwargs["model"])
        with _current(span):
            response = create(self, **kwargs)
        span.set_attributes(
            {
                "callspan.call_id": str(uuid.uuid4()),
                "callspan.call_type": "embedding",
                "gen_ai.input.messages": json.dumps(
                    [{"role": "user", "parts": [{"type": "text", "content": kwargs["input"]}]}]
                ),
                "gen_ai.response.model": response.model,
                "callspan.provider.request_id": response._request_id,
                "gen_ai.usage.input_tokens": response.usage.prompt_tokens,
                "callspan.embedding.vector_count": len(response.data),
                "callspan.embedding.dimensions": len(response.data[0].embedding),
                "gen_ai.embeddings.dimension.count": len(response.data[0].embedding),
                **_cost(response.model, response.usage.prompt_tokens, 0),
            }
        )
        span.end()
        return response

    return wrapper


def _span(tracer: Tracer, operation: str, model: str) -> Span:
    attributes = {"gen_ai.operation.name": operation, "gen_ai.request.model": model, **_START}
    return tracer.start_span(f"{operation} {model}", kind=SpanKind.CLIENT, attributes=attributes)


def _current(span: Span) -> AbstractContextManager[Span]:
    """The SDK's own way to make a span current and to note an exception on it."""
    return use_span(span, record_exception=True, set_status_on_exception=True)


def _request_attributes(call_type: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    messages = [
        {"role": message["role"], "parts": [{"type": "text", "content": message["content"]}]}
        for message in kwargs["messages"]
    ]
    return {
        "callspan.call_id": str(uuid.uuid4()),
        "callspan.call_type": call_type,
        "openai.api.type": "chat_completions",
        "gen_ai.request.temperature": kwargs["temperature"],
        "gen_ai.request.max_tokens": kwargs["max_tokens"],
        "gen_ai.input.messages": json.dumps(messages),
    }


def _response_attributes(response: Any, usage: Any) -> dict[str, Any]:
    """Of an answer or of a chunk; a stream that was left early has no usage."""
    identity = {
        "gen_ai.response.id": response.id,
        "gen_ai.response.model": response.model,
        "callspan.response.created": response.created,
        "openai.response.service_tier": response.service_tier,
        "openai.response.system_fingerprint": response.system_fingerprint,
    }
    if usage is None:
        return identity
    return {
        **identity,
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.prompt_tokens_details.cached_tokens,
        "gen_ai.usage.audio.input_tokens": usage.prompt_tokens_details.audio_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.completion_tokens_details.reasoning_tokens,
        "gen_ai.usage.audio.output_tokens": usage.completion_tokens_details.audio_tokens,
        **_cost(response.model, usage.prompt_tokens, usage.completion_tokens),
    }


def _cost(model: str, input_tokens: int, output_tokens: int) -> dict[str, float]:
    input_price, output_price = _PRICES[model]
    input_cost, output_cost = input_tokens * input_price, output_tokens * output_price
    return {
        "callspan.cost.total": input_cost + output_cost,
        "callspan.cost.input": input_cost,
        "callspan.cost.output": output_cost,
    }


def _chat_attributes(call_type: str, kwargs: dict[str, Any], response: Any) -> dict[str, Any]:
    messages = [
        {
            "role": choice.message.role,
            "parts": [{"type": "text", "content": choice.message.content}],
            "finish_reason": choice.finish_reason,
        }
        for choice in response.choices
    ]
    return {
        **_request_attributes(call_type, kwargs),
        **_response_attributes(response, response.usage),
        "callspan.provider.request_id": response._request_id,
        "gen_ai.response.finish_reasons": [choice.finish_reason for choice in response.choices],
        "gen_ai.output.messages": json.dumps(messages),
    }


class _Streamed:
    """What a stream of one choice brings."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._first_after: float | None = None
        self._texts: list[str] = []
        self._role: str | None = None
        self._reason: str | None = None
        self._usage: Any = None
        self._last: Any = None

    def feed(self, chunk: Any) -> None:
        if self._first_after is None:
            self._first_after = perf_counter() - self._start
        self._last = chunk
        for choice in chunk.choices:
            if choice.delta.role:
                self._role = choice.delta.role
            if choice.delta.content:
                self._texts.append(choice.delta.content)
            if choice.finish_reason:
                self._reason = choice.finish_reason
        if chunk.usage:
            self._usage = chunk.usage

    def attributes(self, call_type: str, kwargs: dict[str, Any], request_id: str, end: str) -> dict[str, Any]:
        if self._last is None:
            return _request_attributes(call_type, kwargs)
        message = {
            "role": self._role,
            "parts": [{"type": "text", "content": "".join(self._texts)}],
            "finish_reason": self._reason,
        }
        return {
            **_request_attributes(call_type, kwargs),
            **_response_attributes(self._last, self._usage),
            "callspan.provider.request_id": request_id,
            "callspan.request.parameters": json.dumps({"stream_options": kwargs["stream_options"]}),
            "callspan.stream.end": end,
            "gen_ai.request.stream": True,
            "gen_ai.response.time_to_first_chunk": self._first_after,
            "gen_ai.response.finish_reasons": [self._reason],
            "gen_ai.output.messages": json.dumps([message]),
        }


def _stream(span: Span, start: float, kwargs: dict[str, Any], stream: Any) -> Iterator[Any]:
    collected = _Streamed(start)
    end = "closed"
    try:
        for chunk in stream:
            collected.feed(chunk)
            yield chunk
        end = "exhausted"
    except Exception as error:
        span.record_exception(error)
        end = "error"
        raise
    finally:
        request_id = stream.response.headers["x-request-id"]
        span.set_attributes(collected.attributes("completion", kwargs, request_id, end))
        span.end()


async def _async_stream(span: Span, start: float, kwargs: dict[str, Any], stream: Any) -> AsyncIterator[Any]:
    collected = _Streamed(start)
    end = "closed"
    try:
        async for chunk in stream:
            collected.feed(chunk)
            yield chunk
        end = "exhausted"
    except Exception as error:
        span.record_exception(error)
        end = "error"
        raise
    finally:
        request_id = stream.response.headers["x-request-id"]
        span.set_attributes(collected.attributes("acompletion", kwargs, request_id, end))
        span.end()
