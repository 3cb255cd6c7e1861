"""JSON for attributes and payloads: compact, total, fast."""

import json
from typing import Any

import orjson

# Non-string keys and numpy vectors occur in users' metadata; neither may lose a record.
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


def _plain(value: object) -> Any:
    """What JSON does not know: SDK models, sets, bytes; anything else by its type's name, never by its repr."""
    if isinstance(value, type):  # first: the class of a pydantic model has the method, and no values
        return value.__name__
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json", exclude_unset=True)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(bytes(value))} bytes>"
    return f"<{type(value).__name__}>"


def dump_bytes(value: object) -> bytes:
    """Serialise ``value`` to compact JSON.

    Integers over 64 bits and lone surrogates, which orjson refuses, go through the standard library (ASCII escapes).

    Raises:
        RecursionError: if ``value`` nests without end.
    """
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS)
    except TypeError:
        text = json.dumps(value, default=_plain, skipkeys=True, separators=(",", ":"))
        # The standard library writes NaN and Infinity, which is no JSON; orjson writes null.
        return json.dumps(json.loads(text, parse_constant=lambda _: None), separators=(",", ":")).encode("ascii")


def dumps(value: object) -> str:
    """Serialise ``value`` to a compact JSON string; see `dump_bytes`."""
    return dump_bytes(value).decode()


loads = orjson.loads
