"""What LiteLLM's functions take: parameters of the model, and LiteLLM's own beside them.

Sources: https://docs.litellm.ai/docs/completion/input, .../embedding/supported_embedding, .../response_api, .../rerank
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from opentelemetry.context import Context, attach, get_current
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from callspan import directives
from callspan.call_context import CallContext, context, current_context, enter
from callspan.core import state
from callspan.core.call import Call
from callspan.core.model import Parameters
from callspan.shapes.litellm import logged
from callspan_semconv import attributes as attr

Reader = Callable[[Call, Parameters], None]

# Only what a model is asked: keys, credentials and callbacks stand among LiteLLM's parameters too.
_OF_MODELS = frozenset(
    {
        # Chat Completions and text completions
        *("model", "messages", "prompt", "suffix", "functions", "function_call", "tools", "tool_choice"),
        *("temperature", "top_p", "top_k", "min_p", "top_a", "n", "best_of", "echo", "stop", "seed", "stream"),
        *("stream_options", "max_tokens", "max_completion_tokens", "presence_penalty", "frequency_penalty"),
        *("repetition_penalty", "logit_bias", "logprobs", "top_logprobs", "response_format", "parallel_tool_calls"),
        *("modalities", "prediction", "audio", "reasoning_effort", "thinking", "verbosity", "web_search_options"),
        *("service_tier", "store", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "user"),
        *("guided_json", "guided_regex", "guided_choice", "guided_grammar", "ignore_eos", "safe_prompt"),
        # Responses
        *("input", "instructions", "include", "max_output_tokens", "previous_response_id", "conversation", "reasoning"),
        *("text", "truncation", "background", "max_tool_calls", "context_management", "text_format"),
        # Messages
        *("system", "stop_sequences", "container", "mcp_servers", "output_config", "output_format", "cache_control"),
        # embeddings, rerank
        *("dimensions", "encoding_format", "input_type", "query", "documents", "top_n", "rank_fields"),
        *("return_documents", "max_chunks_per_doc", "max_tokens_per_doc"),
        # images and audio
        *("size", "quality", "style", "background", "moderation", "output_format", "output_compression", "image"),
        *("mask", "input_fidelity", "partial_images", "file", "language", "timestamp_granularities", "voice", "speed"),
        *("chunking_strategy", "extra_body"),
    }
)

# Of the metadata that LiteLLM's router and proxy fill in: objects, requests as they came, and bookkeeping.
_NOT_METADATA = frozenset(
    {
        *("api_base", "attempted_fallbacks", "attempted_retries", "attempted_targets", "original_model_group"),
        *("caching_groups", "deployment_model_name", "endpoint"),
        *("headers", "hidden_params", "litellm_logging_obj", "litellm_parent_otel_span", "litellm_received_at"),
        *("llm_api_timing_windows", "max_retries", "model_group_alias", "model_group_size", "previous_models"),
        *("proxy_server_request", "request_retry_count", "standard_logging_object", "user_api_key_auth"),
        *("user_api_key_budget_reservation", "user_api_key_metadata", "user_api_key_team_metadata"),
    }
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_METADATA = ("metadata", "litellm_metadata")

_TRACE_ID = "litellm_trace_id"


class _MadeUp(str):
    """A trace id of the router's own: it holds attempts together that belong to no trace of OpenTelemetry's."""

    __slots__ = ()


_propagator = TraceContextTextMapPropagator()


def reading(read: Reader) -> Reader:
    """A reader of LiteLLM's parameters, with ``read`` for the model's."""

    def request(call: Call, parameters: Parameters) -> None:
        given = parameters.get("litellm_call_id")
        if isinstance(given, str) and given:
            call.call_id = call.attributes[attr.CALLSPAN_CALL_ID] = given
        logged.expect(call, parameters.get("litellm_logging_obj"))
        read(call, {name: value for name, value in parameters.items() if name in _OF_MODELS})

    return request


def with_call_id(call: Call, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments with the id by which LiteLLM shall know the call too."""
    return kwargs if "litellm_call_id" in kwargs else {**kwargs, "litellm_call_id": call.call_id}


def surroundings(parameters: Parameters, parent: Context, said: CallContext) -> tuple[Context, CallContext]:
    """What a call belongs to: the trace of the request that a proxy got, and what that request and the call say."""
    headers = _headers(parameters)
    if headers and not get_current_span(parent).get_span_context().is_valid:
        parent = _propagator.extract({name.lower(): value for name, value in headers.items()}, parent)
    fields = {**parameters, **{name: _metadata(parameters.get(name)) for name in _METADATA}}
    if isinstance(parameters.get(_TRACE_ID), _MadeUp) and get_current_span(parent).get_span_context().is_valid:
        del fields[_TRACE_ID]
    # Whoever calls LiteLLM's functions is the gateway, or the application itself.
    asked = directives.read(headers, fields, replace(state.leave(), identity=True))
    return parent, context(**asked).merged(said) if asked else said


def mark_trace_id(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A wrapper for the router's method that makes up a trace id for a call that has none."""
    parameters = kwargs.get("kwargs")
    if not isinstance(parameters, dict) or _TRACE_ID in parameters:
        return wrapped(*args, **kwargs)
    result = wrapped(*args, **kwargs)
    if isinstance(made_up := parameters.get(_TRACE_ID), str):
        parameters[_TRACE_ID] = _MadeUp(made_up)
    return result


def carry_context(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A wrapper for LiteLLM's way to run async functions for sync callers: in a thread, if there is an event loop."""
    current, said = get_current(), current_context()

    def entering(function: Callable[..., Any]) -> Callable[..., Any]:
        async def inside(*arguments: Any, **more: Any) -> Any:
            # Nothing to take back: the task that this runs in is made for it.
            attach(current)
            enter(said)
            return await function(*arguments, **more)

        return inside

    if args:
        return wrapped(entering(args[0]), *args[1:], **kwargs)
    return wrapped(**{**kwargs, "async_function": entering(kwargs["async_function"])})


def _headers(parameters: Parameters) -> dict[str, str]:
    """The headers of the request that LiteLLM's proxy got."""
    request = parameters.get("proxy_server_request")
    headers = request.get("headers") if isinstance(request, Mapping) else None
    if not isinstance(headers, Mapping):
        return {}
    return {name: value for name, value in headers.items() if isinstance(name, str) and isinstance(value, str)}


def _metadata(given: object) -> dict[str, Any]:
    """What of a call's metadata says something about it."""
    if not isinstance(given, Mapping):
        return {}
    return {str(name): value for name, value in given.items() if _says_something(str(name), value)}


def _says_something(name: str, value: object) -> bool:
    if name == "user_api_key":  # the proxy puts the key's hash there
        return isinstance(value, str) and _SHA256.fullmatch(value) is not None
    if name in _NOT_METADATA or name.startswith("_") or value is None:
        return False
    return isinstance(value, (str, int, float, list, tuple, dict))
