"""The HTTP requests that calls make, for those calls that ask to keep theirs: nothing is wrapped until one does."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import wrapt
from opentelemetry.context import Context, create_key, get_current, set_value

from callspan.core import curl, guard
from callspan_semconv import attributes as attr

if TYPE_CHECKING:
    from callspan.core.call import Call

# What sends a request object: httpx's, or botocore's, which is like that of requests.
_SENDERS: Final = (
    ("httpx", "Client.send"),
    ("httpx", "AsyncClient.send"),
    ("httpx2", "Client.send"),
    ("httpx2", "AsyncClient.send"),
    ("botocore.httpsession", "URLLib3Session.send"),
    ("aiobotocore.httpsession", "AIOHTTPSession.send"),
)
_KEY: Final = create_key("callspan-outgoing")

_lock = threading.Lock()
_wrapped: dict[tuple[str, str], tuple[Any, str]] = {}  # owner and attribute


def keep(call: Call, address: str) -> Context:
    """The context of ``call``, in which the last request that is sent is kept with it.

    Args:
        call: keeps ``callspan.raw_request``.
        address: the host; requests to others are not the call's, but fetch tokens for it. Empty: any host.
    """
    with _lock:
        for place in _SENDERS:
            if place not in _wrapped and (module := sys.modules.get(place[0])) is not None:
                _wrap(place, module)
    # Weak, because the call holds on to its context.
    return set_value(_KEY, (weakref.ref(call), address), call.context)


def unwrap() -> None:
    """Take the wrappers off again."""
    with _lock:
        for owner, name in _wrapped.values():
            current = vars(owner).get(name)
            if isinstance(current, wrapt.FunctionWrapper):
                setattr(owner, name, current.__wrapped__)
        _wrapped.clear()


def _wrap(place: tuple[str, str], module: Any) -> None:
    owner, name, original = wrapt.resolve_path(module, place[1])
    wrapt.apply_patch(owner, name, wrapt.FunctionWrapper(original, _send))
    _wrapped[place] = (owner, name)


def _send(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    asks: Any = get_current().get(_KEY)
    if asks is not None:
        try:
            _keep(asks[0](), asks[1], args[0] if args else kwargs["request"])
        except Exception as error:  # noqa: BLE001 - the boundary: the application's request goes out
            guard.report("raw_request", error)
    return wrapped(*args, **kwargs)


def _keep(call: Call | None, address: str, request: Any) -> None:
    url = str(request.url)
    if call is not None and address in ("", urlsplit(url).hostname):
        text = curl.command(str(request.method), url, _headers(request), _body(request))
        call.attributes[attr.CALLSPAN_RAW_REQUEST] = text


def _headers(request: Any) -> Iterator[tuple[str, str]]:
    for name, value in request.headers.items():
        yield str(name), value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _body(request: Any) -> bytes | None:
    """The bytes of the body; None if only who sends them may read them."""
    if hasattr(type(request), "aread"):  # httpx, which raises for a stream
        try:
            return bytes(request.content)
        except RuntimeError:
            return None
    body = request.body
    if isinstance(body, str):
        return body.encode()
    return bytes(body or b"") if body is None or isinstance(body, (bytes, bytearray)) else None
