"""What LiteLLM's answers carry beside the answer: ``_hidden_params``, and streams that may bring usage at their end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from callspan.core.call import Call
from callspan.core.endpoints import place
from callspan.core.model import Accumulator
from callspan.core.view import fields
from callspan.shapes.litellm import logged
from callspan.shapes.openai.common import read_usage
from callspan_semconv import attributes as attr
from callspan_semconv import jsonio
from callspan_semconv.providers import current_name

# LiteLLM puts this in front of the provider's own headers.
_PREFIX = "llm_provider-"
# Parts of the names of headers that are nobody's business.
_SECRETIVE = ("cookie", "authorization", "api-key", "secret")
# Kept for the payload's field of this name.
_HIDDEN = ("model_id", "litellm_model_name", "litellm_overhead_time_ms", "batch_models")
_COMPONENTS = {"input_cost": attr.CALLSPAN_COST_INPUT, "output_cost": attr.CALLSPAN_COST_OUTPUT}
_CACHED = "cached_response"  # what a stream from the cache names as its provider
_TEXT_TOKENS = (attr.GEN_AI_USAGE_TEXT_INPUT_TOKENS, attr.GEN_AI_USAGE_TEXT_OUTPUT_TOKENS)


def read_around(call: Call, result: Any) -> None:
    """Read what stands around an answer, or around a stream that begins."""
    hidden = hidden_params(result) or hidden_params(getattr(result, "completion_stream", None))
    noted = logged.details(call)
    _read_provider(call, hidden.get("custom_llm_provider") or noted.get("custom_llm_provider"))
    _read_hidden(call, hidden)
    if hidden.get("cache_hit") is True and logged.found_all(call):
        _read_cache(call, hidden)
        return
    if hidden.get("cache_hit") is True:
        call.attributes[attr.CALLSPAN_CACHE_HIT] = False
    # What stands beside the answer is the provider's usual address, wherever the call went.
    _read_place(call, logged.api_base(call) or hidden.get("api_base"))
    if attr.GEN_AI_REQUEST_STREAM not in call.attributes:
        set_cost(call, hidden.get("response_cost"))


def hidden_params(result: Any) -> Mapping[str, Any]:
    """``_hidden_params``, a dict, or in older versions an object."""
    hidden = getattr(result, "_hidden_params", None)
    return hidden if isinstance(hidden, Mapping) else fields(hidden)


def read_counts(call: Call, usage: Any) -> None:
    """Token counts. Where a provider reports none, LiteLLM has zeros; what it counts itself is an estimate."""
    attributes = call.attributes
    if not counted(usage):
        for name in (attr.GEN_AI_USAGE_INPUT_TOKENS, attr.GEN_AI_USAGE_OUTPUT_TOKENS):
            attributes.pop(name, None)
        return
    read_usage(call, usage)
    written = fields(fields(usage).get("prompt_tokens_details")).get("cache_creation_tokens")
    if type(written) is int and written:
        attributes[attr.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS] = written
    if call.operation.name == "embeddings":  # a zero
        attributes.pop(attr.GEN_AI_USAGE_OUTPUT_TOKENS, None)
    if call.operation.name == "chat":  # reckoned: output less reasoning, input less cached
        for name in _TEXT_TOKENS:
            attributes.pop(name, None)


def counted(usage: Any) -> bool:
    """Whether somebody counted all of it: a call without input there is none."""
    known = fields(usage)
    return bool(known.get("prompt_tokens") or known.get("input_tokens"))


def set_cost(call: Call, cost: object) -> None:
    """LiteLLM's own cost, with its components if they are of this cost."""
    if isinstance(cost, bool) or not isinstance(cost, (int, float)):
        return
    attributes = call.attributes
    attributes[attr.CALLSPAN_COST_TOTAL] = float(cost)
    parts = logged.breakdown(call)
    if parts.get("total_cost") != cost:
        return
    for name, attribute in _COMPONENTS.items():
        if isinstance(part := parts.get(name), (int, float)):
            attributes[attribute] = float(part)
    attributes[attr.CALLSPAN_COST_BREAKDOWN] = jsonio.dumps(parts)


def _read_provider(call: Call, provider: object) -> None:
    if isinstance(provider, str) and provider not in ("", _CACHED):
        call.attributes[attr.GEN_AI_PROVIDER_NAME] = current_name(provider)


def _read_place(call: Call, url: object) -> None:
    if isinstance(url, str) and url:
        call.attributes.update(place(url))


def _read_hidden(call: Call, hidden: Mapping[str, Any]) -> None:
    kept = {name: value for name in _HIDDEN if (value := hidden.get(name)) is not None}
    headers = hidden.get("additional_headers")
    if isinstance(headers, Mapping) and headers:
        shown = {str(name): value for name, value in headers.items() if not _is_secretive(str(name))}
        kept["additional_headers"] = shown
        call.read_headers({name.removeprefix(_PREFIX): value for name, value in shown.items()})
    if kept:
        call.attributes[attr.CALLSPAN_HIDDEN_PARAMS] = jsonio.dumps(kept)


def _is_secretive(name: str) -> bool:
    return any(part in name.lower() for part in _SECRETIVE)


def _read_cache(call: Call, hidden: Mapping[str, Any]) -> None:
    """The answer came from LiteLLM's cache: it cost nothing, and what it would have cost was saved."""
    attributes = call.attributes
    attributes[attr.CALLSPAN_CACHE_HIT] = True
    if isinstance(key := hidden.get("cache_key"), str):
        attributes[attr.CALLSPAN_CACHE_KEY] = key
    for name in (attr.CALLSPAN_COST_TOTAL, *_COMPONENTS.values()):
        attributes[name] = 0.0
    if isinstance(saved := hidden.get("response_cost"), float) and saved > 0:
        attributes[attr.CALLSPAN_COST_SAVED] = saved


def answering(read: Callable[[Call, Any], None]) -> Callable[[Call, Any], None]:
    """A reader of LiteLLM's answers, in the shape that ``read`` knows."""

    def response(call: Call, result: Any) -> None:
        read(call, result)
        # Of several inputs the cache had some: what the others took is not told.
        partly = call.attributes.get(attr.CALLSPAN_CACHE_HIT) is False
        if hasattr(result, "usage"):
            read_counts(call, None if partly else result.usage)

    return response


class Stream:
    """Collects a stream of LiteLLM's, in the shape that ``inner`` knows."""

    def __init__(self, inner: Accumulator) -> None:
        self._inner = inner
        self._usage: Any = None  # as the provider told it
        self._added_up: Any = None  # by LiteLLM, of several chunks
        self._model: str | None = None

    def feed(self, chunk: Any) -> None:
        """Take a chunk."""
        self._inner.feed(chunk)
        hidden = hidden_params(chunk)
        response = getattr(chunk, "response", None)  # the whole one, at the end of Responses' events
        for usage in (getattr(chunk, "usage", None), getattr(response, "usage", None)):
            if usage is not None and counted(usage):
                self._usage = usage
        if counted(added_up := hidden.get("usage")):
            self._added_up = added_up
        self._model = hidden.get("provider_response_model") or self._model

    def finish(self, call: Call) -> None:
        """Write what came."""
        self._inner.finish(call)
        attributes = call.attributes
        if reasons := attributes.get(attr.GEN_AI_RESPONSE_FINISH_REASONS):
            # Of several choices LiteLLM hands on the reason of one; the others' are unknown, and no failure.
            attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = tuple(reason for reason in reasons if reason != "error")
        if self._model is not None:
            attributes[attr.GEN_AI_RESPONSE_MODEL] = self._model
        elif attributes.get(attr.GEN_AI_RESPONSE_MODEL) == call.model:  # repeated from the request
            del attributes[attr.GEN_AI_RESPONSE_MODEL]
        self._usage = self._usage or self._added_up
        if self._usage is None:
            read_counts(call, None)
            return
        read_counts(call, self._usage)
        if attr.CALLSPAN_CACHE_HIT not in attributes:
            call.guarded("cost", self._read_cost, call)

    def _read_cost(self, call: Call) -> None:
        """The price that LiteLLM puts on the usage: its own notes of a stream's cost are made after the stream."""
        cost = fields(self._usage).get("cost")
        if cost is None:
            answer = sys.modules["litellm"].ModelResponse(model=self._model or call.model, usage=self._usage)
            cost = logged.price(call, answer)
        set_cost(call, cost)
