"""What exceptions of client libraries say about the HTTP exchange that failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def exchange_of(error: BaseException) -> tuple[int | None, str | None]:
    """The status of the provider's answer and its id of the request, None where the exception does not say.

    Most have ``status_code`` and ``request_id``, Google's have ``code``, botocore's a ``response`` dict, those of HTTP
    libraries a ``response`` object; some libraries raise an exception of their own from one of these.
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
    requests = (getattr(error, "request_id", None), metadata.get("RequestId"))
    return (
        next((status for status in statuses if type(status) is int), None),
        next((request for request in requests if isinstance(request, str)), None),
    )
