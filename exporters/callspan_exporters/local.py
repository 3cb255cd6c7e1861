"""The embedded default: every call in one SQLite file on this machine."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Final

from opentelemetry.trace import format_span_id, format_trace_id

from callspan_exporters import call_facts
from callspan_exporters.delivery.classify import classify_http
from callspan_exporters.local_store import LocalStore, Row
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, SinkExporter
from callspan_semconv.convert import read

_PRUNE_EVERY_S: Final = 60.0


class LocalSpanExporter(SinkExporter):
    """Keeps calls in one file, for ``callspan ls`` and ``callspan show``.

    Args:
        path: the file; default: ``CALLSPAN_DB``, else ``callspan.sqlite3`` in the platform's data folder.
        max_bytes: size of the content above which the oldest calls are deleted.
        max_age_days: age at which calls are deleted.
        name: the user's name for the sink.
    """

    sink = "local"
    default_batching = Batching(max_items=512, max_bytes=4_000_000, interval_s=0.5)

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        max_bytes: int = 1_000_000_000,
        max_age_days: float = 30.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.store = LocalStore(path)
        self._max_bytes = max_bytes
        self._max_age_s = max_age_days * 86_400
        self._pruned_at = float("-inf")

    def encode(self, items: Sequence[Item]) -> Iterator[Request]:
        """One transaction for all."""
        items = [item for item in items if item.payload is not None]
        if items:
            yield Request(items=items, body=b"", target=str(self.store.path))

    def send(self, request: Request, timeout_s: float) -> Response:
        """Write the calls, and now and then delete old ones.

        Raises:
            OSError: the file cannot be created.
            sqlite3.Error: the file cannot be written now.
        """
        try:
            self.store.upsert([(_row(item), item.json.decode()) for item in request.items], timeout_s)
        except (OverflowError, sqlite3.InterfaceError, sqlite3.ProgrammingError):
            # A value that SQLite has no type for: the delivery core finds the call that has it.
            return Response(422)
        if time.monotonic() - self._pruned_at > _PRUNE_EVERY_S:
            self._pruned_at = time.monotonic()
            self.store.prune(self._max_bytes, self._max_age_s)
        return Response(200)

    def classify(self, response: Response) -> Outcome:
        """Written is delivered; see `send`."""
        return classify_http(response)

    def shutdown(self) -> None:
        """Close the file."""
        self.store.close()


def _row(item: Item) -> Row:
    record, payload, context = read(item.span), item.payload, item.span.context
    if record is None or payload is None:
        # `encode` keeps such items out.
        raise ValueError("no LLM call")
    return Row(
        call_id=call_facts.identity(payload),
        trace_id=format_trace_id(context.trace_id) if context else None,
        span_id=format_span_id(context.span_id) if context else None,
        response_id=record.response_id,
        started_at=payload["startTime"],
        ended_at=payload["endTime"],
        provider=payload["custom_llm_provider"],
        model=payload["model"] or None,
        call_type=payload["call_type"],
        status=payload["status"],
        error_type=record.failure.type if record.failure else None,
        input_tokens=record.usage.input_tokens,
        output_tokens=record.usage.output_tokens,
        cached_tokens=record.usage.cache_read_tokens,
        reasoning_tokens=record.usage.reasoning_tokens,
        # A cost of 0 that means "not known" comes with its reason.
        cost=None if payload["response_cost_failure_debug_info"] else payload["response_cost"],
        time_to_first_chunk_s=record.time_to_first_chunk_s,
        latency_s=payload["endTime"] - payload["startTime"],
        stream_end=record.stream_end,
        tags=tuple(payload["request_tags"]),
        user=payload["end_user"],
    )
