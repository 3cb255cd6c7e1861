"""The GenAI semantic conventions of today, with what they lack under ``callspan.*``.

Source: ``open-telemetry/semantic-conventions-genai``, ``docs/gen-ai/gen-ai-spans.md``. Message attributes are read as
JSON text, which SDKs write on spans, and as structures, which the conventions prefer.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from opentelemetry.sdk.trace import ReadableSpan

from callspan_semconv import attributes as names
from callspan_semconv import jsonio
from callspan_semconv.messages import InputMessage, OutputMessage, Part
from callspan_semconv.prices import tier
from callspan_semconv.providers import current_name
from callspan_semconv.readers.common import (
    as_count,
    as_number,
    as_object,
    as_scalar,
    as_str,
    as_strings,
    parse,
    read_failure,
    read_identity,
)
from callspan_semconv.record import USAGE_ATTRIBUTES, CallRecord, Usage

_MODEL_CALLS: Final = frozenset(
    {
        *("chat", "text_completion", "generate_content", "embeddings", "moderation", "rerank"),
        *("image_generation", "image_edit", "image_variation", "speech", "transcription", "translation"),
    }
)
_OTHER_OPERATIONS: Final = frozenset(
    {
        *("execute_tool", "invoke_agent", "create_agent", "invoke_workflow", "plan", "retrieval"),
        *("create_memory_store", "delete_memory_store", "create_memory", "update_memory", "upsert_memory"),
        *("delete_memory", "search_memory"),
    }
)
_FETCH: Final = "fetch_response"

# Replaced by ``gen_ai.provider.name`` and ``gen_ai.usage.cache_write.input_tokens``; still written by older releases.
_SYSTEM: Final = "gen_ai.system"
_CACHE_CREATION: Final = "gen_ai.usage.cache_creation.input_tokens"

# Attributes whose value is the request's own parameter, under its own name.
_PARAMETERS: Final = (
    (names.GEN_AI_REQUEST_TEMPERATURE, "temperature"),
    (names.GEN_AI_REQUEST_TOP_P, "top_p"),
    (names.GEN_AI_REQUEST_TOP_K, "top_k"),
    (names.GEN_AI_REQUEST_FREQUENCY_PENALTY, "frequency_penalty"),
    (names.GEN_AI_REQUEST_PRESENCE_PENALTY, "presence_penalty"),
    (names.GEN_AI_REQUEST_SEED, "seed"),
    (names.GEN_AI_REQUEST_CHOICE_COUNT, "n"),
    (names.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID, "previous_response_id"),
    (names.OPENAI_REQUEST_SERVICE_TIER, "service_tier"),
)


def matches(attributes: Mapping[str, Any]) -> bool:
    """Whether the operation is a model call; see `callspan_semconv.is_llm_span`."""
    operation = attributes.get(names.GEN_AI_OPERATION_NAME)
    if not isinstance(operation, str):
        return False
    if operation in _MODEL_CALLS:
        return True
    if operation == _FETCH:
        return names.CALLSPAN_CALL_TYPE in attributes
    return operation not in _OTHER_OPERATIONS and names.GEN_AI_REQUEST_MODEL in attributes


def read(span: ReadableSpan, attributes: Mapping[str, Any]) -> CallRecord:
    """Read a span of these conventions; an attribute of a wrong type counts as absent."""
    get = attributes.get
    provider = as_str(get(names.GEN_AI_PROVIDER_NAME)) or as_str(get(_SYSTEM))
    record = CallRecord(
        operation=attributes[names.GEN_AI_OPERATION_NAME],
        provider=current_name(provider) if provider else None,
        api_type=as_str(get(names.OPENAI_API_TYPE)),
        request_model=as_str(get(names.GEN_AI_REQUEST_MODEL)),
        response_model=as_str(get(names.GEN_AI_RESPONSE_MODEL)),
        response_id=as_str(get(names.GEN_AI_RESPONSE_ID)),
        response_status=as_str(get(names.GEN_AI_RESPONSE_STATUS)),
        usage=_usage(attributes),
        finish_reasons=as_strings(get(names.GEN_AI_RESPONSE_FINISH_REASONS)),
        stream=get(names.GEN_AI_REQUEST_STREAM) is True,
        time_to_first_chunk_s=as_number(get(names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK)),
        server_address=as_str(get(names.SERVER_ADDRESS)),
        server_port=as_count(get(names.SERVER_PORT)),
        conversation_id=as_str(get(names.GEN_AI_CONVERSATION_ID)),
        service_tier=tier(attributes) or as_str(get(names.OPENAI_REQUEST_SERVICE_TIER)),
        system_fingerprint=as_str(get(names.OPENAI_RESPONSE_SYSTEM_FINGERPRINT)),
        embedding_dimensions=as_count(
            get(names.CALLSPAN_EMBEDDING_DIMENSIONS, get(names.GEN_AI_EMBEDDINGS_DIMENSION_COUNT))
        ),
        failure=read_failure(span, attributes),
    )
    read_identity(span, record)
    _read_extension(record, attributes)
    _read_content(record, attributes)
    record.parameters = _parameters(record, attributes)
    return record


def _read_extension(record: CallRecord, attributes: Mapping[str, Any]) -> None:
    """Read what callspan's own instrumentation adds."""
    get = attributes.get
    record.call_id = as_str(get(names.CALLSPAN_CALL_ID))
    record.call_type = as_str(get(names.CALLSPAN_CALL_TYPE))
    record.api_base = as_str(get(names.CALLSPAN_API_BASE))
    record.response_created = as_number(get(names.CALLSPAN_RESPONSE_CREATED))
    record.stream_end = as_str(get(names.CALLSPAN_STREAM_END))
    record.provider_request_id = as_str(get(names.CALLSPAN_PROVIDER_REQUEST_ID))
    record.metadata = as_object(get(names.CALLSPAN_METADATA))
    if raw_request := as_str(get(names.CALLSPAN_RAW_REQUEST)):
        record.metadata["raw_request"] = raw_request
    record.tags = as_strings(get(names.CALLSPAN_TAGS))
    record.user = as_str(get(names.CALLSPAN_USER))
    record.cost_total = as_number(get(names.CALLSPAN_COST_TOTAL))
    record.cost_input = as_number(get(names.CALLSPAN_COST_INPUT))
    record.cost_output = as_number(get(names.CALLSPAN_COST_OUTPUT))
    record.cost_saved = as_number(get(names.CALLSPAN_COST_SAVED))
    record.cost_breakdown = as_object(get(names.CALLSPAN_COST_BREAKDOWN))
    record.cache_hit = get(names.CALLSPAN_CACHE_HIT) is True
    record.cache_key = as_str(get(names.CALLSPAN_CACHE_KEY))
    record.hidden_params = as_object(get(names.CALLSPAN_HIDDEN_PARAMS))
    record.redacted = as_str(get(names.CALLSPAN_REDACTED))
    record.embedding_vectors = as_count(get(names.CALLSPAN_EMBEDDING_VECTORS))
    record.response_extra = as_object(get(names.CALLSPAN_RESPONSE_CONTENT))


def _usage(attributes: Mapping[str, Any]) -> Usage:
    usage = Usage(*map(as_count, map(attributes.get, USAGE_ATTRIBUTES)))
    if usage.cache_write_tokens is None:
        usage.cache_write_tokens = as_count(attributes.get(_CACHE_CREATION))
    return usage


def _read_content(record: CallRecord, attributes: Mapping[str, Any]) -> None:
    get = attributes.get
    if (instructions := get(names.GEN_AI_SYSTEM_INSTRUCTIONS)) is not None:
        record.system_instructions = _parts(parse(instructions))
    if (prompt := get(names.GEN_AI_INPUT_MESSAGES)) is not None:
        record.input_messages = cast("list[InputMessage]", _messages(parse(prompt), "user"))
    if (answer := get(names.GEN_AI_OUTPUT_MESSAGES)) is not None:
        record.output_messages = cast("list[OutputMessage]", _messages(parse(answer), "assistant"))
    if (tools := get(names.GEN_AI_TOOL_DEFINITIONS)) is not None:
        record.tool_definitions = [dict(tool) for tool in _items(parse(tools)) if isinstance(tool, Mapping)]


def _items(value: object) -> Iterable[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _messages(value: object, role: str) -> list[dict[str, Any]]:
    """Messages with a role and parts; text that is not even JSON becomes one message, so that nothing is lost."""
    messages: list[dict[str, Any]] = []
    for item in _items(value):
        message = dict(item) if isinstance(item, Mapping) else {"parts": item}
        message["role"] = as_str(message.get("role")) or role
        message["parts"] = _parts(message.get("parts", message.get("content")))
        message["finish_reason"] = as_str(message.get("finish_reason"))
        messages.append(message)
    return messages


def _parts(value: object) -> list[Part]:
    if value is None:
        return []
    return [_part(part) for part in _items(value)]


def _part(value: object) -> Part:
    if not isinstance(value, Mapping):
        return {"type": "text", "content": value if isinstance(value, str) else jsonio.dumps(value)}
    part = dict(value)
    if not isinstance(part.get("type"), str):
        part["type"] = "unknown"
    return part


def _parameters(record: CallRecord, attributes: Mapping[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        name: value for key, name in _PARAMETERS if (value := as_scalar(attributes.get(key))) is not None
    }
    responses = record.api_type == "responses"
    if (limit := as_count(attributes.get(names.GEN_AI_REQUEST_MAX_TOKENS))) is not None:
        parameters["max_output_tokens" if responses else "max_tokens"] = limit
    if stop := as_strings(attributes.get(names.GEN_AI_REQUEST_STOP_SEQUENCES)):
        parameters["stop"] = list(stop)
    if (level := as_str(attributes.get(names.GEN_AI_REQUEST_REASONING_LEVEL))) is not None:
        parameters.update({"reasoning": {"effort": level}} if responses else {"reasoning_effort": level})
    if formats := as_strings(attributes.get(names.GEN_AI_REQUEST_ENCODING_FORMATS)):
        parameters["encoding_format"] = formats[0]
    if record.stream:
        parameters["stream"] = True
    if extra := attributes.get(names.CALLSPAN_REQUEST_PARAMETERS):
        parameters.update(as_object(extra))
    return parameters
