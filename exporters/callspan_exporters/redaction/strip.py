"""Policy ``none``: the content goes, the measurements stay.

Works by an allow-list (`vocabulary`): on a span that is about an LLM, whatever is not known to be harmless is content.
On every other span only the text of errors goes, because an error that quotes a prompt escapes into the spans around
the call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Link, Status

from callspan_exporters.redaction import skeleton
from callspan_exporters.redaction.parts import Parts, link_with_attributes, plain, with_attributes
from callspan_exporters.redaction.shape import is_harmless, is_span_name, is_token
from callspan_exporters.redaction.vocabulary import ERROR_TEXTS, METADATA_CONTENT, Kind, is_llm_key, kind_of
from callspan_semconv import attributes as attr
from callspan_semconv.attributes import REDACTED

Attributes = dict[str, Any]


def strip(parts: Parts) -> Parts:
    """Remove all content. The same object is returned if the span is not about an LLM and says nothing of an error."""
    if parts.about_llm:
        return Parts(
            about_llm=True,
            name=parts.name if is_span_name(parts.name, parts.attributes) else _neutral_name(parts.attributes),
            attributes=_harmless(parts.attributes),
            events=tuple(map(_stripped_event, parts.events)),
            links=tuple(map(_stripped_link, parts.links)),
            status=_status(parts.status),
        )
    around = Parts(
        about_llm=False,
        name=parts.name,
        attributes=_without_error_texts(parts.attributes),
        events=tuple(_stripped_event(event) if may_carry_content(event) else event for event in parts.events),
        links=tuple(_stripped_link(link) if speaks_of_llm(link) else link for link in parts.links),
        status=_status(parts.status),
    )
    return parts if around == parts else around


def speaks_of_llm(link: Link | Event) -> bool:
    """Whether an attribute of the link or event belongs to a vocabulary for LLM calls."""
    return any(map(is_llm_key, link.attributes or ()))


def is_exception(event: Event) -> bool:
    """Whether the event records an exception, by its name or by its attributes."""
    return event.name == attr.EXCEPTION_EVENT or any(key.startswith("exception.") for key in event.attributes or ())


def may_carry_content(event: Event) -> bool:
    """Whether an event on a span that is not about an LLM may quote what was said to one."""
    return is_exception(event) or is_llm_key(event.name) or speaks_of_llm(event)


def _neutral_name(attributes: Attributes) -> str:
    """A span name by the conventions, from what stays on the span anyway."""
    words = (attributes.get(attr.GEN_AI_OPERATION_NAME), attributes.get(attr.GEN_AI_REQUEST_MODEL))
    return " ".join(word for word in words if isinstance(word, str) and is_token(word)) or REDACTED


def _status(status: Status) -> Status:
    return Status(status.status_code, REDACTED) if status.description else status


def _stripped_event(event: Event) -> Event:
    name = event.name if is_token(event.name) else REDACTED
    return with_attributes(event, name, _harmless(plain(event.attributes)))


def _stripped_link(link: Link) -> Link:
    return link_with_attributes(link, _harmless(plain(link.attributes)))


def _without_error_texts(attributes: Attributes) -> Attributes:
    if ERROR_TEXTS.isdisjoint(attributes):
        return attributes
    return {key: REDACTED if key in ERROR_TEXTS else value for key, value in attributes.items()}


def _harmless(attributes: Attributes) -> Attributes:
    kept: Attributes = {}
    for key, value in attributes.items():
        kind = kind_of(key)
        if is_harmless(kind, value):
            kept[key] = value
        elif kind in _REPLACEMENTS:
            kept.update(_REPLACEMENTS[kind](key, value))
    return kept


def _label(key: str, value: object) -> Attributes:
    return {key: value}


def _text(key: str, _value: object) -> Attributes:
    return {key: REDACTED}


def _metadata(key: str, value: object) -> Attributes:
    if isinstance(value, str) and _METADATA_CONTENT.search(value) is None:
        return {key: value}
    return {key: skeleton.reencode(_without_content_keys, value)}


# The keys as they stand in JSON text: most metadata has none, and need not be parsed.
_METADATA_CONTENT: Final = re.compile("|".join(sorted(METADATA_CONTENT)))


def _without_content_keys(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _without_content_keys(item) for key, item in value.items() if key not in METADATA_CONTENT}
    if isinstance(value, (list, tuple)):
        return [_without_content_keys(item) for item in value]
    return value


def _input(key: str, value: object) -> Attributes:
    return {key: skeleton.INPUT_JSON if isinstance(value, str) else skeleton.input_messages()}


def _reencoded(change: Callable[[object], object], key: str, value: object) -> Attributes:
    return {key: skeleton.reencode(change, value)}


def _indexed_input(key: str, _value: object) -> Attributes:
    message = "llm.input_messages.0.message." if key.startswith("llm.") else "gen_ai.prompt.0."
    return {f"{message}role": "user", f"{message}content": REDACTED}


def _indexed_output(key: str, value: object) -> Attributes:
    leaf = key.rpartition(".")[2]
    if leaf in _IDENTITY_LEAVES:
        return {key: value} if is_token(value) else {}
    return {key: REDACTED} if leaf in _TEXT_LEAVES else {}


_IDENTITY_LEAVES: Final = frozenset({"role", "finish_reason", "name", "id", "type"})
_TEXT_LEAVES: Final = frozenset({"content", "text", "arguments", "reasoning"})


def _indexed_tools(key: str, value: object) -> Attributes:
    leaf = key.rpartition(".")[2]
    if leaf == "json_schema":
        return {key: skeleton.reencode(_bare_schema, value)}
    return {key: value} if leaf == "name" and is_token(value) else {}


def _bare_schema(schema: object) -> object:
    """OpenInference keeps the provider's own definition, in which the function may be nested."""
    function = schema.get("function") if isinstance(schema, Mapping) else None
    bare = skeleton.tool_definitions([schema])
    named = skeleton.tool_definitions([function])
    return {**(bare[0] if bare else {}), **({"function": named[0]} if named else {})}


_REPLACEMENTS: Final[Mapping[Kind, Callable[[str, Any], Attributes]]] = {
    Kind.LABEL: _label,
    Kind.METADATA: _metadata,
    Kind.NUMBERS: partial(_reencoded, skeleton.numbers),
    Kind.INPUT: _input,
    Kind.OUTPUT: partial(_reencoded, skeleton.output_messages),
    Kind.TOOLS: partial(_reencoded, skeleton.tool_definitions),
    Kind.TEXT: _text,
    Kind.INDEXED_INPUT: _indexed_input,
    Kind.INDEXED_OUTPUT: _indexed_output,
    Kind.INDEXED_TOOLS: _indexed_tools,
}
