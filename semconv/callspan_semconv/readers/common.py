"""What readers share: attribute values as the types they should have, else None."""

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from callspan_semconv import attributes as names
from callspan_semconv import jsonio
from callspan_semconv.record import CallRecord, Failure
from callspan_semconv.secrets import scrub

_MAX_COUNT: Final = 1 << 63
_MAX_NUMBER: Final = 1e300  # no infinity, and no integer beyond what a float holds


def as_str(value: object) -> str | None:
    """A string that is not empty."""
    return value if isinstance(value, str) and value else None


def as_count(value: object) -> int | None:
    """A number of things: not negative, no boolean, of 64 bits at most."""
    return value if type(value) is int and 0 <= value < _MAX_COUNT else None


def as_number(value: object) -> float | None:
    """A finite number as a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -_MAX_NUMBER < value < _MAX_NUMBER else None


def as_scalar(value: object) -> str | int | float | bool | None:
    """A single value."""
    return value if isinstance(value, (str, int, float)) else None


def as_strings(value: object) -> tuple[str, ...]:
    """The strings of a sequence; a single string is a sequence of one."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, (list, tuple)) else ()


def parse(value: object) -> Any:
    """A structured attribute: parsed if it is JSON text, as it is if it is structured already.

    Text that is no JSON, such as JSON that a length limit has cut, is returned as text.
    """
    if not isinstance(value, str):
        return value
    try:
        return jsonio.loads(value)
    except ValueError:
        return value


def as_object(value: object) -> dict[str, Any]:
    """A structured attribute that should be an object; anything else is an empty one."""
    parsed = parse(value)
    return dict(parsed) if isinstance(parsed, Mapping) else {}


def read_identity(span: ReadableSpan, record: CallRecord) -> None:
    """Fill in what every span has, whatever its dialect: ids, times, and how it failed."""
    context = span.context
    if context is not None:
        record.trace_id = context.trace_id
        record.span_id = context.span_id
        record.sampled = context.trace_flags.sampled
    if span.parent is not None:
        record.parent_span_id = span.parent.span_id
    record.start_ns = span.start_time or span.end_time or 0
    record.end_ns = span.end_time or record.start_ns


def read_failure(span: ReadableSpan, attributes: Mapping[str, Any]) -> Failure | None:
    """How the call failed, from the status, ``error.type`` and the last exception event; None if it did not."""
    error_type = as_str(attributes.get(names.ERROR_TYPE))
    if error_type is None and span.status.status_code is not StatusCode.ERROR:
        return None
    exception = _last_exception(span) or attributes
    message = as_str(exception.get(names.EXCEPTION_MESSAGE)) or as_str(span.status.description)
    stacktrace = as_str(exception.get(names.EXCEPTION_STACKTRACE))
    return Failure(
        type=error_type,
        exception_type=as_str(exception.get(names.EXCEPTION_TYPE)),
        message=scrub(message) if message else None,
        stacktrace=scrub(stacktrace) if stacktrace else None,
        http_status=as_count(attributes.get(names.HTTP_RESPONSE_STATUS_CODE)),
    )


def _last_exception(span: ReadableSpan) -> Mapping[str, Any] | None:
    for event in reversed(span.events):
        if event.name == names.EXCEPTION_EVENT and event.attributes:
            return event.attributes
    return None
