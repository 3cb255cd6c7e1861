"""What an open stream holds in memory beyond what the SDK's own does."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from benchmarks.answers import Client
from benchmarks.calls import STREAM, ask
from benchmarks.timing import Arm

_STREAMS = 100


def held_per_stream(arms: Sequence[Arm], chunks_read: int) -> dict[str, float]:
    """KiB per open stream of which ``chunks_read`` chunks were read.

    The texts of the chunks are not in it: the canned chunks outlive their streams.
    """
    client = Client(chunks_read + 10)
    return {arm.name: _held(arm, client, chunks_read) for arm in arms}


def _held(arm: Arm, client: Client, chunks_read: int) -> float:
    with arm.active():
        _open(client, chunks_read)  # caches
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            held = [_open(client, chunks_read) for _ in range(_STREAMS)]
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        for chunks in held:
            for _ in chunks:  # to the end, so that no arm complains
                pass
    return (after - before) / len(held) / 1024


def _open(client: Client, chunks_read: int) -> Iterator[Any]:
    chunks: Iterator[Any] = iter(ask(client, **STREAM))
    for _ in islice(chunks, chunks_read):
        pass
    return chunks
