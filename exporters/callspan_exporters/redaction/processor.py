"""Redaction in front of any span processor."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from callspan_exporters.redaction.policy import report_failure

if TYPE_CHECKING:  # loaded with the first masked span only
    from callspan_exporters.delivery import DeliveryProcessor
    from callspan_exporters.delivery.queue import RedactionPolicy


class RedactionProcessor(SpanProcessor):
    """Hands a redacted copy of each span to another processor, never the span itself.

    Masks are too slow for the thread that ends a span: masked spans reach the processor from a worker thread.
    ``on_start`` passes the live span, as the SDK does; a processor that exports at start sees what stands on it then.

    Args:
        processor: gets the copies; any `SpanProcessor`.
        policy: what leaves; a call may ask for another (`Policy.for_call`).

    Attributes:
        failures: how often each hook failed, by its name. A failure is logged once per kind and never reaches the
            application.
    """

    def __init__(self, processor: SpanProcessor, policy: RedactionPolicy) -> None:
        self.failures: Counter[str] = Counter()
        self._processor = processor
        self._policy = policy
        self._worker: DeliveryProcessor | None = None
        self._lock = threading.Lock()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Pass the live span on."""
        try:
            self._processor.on_start(span, parent_context=parent_context)
        except Exception as error:  # noqa: BLE001 - the boundary to the user's call
            self._failed("on_start", error)

    def _on_ending(self, span: Span) -> None:
        try:
            self._processor._on_ending(span)  # noqa: SLF001 - a hook of the SDK that has no public name yet
        except Exception as error:  # noqa: BLE001 - the boundary to the user's call
            self._failed("_on_ending", error)

    def on_end(self, span: ReadableSpan) -> None:
        """Pass the redacted copy on, at once or, if it has to be masked, from the worker."""
        try:
            policy = self._policy.for_call(span)
            if policy.deferred:
                self._hand_over().on_end(span)
            else:
                self._processor.on_end(policy.redact(span))
        except Exception as error:  # noqa: BLE001 - the boundary to the user's call
            self._failed("on_end", error)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Hand over what waits for its mask, then flush the processor."""
        try:
            handed_over = self._worker is None or self._worker.force_flush(timeout_millis)
            return self._processor.force_flush(timeout_millis) and handed_over
        except Exception as error:  # noqa: BLE001 - the boundary: other processors have their turn after this one
            self._failed("force_flush", error)
            return False

    def shutdown(self) -> None:
        """Hand over what waits for its mask, then shut the processor down."""
        try:
            if self._worker is not None:
                self._worker.shutdown()
            self._processor.shutdown()
        except Exception as error:  # noqa: BLE001 - the boundary: other processors have their turn after this one
            self._failed("shutdown", error)

    def _hand_over(self) -> DeliveryProcessor:
        if self._worker is None:
            # Imported here because most pipelines have no mask, and delivery itself uses policies.
            from callspan_exporters.redaction.hand_over import hand_over  # noqa: PLC0415

            with self._lock:
                self._worker = self._worker or hand_over(self._processor, self._policy)
        return self._worker

    def _failed(self, hook: str, error: Exception) -> None:
        self.failures[hook] += 1
        report_failure(f"RedactionProcessor.{hook}", error)
