"""Encoded calls to request bodies that keep a sink's limits."""

from collections.abc import Iterable, Iterator

from callspan_exporters.sink import Item


def packed(
    entries: Iterable[tuple[Item, bytes]],
    *,
    max_items: int,
    max_bytes: int,
    prefix: bytes = b"[",
    suffix: bytes = b"]",
) -> Iterator[tuple[list[Item], bytes]]:
    """Join encoded calls with commas, in order, as many per body as the limits allow.

    Args:
        entries: each call with its JSON.
        max_items: of one body.
        max_bytes: of one body before compression, ``prefix`` and ``suffix`` included. A single call that is larger
            gets a body of its own.
        prefix: what a body begins with.
        suffix: what it ends with.

    Yields:
        The calls of a body, and the body.
    """
    items: list[Item] = []
    bodies: list[bytes] = []
    size = empty = len(prefix) + len(suffix)
    for item, body in entries:
        if items and (len(items) >= max_items or size + len(body) > max_bytes):
            yield items, prefix + b",".join(bodies) + suffix
            items, bodies, size = [], [], empty
        items.append(item)
        bodies.append(body)
        size += len(body) + 1
    if items:
        yield items, prefix + b",".join(bodies) + suffix
