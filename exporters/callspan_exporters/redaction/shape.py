"""Whether a value looks like what its name promises.

A harmless name is not enough: a library may write free text under it. So an identifier has to look like one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from callspan_exporters.redaction.vocabulary import Kind, kind_of

_MAX_CHARS = 256
# Identifiers, models, ARNs, hosts, base64 ids; MLflow writes its own with JSON's quotes.
_TOKEN: Final = re.compile(rf'"?[\w.:/@+=~%\-]{{1,{_MAX_CHARS}}}"?', re.ASCII)


def is_token(value: object) -> bool:
    """One word of ASCII, as identifiers are; numbers and booleans too."""
    if isinstance(value, str):
        return _TOKEN.fullmatch(value) is not None
    return isinstance(value, (int, float))


def is_name(value: object) -> bool:
    """One short line."""
    return isinstance(value, str) and len(value) <= _MAX_CHARS and value.isprintable()


def is_harmless(kind: Kind, value: object) -> bool:
    """Whether ``value`` may leave unseen under an attribute of this kind: it carries no text that a user wrote."""
    looks_right = _SHAPES.get(kind)
    return looks_right is not None and looks_right(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))


def _is_tokens(value: object) -> bool:
    return is_token(value) or (isinstance(value, (tuple, list)) and all(map(is_token, value)))


_SHAPES: Final[dict[Kind, Callable[[object], bool]]] = {
    Kind.NUMBER: _is_number,
    Kind.TOKEN: _is_tokens,
    Kind.NAME: is_name,
}

_METHODS: Final = r"(?:GET|HEAD|POST|PUT|PATCH|DELETE)"
_WORD: Final = r"[A-Za-z_][\w.:/\-]{0,127}"
_SPAN_NAME: Final = re.compile(rf"{_WORD}|{_METHODS} /[\w.:/{{}}\-]{{0,127}}", re.ASCII)
# Operations of the conventions, and what LiteLLM and the SDKs add for the ones that the conventions lack.
_OPERATIONS: Final = (
    "chat text_completion generate_content embeddings retrieval fetch_response execute_tool invoke_agent create_agent"
    " invoke_workflow plan rerank moderation image_generation transcription speech messages responses completion"
)
_OPERATION_AND_TARGET: Final = re.compile(rf"(?:{'|'.join(_OPERATIONS.split())}) {_WORD}", re.ASCII)


def is_span_name(name: str, attributes: Mapping[str, object]) -> bool:
    """Whether a span's name says what ran, and not what was said.

    True for one identifier (``openai.chat``, ``ChatOpenAI.invoke``), a method and a path (``POST /v1/messages``), an
    operation and an identifier (``chat gpt-4o``), and an operation followed by a value that stands on the span anyway
    (``invoke_agent Travel Agent``).
    """
    if _SPAN_NAME.fullmatch(name) or _OPERATION_AND_TARGET.fullmatch(name):
        return True
    operation, _, target = name.partition(" ")
    return is_token(operation) and target in _names(attributes)


def _names(attributes: Mapping[str, object]) -> Iterator[object]:
    return (value for key, value in attributes.items() if kind_of(key) is Kind.NAME and is_name(value))
