"""A share of traces, the same in every process."""

import hashlib


def sampled(trace: int, rate: float) -> bool:
    """Whether a trace is among the share that is kept, by its id's hash: all its calls are, or none.

    Args:
        trace: its id.
        rate: from 0 to 1.
    """
    if rate >= 1:
        return True
    digest = hashlib.sha256(f"{trace:032x}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < rate * 2**64
