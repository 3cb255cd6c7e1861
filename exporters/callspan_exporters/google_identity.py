"""Access tokens of Google Cloud, by google-auth.

google-auth signs and keeps to Google's rules, callspan's own transport carries its requests.
"""

import time
from collections.abc import Mapping
from datetime import timezone
from typing import Any, Final

import google.auth
import httpx2
from google.auth.credentials import Credentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError
from google.auth.transport import Request as AuthRequest
from google.auth.transport import Response as AuthResponse
from google.oauth2 import service_account

from callspan_exporters.bearer import DeniedError, Token
from callspan_exporters.delivery.http import HTTPTransport
from callspan_exporters.sink import Request, Response

_TIMEOUT_S: Final = 10.0
_LIFETIME_S: Final = 3600.0  # of a token that does not say when it ends


class GoogleIdentity:
    """Who writes.

    Args:
        service_account_file: path of a service account's JSON key; None: application default credentials, looked up
            at the first request.
        scope: what the token is for.
        transport: carries the requests.
        sink, keyword: what an error names.

    Raises:
        ValueError: the file cannot be read or is no service account's key; names the file.
    """

    def __init__(
        self, service_account_file: str | None, scope: str, *, transport: HTTPTransport, sink: str, keyword: str
    ) -> None:
        self._scopes = [scope]
        self._request = _Carrier(transport)
        self._credentials: Credentials | None = None
        if service_account_file:
            self._credentials = _from_file(service_account_file, self._scopes, f"{sink}: {keyword}")

    def fetch(self) -> Token:
        """Ask for a token.

        Raises:
            DeniedError: there are no credentials, or Google does not take them.
            google.auth.exceptions.GoogleAuthError: no answer.
        """
        try:
            if self._credentials is None:
                self._credentials, _ = google.auth.default(scopes=self._scopes, request=self._request)
            self._credentials.refresh(self._request)
        except DefaultCredentialsError as error:
            raise DeniedError("no credentials found") from error
        except RefreshError as error:
            if error.retryable:
                raise
            raise DeniedError(str(error.args[0]) if error.args else "refused") from error
        expiry = self._credentials.expiry
        ends = expiry.replace(tzinfo=timezone.utc).timestamp() if expiry else time.time() + _LIFETIME_S
        return Token(str(self._credentials.token), ends)


def _from_file(path: str, scopes: list[str], where: str) -> Credentials:
    try:
        found: Credentials = service_account.Credentials.from_service_account_file(path, scopes=scopes)
    except (OSError, ValueError, GoogleAuthError) as error:
        message = f"{where}: cannot use {path}: {type(error).__name__}; expected the JSON key of a service account"
        raise ValueError(message) from error
    return found


class _Answer(AuthResponse):
    """google-auth's view of an answer."""

    def __init__(self, response: Response) -> None:
        self._response = response

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    @property
    def data(self) -> bytes:
        return self._response.body


class _Carrier(AuthRequest):
    """google-auth's requests, on callspan's connections."""

    def __init__(self, transport: HTTPTransport) -> None:
        self._transport = transport

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> AuthResponse:
        content = body.encode() if isinstance(body, str) else body or b""
        request = Request(items=(), body=content, target=url, headers=dict(headers or {}), method=method)
        try:
            return _Answer(self._transport.send(request, timeout or _TIMEOUT_S))
        except httpx2.TransportError as error:  # google-auth knows its own errors only
            raise TransportError(type(error).__name__) from error
