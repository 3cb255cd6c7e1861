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

MAX_BODY_BYTES: Final = 1024 * 1024
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

    def reads(self, method: str, content_type: str, length: int | None) -> bool:
        """Whether the body of a request is looked at: JSON that is not too long."""
        media_type = content_type.partition(";")[0].strip().lower()
        is_json = media_type == "application/json" or media_type.endswith("+json")
        return self.read_body and is_json and method not in ("GET", "HEAD") and (length or 0) <= self.max_body_bytes


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
        body: None if it is not to be looked at.
        options: of the middleware.
        calls: hears of the request's calls.
        server: OpenTelemetry's instrumentation of such servers. Where it is loaded it may run inside the middleware,
            and takes the request's trace context itself; only if nothing has been taken yet, it makes a server span.
    """
    given = get_current()
    extracted = propagate.extract(headers, given)
    continues = extracted is not given and not get_current_span(given).get_span_context().is_valid
    asked = directives.read(headers, _fields(body), _leave(options))
    if entries := get_all(extracted):
        from_baggage = directives.from_baggage(entries)
        redact = directives.tightest(asked.get("redact"), from_baggage.get("redact"))
        asked = {**from_baggage, **asked, "redact": redact}
    said = call_context.context(**asked).merged(call_context.current_context())
    said = replace(said, listeners=(*said.listeners, calls))
    if continues and f"opentelemetry.instrumentation.{server}" in sys.modules:
        return Surroundings(replace(said, caller=get_current_span(extracted)), None)
    return Surroundings(said, extracted if continues else None)


def _leave(options: Options) -> directives.Leave:
    leave = state.leave()
    allowed = options.allow_callback_disabling
    return leave if allowed is None else replace(leave, disable_callbacks=allowed)


def _fields(body: bytes | None) -> Mapping[str, Any] | None:
    try:
        fields = jsonio.loads(body) if body else None
    except ValueError:
        return None  # the application's to refuse
    return fields if isinstance(fields, dict) else None
