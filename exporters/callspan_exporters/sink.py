"""What a sink is: an encoder and a classification of answers.

A sink module subclasses `SinkExporter` and says how calls become requests (`encode`), how a request is sent (`send`)
and what an answer means (`classify`). Queue, retry, backoff, splitting, threads and accounting live in
`callspan_exporters.delivery`; no sink has its own.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from callspan_exporters.memo import remember
from callspan_exporters.own_calls import is_call
from callspan_semconv import StandardLoggingPayload, jsonio, to_payload
from callspan_semconv import attributes as names


class Item:
    """One span on its way to a sink: already redacted; its payload is made once, on the worker's thread."""

    def __init__(self, span: ReadableSpan) -> None:
        self.span = span

    @cached_property
    def payload(self) -> StandardLoggingPayload | None:
        """The span as a `StandardLoggingPayload`, shared by sinks with the same policy; None if it is no LLM call."""
        return remember(self.span, "payload", lambda: to_payload(self.span))

    @cached_property
    def json(self) -> bytes:
        """The payload as compact JSON."""
        return jsonio.dump_bytes(self.payload)

    @cached_property
    def metadata(self) -> Mapping[str, Any]:
        """What the application said about the call, for sinks that it can steer; take only keys that are known."""
        requester = self.payload["metadata"]["requester_metadata"] if self.payload is not None else None
        return {**(requester or {}), **span_metadata(self.span)}


def span_metadata(span: ReadableSpan) -> Mapping[str, Any]:
    """The span's ``callspan.metadata``, and with it the ``raw_request``; absent or malformed counts as nothing."""
    attributes = span.attributes or {}
    text, raw_request = attributes.get(names.CALLSPAN_METADATA), attributes.get(names.CALLSPAN_RAW_REQUEST)
    try:
        said = jsonio.loads(text) if isinstance(text, str) else None
    except ValueError:
        said = None
    metadata = said if isinstance(said, dict) else {}
    return metadata if raw_request is None else {**metadata, "raw_request": raw_request}


class CannotEncodeError(ValueError):
    """Raised by `SinkExporter.encode` for a call that the sink has no place for.

    Its text becomes the reason in the log and in the dead letter: it names what is missing, never content.
    """


@dataclass(frozen=True, slots=True)
class Request:
    """One write to a sink, and the items that it carries."""

    items: Sequence[Item]
    body: bytes
    target: str  # a URL, an object key, a table
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Response:
    """A sink's answer, in the terms of HTTP; other transports translate into them."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""

    def parsed(self) -> dict[str, Any]:
        """The body as a JSON object; anything else counts as an empty one."""
        try:
            said = jsonio.loads(self.body)
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}


class Verdict(Enum):
    """What an answer means for the items of a request."""

    DELIVERED = "delivered"
    RETRY = "retry"  # the same request may succeed later
    SPLIT = "split"  # too large: send the items in smaller requests; a single item is refused
    REFUSED = "refused"  # never retry: dead letter


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on a request.

    Attributes:
        verdict: what it means for the items.
        reason: a short text for logs and counters: a status and the server's own words, never content.
        retry_after_s: how long the server asked to wait, in seconds.
        refused: on partial success, the index of each refused item in ``Request.items``, with its reason. Only with
            ``DELIVERED``.
        unprocessed: the index of each item that the server was too busy for: sent again, while the others are
            delivered. Only with ``DELIVERED``.
    """

    verdict: Verdict
    reason: str = ""
    retry_after_s: float | None = None
    refused: Mapping[int, str] = field(default_factory=dict)
    unprocessed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Batching:
    """When a worker sends: at ``max_items``, at ``max_bytes`` (of JSON, about), or ``interval_s`` after the first."""

    max_items: int = 512
    max_bytes: int = 4_000_000
    interval_s: float = 5.0


class SinkExporter(SpanExporter, abc.ABC):
    """Base of every sink: a `SpanExporter` that delivers for itself.

    Handed to `callspan_exporters.delivery.DeliveryProcessor` it is fed by a worker of its own. In the SDK's
    ``BatchSpanProcessor`` it works alone: `export` delivers, retries within ``export_timeout_s``, and answers
    truthfully.

    Args:
        name: the name that the user gave the sink (``callback_settings`` key); default: the class's ``sink``.
        batching: when to send; default: the class's ``default_batching``.
        export_timeout_s: how long `export` may take, retries included, in seconds.
        request_timeout_s: how long one request may take, in seconds.
    """

    sink: str = ""  # the registry name
    default_batching: Batching = Batching()
    concurrency: int = 1  # how many requests of a batch may be in flight at once; `send` must then be thread-safe

    def __init__(
        self,
        *,
        name: str | None = None,
        batching: Batching | None = None,
        export_timeout_s: float = 30.0,
        request_timeout_s: float = 10.0,
    ) -> None:
        self.name = name or self.sink
        self.batching = batching or self.default_batching
        self.export_timeout_s = export_timeout_s
        self.request_timeout_s = request_timeout_s

    def accepts(self, span: ReadableSpan) -> bool:
        """Whether this sink wants the span at all; by default every LLM call, sampled or not."""
        return is_call(span)

    @abc.abstractmethod
    def encode(self, items: Sequence[Item]) -> Iterable[Request]:
        """Turn items into requests. Pure: no I/O, no waiting, no logging.

        Raises:
            CannotEncodeError: an item has no place at this sink. The others are encoded without it.
        """

    @abc.abstractmethod
    def send(self, request: Request, timeout_s: float) -> Response:
        """Perform one request.

        Raises:
            Exception: the transport's own error, which counts as retryable.
        """

    @abc.abstractmethod
    def classify(self, response: Response) -> Outcome:
        """Say what the answer means. Pure."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Deliver now, with retries, within ``export_timeout_s``. SUCCESS only if every accepted span was delivered."""
        # Imported here because the engine knows sinks, and a sink alone needs the engine only for this.
        from callspan_exporters.delivery.engine import deliver  # noqa: PLC0415

        items = [Item(span) for span in spans if self.accepts(span)]
        report = deliver(self, items, deadline_s=self.export_timeout_s)
        return SpanExportResult.SUCCESS if report.delivered == len(items) else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Nothing is held back between calls of `export`."""
        return True

    def shutdown(self) -> None:
        """Close connections. The default has none."""
