"""The nested types of a payload that say who called, under which rules, and with what help.

The field names and meanings are LiteLLM's; callspan fills them from the metadata that the application or a gateway set.
"""

from typing import Any, Literal

from typing_extensions import TypedDict


class StandardLoggingUserAPIKeyMetadata(TypedDict):
    """The gateway's view of the caller; every value is null where no gateway stamped it."""

    user_api_key_hash: str | None  # SHA-256 hex of the virtual key
    user_api_key_alias: str | None
    user_api_key_spend: float | None  # USD, of the key
    user_api_key_max_budget: float | None  # USD, of the key
    user_api_key_budget_reset_at: str | None  # ISO 8601
    user_api_key_user_spend: float | None  # USD, of the owner
    user_api_key_user_max_budget: float | None  # USD, of the owner
    user_api_key_team_spend: float | None  # USD, of the team
    user_api_key_team_max_budget: float | None  # USD, of the team
    user_api_key_team_id: str | None
    user_api_key_org_id: str | None
    user_api_key_org_alias: str | None
    user_api_key_project_id: str | None
    user_api_key_project_alias: str | None
    user_api_key_user_id: str | None  # the owner
    user_api_key_team_alias: str | None
    user_api_key_user_email: str | None
    user_api_key_end_user_id: str | None  # the end customer
    user_api_key_request_route: str | None  # "/chat/completions"
    user_api_key_auth_metadata: dict[str, Any] | None  # the key's metadata without callback configuration


class MCPServerCostInfo(TypedDict, total=False):
    """What calls of an MCP server's tools cost, USD."""

    default_cost_per_query: float | None
    tool_name_to_cost_per_query: dict[str, float] | None


class StandardLoggingMCPToolCall(TypedDict, total=False):
    """A tool call over MCP. ``arguments`` and ``result`` are content."""

    name: str
    arguments: dict[str, Any]
    result: dict[str, Any]
    mcp_server_name: str | None
    mcp_server_logo_url: str | None
    namespaced_tool_name: str | None  # "<server>/<tool>"
    mcp_server_cost_info: MCPServerCostInfo | None
    mcp_session_id: str | None  # of a stateful session only
    mcp_auth_mode: str | None
    mcp_server_resource: str | None  # scheme, host and port only


class StandardLoggingPromptManagementMetadata(TypedDict):
    """The managed prompt that was used. ``prompt_variables`` is content."""

    prompt_id: str
    prompt_variables: dict[str, Any] | None
    prompt_integration: str


class VectorStoreResultContent(TypedDict, total=False):
    """A piece of a document that was found."""

    text: str | None
    type: str | None


class VectorStoreSearchResult(TypedDict, total=False):
    """A document that was found."""

    score: float | None
    content: list[VectorStoreResultContent] | None
    file_id: str | None
    filename: str | None
    attributes: dict[str, Any] | None


class VectorStoreSearchResponse(TypedDict, total=False):
    """The answer of a vector store."""

    object: Literal["vector_store.search_results.page"]
    search_query: str | None
    data: list[VectorStoreSearchResult] | None


class StandardLoggingVectorStoreRequest(TypedDict, total=False):
    """A search in a vector store that the gateway made for the call. ``query`` and the response are content."""

    vector_store_id: str | None
    custom_llm_provider: str | None
    query: str | None
    vector_store_search_response: VectorStoreSearchResponse | None
    start_time: float | None  # epoch seconds
    end_time: float | None  # epoch seconds


class GuardrailMode(TypedDict, total=False):
    """When a guardrail runs, by tag."""

    tags: dict[str, str | list[str]] | None
    default: str | list[str] | None


GuardrailStatus = Literal[
    "success", "guardrail_flagged", "guardrail_intervened", "guardrail_failed_to_respond", "not_run"
]


class StandardLoggingGuardrailInformation(TypedDict, total=False):
    """One run of a guardrail. Request, response, match details and classification may quote the prompt."""

    guardrail_name: str | None
    guardrail_provider: str | None
    guardrail_mode: str | list[str] | GuardrailMode | None
    guardrail_request: dict[str, Any] | None
    guardrail_response: str | dict[str, Any] | list[Any] | None
    guardrail_status: GuardrailStatus
    start_time: float | None  # epoch seconds
    end_time: float | None  # epoch seconds
    duration: float | None  # seconds
    masked_entity_count: dict[str, int] | None
    guardrail_id: str | None
    policy_template: str | None
    detection_method: str | None  # "regex", "keyword", "llm-judge", "presidio"
    confidence_score: float | None  # 0 to 1
    classification: dict[str, Any] | None
    match_details: list[dict[str, Any]] | None
    patterns_checked: int | None
    alert_recipients: list[str] | None  # e-mail addresses
    risk_score: float | None  # 0 to 10
    violation_categories: list[str] | None
    guardrail_action: str | None  # the provider's own word
    guardrail_usage: dict[str, int] | None  # billable counters
    guardrail_cost: float | None  # USD
    guardrail_cost_by_unit: dict[str, float | None] | None  # USD
    guardrail_cost_in_spend: bool | None  # false: reported only


class TierBoundaries(TypedDict, total=False):
    """Scores at which a router changes the tier."""

    simple_medium: float
    medium_complex: float
    complex_reasoning: float


class HeuristicForecast(TypedDict, total=False):
    """What a router's heuristic expected."""

    probabilities: dict[str, float]
    threshold: float
    predicted_tier: str
    request_type: str


class StandardLoggingRoutingDecision(TypedDict, total=False):
    """Why a router chose the model. ``signals``, the keywords and the crux quote the prompt."""

    router_model_name: str
    router_type: str  # "complexity", "adaptive", "quality", "semantic"
    router_config_id: str
    router_config_updated_at: str
    router_config_fingerprint: str
    routed_model: str
    cause: str
    tier: str
    tier_label: str
    request_type: str
    score: float
    signals: list[str]
    matched_keyword: str
    escalation_keyword: str
    classifier_model: str
    classifier_cost: float  # USD
    classifier_failure_reason: str
    classifier_error_type: str
    classifier_probabilities: dict[str, float]
    classifier_confidence: float
    heuristic_v2_forecast: HeuristicForecast
    classifier_crux: str
    classifier_primary_rule: str
    classifier_capability_boundary: str
    classifier_p_solve: float
    classifier_calibrated_p_solve: float
    classifier_efficient_p_solve: float
    classifier_capable_p_solve: float
    classifier_calibrated_efficient_p_solve: float
    classifier_calibrated_capable_p_solve: float
    classifier_max_quality_gap: float
    classifier_threshold: float
    classifier_calibration_version: str
    classifier_prompt_version: str
    escalated: bool
    context_escalated: bool
    conversation_continuing: bool
    context_escalation_original_tier: str
    tier_boundaries: TierBoundaries
    reasoning_override_min_score: float
    savings_baseline_model: str
    savings_baseline_deployment_id: str
    tier_litellm_params: dict[str, Any]


class StandardLoggingMetadata(StandardLoggingUserAPIKeyMetadata):
    """Identity and context of a call."""

    spend_logs_metadata: dict[str, Any] | None  # the caller's own keys for spend rows
    requester_ip_address: str | None
    user_agent: str | None
    requester_metadata: dict[str, Any] | None  # the caller's metadata that has no field here
    requester_custom_headers: dict[str, str] | None  # the client's "x-*" headers
    prompt_management_metadata: StandardLoggingPromptManagementMetadata | None
    mcp_tool_call_metadata: StandardLoggingMCPToolCall | None
    vector_store_request_metadata: list[StandardLoggingVectorStoreRequest] | None
    routing_decision: StandardLoggingRoutingDecision | None
    applied_guardrails: list[str] | None  # names of those that ran
    usage_object: dict[str, Any] | None  # token usage by OpenAI's names; {} if none was reported
    cold_storage_object_key: str | None  # where the full body is stored
    team_alias: str | None
    team_id: str | None
    used_client_oauth_token: bool | None


class StandardAuditLogPayload(TypedDict):
    """A change of a gateway's configuration; an event of its own, never part of a call."""

    id: str
    updated_at: str  # ISO 8601
    changed_by: str
    changed_by_api_key: str
    action: Literal["created", "updated", "deleted", "blocked", "rotated"]
    table_name: str
    object_id: str
    before_value: str | None
    updated_values: str | None
