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

_EMBEDDINGS = "embeddings"
_EMBEDDING_MARKS = (
    (attr.GEN_AI_OPERATION_NAME, _EMBEDDINGS),
    ("openinference.span.kind", "EMBEDDING"),
    ("llm.request.type", "embedding"),
)


def mark(context: Context, operation: str) -> None:
    """Mark the model span that a call in ``context`` is made inside, if there is one.

    An embedding inside a chat, or the reverse, is a call of its own.
    """
    span: Any = get_current_span(context)
    if not span.is_recording():
        return
    attributes = getattr(span, "attributes", None)  # the API lets nobody read a span, the SDK does
    if not isinstance(attributes, Mapping) or find_reader(attributes) is None:
        return
    if _embeds(attributes) is (operation == _EMBEDDINGS):
        span.set_attribute(attr.CALLSPAN_ENCLOSES_CALLS, True)


def _embeds(attributes: Mapping[str, Any]) -> bool:
    return any(attributes.get(name) == value for name, value in _EMBEDDING_MARKS)
