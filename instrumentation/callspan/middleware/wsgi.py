"""The middleware for WSGI servers: Flask, Django, Bottle, Pyramid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from io import BytesIO
from typing import Any

from opentelemetry.context import attach

from callspan import call_context
from callspan.core import guard
from callspan.middleware.requests import (
    MAX_BODY_BYTES,
    Calls,
    Options,
    active,
    headers_to_add,
    length_of,
    surroundings,
    withheld,
)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


class WSGIMiddleware:
    """As `callspan.middleware.asgi.ASGIMiddleware`, for WSGI applications.

    The application runs in a context of its own, from the request to the end of the response.

    Args:
        app: the application.
        read_body: as there; bodies without ``Content-Length`` count as too long.
        max_body_bytes: as there.
        response_headers: as there.
        allow_callback_disabling: as there.
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

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Handle a request."""
        if not active():
            return self.app(environ, start_response)
        own, calls = copy_context(), Calls()
        try:
            own.run(self._enter, environ, calls)
        except Exception as error:  # noqa: BLE001 - the boundary: the request is handled, without content
            guard.report("middleware.wsgi", error)
            own.run(call_context.enter, withheld().said)
        if self._options.response_headers:
            start_response = _with_headers(start_response, calls)
        result = own.run(self.app, environ, start_response)
        # What is there already needs no context, and servers know lists and files by their types.
        file = environ.get("wsgi.file_wrapper")
        if isinstance(result, (list, tuple)) or (isinstance(file, type) and isinstance(result, file)):
            return result
        return _Response(result, own)

    def _enter(self, environ: Environ, calls: Calls) -> None:
        headers = _headers(environ)
        around = surroundings(headers, self._body(environ, headers), self._options, calls, "wsgi")
        call_context.enter(around.said)
        if around.context is not None:
            attach(around.context)

    def _body(self, environ: Environ, headers: dict[str, str]) -> bytes | None:
        if not self._options.reads(environ["REQUEST_METHOD"], headers):
            return b""
        length = length_of(headers["content-length"])
        if length is None or length > self._options.max_body_bytes:
            return None if length or "HTTP_TRANSFER_ENCODING" in environ else b""
        body: bytes = environ["wsgi.input"].read(length)
        environ["wsgi.input"] = BytesIO(body)
        return body


class _Response:
    """The application's iterable, in the request's context."""

    def __init__(self, wrapped: Iterable[bytes], own: Context) -> None:
        self._wrapped = wrapped
        self._own = own
        self._iterator: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._iterator is None:
            self._iterator = self._own.run(iter, self._wrapped)
        return self._own.run(next, self._iterator)

    def close(self) -> None:
        """Close the application's iterable (PEP 3333)."""
        close = getattr(self._wrapped, "close", None)
        if close is not None:
            self._own.run(close)


def _headers(environ: Environ) -> dict[str, str]:
    headers = {
        key[5:].replace("_", "-").lower(): value.strip()
        for key, value in environ.items()
        if key.startswith("HTTP_") and isinstance(value, str)
    }
    length = str(environ.get("CONTENT_LENGTH") or "")
    return {**headers, "content-type": environ.get("CONTENT_TYPE") or "", "content-length": length}


def _with_headers(start_response: StartResponse, calls: Calls) -> StartResponse:
    def starting(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        added = headers_to_add(calls, (name for name, _ in headers))
        return start_response(status, [*headers, *added], *exc_info)

    return starting
