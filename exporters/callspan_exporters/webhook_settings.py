"""Settings of webhooks: checked when the sink is made, each error naming the setting and what was expected."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from callspan_exporters.expand import expand
from callspan_exporters.webhook_presets import PRESETS, WebhookPreset

ENDPOINT_VARIABLE: Final = "GENERIC_LOGGER_ENDPOINT"
HEADERS_VARIABLE: Final = "GENERIC_LOGGER_HEADERS"
EVENT_TYPES: Final = ("llm_api_success", "llm_api_failure")
_CONTENT_TYPES: Final = {
    "json_array": "application/json",
    "ndjson": "application/x-ndjson",
    "single": "application/json",
}


def preset(name: str | None, where: str) -> WebhookPreset:
    """The settings of a preset; those of no preset are empty."""
    if name is None:
        return WebhookPreset(endpoint="")
    if name not in PRESETS:
        raise ValueError(f"{where}.preset: unknown preset {name!r}; expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


def positive(value: float, where: str) -> float:
    """A number above zero."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise ValueError(f"{where}: expected a number above 0, got {value!r}")
    return value


def log_format(value: str, where: str) -> str:
    """A format's name."""
    if value not in _CONTENT_TYPES:
        raise ValueError(f"{where}.log_format: expected one of {', '.join(_CONTENT_TYPES)}, got {value!r}")
    return value


def event_types(values: Iterable[str], where: str) -> frozenset[str]:
    """The wanted outcomes."""
    given = [values] if isinstance(values, str) else list(values)
    for value in given:
        if value not in EVENT_TYPES:
            raise ValueError(f"{where}.event_types: expected {' or '.join(EVENT_TYPES)}, got {value!r}")
    return frozenset(given)


def endpoint(value: str | None, where: str) -> str:
    """An absolute HTTP URL: what was given, else ``GENERIC_LOGGER_ENDPOINT``."""
    value = value or os.environ.get(ENDPOINT_VARIABLE)
    if not value:
        raise ValueError(f"{where}.endpoint: missing; set it, or the environment variable {ENDPOINT_VARIABLE}")
    endpoint = str(expand(value, f"{where}.endpoint"))
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        # Webhook URLs often are secrets themselves, so the value is not quoted.
        raise ValueError(f"{where}.endpoint: expected a URL that begins with http:// or https://, got another text")
    return endpoint


def headers(log_format: str, preset: Mapping[str, str], given: Mapping[str, str], where: str) -> Mapping[str, str]:
    """Merge headers, names in lower case. Later wins: content type, environment, preset, the user's own."""
    merged = {"content-type": _CONTENT_TYPES[log_format], **_environment_headers()}
    # Variables are looked up after the merge: those of a preset's header that the user replaces need not exist.
    for name, value in {**preset, **given}.items():
        merged[str(name).lower()] = value
    expanded = {name: str(expand(value, f"{where}.headers.{name}")) for name, value in merged.items()}
    for name, value in expanded.items():
        if not name.isascii() or any(character in value for character in "\r\n\0"):
            raise ValueError(f"{where}.headers.{name}: not a valid HTTP header")
    return expanded


def _environment_headers() -> dict[str, str]:
    headers: dict[str, str] = {}
    for number, pair in enumerate(os.environ.get(HEADERS_VARIABLE, "").split(","), start=1):
        name, separator, value = pair.partition("=")
        if not pair.strip():
            continue
        if not separator or not name.strip():
            # The text is not quoted: it may be the secret.
            raise ValueError(f"{HEADERS_VARIABLE}: entry {number} is not of the form Name=value")
        headers[name.strip().lower()] = unquote(value.strip())
    return headers
