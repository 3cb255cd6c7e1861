"""Encoded calls to request bodies that keep a sink's limit."""

from collections.abc import Iterable, Iterator

from callspan_exporters.sink import Item


def packed(
    entries: Iterable[tuple[Item, bytes]], *, max_bytes: int, prefix: bytes = b"[", suffix: bytes = b"]"
) -> Iterator[tuple[list[Item], bytes]]:
    """Join encoded calls with commas, in order, as many per body as the limit allows.

    How many calls there may be is the business of `callspan_exporters.sink.Batching`.

    Args:
        entries: each call with its JSON.
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
        if items and size + len(body) > max_bytes:
            yield items, prefix + b",".join(bodies) + suffix
            items, bodies, size = [], [], empty
        items.append(item)
        bodies.append(body)
        size += len(body) + 1
    if items:
        yield items, prefix + b",".join(bodies) + suffix
