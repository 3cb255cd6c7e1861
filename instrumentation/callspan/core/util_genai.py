"""OpenTelemetry's own GenAI instrumentations, which tell one another by the context who records a call.

Source: ``opentelemetry-util-genai`` 1.3: an invocation puts an object for its data under a key per kind of operation.
One that starts inside becomes a "suppressed" one: it makes no span, metric or event, and gives that object what it
found out. callspan does likewise, in both directions. The package is not needed, and nothing of it is imported before
somebody else has.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NonRecordingSpan, NoOpTracer, Span, get_current_span
from opentelemetry.util.types import Attributes, AttributeValue

from callspan.core.telemetry import Instruments, Telemetry
from callspan_semconv import attributes as attr

_logger = logging.getLogger("callspan")
_told: set[str] = set()  # names of scopes

_MODULE = "opentelemetry.util.genai.invocation"
_KINDS = {
    "CLIENT_INFERENCE_CONTEXT_KEY": "InferenceData",
    "CLIENT_EMBEDDING_CONTEXT_KEY": "EmbeddingData",
    "CLIENT_FETCH_RESPONSE_CONTEXT_KEY": "FetchResponseData",
    "CLIENT_RETRIEVAL_CONTEXT_KEY": "RetrievalData",
}
_INFERENCE = ("chat", "text_completion", "generate_content")
_KEY_OF_OPERATION = {
    **dict.fromkeys(_INFERENCE, "opentelemetry.genai.client.inference.context"),
    "embeddings": "opentelemetry.genai.client.embedding.context",
    "fetch_response": "opentelemetry.genai.client.fetch_response.context",
}

# Attributes of a call -> fields of the invocation's data; those of a kind that lacks the field are left out.
_FIELDS = {
    attr.GEN_AI_OPERATION_NAME: "operation_name",
    attr.GEN_AI_CONVERSATION_ID: "conversation_id",
    attr.ERROR_TYPE: "error_type",
    attr.GEN_AI_OUTPUT_TYPE: "output_type",
    attr.GEN_AI_PROVIDER_NAME: "provider_name",
    attr.GEN_AI_REQUEST_CHOICE_COUNT: "request_choice_count",
    attr.GEN_AI_REQUEST_FREQUENCY_PENALTY: "request_frequency_penalty",
    attr.GEN_AI_REQUEST_MAX_TOKENS: "request_max_tokens",
    attr.GEN_AI_REQUEST_MODEL: "request_model",
    attr.GEN_AI_REQUEST_PRESENCE_PENALTY: "request_presence_penalty",
    attr.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID: "request_previous_response_id",
    attr.GEN_AI_REQUEST_REASONING_LEVEL: "request_reasoning_level",
    attr.GEN_AI_REQUEST_SEED: "request_seed",
    attr.GEN_AI_REQUEST_STOP_SEQUENCES: "request_stop_sequences",
    attr.GEN_AI_REQUEST_STREAM: "request_stream",
    attr.GEN_AI_REQUEST_TEMPERATURE: "request_temperature",
    attr.GEN_AI_REQUEST_TOP_K: "request_top_k",
    attr.GEN_AI_REQUEST_TOP_P: "request_top_p",
    attr.GEN_AI_RESPONSE_FINISH_REASONS: "response_finish_reasons",
    attr.GEN_AI_RESPONSE_ID: "response_id",
    attr.GEN_AI_RESPONSE_MODEL: "response_model",
    attr.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: "response_time_to_first_chunk",
    attr.SERVER_ADDRESS: "server_address",
    attr.SERVER_PORT: "server_port",
    attr.GEN_AI_USAGE_AUDIO_INPUT_TOKENS: "usage_audio_input_tokens",
    attr.GEN_AI_USAGE_AUDIO_OUTPUT_TOKENS: "usage_audio_output_tokens",
    attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: "usage_cache_read_input_tokens",
    attr.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: "usage_cache_write_input_tokens",
    attr.GEN_AI_USAGE_IMAGE_INPUT_TOKENS: "usage_image_input_tokens",
    attr.GEN_AI_USAGE_IMAGE_OUTPUT_TOKENS: "usage_image_output_tokens",
    attr.GEN_AI_USAGE_INPUT_TOKENS: "usage_input_tokens",
    attr.GEN_AI_USAGE_OUTPUT_TOKENS: "usage_output_tokens",
    attr.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: "usage_reasoning_output_tokens",
    attr.GEN_AI_USAGE_TEXT_INPUT_TOKENS: "usage_text_input_tokens",
    attr.GEN_AI_USAGE_TEXT_OUTPUT_TOKENS: "usage_text_output_tokens",
}


def marks() -> Mapping[str, Any]:
    """What stands in the context inside a call, by key; nothing while nobody uses the package."""
    if _MODULE not in sys.modules:
        return {}
    return _marks()


def marked(context: Context) -> Context:
    """``context`` with these."""
    return Context({**context, **marks()})


@lru_cache(maxsize=1)
def _marks() -> Mapping[str, Any]:
    module, found = sys.modules[_MODULE], {}
    for key, kind in _KINDS.items():
        base = getattr(module, kind, None)  # absent from versions before 1.3
        if isinstance(base, type) and hasattr(module, key):
            # Takes what inner invocations give, and keeps nothing: it is read from the request and the answer anyway.
            found[getattr(module, key)] = type("Discarded", (base,), {"merge": lambda *_args, **_options: None})()
    return found


def enclosing(operation: str, context: Context) -> Any:
    """The data object of the invocation that a call of ``operation`` in ``context`` is part of; None: of none."""
    key = _KEY_OF_OPERATION.get(operation, "")
    data = context.get(key)
    if data is None or data is marks().get(key):
        return None
    return data if isinstance(getattr(data, "attributes", None), dict) else None


def contributing(telemetry: Telemetry, data: Any, context: Context) -> Telemetry:
    """What a call needs to give what it finds out to the invocation around it, instead of making a span of its own.

    Content is not given: the invocation records it by settings of its own, from where it saw it.

    Args:
        telemetry: the process's.
        data: of the invocation, from `enclosing`.
        context: in which the call is made.
    """
    around = get_current_span(context)
    _say_whose(around)
    return replace(telemetry, tracer=_Tracer(data, around), instruments=_no_metrics(), capture_content=False)


def _say_whose(around: Span) -> None:
    """One line for each library that has made spans around calls of ours."""
    scope = getattr(around, "instrumentation_scope", None)  # the SDK's spans have one
    if scope is not None and scope.name not in _told:
        _told.add(scope.name)
        _logger.warning(
            "callspan: model calls made inside spans of %s are recorded there; callspan adds what it knows", scope.name
        )


@lru_cache(maxsize=1)
def _no_metrics() -> Instruments:
    return Instruments(NoOpMeterProvider())


class _Tracer(NoOpTracer):
    def __init__(self, data: Any, around: Span) -> None:
        self._data = data
        self._around = around

    def start_span(self, *_args: Any, attributes: Attributes = None, **_options: Any) -> Span:
        made = _Contribution(self._data, self._around)
        made.set_attributes(attributes or {})
        return made


class _Contribution(NonRecordingSpan):
    """Stands for the span of the invocation while the call goes on: what is set goes to the invocation's data.

    An invocation of a stream may end before the stream does. What comes later is too late for it.
    """

    def __init__(self, data: Any, around: Span) -> None:
        super().__init__(around.get_span_context())
        self._data = data

    def is_recording(self) -> bool:
        return True

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        for name, value in attributes.items():
            if (field := _FIELDS.get(name)) is None:
                self._data.attributes[name] = value
            elif hasattr(self._data, field):
                setattr(self._data, field, list(value) if isinstance(value, tuple) else value)
