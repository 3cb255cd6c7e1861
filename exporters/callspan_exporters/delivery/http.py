"""The one HTTP client of the JSON sinks."""

from __future__ import annotations

import gzip
import os
import ssl
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Final

import httpx2

from callspan_exporters.sink import Request, Response

_USER_AGENT: Final = f"callspan/{version('callspan')}"
_MAX_RESPONSE_BYTES: Final = 65_536
_MAX_REDIRECTS: Final = 3
_MIN_GZIP_BYTES: Final = 1024


class HTTPTransport:
    """Sends requests over kept-alive connections; safe to share among threads.

    The client is made at the first request and belongs to the process that made it: after a fork the child opens
    connections of its own, and those of the parent stay untouched. Redirects are followed only where they repeat the
    request (307, 308) at the same origin, because headers carry credentials.

    Args:
        max_connections: how many requests may be in flight at once.
        tls: certificates to trust and to present; default: the system's, and none.
        max_response_bytes: answers are cut there; the default is far more than any error text.
    """

    def __init__(
        self,
        *,
        max_connections: int = 16,
        tls: ssl.SSLContext | None = None,
        max_response_bytes: int = _MAX_RESPONSE_BYTES,
    ) -> None:
        # httpx2 would load it at the first request, which may come when the program ends; and a program that ends by an
        # interrupt loses its exit status if modules are loaded then.
        import httpcore2  # noqa: F401, PLC0415 - for its effect, and only where there is an HTTP sink

        self._verify = True if tls is None else tls
        self._max_response_bytes = max_response_bytes
        self._limits = httpx2.Limits(
            max_connections=max_connections, max_keepalive_connections=max_connections, keepalive_expiry=30.0
        )
        # By process id. A parent's client stays referenced in the child: collecting it would close its sockets.
        self._clients: dict[int, httpx2.Client] = {}

    def send(self, request: Request, timeout_s: float) -> Response:
        """Perform one request.

        Args:
            request: the target is an absolute URL.
            timeout_s: limit of each step (connect, write, wait for an answer), in seconds.

        Returns:
            The answer, whatever its status; its body is cut at ``max_response_bytes``.

        Raises:
            httpx2.TransportError: no answer: timeout, connection refused or broken.
        """
        url = httpx2.URL(request.target)
        answer = self._send_once(request, url, timeout_s)
        for _ in range(_MAX_REDIRECTS):
            target = _same_origin_redirect(answer, url)
            if target is None:
                break
            url = target
            answer = self._send_once(request, url, timeout_s)
        return answer

    def close(self) -> None:
        """Close this process's connections."""
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

    def _send_once(self, request: Request, url: httpx2.URL, timeout_s: float) -> Response:
        with self._client().stream(
            request.method, url, content=request.body, headers=dict(request.headers), timeout=timeout_s
        ) as answer:
            return Response(answer.status_code, _lower_case(answer.headers), self._body(answer))

    def _body(self, answer: httpx2.Response) -> bytes:
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) >= self._max_response_bytes:
                break
        return bytes(body[: self._max_response_bytes])

    def _client(self) -> httpx2.Client:
        pid = os.getpid()
        client = self._clients.get(pid)
        if client is None:
            made = httpx2.Client(
                limits=self._limits, headers={"user-agent": _USER_AGENT}, follow_redirects=False, verify=self._verify
            )
            client = self._clients.setdefault(pid, made)
        return client


def gzipped(request: Request) -> Request:
    """Compress the body of a request, unless it is too small to gain from it."""
    if len(request.body) < _MIN_GZIP_BYTES:
        return request
    # Level 1: several times faster than the default for a tenth more bytes on JSON and protobuf.
    body = gzip.compress(request.body, compresslevel=1, mtime=0)
    return replace(request, body=body, headers={**request.headers, "content-encoding": "gzip"})


def _lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _same_origin_redirect(answer: Response, url: httpx2.URL) -> httpx2.URL | None:
    location = answer.headers.get("location")
    if answer.status not in {307, 308} or not location:
        return None
    target = url.join(location)
    same = (target.scheme, target.host, target.port) == (url.scheme, url.host, url.port)
    return target if same else None
