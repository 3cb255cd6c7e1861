"""The middleware for ASGI servers: FastAPI, Starlette, Django's and Quart's asynchronous sides, Litestar."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from opentelemetry.context import attach, detach

from callspan import call_context
from callspan.core import guard
from callspan.middleware.requests import (
    MAX_BODY_BYTES,
    Calls,
    Options,
    Surroundings,
    active,
    headers_to_add,
    length_of,
    surroundings,
    withheld,
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class ASGIMiddleware:
    """Applies what a request says to the LLM calls made for it, and tells its client their ids and cost.

    The request's headers are those of the LiteLLM proxy (docs/middleware.md). Its trace is continued unless a server
    span is there already; none is made. Holds for the whole of the request: endpoints in threads, streamed responses,
    background tasks. Websockets and lifespan events pass through.

    Args:
        app: the application.
        read_body: whether ``no-log``, ``metadata``, ``tags``, ``user`` and ``turn_off_message_logging`` are taken from
            JSON bodies. The application gets the body unchanged.
        max_body_bytes: longer bodies are not looked at, and since they might ask for it, content is withheld.
        response_headers: whether responses get ``x-litellm-call-id`` and ``x-litellm-response-cost``.
        allow_callback_disabling: whether requests may name sinks that do not get their calls; default: the setting of
            that name.
    """

    def __init__(
        self,
        app: App,
        *,
        read_body: bool = False,
        max_body_bytes: int = MAX_BODY_BYTES,
        response_headers: bool = True,
        allow_callback_disabling: bool | None = None,
    ) -> None:
        self.app = app
        self._options = Options(read_body, max_body_bytes, response_headers, allow_callback_disabling)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or not active():
            await self.app(scope, receive, send)
            return
        headers, calls = _headers(scope), Calls()
        body: bytes | None = b""
        if self._options.reads(scope["method"], headers):
            body, receive = await _read(receive, headers, self._options.max_body_bytes)
        try:
            around = surroundings(headers, body, self._options, calls, "asgi")
        except Exception as error:  # noqa: BLE001 - the boundary: the request is handled, without content
            guard.report("middleware.asgi", error)
            around = withheld()
        if self._options.response_headers:
            send = _with_headers(send, calls)
        await _inside(around, self.app, scope, receive, send)


async def _inside(around: Surroundings, app: App, scope: Scope, receive: Receive, send: Send) -> None:
    said = call_context.enter(around.said)
    token = attach(around.context) if around.context is not None else None
    try:
        await app(scope, receive, send)
    except GeneratorExit:
        raise  # the coroutine is being thrown away, perhaps from another context, where nothing can be reset
    except BaseException:
        _leave(said, token)
        raise
    _leave(said, token)


def _leave(said: Any, token: Any) -> None:
    if token is not None:
        detach(token)
    call_context.leave(said)


def _headers(scope: Scope) -> dict[str, str]:
    """Names in lower case; of several lines with one name, a list with commas (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _read(receive: Receive, headers: dict[str, str], max_bytes: int) -> tuple[bytes | None, Receive]:
    """The body, None if it is too long or does not come; and a ``receive`` that brings it again, then what follows."""
    if (length_of(headers.get("content-length", "")) or 0) > max_bytes:
        return None, receive
    messages: list[Message] = []
    size, more = 0, True
    while more and size <= max_bytes:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    whole = messages[-1]["type"] == "http.request" and not more and size <= max_bytes
    body = b"".join(message.get("body", b"") for message in messages) if whole else None
    waiting = iter(messages)

    async def replay() -> Message:
        message = next(waiting, None)
        return message if message is not None else await receive()

    return body, replay


def _with_headers(send: Send, calls: Calls) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", ()))
            added = headers_to_add(calls, (name.decode("latin-1") for name, _ in own))
            message = {**message, "headers": [*own, *((name.encode(), value.encode()) for name, value in added)]}
        await send(message)

    return sending
