"""The words of callspan: attribute names, message parts, payloads, prices. Pure functions; no I/O, no threads."""

from callspan_semconv import attributes
from callspan_semconv.attributes import REDACTED
from callspan_semconv.convert import to_payload
from callspan_semconv.payload import StandardLoggingPayload
from callspan_semconv.providers import provider_from_host
from callspan_semconv.readers import is_llm_span
from callspan_semconv.record import CallRecord, Usage

__all__ = [
    "REDACTED",
    "CallRecord",
    "StandardLoggingPayload",
    "Usage",
    "attributes",
    "is_llm_span",
    "provider_from_host",
    "to_payload",
]
