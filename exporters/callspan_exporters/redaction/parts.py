"""What redaction may change about a span, and the copy that carries the change.

The SDK hands every processor the same frozen span, so a policy works on the span's parts and makes a new span of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, Status
from opentelemetry.util.types import Attributes

from callspan_exporters.redaction.vocabulary import is_llm_key, is_llm_scope


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a span that may carry content.

    Attributes:
        about_llm: whether the span describes an LLM call, an agent, a tool or a retrieval in any known vocabulary.
        name: the span's name.
        attributes: the span's attributes.
        events: the span's events.
        links: the span's links.
        status: the span's status.
    """

    about_llm: bool
    name: str
    attributes: dict[str, Any]
    events: Sequence[Event]
    links: Sequence[Link]
    status: Status


class RedactedSpan(ReadableSpan):
    """A copy of a span with other parts: same context, parent, times, kind, resource and scope.

    Args:
        original: the span; not changed.
        parts: what the copy has instead.
        policy: the policy that made the copy, to know the copy again.
    """

    def __init__(self, original: ReadableSpan, parts: Parts, policy: object) -> None:
        super().__init__(
            name=parts.name,
            context=original.context,
            parent=original.parent,
            resource=original.resource,
            attributes=parts.attributes,
            events=parts.events,
            links=parts.links,
            kind=original.kind,
            status=parts.status,
            start_time=original.start_time,
            end_time=original.end_time,
            instrumentation_scope=original.instrumentation_scope,
        )
        self.policy = policy
        self._dropped = (original.dropped_attributes, original.dropped_events, original.dropped_links)

    @property
    def dropped_attributes(self) -> int:
        """How many attributes the SDK dropped from the original."""
        return self._dropped[0]

    @property
    def dropped_events(self) -> int:
        """How many events the SDK dropped from the original."""
        return self._dropped[1]

    @property
    def dropped_links(self) -> int:
        """How many links the SDK dropped from the original."""
        return self._dropped[2]


def parts_of(span: ReadableSpan) -> Parts:
    """Take a span apart."""
    attributes = plain(span.attributes)
    scope = span.instrumentation_scope
    about_llm = any(map(is_llm_key, attributes)) or (scope is not None and is_llm_scope(scope.name))
    return Parts(about_llm, span.name, attributes, span.events, span.links, span.status)


def plain(attributes: Attributes) -> dict[str, Any]:
    """Attributes as a dict of their own; the SDK's containers copy themselves many times faster than they iterate."""
    copy: Callable[[], Mapping[str, Any]] | None = getattr(attributes, "copy", None)
    return dict(copy() if copy is not None else attributes or {})


def with_attributes(event: Event, name: str, attributes: dict[str, Any]) -> Event:
    """A copy of an event with another name and other attributes."""
    return Event(name, _bounded(attributes, event.dropped_attributes), event.timestamp)


def link_with_attributes(link: Link, attributes: dict[str, Any]) -> Link:
    """A copy of a link with other attributes."""
    return Link(link.context, _bounded(attributes, link.dropped_attributes))


def _bounded(attributes: dict[str, Any], dropped: int) -> BoundedAttributes:
    bounded = BoundedAttributes(attributes=attributes)
    bounded.dropped = dropped
    return bounded
