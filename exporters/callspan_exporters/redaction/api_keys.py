"""Removal of what a LiteLLM proxy adds about the caller's API key (``redact_user_api_key_info``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from callspan_exporters.redaction.parts import Parts
from callspan_semconv import jsonio
from callspan_semconv.attributes import REDACTED

_PREFIX: Final = "user_api_key"
_ATTRIBUTE: Final = re.compile(rf"(?:metadata\.|litellm\.metadata\.)?{_PREFIX}|litellm\..*api_key")
_METADATA: Final = re.compile(r"(?:.*\.)?(?:requester_)?metadata$")


def without_user_api_keys(parts: Parts) -> Parts:
    """Drop attributes that say whose API key was used, and such keys at any depth of metadata.

    The same object is returned if there are none.
    """
    kept = {key: _cleaned(key, value) for key, value in parts.attributes.items() if not _names_api_key(key)}
    kept = {key: value for key, value in kept.items() if value is not _GONE}
    return parts if kept == parts.attributes else replace(parts, attributes=kept)


_GONE: Final = object()


@lru_cache(maxsize=4096)
def _names_api_key(attribute: str) -> bool:
    return _ATTRIBUTE.match(attribute) is not None


@lru_cache(maxsize=4096)
def _is_metadata(attribute: str) -> bool:
    return _METADATA.match(attribute) is not None


def _cleaned(attribute: str, value: Any) -> Any:
    if not _is_metadata(attribute):
        return value
    if not isinstance(value, str):
        return _without_keys(value)
    if _PREFIX not in value:
        return value
    try:
        return jsonio.dumps(_without_keys(jsonio.loads(value)))
    except ValueError:
        return _GONE


def _without_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_keys(item) for key, item in value.items() if not str(key).startswith(_PREFIX)}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_without_keys, value))
    return _without_keys_inside(value) if isinstance(value, str) and _PREFIX in value else value


def _without_keys_inside(text: str) -> str:
    """Metadata within metadata, as text: parsed and cleaned, or withheld where nobody can parse it."""
    if text[:1] not in {"{", "["}:
        return text
    try:
        return jsonio.dumps(_without_keys(jsonio.loads(text)))
    except ValueError:
        return REDACTED
