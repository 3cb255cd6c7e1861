"""``StandardLoggingPayload``: the record that LiteLLM's callbacks and sinks know, as types.

Field names, meanings and key order are LiteLLM's. Times are seconds since the epoch, money is USD. How each field is
filled from a span: ``docs/payload.md``.
"""

from typing import Any, Literal

from typing_extensions import NotRequired, TypedDict

from callspan_semconv.payload_metadata import (
    GuardrailStatus,
    StandardLoggingGuardrailInformation,
    StandardLoggingMetadata,
)

Status = Literal["success", "failure"]


class CostBreakdown(TypedDict, total=False):
    """Components of a cost, USD. ``input_cost`` includes cached tokens, ``output_cost`` includes reasoning."""

    input_cost: float
    output_cost: float
    total_cost: float  # input, output, tools and guardrails, after discount and margin
    tool_usage_cost: float  # built-in tools
    service_tier: str | None  # the tier that was priced
    data_residency: str | None
    vertex_location: str | None
    cache_read_cost: float  # only above 0; part of input_cost
    cache_creation_cost: float  # only above 0; part of input_cost
    reasoning_cost: float  # only above 0; part of output_cost
    guardrail_cost: float  # only above 0
    additional_costs: dict[str, float]
    original_cost: float  # before discount and margin
    discount_percent: float  # a fraction: 0.05
    discount_amount: float
    margin_percent: float  # a fraction: 0.05
    margin_fixed_amount: float
    margin_total_amount: float


class StandardLoggingAdditionalHeaders(TypedDict, total=False):
    """Headers of the provider's answer; others than these are carried under their own names."""

    x_ratelimit_limit_requests: int
    x_ratelimit_limit_tokens: int
    x_ratelimit_remaining_requests: int
    x_ratelimit_remaining_tokens: int
    x_ratelimit_reset_requests: int | str  # "120ms"
    x_ratelimit_reset_tokens: int | str


class StandardLoggingHiddenParams(TypedDict):
    """Internals of one call."""

    model_id: str | None  # of the router's deployment
    cache_key: str | None
    api_base: str | None  # where the call really went
    response_cost: float | str | None  # USD, without guardrails; null if unpriced
    additional_headers: dict[str, Any] | None
    litellm_overhead_time_ms: float | None
    batch_models: list[str] | None
    batch_successful_requests: int | None
    batch_failed_requests: int | None
    litellm_model_name: str | None  # "<provider>/<model>"
    usage_object: dict[str, Any] | None


class StandardLoggingModelInformation(TypedDict):
    """The price sheet that was used."""

    model_map_key: str  # "" if no model is known
    model_map_value: dict[str, Any] | None  # USD per token by LiteLLM's keys; null if the model has no sheet


class StandardLoggingModelCostFailureDebugInformation(TypedDict):
    """Why a cost could not be computed."""

    error_str: str
    traceback_str: str
    model: NotRequired[str]
    cache_hit: NotRequired[bool | None]
    custom_llm_provider: NotRequired[str | None]
    base_model: NotRequired[str | None]
    call_type: NotRequired[str]
    custom_pricing: NotRequired[bool | None]


class StandardLoggingZeroCostDiagnostic(TypedDict):
    """Why the cost is 0 although tokens were used."""

    reason: Literal["missing_pricing_key", "pricing_not_applied", "cost_calculation_error"]
    pricing_model: str
    missing_pricing_keys: list[str]


class StandardLoggingPayloadStatusFields(TypedDict):
    """Statuses to filter by."""

    llm_api_status: Status
    guardrail_status: GuardrailStatus  # the most severe of all guardrails


class StandardLoggingPayloadErrorInformation(TypedDict, total=False):
    """How a call failed; on success all strings are empty and the rest is null."""

    error_code: str  # the HTTP status
    error_class: str  # class of the exception, unqualified
    llm_provider: str
    traceback: str
    error_message: str
    error_provider_request_id: str | None
    error_rate_limit_category: str | None  # "vendor_rate_limit", "litellm_rate_limit", ...
    error_rate_limit_type: str | None  # "requests", "tokens", "concurrent_requests", "budget", "max_iterations"
    error_budget_entity_type: str | None
    error_budget_entity_id: str | None
    error_budget_limit: float | None  # USD
    error_budget_spend: float | None  # USD
    normalized_error: str | None  # a stable code: "429_RATE_LIMIT_EXCEEDED"


class StandardBuiltInToolsParams(TypedDict, total=False):
    """The provider's own tools that were asked for."""

    web_search_options: dict[str, Any] | None
    file_search: dict[str, Any] | None


class CachingDetails(TypedDict):
    """Whether a gateway's cache answered."""

    cache_hit: bool | None
    cache_duration_ms: float | None


class StandardPassThroughResponseObject(TypedDict):
    """The answer of an endpoint that was passed through."""

    response: str | dict[str, Any]


class RawRequest(TypedDict, total=False):
    """A request as it went over the wire. Content, all of it."""

    raw_request_api_base: str | None
    raw_request_body: dict[str, Any] | None
    raw_request_headers: dict[str, str] | None
    error: str | None


class AutorouterSavingsEstimate(TypedDict, total=False):
    """How sure a router is of what it saved."""

    version: int
    status: Literal["estimated", "unknown"]
    reason: Literal["uncached_usage", "baseline_unavailable", "pending_projection"]


class ClassifierAudit(TypedDict):
    """Only on the calls that a router's classifier makes; content, so never with redaction."""

    classifier_input: NotRequired[str | dict[str, Any]]
    originating_request_masked: NotRequired[dict[str, Any]]


class PayloadIdentity(TypedDict):
    """Which call it was, when, and how it ended."""

    id: str  # the provider's response id, else the call id
    litellm_call_id: str | None
    trace_id: str  # groups related calls
    session_id: str  # "" if the call belongs to no conversation
    call_type: str  # "completion", "aembedding", "responses"
    cache_hit: bool | None  # of a gateway's cache; null on ordinary success
    stream: bool | None  # true for an assembled stream, else null
    status: Status
    status_fields: StandardLoggingPayloadStatusFields
    custom_llm_provider: str | None
    saved_cache_cost: float
    startTime: float
    endTime: float
    completionStartTime: float  # the first chunk of a stream, else the end
    response_time: float  # seconds; of a stream: to its first chunk
    model: str  # the model that was asked for


class PayloadAccounting(TypedDict):
    """What the call used and cost."""

    metadata: StandardLoggingMetadata
    cache_key: str | None
    response_cost: float
    cost_breakdown: CostBreakdown | None
    autorouter_savings: float | None
    autorouter_savings_estimate: AutorouterSavingsEstimate | None
    autorouter_baseline_observation: str | None
    total_tokens: int
    prompt_tokens: int
    completion_tokens: int


class PayloadContext(TypedDict):
    """Who called, and where the call went."""

    request_tags: list[str]
    request_model_access_groups: list[str]
    end_user: str | None
    api_base: str  # "" if unknown
    model_group: str  # the router's alias, or ""
    model_id: str  # the router's deployment, or ""
    requester_ip_address: str | None
    user_agent: str | None


class PayloadContent(TypedDict):
    """What was said, and how it went in detail."""

    messages: str | list[Any] | dict[str, Any] | None
    response: str | list[Any] | dict[str, Any] | None
    model_parameters: dict[str, Any]
    hidden_params: StandardLoggingHiddenParams
    model_map_information: StandardLoggingModelInformation
    error_str: str | None
    error_information: StandardLoggingPayloadErrorInformation
    response_cost_failure_debug_info: StandardLoggingModelCostFailureDebugInformation | None
    zero_cost_diagnostic: StandardLoggingZeroCostDiagnostic | None
    guardrail_information: list[StandardLoggingGuardrailInformation] | None
    standard_built_in_tools_params: StandardBuiltInToolsParams | None


class StandardLoggingPayload(PayloadIdentity, PayloadAccounting, PayloadContext, PayloadContent, ClassifierAudit):
    """One call of a model. The order of the keys is LiteLLM's on the wire."""
