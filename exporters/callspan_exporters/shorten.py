"""Make what exceeds a sink's limit smaller, by its structure, and say so where something is missing.

Services truncate what is too long in the middle of a text, which leaves no JSON, and tell nobody. Here long texts keep
their beginning and their end, long lists their first and last entries, and each gap says how much it was.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

# What a service is told of a call that was shortened, as a tag.
SHORTENED: Final = "callspan_shortened"
_MAX_KEYS: Final = 64  # objects of a fixed shape have fewer


@dataclass(frozen=True, slots=True)
class Shortening:
    """How much of a value to keep.

    Attributes:
        max_chars: of each text. Never under 64, so that ids and names stay whole.
        max_entries: of each list.
        max_depth: objects and lists that lie deeper are left out, except a few plain values: a message stays one.
    """

    max_chars: int
    max_entries: int = 1 << 62
    max_depth: int = 64

    def __call__(self, value: Any, depth: int = 0) -> Any:
        """The value, smaller; of the same type, and so is every part of it."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return self._object(value, depth)
        if isinstance(value, (list, tuple)):
            return self._list(list(value), depth)
        return value

    def _text(self, text: str) -> str:
        half = self.max_chars // 2
        if len(text) <= self.max_chars:
            return text
        return f"{text[:half]} … {_gap(len(text) - 2 * half, 'characters')} … {text[len(text) - half :]}"

    def _object(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        if self._is_too_deep(value.values(), depth):
            return {"callspan": _gap(len(value), "keys")}
        kept = {self._text(str(key)): self(value[key], depth + 1) for key in list(value)[:_MAX_KEYS]}
        return kept if len(value) <= _MAX_KEYS else {**kept, "callspan": _gap(len(value) - _MAX_KEYS, "keys")}

    def _list(self, value: list[Any], depth: int) -> list[Any]:
        keep = 0 if self._is_too_deep(value, depth) else self.max_entries
        if len(value) <= keep:
            return [self(entry, depth + 1) for entry in value]
        tail = keep // 2
        head = keep - tail
        ends = value[:head], value[len(value) - tail :]
        first, last = ([self(entry, depth + 1) for entry in end] for end in ends)
        return [*first, _marker(value[0], _gap(len(value) - keep, "entries")), *last]

    def _is_too_deep(self, values: Collection[Any], depth: int) -> bool:
        few = len(values) <= self.max_entries and not any(isinstance(v, (Mapping, list, tuple)) for v in values)
        return depth >= self.max_depth and not few


# First the longest texts, then the middle of long lists, then everything: the last leaves some kilobytes of anything.
_STEPS: Final = (
    *(Shortening(1 << bits) for bits in range(20, 11, -1)),
    *(Shortening(4096, entries) for entries in (4096, 1024, 256, 64)),
    Shortening(1024, 64, 16),
    Shortening(256, 16, 8),
    Shortening(64, 4, 4),
    Shortening(64, 4, 2),
    Shortening(64, 4, 1),
)


def fitted(encode: Callable[[Shortening | None], bytes], max_bytes: int) -> bytes:
    """Encode a call in at most so many bytes.

    Args:
        encode: makes the bytes; what is given to it is to be applied to content, and None keeps all of it. An encoding
            that was shortened should say so also where a user can search for it.
        max_bytes: the limit.

    Returns:
        The first encoding that fits, of whole content if possible.
    """
    body = encode(None)
    for step in _STEPS:
        if len(body) <= max_bytes:
            break
        body = encode(step)
    return body


def _marker(neighbour: Any, text: str) -> Any:
    """What stands for the entries that are missing: of their kind."""
    if not isinstance(neighbour, Mapping):
        return text
    return {"role": "system", "content": text} if "role" in neighbour else {"callspan": text}


def _gap(count: int, what: str) -> str:
    return f"[callspan: {count} {what} left out]"
