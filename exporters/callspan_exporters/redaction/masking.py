"""Policy ``mask``: what matches is replaced, the rest stays.

One walker for every field and vocabulary. JSON is masked leaf by leaf inside the parsed value, so it stays valid and no
escape sequence hides a match; a string inside JSON that is JSON itself (tool arguments) is walked too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final

from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Link, Status

from callspan_exporters.redaction.parts import Parts, link_with_attributes, plain, with_attributes
from callspan_exporters.redaction.shape import is_harmless, is_span_name, is_token
from callspan_exporters.redaction.strip import may_carry_content, speaks_of_llm
from callspan_exporters.redaction.vocabulary import ERROR_TEXTS, Kind, kind_of
from callspan_semconv import jsonio
from callspan_semconv.attributes import REDACTED

Attributes = dict[str, Any]
Substitution = Callable[[str], str]

# Words of the message schemas: never content, and without them no reader understands the message.
_SCHEMA_KEYS: Final = frozenset(
    {"role", "parts", "type", "content", "name", "id", "arguments", "response", "result", "modality", "mime_type",
     "uri", "file_id", "finish_reason", "text", "tool_calls", "tool_call_id", "function", "server_tool_call",
     "server_tool_call_response", "parameters", "description"}
)  # fmt: skip
_SCHEMA_WORDS: Final = frozenset(
    {"system", "user", "assistant", "tool", "developer", "function", "text", "reasoning", "tool_call",
     "tool_call_response", "server_tool_call", "server_tool_call_response", "blob", "file", "uri", "image", "audio",
     "video", "document", "stop", "length", "content_filter", "tool_calls", "error"}
)  # fmt: skip
_FIXED_FIELDS: Final = frozenset({"role", "type", "modality", "finish_reason"})


def mask(parts: Parts, substitutions: Sequence[Substitution]) -> Parts:
    """Mask every string that may be content. On a span that is not about an LLM: the text of errors.

    Raises:
        TypeError: if a substitution returns something else than a string.
        Exception: whatever a substitution raises.
    """
    walker = _Walker(substitutions)
    llm = parts.about_llm
    return Parts(
        about_llm=llm,
        name=parts.name if not llm or is_span_name(parts.name, parts.attributes) else walker.text(parts.name),
        attributes=walker.attributes(parts.attributes) if llm else walker.error_texts(parts.attributes),
        events=tuple(walker.event(event) if llm or may_carry_content(event) else event for event in parts.events),
        links=tuple(walker.link(link) if llm or speaks_of_llm(link) else link for link in parts.links),
        status=walker.status(parts.status),
    )


class _Walker:
    """Applies substitutions to strings wherever they are; a value in which nothing matches is returned as it is."""

    def __init__(self, substitutions: Sequence[Substitution]) -> None:
        self._substitutions = substitutions

    def attributes(self, attributes: Attributes) -> Attributes:
        masked: Attributes = {}
        for key, value in attributes.items():
            kind = kind_of(key)
            name = _free(self.text(key), masked) if kind is Kind.UNKNOWN else key
            masked[name] = value if is_harmless(kind, value) else self.value(value)
        return masked

    def error_texts(self, attributes: Attributes) -> Attributes:
        if ERROR_TEXTS.isdisjoint(attributes):
            return attributes
        return {key: self.value(value) if key in ERROR_TEXTS else value for key, value in attributes.items()}

    def event(self, event: Event) -> Event:
        name = event.name if is_token(event.name) else self.text(event.name)
        return with_attributes(event, name, self.attributes(plain(event.attributes)))

    def link(self, link: Link) -> Link:
        return link_with_attributes(link, self.attributes(plain(link.attributes)))

    def status(self, status: Status) -> Status:
        if not status.description:
            return status
        masked = self.text(status.description)
        return status if masked == status.description else Status(status.status_code, masked)

    def text(self, text: str) -> str:
        if text[:1] not in _JSON_STARTS:
            return self._substituted(text)
        try:
            # Not orjson: it would round integers over 64 bits, and lets NaN count as broken.
            parsed = json.loads(text)
        except ValueError:
            return self._broken_json(text)
        # Written anew even if nothing matched: of a key that stands there twice, only the last was looked at.
        return jsonio.dumps(self.value(parsed))

    def value(self, value: object) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, (list, tuple)):
            return type(value)(map(self.value, value))
        if isinstance(value, (bytes, bytearray)):
            return REDACTED  # no mask can read it
        return self._number(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def _mapping(self, mapping: Mapping[Any, Any]) -> Attributes:
        masked: Attributes = {}
        for key, value in mapping.items():
            name = key if key in _SCHEMA_KEYS else _free(self.text(str(key)), masked)
            fixed = key in _FIXED_FIELDS and isinstance(value, str) and value in _SCHEMA_WORDS
            masked[name] = value if fixed else self.value(value)
        return masked

    def _number(self, value: int) -> int | str:
        """Card and account numbers also come as JSON numbers."""
        digits = str(value)
        masked = self._substituted(digits)
        return value if masked == digits else masked

    def _broken_json(self, text: str) -> str:
        """What only looks like JSON, or JSON cut by an attribute length limit, whose escapes would hide a match."""
        unescaped = _ESCAPE.sub(_unescape, text)
        masked = self._substituted(unescaped)
        return text if masked == unescaped else masked

    def _substituted(self, text: str) -> str:
        for substitution in self._substitutions:
            text = substitution(text)
            if not isinstance(text, str):
                raise TypeError(f"a mask callable returned {type(text).__name__}, expected str")
        return text


_JSON_STARTS: Final = frozenset('{["')
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_CONTROL: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def _unescape(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _CONTROL.get(escape[2], escape[2])


def _free(key: str, taken: Mapping[str, object]) -> str:
    """``key``, numbered if two masked keys became one."""
    return key if key not in taken else next(name for n in count(2) if (name := f"{key}.{n}") not in taken)
