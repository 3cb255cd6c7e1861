"""What both middlewares do with a request, and what they tell its client about the calls made for it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from opentelemetry import propagate
from opentelemetry.baggage import get_all
from opentelemetry.context import Context, get_current
from opentelemetry.trace import get_current_span

from callspan import call_context, directives
from callspan.call_context import CallContext
from callspan.core import guard, state
from callspan_semconv import attributes as attr
from callspan_semconv import jsonio

if TYPE_CHECKING:
    from callspan.core.call import Call

MAX_BODY_BYTES: Final = 16 * 1024 * 1024
# Bodies that hold no fields. JSON comes under any other type: curl says that it is a form.
_NO_FIELDS: Final = re.compile(r"multipart/.*|image/.*|audio/.*|video/.*|application/octet-stream")
_JSON: Final = re.compile(r"application/(?:json|.+\+json)")
# The ids of more do not fit in a header that every server and proxy takes.
_MAX_CALLS: Final = 32
# A client may have chosen an id.
_HEADER_SAFE: Final = re.compile(r"[!-+\--~]+")

_CALL_ID: Final = "x-litellm-call-id"
_COST: Final = "x-litellm-response-cost"


@dataclass(frozen=True, slots=True)
class Options:
    """How a middleware was set up; see `callspan.middleware.asgi.ASGIMiddleware`."""

    read_body: bool
    max_body_bytes: int
    response_headers: bool
    allow_callback_disabling: bool | None

    def reads(self, method: str, headers: Mapping[str, str]) -> bool:
        """Whether the body of a request is looked at, if it is not too long.

        Of unknown length it may be a stream that the application answers while it comes, unless it is JSON.
        """
        if not self.read_body or method in ("GET", "HEAD") or _NO_FIELDS.fullmatch(_media_type(headers)):
            return False
        return _is_json(headers) or length_of(headers.get("content-length", "")) is not None


def length_of(text: str) -> int | None:
    """The length that a request says its body has, in bytes; None if it does not say."""
    return int(text) if text.isdecimal() and len(text) < 19 else None


class Calls:
    """The calls made for one request, a `callspan.core.listeners.Listener`: of each its id, and what it cost."""

    def __init__(self) -> None:
        self._places: WeakKeyDictionary[Call, int] = WeakKeyDictionary()
        self._known: list[tuple[str, float | None]] = []

    def begun(self, call: Call) -> None:
        """Note the call, unless there are too many."""
        if len(self._known) <= _MAX_CALLS:
            self._places[call] = len(self._known)
            self._known.append((call.call_id, None))

    def answered(self, call: Call) -> None:
        """The answer may name the call that it continues."""
        self._note(call)

    def chunk(self, call: Call, chunk: Any) -> None:
        """Says nothing about id or cost."""

    def ended(self, call: Call) -> None:
        """Note what the call cost."""
        self._note(call)

    def _note(self, call: Call) -> None:
        if (place := self._places.get(call)) is not None:
            self._known[place] = (call.call_id, call.attributes.get(attr.CALLSPAN_COST_TOTAL))

    def headers(self) -> dict[str, str]:
        """The response's headers: the ids of the calls, and the sum of their costs if each is known by now."""
        costs: dict[str, list[float]] = {}
        for call_id, cost in self._known:
            costs.setdefault(call_id, []).extend(() if cost is None else (cost,))
        if not costs or len(self._known) > _MAX_CALLS or not all(map(_HEADER_SAFE.fullmatch, costs)):
            return {}
        total = {_COST: repr(sum(map(sum, costs.values())))} if all(costs.values()) else {}
        return {_CALL_ID: ", ".join(costs), **total}


def headers_to_add(calls: Calls, own: Iterable[str]) -> list[tuple[str, str]]:
    """What a response says about its request's calls, beside its ``own`` headers. Never raises."""
    try:
        names = {name.lower() for name in own}
        return [(name, value) for name, value in calls.headers().items() if name not in names]
    except Exception as error:  # noqa: BLE001 - the boundary: the response goes out as it is
        guard.report("middleware.headers", error)
        return []


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What holds while a request is handled.

    Attributes:
        said: about its calls.
        context: what OpenTelemetry's context becomes; None: it stays.
    """

    said: CallContext
    context: Context | None


def active() -> bool:
    """Whether any call is recorded in this process."""
    return state.telemetry is not None


def surroundings(
    headers: Mapping[str, str], body: bytes | None, options: Options, calls: Calls, server: str
) -> Surroundings:
    """Read a request.

    Args:
        headers: names in lower case.
        body: of the request, empty if it is not to be looked at; None if it was to be, and could not.
        options: of the middleware.
        calls: hears of the request's calls.
        server: OpenTelemetry's instrumentation of such servers. Where it is loaded it may run inside the middleware,
            and takes the request's trace context itself; only if nothing has been taken yet, it makes a server span.
    """
    given = get_current()
    extracted = propagate.extract(headers, given)
    continues = extracted is not given and not get_current_span(given).get_span_context().is_valid
    fields = _fields(body, headers)
    asked = directives.read(headers, fields or {}, _leave(options))
    if fields is None:
        asked["redact"] = directives.NO_CONTENT  # who knows what it asks for
    if entries := get_all(extracted):
        from_baggage = directives.from_baggage(entries)
        redact = directives.tightest(asked.get("redact"), from_baggage.get("redact"))
        asked = {**from_baggage, **asked, "redact": redact}
    said = call_context.context(**asked).merged(call_context.current_context())
    said = replace(said, listeners=(*said.listeners, calls))
    if continues and f"opentelemetry.instrumentation.{server}" in sys.modules:
        return Surroundings(replace(said, caller=get_current_span(extracted)), None)
    return Surroundings(said, extracted if continues else None)


def withheld() -> Surroundings:
    """For a request that could not be read."""
    said = call_context.context(redact=directives.NO_CONTENT).merged(call_context.current_context())
    return Surroundings(said, None)


def _leave(options: Options) -> directives.Leave:
    leave = state.leave()
    allowed = options.allow_callback_disabling
    return leave if allowed is None else replace(leave, disable_callbacks=allowed)


def _fields(body: bytes | None, headers: Mapping[str, str]) -> Mapping[str, Any] | None:
    """The fields of a body; None if it may have some and cannot be read: too long, compressed, no JSON after all."""
    if body is None:
        return None
    if not body or not (_is_json(headers) or body.lstrip().startswith(b"{")):
        return {}
    try:
        fields = jsonio.loads(body)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else {}


def _is_json(headers: Mapping[str, str]) -> bool:
    return _JSON.fullmatch(_media_type(headers)) is not None


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()
