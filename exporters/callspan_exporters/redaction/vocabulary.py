"""What each attribute name means for privacy, in every vocabulary that describes LLM calls.

The tables are an allow-list: a name that is not here is content. Sources: the GenAI semantic conventions
(``docs/gen-ai/gen-ai-spans.md`` in ``semantic-conventions-genai``), OpenLLMetry (``llm.*``, ``traceloop.*``, indexed
``gen_ai.prompt.N.*``), OpenInference (``llm.input_messages.N.*``, ``input.value``), LiteLLM (``litellm.*``,
``metadata.user_api_key_*``), Langfuse, the Vercel AI SDK (``ai.*``), MLflow and MCP.
"""

import re
from enum import IntEnum, auto
from functools import lru_cache
from typing import Final

from callspan_semconv import attributes as attr


class Kind(IntEnum):  # of integers, because those hash fast
    """What may stand under an attribute name, and so what becomes of it."""

    NUMBER = auto()  # a measurement or a setting: numbers and booleans
    TOKEN = auto()  # an identifier: one word, or a list of words
    NAME = auto()  # what a developer called something: one short line
    LABEL = auto()  # what a developer attached to the call: kept as it is, masked by masks
    METADATA = auto()  # the same, as a JSON object
    NUMBERS = auto()  # a JSON object of which only the numbers are kept
    INPUT = auto()  # message list of the prompt
    OUTPUT = auto()  # message list of the answer
    TOOLS = auto()  # tool definitions
    TEXT = auto()  # one piece of content
    INDEXED_INPUT = auto()  # one field of one message of the prompt, the position in the name
    INDEXED_OUTPUT = auto()
    INDEXED_TOOLS = auto()
    UNKNOWN = auto()  # content as well, but without a place in any payload


_EXACT: Final[dict[str, Kind]] = {
    name: kind
    for kind, names in {
        Kind.NUMBER: (
            attr.GEN_AI_REQUEST_CHOICE_COUNT,
            attr.GEN_AI_REQUEST_SEED,
            attr.GEN_AI_REQUEST_STREAM,
            attr.GEN_AI_REQUEST_TOP_K,
            attr.GEN_AI_REQUEST_TOP_P,
            attr.GEN_AI_REQUEST_TEMPERATURE,
            attr.GEN_AI_REQUEST_FREQUENCY_PENALTY,
            attr.GEN_AI_REQUEST_PRESENCE_PENALTY,
            attr.GEN_AI_REQUEST_MAX_TOKENS,
            attr.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK,
            attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT,
            attr.ANTHROPIC_USAGE_CACHE_WRITE_1H_INPUT_TOKENS,
            attr.SERVER_PORT,
            attr.HTTP_RESPONSE_STATUS_CODE,
            attr.CALLSPAN_ENCLOSES_CALLS,
            attr.CALLSPAN_EMBEDDING_VECTORS,
            attr.CALLSPAN_EMBEDDING_DIMENSIONS,
            attr.CALLSPAN_RESPONSE_CREATED,
            attr.CALLSPAN_CACHE_HIT,
            "gen_ai.conversation.compacted",
            "gen_ai.is_streaming",
            "litellm.request.streaming",
            "gen_ai.openai.request.seed",
            "gen_ai.request.max_completion_tokens",
            "gen_ai.request.n",
            "gen_ai.retrieval.top_k",
            "llm.frequency_penalty",
            "llm.presence_penalty",
            "llm.top_k",
            "db.vector.query.top_k",
            "index",
            "exception.escaped",
            "code.line.number",
            "thread.id",
        ),
        Kind.TOKEN: (
            attr.GEN_AI_OPERATION_NAME,
            attr.GEN_AI_PROVIDER_NAME,
            attr.GEN_AI_OUTPUT_TYPE,
            attr.GEN_AI_PROMPT_VERSION,
            attr.GEN_AI_REQUEST_REASONING_LEVEL,
            attr.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID,
            attr.GEN_AI_REQUEST_ENCODING_FORMATS,
            attr.GEN_AI_REQUEST_STREAM_CURSOR,
            attr.GEN_AI_RESPONSE_ID,
            attr.GEN_AI_RESPONSE_STATUS,
            attr.GEN_AI_RESPONSE_FINISH_REASONS,
            attr.OPENAI_API_TYPE,
            attr.OPENAI_REQUEST_SERVICE_TIER,
            attr.OPENAI_RESPONSE_SERVICE_TIER,
            attr.OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
            attr.ANTHROPIC_RESPONSE_SERVICE_TIER,
            attr.ANTHROPIC_RESPONSE_SPEED,
            attr.ANTHROPIC_RESPONSE_INFERENCE_GEO,
            attr.AZURE_RESOURCE_PROVIDER_NAMESPACE,
            attr.SERVER_ADDRESS,
            attr.ERROR_TYPE,
            attr.EXCEPTION_TYPE,
            attr.CALLSPAN_API_BASE,
            attr.CALLSPAN_CALL_ID,
            attr.CALLSPAN_CALL_TYPE,
            attr.CALLSPAN_CACHE_KEY,
            attr.CALLSPAN_REDACTED,
            attr.CALLSPAN_REDACT,
            attr.CALLSPAN_STREAM_END,
            attr.CALLSPAN_PROVIDER_REQUEST_ID,
            "gen_ai.system",
            "gen_ai.agent.id",
            "gen_ai.agent.version",
            "gen_ai.data_source.id",
            "gen_ai.openai.request.service_tier",
            "gen_ai.openai.response.service_tier",
            "gen_ai.openai.response.system_fingerprint",
            "gen_ai.openai.system_fingerprint",
            "gen_ai.request.reasoning_effort",
            "gen_ai.response.finish_reason",
            "gen_ai.response.stop_reason",
            "gen_ai.tool.call.id",
            "gen_ai.tool.type",
            "llm.finish_reason",
            "llm.is_streaming",
            "llm.provider",
            "llm.request.type",
            "llm.response.finish_reason",
            "llm.response.stop_reason",
            "llm.system",
            "openinference.span.kind",
            "traceloop.span.kind",
            "traceloop.entity.path",
            "tool.id",
            "graph.node.id",
            "graph.node.parent_id",
            "litellm.call_id",
            "litellm.call_type",
            "langfuse.environment",
            "langfuse.release",
            "langfuse.version",
            "langfuse.observation.level",
            "langfuse.observation.type",
            "ai.operationId",
            "ai.model.provider",
            "ai.response.finishReason",
            "ai.response.id",
            "ai.toolCall.id",
            "mlflow.spanType",
            "mlflow.traceRequestId",
            "mcp.method.name",
            "mcp.protocol.version",
            "mcp.session.id",
            "aws.bedrock.guardrail.id",
            "aws.request_id",
            "cloud.region",
            "network.peer.address",
            "network.protocol.name",
            "network.protocol.version",
            "http.request.method",
            "url.scheme",
            "code.function.name",
            "thread.name",
            "id",
            "finish_reason",
            "role",
        ),
        Kind.NAME: (
            attr.GEN_AI_REQUEST_MODEL,
            attr.GEN_AI_RESPONSE_MODEL,
            attr.GEN_AI_CONVERSATION_ID,
            attr.GEN_AI_PROMPT_NAME,
            "gen_ai.agent.name",
            "gen_ai.tool.name",
            "gen_ai.workflow.name",
            "gen_ai.evaluation.name",
            "llm.model_name",
            "llm.request.model_name",
            "llm.response.model_name",
            "embedding.model_name",
            "reranker.model_name",
            "traceloop.entity.name",
            "traceloop.workflow.name",
            "agent.name",
            "tool.name",
            "session.id",
            "litellm.provider.model",
            "langfuse.observation.model.name",
            "langfuse.trace.name",
            "ai.model.id",
            "ai.response.model",
            "ai.telemetry.functionId",
            "ai.toolCall.name",
        ),
        Kind.LABEL: (
            attr.CALLSPAN_TAGS,
            attr.CALLSPAN_USER,
            attr.CALLSPAN_SINKS,
            attr.CALLSPAN_DISABLED_SINKS,
            attr.CALLSPAN_CAPTURE_ERRORS,
            "gen_ai.user",
            "llm.user",
            "user.id",
            "enduser.id",
            "tag.tags",
            "langfuse.trace.tags",
            "metadata.team_id",
            "metadata.team_alias",
            "litellm.api_key.hash",
            "litellm.end_user.id",
            "litellm.team.alias",
            "litellm.team.id",
        ),
        Kind.METADATA: (attr.CALLSPAN_METADATA, attr.CALLSPAN_HIDDEN_PARAMS, "metadata"),
        Kind.NUMBERS: (
            attr.CALLSPAN_COST_BREAKDOWN,
            "llm.invocation_parameters",
            "langfuse.observation.cost_details",
            "langfuse.observation.model.parameters",
            "langfuse.observation.usage_details",
        ),
        Kind.INPUT: (attr.GEN_AI_INPUT_MESSAGES,),
        Kind.OUTPUT: (attr.GEN_AI_OUTPUT_MESSAGES,),
        Kind.TOOLS: (attr.GEN_AI_TOOL_DEFINITIONS,),
        Kind.TEXT: (
            attr.EXCEPTION_MESSAGE,
            attr.EXCEPTION_STACKTRACE,
            "error.message",
            "error.stack",
            "gen_ai.prompt",
            "gen_ai.completion",
            "gen_ai.retrieval.query.text",
            "gen_ai.tool.call.arguments",
            "gen_ai.tool.call.result",
            "input.value",
            "output.value",
            "traceloop.entity.input",
            "traceloop.entity.output",
            "langfuse.observation.input",
            "langfuse.observation.output",
            "langfuse.trace.input",
            "langfuse.trace.output",
            "ai.prompt",
            "ai.prompt.messages",
            "ai.response.text",
            "ai.toolCall.args",
            "ai.toolCall.result",
            "mlflow.spanInputs",
            "mlflow.spanOutputs",
        ),
    }.items()
    for name in names
}

_FAMILIES: Final[tuple[tuple[re.Pattern[str], Kind], ...]] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"(gen_ai|llm|ai)\.usage\.", Kind.NUMBER),
        (r"(gen_ai|llm|litellm|callspan)\.cost\.", Kind.NUMBER),
        (r"llm\.token_count\.", Kind.NUMBER),
        (r"ai\.settings\.", Kind.NUMBER),
        (r"retrieval\.documents\.\d+\.document\.score$", Kind.NUMBER),
        (r"retrieval\.documents\.\d+\.document\.id$", Kind.TOKEN),
        (r"ai\.telemetry\.metadata\.|traceloop\.association\.properties\.", Kind.TOKEN),
        (r"metadata\.user_api_key_", Kind.LABEL),
        (r"gen_ai\.prompt\.\d+\.|llm\.input_messages\.\d+\.", Kind.INDEXED_INPUT),
        (r"gen_ai\.completion\.\d+\.|llm\.output_messages\.\d+\.", Kind.INDEXED_OUTPUT),
        (r"llm\.request\.functions\.\d+\.|llm\.tools\.\d+\.", Kind.INDEXED_TOOLS),
    )
)

# Attributes in which any span, of whatever library, may repeat the text of an error.
ERROR_TEXTS: Final = frozenset({attr.EXCEPTION_MESSAGE, attr.EXCEPTION_STACKTRACE, "error.message", "error.stack"})

# Keys under which LiteLLM keeps prompts, queries and provider bodies inside a call's metadata.
METADATA_CONTENT: Final = frozenset(
    {
        "guardrail_information",
        "mcp_tool_call_metadata",
        "prompt_management_metadata",
        "proxy_server_request",
        "raw_request",
        "routing_decision",
        "standard_logging_guardrail_information",
        "vector_store_request_metadata",
    }
)

_LLM_KEY: Final = re.compile(
    r"(gen_ai|genai|llm|openinference|traceloop|litellm|langfuse|langsmith|langchain|ai|mlflow|mcp|anthropic|openai"
    r"|callspan|embedding|retrieval|reranker|pydantic_ai|crewai|agno|dspy|guardrail|gcp\.vertex\.agent"
    r"|aws\.bedrock|lk)\.|(input|output)\.(value|mime_type)$"
)

_LLM_SCOPE: Final = re.compile(
    r"ai|semantic_kernel|(?:.*[^a-z0-9])?(?:agno|alephalpha|anthropic|autogen|bedrock|callspan|chromadb|cohere|crewai|dspy"
    r"|fireworks|genai|generativeai|groq|guardrails|haystack|huggingface|instructor|lancedb|langchain|langfuse|langgraph"
    r"|langsmith|langtrace|litellm|llama|llamaindex|marqo|mcp|milvus|mistral|mistralai|ollama|openai|openinference"
    r"|openllmetry|pinecone|pydantic.ai|qdrant|replicate|sagemaker|smolagents|together|traceloop|transformers|vertex"
    r"|vertexai|voyageai|watsonx|weaviate|writer)(?:[^a-z0-9].*)?",
    re.IGNORECASE | re.DOTALL,
)


@lru_cache(maxsize=4096)
def kind_of(key: str) -> Kind:
    """What the attribute ``key`` of a span that is about an LLM may carry; `Kind.UNKNOWN` if no table names it."""
    exact = _EXACT.get(key)
    if exact is not None:
        return exact
    return next((kind for pattern, kind in _FAMILIES if pattern.match(key)), Kind.UNKNOWN)


@lru_cache(maxsize=4096)
def is_llm_key(key: str) -> bool:
    """Whether an attribute or event of this name belongs to a vocabulary for LLM calls.

    The mark that redaction itself leaves on a span does not count: it also stands on spans around a call.
    """
    return _LLM_KEY.match(key) is not None and key != attr.CALLSPAN_REDACTED


@lru_cache(maxsize=1024)
def is_llm_scope(name: str) -> bool:
    """Whether an instrumentation scope of this name records LLM calls, agents, tools or retrieval.

    A name counts by its words: ``opentelemetry.instrumentation.openai.v1`` does, for ``openai``.
    """
    return _LLM_SCOPE.fullmatch(name) is not None
