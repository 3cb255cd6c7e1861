"""How a call failed, in the words of the payload."""

from typing import Final

from callspan_semconv.payload import StandardLoggingPayloadErrorInformation
from callspan_semconv.record import CallRecord, Failure

_BY_STATUS: Final = {
    400: "400_INVALID_REQUEST",
    401: "401_AUTHENTICATION_FAILED",
    403: "403_PERMISSION_DENIED",
    404: "404_RESOURCE_NOT_FOUND",
    408: "408_UPSTREAM_TIMEOUT",
    413: "400_INVALID_REQUEST",
    422: "400_INVALID_REQUEST",
    429: "429_RATE_LIMIT_EXCEEDED",
    503: "503_PROVIDER_OVERLOADED",
    504: "408_UPSTREAM_TIMEOUT",
    529: "503_PROVIDER_OVERLOADED",  # Anthropic: overloaded
}

# Codes of providers and classes of their SDKs, in lower case. They say more than the status, and some have none.
_BY_NAME: Final = {
    "context_length_exceeded": "400_CONTEXT_WINDOW_EXCEEDED",
    "contextwindowexceedederror": "400_CONTEXT_WINDOW_EXCEEDED",
    "content_policy_violation": "400_CONTENT_POLICY_VIOLATION",
    "contentpolicyviolationerror": "400_CONTENT_POLICY_VIOLATION",
    "content_filter": "400_CONTENT_POLICY_VIOLATION",
    "missing_required_parameter": "400_MISSING_REQUIRED_PARAMETER",
    "invalid_value": "400_INVALID_PARAMETER_VALUE",
    "apitimeouterror": "408_UPSTREAM_TIMEOUT",
    "timeout": "408_UPSTREAM_TIMEOUT",
    "timeouterror": "408_UPSTREAM_TIMEOUT",
    "readtimeout": "408_UPSTREAM_TIMEOUT",
    "connecttimeout": "408_UPSTREAM_TIMEOUT",
    "client_timeout_error": "408_UPSTREAM_TIMEOUT",
    "apiconnectionerror": "500_PROVIDER_CONNECTION_ERROR",
    "connectionerror": "500_PROVIDER_CONNECTION_ERROR",
    "connecterror": "500_PROVIDER_CONNECTION_ERROR",
    "connection_error": "500_PROVIDER_CONNECTION_ERROR",
    "ratelimiterror": "429_RATE_LIMIT_EXCEEDED",
    "rate_limit_error": "429_RATE_LIMIT_EXCEEDED",
    "rate_limit_exceeded": "429_RATE_LIMIT_EXCEEDED",
    "authenticationerror": "401_AUTHENTICATION_FAILED",
    "authentication_error": "401_AUTHENTICATION_FAILED",
    "permissiondeniederror": "403_PERMISSION_DENIED",
    "permission_error": "403_PERMISSION_DENIED",
    "notfounderror": "404_RESOURCE_NOT_FOUND",
    "not_found_error": "404_RESOURCE_NOT_FOUND",
    "badrequesterror": "400_INVALID_REQUEST",
    "invalid_request_error": "400_INVALID_REQUEST",
    "overloaded_error": "503_PROVIDER_OVERLOADED",
    "internalservererror": "500_PROVIDER_INTERNAL_ERROR",
    "api_error": "500_PROVIDER_INTERNAL_ERROR",
}

_RATE_LIMIT: Final = "429_RATE_LIMIT_EXCEEDED"


def error_text(failure: Failure) -> str:
    """What to show people: the message, else the kind of the error."""
    return failure.message or failure.exception_type or failure.type or ""


def error_information(record: CallRecord, provider: str | None) -> StandardLoggingPayloadErrorInformation:
    """The structured error; on success every string is empty.

    Args:
        record: the call.
        provider: LiteLLM's name of the provider.
    """
    failure = record.failure
    failed = failure is not None
    normalized = normalized_error(failure) if failure is not None else None
    return {
        "error_code": str(failure.http_status) if failure is not None and failure.http_status is not None else "",
        "error_class": _class_name(failure) if failure is not None else "",
        "llm_provider": (provider or "") if failed else "",
        "traceback": (failure.stacktrace or "") if failure is not None else "",
        "error_message": error_text(failure) if failure is not None else "",
        "error_provider_request_id": record.provider_request_id if failed else None,
        "error_rate_limit_category": "vendor_rate_limit" if normalized == _RATE_LIMIT else None,
        "error_rate_limit_type": None,
        "error_budget_entity_type": None,
        "error_budget_entity_id": None,
        "error_budget_limit": None,
        "error_budget_spend": None,
        "normalized_error": normalized,
    }


def normalized_error(failure: Failure) -> str:
    """A stable code for an error: from the provider's code or the exception's class, then from the HTTP status.

    Returns:
        One of LiteLLM's codes; ``UNCLASSIFIED`` where nothing is known. The text of the error is never consulted.
    """
    specific = _BY_NAME.get(_last_word(failure.type)) or _BY_NAME.get(_last_word(failure.exception_type))
    # A class such as BadRequestError says less than the status; a code such as context_length_exceeded says more.
    status = failure.http_status
    if status is not None and (specific is None or not specific.startswith(str(status))):
        by_status = _BY_STATUS.get(status)
        if by_status is None and 500 <= status < 600:
            by_status = "500_PROVIDER_INTERNAL_ERROR"
        return by_status or specific or "UNCLASSIFIED"
    return specific or "UNCLASSIFIED"


def _class_name(failure: Failure) -> str:
    name = failure.exception_type or failure.type or ""
    return "" if name == "_OTHER" else name.rpartition(".")[2]


def _last_word(name: str | None) -> str:
    return name.rpartition(".")[2].lower() if name else ""
