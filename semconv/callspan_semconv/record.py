"""One model call, in the words of no dialect: what every reader yields and every payload is made from."""

from dataclasses import dataclass, field
from typing import Any, Final

from callspan_semconv import attributes as attr
from callspan_semconv.messages import InputMessage, OutputMessage, Part


@dataclass(slots=True)
class Usage:
    """Token counts as the provider reported them; None where it reported nothing, never an estimate.

    ``input_tokens`` and ``output_tokens`` are totals: cached, reasoning, audio and image tokens are counted in them
    (GenAI semantic conventions, ``gen_ai.usage.*``).
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    text_input_tokens: int | None = None
    text_output_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_input_tokens: int | None = None
    image_output_tokens: int | None = None
    cache_write_1h_tokens: int | None = None  # of the cache writes, those that are kept, and billed, for an hour

    @property
    def reported(self) -> bool:
        """Whether the provider reported any total."""
        return self.input_tokens is not None or self.output_tokens is not None


# Where spans hold a `Usage`, in the order of its fields.
USAGE_ATTRIBUTES: Final = (
    attr.GEN_AI_USAGE_INPUT_TOKENS,
    attr.GEN_AI_USAGE_OUTPUT_TOKENS,
    attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
    attr.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS,
    attr.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
    attr.GEN_AI_USAGE_TEXT_INPUT_TOKENS,
    attr.GEN_AI_USAGE_TEXT_OUTPUT_TOKENS,
    attr.GEN_AI_USAGE_AUDIO_INPUT_TOKENS,
    attr.GEN_AI_USAGE_AUDIO_OUTPUT_TOKENS,
    attr.GEN_AI_USAGE_IMAGE_INPUT_TOKENS,
    attr.GEN_AI_USAGE_IMAGE_OUTPUT_TOKENS,
    attr.ANTHROPIC_USAGE_CACHE_WRITE_1H_INPUT_TOKENS,
)


@dataclass(slots=True)
class Failure:
    """How a call failed.

    Attributes:
        type: ``error.type``: a provider's error code or an exception class.
        exception_type: the exception's class, qualified or not.
        message: the exception's text.
        stacktrace: the exception's formatted traceback.
        http_status: the status of the provider's answer.
    """

    type: str | None = None
    exception_type: str | None = None
    message: str | None = None
    stacktrace: str | None = None
    http_status: int | None = None


@dataclass(slots=True, kw_only=True)
class CallRecord:
    """A model call.

    Attributes:
        operation: ``gen_ai.operation.name``.
        provider: ``gen_ai.provider.name``, under its current spelling.
        api_type: ``openai.api.type``: ``chat_completions`` or ``responses``.
        parameters: what was asked of the model, by the request's own names (``max_tokens``, ``n``, ``stop``).
        response_status: what a fetched background response says of itself: ``completed``, ``failed``.
        response_created: when the server made the answer, seconds since the epoch.
        api_base: the URL that the client was configured with.
        input_messages: the prompt; None where content was not recorded.
        output_messages: one per choice; None where content was not recorded.
        time_to_first_chunk_s: seconds from the start to the first chunk of a stream.
        start_ns: start, nanoseconds since the epoch.
        end_ns: end, nanoseconds since the epoch.
        trace_id: the span's trace id; 0 if it has none.
        span_id: the span's id; 0 if it has none.
        parent_span_id: the parent's id; 0 for a root.
        sampled: whether the trace was sampled.
        cost_total: USD, computed where the call was made; likewise ``cost_input`` and ``cost_output``.
        cost_saved: USD that the answer would have cost, had it not come from a gateway's cache.
        cost_breakdown: components of ``cost_total``, by the names of the payload's ``cost_breakdown``.
        cache_hit: true where a gateway's cache answered.
        cache_key: of that cache.
        hidden_params: internals of a gateway's call, by the names of the payload's ``hidden_params``.
        redacted: the name of the redaction policy that was applied.
        service_tier: the tier that served the call, else the one asked for.
        response_extra: parts of the response that have no message part, by the response's own names.
        failure: None for a call that succeeded.
    """

    operation: str
    provider: str | None = None
    api_type: str | None = None
    call_id: str | None = None
    call_type: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    response_status: str | None = None
    response_created: float | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    system_instructions: list[Part] | None = None
    input_messages: list[InputMessage] | None = None
    output_messages: list[OutputMessage] | None = None
    tool_definitions: list[dict[str, Any]] | None = None
    finish_reasons: tuple[str, ...] = ()
    stream: bool = False
    stream_end: str | None = None
    time_to_first_chunk_s: float | None = None
    start_ns: int = 0
    end_ns: int = 0
    trace_id: int = 0
    span_id: int = 0
    parent_span_id: int = 0
    sampled: bool = False
    server_address: str | None = None
    server_port: int | None = None
    api_base: str | None = None
    provider_request_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    user: str | None = None
    conversation_id: str | None = None
    cost_total: float | None = None
    cost_input: float | None = None
    cost_output: float | None = None
    cost_saved: float | None = None
    cost_breakdown: dict[str, Any] = field(default_factory=dict)
    cache_hit: bool = False
    cache_key: str | None = None
    hidden_params: dict[str, Any] = field(default_factory=dict)
    redacted: str | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    embedding_vectors: int | None = None
    embedding_dimensions: int | None = None
    response_extra: dict[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
