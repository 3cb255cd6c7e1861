"""From a result that the application holds to the id of its call."""

from __future__ import annotations

import weakref

_ids: dict[int, tuple[weakref.ref[object], str]] = {}


def remember(result: object, call_id: str) -> None:
    """Tie ``call_id`` to ``result`` for as long as that lives; what cannot be weakly referenced is left out."""
    key = id(result)
    try:
        reference = weakref.ref(result, lambda _: _ids.pop(key, None))
    except TypeError:
        return
    _ids[key] = (reference, call_id)


def call_id(response: object) -> str | None:
    """The id of the call that returned ``response`` (``callspan.call_id`` on its span).

    Args:
        response: a response object or stream that an instrumented client returned.

    Returns:
        The id, a UUID in text; None if the object is no such result.
    """
    known = _ids.get(id(response))
    return known[1] if known is not None and known[0]() is response else None
