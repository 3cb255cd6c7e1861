"""What a request says about the recording of the LLM calls made for it: pure, from its headers, body and baggage.

The names are LiteLLM's, so that its clients change nothing; the values mean what they say: a header of ``false`` asks
for nothing. What a request may decide is the operator's to say (`Leave`); whether it may loosen redaction is decided
where the span leaves (`callspan_exporters.redaction.Policy.for_call`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from callspan_semconv import jsonio

Fields = Mapping[str, Any]

# Names of policies: `callspan_exporters.redaction.none` and `full`, whose module loads the SDK.
NO_CONTENT: Final = "none"
EVERYTHING: Final = "full"

# Baggage entries. The first is OpenTelemetry's name for a session (semantic conventions, general/session.md).
_BAGGAGE_SESSION: Final = "session.id"
_BAGGAGE_REDACT: Final = "callspan.redact"

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})

_OPT_OUT: Final = "litellm-disable-message-redaction"
_OPT_IN: Final = ("litellm-enable-message-redaction", "x-litellm-enable-message-redaction")
_PARAMETER: Final = "turn_off_message_logging"
_NO_LOG: Final = "no-log"
_RAW_REQUEST: Final = "log_raw_request"
_SWITCHES: Final = frozenset({_PARAMETER, _NO_LOG, _RAW_REQUEST})

# Any vendor's session header, with what looks like an id; one without a vendor comes last.
_VENDOR_SESSION: Final = re.compile(r"x-(?!litellm-).+-session-id")
_SESSION_ID: Final = re.compile(r"[A-Za-z0-9_\-]{8,256}")

# What a gateway stamps after it has looked at the key: a request cannot know it, only claim it.
_IDENTITY: Final = ("user_api_key", "user_api_end_user")


@dataclass(frozen=True, slots=True)
class Leave:
    """What the operator lets requests decide.

    Attributes:
        disable_callbacks: which sinks do not get the calls.
        no_log: that the calls are not recorded at all.
        user_agent_tags: whether the user agent becomes tags.
        identity: whether metadata may name the caller's key and team (``user_api_key_*``): only if a gateway wrote it.
    """

    disable_callbacks: bool = False
    no_log: bool = True
    user_agent_tags: bool = True
    identity: bool = False


def read(
    headers: Mapping[str, str] | None = None, body: Fields | None = None, leave: Leave | None = None
) -> dict[str, Any]:
    """Read what a request asks for.

    Args:
        headers: of the request, names in any case.
        body: the request's fields: ``metadata``, ``litellm_metadata``, ``tags``, ``user``, ``no-log``,
            ``turn_off_message_logging``, ``litellm_session_id``, ``litellm_trace_id``; others are not looked at. What
            has a wrong type counts as absent.
        leave: what the request may decide; default: `Leave`'s defaults.

    Returns:
        Arguments for `callspan.context`: those that the request says something about.
    """
    leave = leave or Leave()
    lowered = {name.lower(): value for name, value in (headers or {}).items()}
    fields = body or {}
    written = _metadata(fields, leave)
    said = {
        "metadata": {**written, **_header_metadata(lowered)} or None,
        "tags": _tags(lowered, fields, written, leave) or None,
        "user": _user(lowered, fields, written),
        "session_id": _session_id(lowered, fields, written),
        "no_log": no_log(fields, written) if leave.no_log else None,
        "redact": redact(lowered, fields, written),
        "disabled_sinks": _disabled_sinks(lowered) if leave.disable_callbacks else None,
        "log_raw_request": flag(written.get(_RAW_REQUEST)) or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def from_baggage(entries: Fields) -> dict[str, Any]:
    """Read what the request's W3C baggage asks for: ``session.id``, and ``callspan.redact``, the name of a policy.

    Returns:
        As `read`.
    """
    said = {"session_id": _text(entries.get(_BAGGAGE_SESSION)), "redact": _text(entries.get(_BAGGAGE_REDACT))}
    return {name: value for name, value in said.items() if value is not None}


def from_call(parameters: Fields, metadata: Fields, leave: Leave) -> dict[str, Any]:
    """Read what one call asks for by itself.

    Args:
        parameters: of the call: ``extra_body``, ``metadata`` in that, and ``metadata``.
        metadata: of the blocks around it.
        leave: what it may decide.

    Returns:
        As `read`: ``no_log``, ``redact`` and ``log_raw_request``.
    """
    body = _mapping(parameters.get("extra_body"))
    places = (body, _mapping(body.get("metadata")), _mapping(parameters.get("metadata")), metadata)
    if all(map(_SWITCHES.isdisjoint, places)):  # as nearly always
        return {}
    said = {
        "no_log": no_log(*places) if leave.no_log else None,
        "redact": redact({}, *places),
        "log_raw_request": any(flag(place.get(_RAW_REQUEST)) for place in places) or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def redact(headers: Mapping[str, str], *places: Fields) -> str | None:
    """The policy that a request asks for, by its name: the tightest of all that it says; None if it says nothing.

    To withhold content, any value will do that does not say no; to let it out, only one that says yes.

    Args:
        headers: names in lower case.
        places: fields that may hold ``turn_off_message_logging``.
    """
    asked = [NO_CONTENT for name in _OPT_IN if flag(headers.get(name), unclear=True)]
    if flag(headers.get(_OPT_OUT)):
        asked.append(EVERYTHING)
    turned_off = [flag(place.get(_PARAMETER), unclear=True) for place in places]
    asked += [NO_CONTENT if off else EVERYTHING for off in turned_off if off is not None]
    return tightest(*asked)


def no_log(*places: Fields) -> bool | None:
    """True if one of the places says ``no-log: true``, else None."""
    return any(flag(place.get(_NO_LOG)) for place in places) or None


def tightest(*names: str | None) -> str | None:
    """The name that asks for what all of the named policies take away; None if none is named.

    Any two masks are both applied, so their names are joined (``pii+staff``), as `Policy.for_call` reads them.
    """
    asked = dict.fromkeys(name for name in names if name is not None)
    if not asked:
        return None
    if NO_CONTENT in asked:
        return NO_CONTENT
    return "+".join(name for name in asked if name != EVERYTHING) or EVERYTHING


def flag(value: object, *, unclear: bool = False) -> bool | None:
    """Whether a value says yes; None if it is absent or empty.

    Args:
        value: a boolean, or a word for one.
        unclear: what any other value counts as.
    """
    word = str(value).strip().lower() if isinstance(value, (bool, int, str)) else ""
    if value is None or (isinstance(value, str) and not word):
        return None
    return word in _TRUE or (unclear and word not in _FALSE)


def _metadata(fields: Fields, leave: Leave) -> dict[str, Any]:
    merged = {**_mapping(fields.get("litellm_metadata")), **_mapping(fields.get("metadata"))}
    trace_id = _text(fields.get("litellm_trace_id"))
    if trace_id is not None:
        merged["trace_id"] = trace_id
    if leave.identity:
        return merged
    return {key: value for key, value in merged.items() if not str(key).startswith(_IDENTITY)}


def _header_metadata(headers: Mapping[str, str]) -> dict[str, Any]:
    """What headers say that has a place in metadata, by the names of LiteLLM's fields."""
    said = {
        "user_agent": _text(headers.get("user-agent")),
        "trace_id": _text(headers.get("x-litellm-trace-id")),
        "agent_id": _text(headers.get("x-litellm-agent-id")),
        "spend_logs_metadata": _mapping(headers.get("x-litellm-spend-logs-metadata")) or None,
    }
    return {key: value for key, value in said.items() if value is not None}


def _tags(headers: Mapping[str, str], fields: Fields, metadata: Fields, leave: Leave) -> tuple[str, ...]:
    """Of the metadata, then of the body or else of the header, then of the user agent."""
    own = _names(fields.get("tags")) or _names(headers.get("x-litellm-tags"))
    agent = user_agent_tags(headers.get("user-agent")) if leave.user_agent_tags else ()
    return tuple(dict.fromkeys((*_names(metadata.get("tags")), *own, *agent)))


def user_agent_tags(user_agent: str | None) -> tuple[str, ...]:
    """A user agent as LiteLLM tags it: its product, if it names a version too, and the whole of it."""
    agent = _text(user_agent)
    if agent is None:
        return ()
    product, slash, _version = agent.partition("/")
    return (*((f"User-Agent: {product}",) if slash else ()), f"User-Agent: {agent}")


def _user(headers: Mapping[str, str], fields: Fields, metadata: Fields) -> str | None:
    """The end user, from the first place that names one, in LiteLLM's order."""
    places = (
        headers.get("x-litellm-customer-id"),
        headers.get("x-litellm-end-user-id"),
        fields.get("user"),
        metadata.get("user"),
        metadata.get("user_id"),
    )
    return _first(places)


def _session_id(headers: Mapping[str, str], fields: Fields, metadata: Fields) -> str | None:
    vendors = (value for name, value in headers.items() if _VENDOR_SESSION.fullmatch(name))
    looks_right = [value for value in (*vendors, headers.get("x-session-id")) if value and _SESSION_ID.fullmatch(value)]
    places = (
        headers.get("x-litellm-session-id"),
        fields.get("litellm_session_id"),
        metadata.get("session_id"),
        *looks_right,
        headers.get("x-litellm-trace-id"),
    )
    return _first(places)


def _disabled_sinks(headers: Mapping[str, str]) -> tuple[str, ...] | None:
    return tuple(name.lower() for name in _names(headers.get("x-litellm-disable-callbacks"))) or None


def _first(places: Iterable[object]) -> str | None:
    return next((text for text in map(_text, places) if text is not None), None)


def _text(value: object) -> str | None:
    """A short text, or a number as one."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value).strip() or None


def _names(value: object) -> tuple[str, ...]:
    """A list of words, or a text of them with commas between."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(text for text in map(_text, value) if text is not None)


def _mapping(value: object) -> Mapping[str, Any]:
    """An object, or its JSON text (headers, and forms that cannot nest)."""
    if isinstance(value, str):
        try:
            value = jsonio.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}
