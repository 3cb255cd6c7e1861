"""Model spans that frameworks make around the calls of client libraries: pydantic-ai's, OpenInference's for LlamaIndex.

Such a span and the call inside it are one and the same to whoever counts calls. The call's own span counts: there is
one for each request, with what the provider said and what the application said about it. The span around it stays as
the framework made it, and says that it is no call of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import get_current_span

from callspan_semconv import attributes as attr
from callspan_semconv.readers import find_reader


def mark(context: Context) -> None:
    """Mark the model span that a call in ``context`` is made inside, if there is one."""
    span: Any = get_current_span(context)
    if not span.is_recording():
        return
    attributes = getattr(span, "attributes", None)  # the API lets nobody read a span, the SDK does
    if isinstance(attributes, Mapping) and find_reader(attributes) is not None:
        span.set_attribute(attr.CALLSPAN_ENCLOSES_CALLS, True)
