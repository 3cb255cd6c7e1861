"""Attribute names, in one place.

The GenAI names follow the OpenTelemetry GenAI semantic conventions
(repository ``open-telemetry/semantic-conventions-genai``, ``docs/gen-ai/gen-ai-spans.md``). The constants that
ship on PyPI are frozen and deprecated, so callspan keeps its own. What the conventions lack is ``callspan.*``.
"""

from typing import Final

# --- the call -------------------------------------------------------------------------------------------------
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
GEN_AI_OUTPUT_TYPE: Final = "gen_ai.output.type"
GEN_AI_PROMPT_NAME: Final = "gen_ai.prompt.name"
GEN_AI_PROMPT_VERSION: Final = "gen_ai.prompt.version"

# --- request --------------------------------------------------------------------------------------------------
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
GEN_AI_REQUEST_SEED: Final = "gen_ai.request.seed"
GEN_AI_REQUEST_STREAM: Final = "gen_ai.request.stream"
GEN_AI_REQUEST_TOP_K: Final = "gen_ai.request.top_k"
GEN_AI_REQUEST_TOP_P: Final = "gen_ai.request.top_p"
GEN_AI_REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
GEN_AI_REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
GEN_AI_REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
GEN_AI_REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
GEN_AI_REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
GEN_AI_REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID: Final = "gen_ai.request.previous_response.id"
GEN_AI_REQUEST_ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
GEN_AI_REQUEST_STREAM_CURSOR: Final = "gen_ai.request.stream_cursor"
GEN_AI_EMBEDDINGS_DIMENSION_COUNT: Final = "gen_ai.embeddings.dimension.count"

# --- response -------------------------------------------------------------------------------------------------
GEN_AI_RESPONSE_ID: Final = "gen_ai.response.id"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_RESPONSE_STATUS: Final = "gen_ai.response.status"
GEN_AI_RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"

# --- usage: totals that include cached and reasoning tokens -----------------------------------------------------
GEN_AI_USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
GEN_AI_USAGE_TEXT_INPUT_TOKENS: Final = "gen_ai.usage.text.input_tokens"
GEN_AI_USAGE_TEXT_OUTPUT_TOKENS: Final = "gen_ai.usage.text.output_tokens"
GEN_AI_USAGE_AUDIO_INPUT_TOKENS: Final = "gen_ai.usage.audio.input_tokens"
GEN_AI_USAGE_AUDIO_OUTPUT_TOKENS: Final = "gen_ai.usage.audio.output_tokens"
GEN_AI_USAGE_IMAGE_INPUT_TOKENS: Final = "gen_ai.usage.image.input_tokens"
GEN_AI_USAGE_IMAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.image.output_tokens"

# --- content: JSON strings on spans -----------------------------------------------------------------------------
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
GEN_AI_SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
GEN_AI_TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"

# --- agents, workflows and tools ----------------------------------------------------------------------------------
GEN_AI_AGENT_NAME: Final = "gen_ai.agent.name"
GEN_AI_WORKFLOW_NAME: Final = "gen_ai.workflow.name"
GEN_AI_TOOL_NAME: Final = "gen_ai.tool.name"
GEN_AI_TOOL_TYPE: Final = "gen_ai.tool.type"  # function | extension | datastore
GEN_AI_TOOL_DESCRIPTION: Final = "gen_ai.tool.description"
GEN_AI_TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
GEN_AI_TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"  # JSON
GEN_AI_TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"  # JSON, or text

# --- metrics only -----------------------------------------------------------------------------------------------
GEN_AI_TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - an attribute name, not a secret

# --- provider refinements ---------------------------------------------------------------------------------------
OPENAI_API_TYPE: Final = "openai.api.type"
OPENAI_REQUEST_SERVICE_TIER: Final = "openai.request.service_tier"
OPENAI_RESPONSE_SERVICE_TIER: Final = "openai.response.service_tier"
OPENAI_RESPONSE_SYSTEM_FINGERPRINT: Final = "openai.response.system_fingerprint"
# By the names that Anthropic's SDK gives them on its own spans.
ANTHROPIC_RESPONSE_SERVICE_TIER: Final = "anthropic.response.service_tier"
ANTHROPIC_RESPONSE_SPEED: Final = "anthropic.response.speed"
ANTHROPIC_RESPONSE_INFERENCE_GEO: Final = "anthropic.response.inference_geo"
ANTHROPIC_USAGE_CACHE_WRITE_1H_INPUT_TOKENS: Final = "anthropic.usage.cache_creation.ephemeral_1h_input_tokens"
AZURE_RESOURCE_PROVIDER_NAMESPACE: Final = "azure.resource_provider.namespace"
AWS_BEDROCK_GUARDRAIL_ID: Final = "aws.bedrock.guardrail.id"

# --- general conventions ----------------------------------------------------------------------------------------
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
EXCEPTION_EVENT: Final = "exception"

# --- what the conventions lack ----------------------------------------------------------------------------------
CALLSPAN_CALL_ID: Final = "callspan.call_id"
CALLSPAN_CALL_TYPE: Final = "callspan.call_type"  # LiteLLM's name of the operation: "completion", "aembedding"
CALLSPAN_API_BASE: Final = "callspan.api_base"  # URL that the client was configured with
CALLSPAN_METADATA: Final = "callspan.metadata"  # JSON object
CALLSPAN_TAGS: Final = "callspan.tags"  # string[]
CALLSPAN_USER: Final = "callspan.user"
CALLSPAN_COST_TOTAL: Final = "callspan.cost.total"  # USD
CALLSPAN_COST_INPUT: Final = "callspan.cost.input"  # USD
CALLSPAN_COST_OUTPUT: Final = "callspan.cost.output"  # USD
CALLSPAN_COST_SAVED: Final = "callspan.cost.saved"  # USD that an answer from a gateway's cache did not cost
CALLSPAN_COST_BREAKDOWN: Final = "callspan.cost.breakdown"  # JSON: the components of a gateway's cost
CALLSPAN_CACHE_HIT: Final = "callspan.cache.hit"  # true: a gateway's cache answered
CALLSPAN_CACHE_KEY: Final = "callspan.cache.key"
CALLSPAN_HIDDEN_PARAMS: Final = "callspan.hidden_params"  # JSON: internals of a gateway's call
CALLSPAN_REDACTED: Final = "callspan.redacted"  # name of the policy that was applied
CALLSPAN_REDACT: Final = "callspan.redact"  # name of the policy that this call asked for
CALLSPAN_SINKS: Final = "callspan.sinks"  # string[]: only these sinks get the call
CALLSPAN_DISABLED_SINKS: Final = "callspan.disabled_sinks"  # string[]: these sinks do not get the call
CALLSPAN_RAW_REQUEST: Final = "callspan.raw_request"  # a curl command; content
CALLSPAN_ENCLOSES_CALLS: Final = "callspan.encloses_calls"  # true: another library's span around calls of ours
CALLSPAN_STREAM_END: Final = "callspan.stream.end"  # exhausted | closed | abandoned | error
CALLSPAN_CAPTURE_ERRORS: Final = "callspan.capture.errors"  # string[]: what could not be recorded, by site
CALLSPAN_REQUEST_PARAMETERS: Final = "callspan.request.parameters"  # JSON: parameters that have no gen_ai name
CALLSPAN_RESPONSE_CREATED: Final = "callspan.response.created"  # by the server's clock, seconds since the epoch
CALLSPAN_RESPONSE_CONTENT: Final = "callspan.response.content"  # JSON: content that has no message part (logprobs)
CALLSPAN_EMBEDDING_VECTORS: Final = "callspan.embedding.vector_count"
CALLSPAN_EMBEDDING_DIMENSIONS: Final = "callspan.embedding.dimensions"
CALLSPAN_PROVIDER_REQUEST_ID: Final = "callspan.provider.request_id"

# --- values ------------------------------------------------------------------------------------------------------
# What stands in place of content that was dropped, in spans and payloads alike; LiteLLM's users search for this text.
REDACTED: Final = "redacted-by-litellm"
