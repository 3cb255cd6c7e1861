"""What exceptions say: on a span, and about the HTTP exchange that failed."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import Span, Status, StatusCode

from callspan_semconv import attributes as attr
from callspan_semconv import secrets


def record_error(span: Span, error: BaseException) -> str:
    """Put an exception on a span, as its status and as an event, without secrets.

    Returns:
        Its ``error.type``: the class, with its module unless that is Python's own.
    """
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    text = secrets.scrub(str(error))
    message = getattr(error, "message", None)
    span.set_status(Status(StatusCode.ERROR, secrets.scrub(message) if isinstance(message, str) else text))
    span.add_event(
        attr.EXCEPTION_EVENT,
        {
            attr.EXCEPTION_TYPE: name,
            attr.EXCEPTION_MESSAGE: text,
            attr.EXCEPTION_STACKTRACE: secrets.scrub("".join(traceback.format_exception(error))),
        },
    )
    return name


# In the order of preference; the first is most vendors', the rest are AWS's, Anthropic's and Azure's.
_REQUEST_ID_HEADERS = ("x-request-id", "x-amzn-requestid", "request-id", "apim-request-id", "x-ms-request-id")


def request_id_of(headers: object) -> str | None:
    """The provider's id of the request, from the headers of its answer."""
    get = getattr(headers, "get", None)
    return next((found for name in _REQUEST_ID_HEADERS if (found := get(name))), None) if get is not None else None


def exchange_of(error: BaseException) -> tuple[int | None, str | None]:
    """The status of the provider's answer and its id of the request, None where the exception does not say.

    Most have ``status_code`` and ``request_id``, Google's have ``code``, botocore's a ``response`` dict, those of HTTP
    libraries a ``response`` object; some libraries raise an exception of their own from one of these. LiteLLM keeps the
    headers alone.
    """
    response = getattr(error, "response", None)
    if response is None:
        response = getattr(error.__cause__, "response", None)
    metadata: Any = response.get("ResponseMetadata") if isinstance(response, Mapping) else None
    metadata = metadata if isinstance(metadata, Mapping) else {}
    statuses = (
        getattr(error, "status_code", None),
        getattr(error, "code", None),
        metadata.get("HTTPStatusCode"),
        getattr(response, "status_code", None),
    )
    requests = (
        getattr(error, "request_id", None),
        metadata.get("RequestId"),
        request_id_of(getattr(error, "litellm_response_headers", None)),
    )
    return (
        next((status for status in statuses if type(status) is int), None),
        next((request for request in requests if isinstance(request, str)), None),
    )
