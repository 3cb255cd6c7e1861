"""The queue of one sink: in order of arrival, bounded by items and by bytes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from opentelemetry.sdk.trace import ReadableSpan

from callspan_exporters.sink import Batching, Item


class RedactionPolicy(Protocol):
    """What delivery needs of a redaction policy."""

    @property
    def deferred(self) -> bool:
        """Whether it is too slow for the caller's thread."""

    def for_call(self, span: ReadableSpan) -> RedactionPolicy:
        """Return the policy of one call; quick, and the one place where it is chosen."""

    def redact(self, span: ReadableSpan) -> ReadableSpan:
        """Return a redacted copy."""


class Entry:
    """A span in the queue.

    Attributes:
        span: as it was queued; None once the item was made of it.
        policy: what the worker applies to the span; None: it is redacted already.
        size_bytes: about how much memory it holds, which is also about the size of its JSON.
        queued_at: on the clock of `time.monotonic`.
        number: counts up in order of arrival.
        item: redacted and ready to send, once the worker has prepared it.
        failures: how often the sink asked to send it again.
    """

    __slots__ = ("failures", "item", "number", "policy", "queued_at", "size_bytes", "span")

    def __init__(self, span: ReadableSpan, size_bytes: int, number: int, policy: RedactionPolicy | None) -> None:
        self.span: ReadableSpan | None = span
        self.policy = policy
        self.size_bytes = size_bytes
        self.queued_at = time.monotonic()
        self.number = number
        self.item: Item | None = None
        self.failures = 0


class BoundedQueue:
    """Entries stay until they are settled: a batch is taken by reference.

    Every method but `put` is called with ``changed`` held; it also guards what else the worker waits for.

    Args:
        max_items: bound on the number of entries.
        max_bytes: bound on the sum of their sizes.
        batching: when there is enough for a batch.
        closed: whether to take nothing at all.
    """

    def __init__(self, max_items: int, max_bytes: int, batching: Batching, *, closed: bool = False) -> None:
        self.changed = threading.Condition(threading.Lock())
        self.last_number = 0
        self.closed = closed
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._batching = batching

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, span: ReadableSpan, size_bytes: int, policy: RedactionPolicy | None = None) -> bool:
        """Append a span, and wake the worker if it makes a difference to it.

        Args:
            span: what is to be delivered.
            size_bytes: about how much memory it holds.
            policy: what is to be applied to it first.

        Returns:
            False if there is no room, or the queue is closed.
        """
        with self.changed:
            full = len(self._entries) >= self._max_items or self._bytes + size_bytes > self._max_bytes
            if full or self.closed:
                return False
            was_full = self.holds_a_batch()
            self.last_number += 1
            self._entries.append(Entry(span, size_bytes, self.last_number, policy))
            self._bytes += size_bytes
            if len(self._entries) == 1 or (not was_full and self.holds_a_batch()):
                self.changed.notify_all()
            return True

    def holds_a_batch(self) -> bool:
        """Whether there is enough to send without waiting for more."""
        return len(self._entries) >= self._batching.max_items or self._bytes >= self._batching.max_bytes

    def oldest(self) -> Entry | None:
        """The entry at the head."""
        return self._entries[0] if self._entries else None

    def holds_any_up_to(self, number: int) -> bool:
        """Whether an entry that arrived as ``number`` or earlier is not settled."""
        return any(entry.number <= number for entry in self._entries)

    def head(self, max_items: int) -> list[Entry]:
        """The next batch, by reference: at least one entry, and no more than the sink's bounds and ``max_items``."""
        batch: list[Entry] = []
        size = 0
        for entry in islice(self._entries, min(max_items, self._batching.max_items)):
            size += entry.size_bytes
            if batch and size > self._batching.max_bytes:
                break
            batch.append(entry)
        return batch

    def settle(self, batch: Sequence[Entry], keep: Sequence[Entry], *, at_tail: bool = False) -> None:
        """Remove a batch that `head` returned, except what is to be sent again.

        Args:
            batch: the first entries of the queue.
            keep: those of the batch that stay, in order.
            at_tail: let them stay behind all others.
        """
        for entry in batch:
            self._entries.popleft()
            self._bytes -= entry.size_bytes
        if at_tail:
            self._entries.extend(keep)
        else:
            self._entries.extendleft(reversed(keep))
        self._bytes += sum(entry.size_bytes for entry in keep)
        self.changed.notify_all()

    def close(self) -> list[Entry]:
        """Remove and return everything, and take no more."""
        self.closed = True
        entries = list(self._entries)
        self._entries.clear()
        self._bytes = 0
        self.changed.notify_all()
        return entries
