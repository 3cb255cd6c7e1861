"""Access tokens of an identity provider."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from callspan_exporters.process_lock import ProcessLock
from callspan_exporters.sink import Response
from callspan_semconv import jsonio

_EARLY_S: Final = 300.0


class Token(NamedTuple):
    """An access token and when it ends, in seconds since the epoch."""

    value: str
    expires_at_s: float


class DeniedError(Exception):
    """The identity provider gives no token.

    Args:
        reason: its own words.
        response: what this means for the request; default: a 401, because asking again will not help.
    """

    def __init__(self, reason: str, response: Response | None = None) -> None:
        super().__init__(reason)
        self.response = response or Response(401, body=jsonio.dump_bytes({"error": reason}))


class BearerToken:
    """A token that is fetched at the first request and again five minutes before it ends; safe to share.

    Args:
        fetch: asks for one. Raises `DeniedError`, or anything else, which counts as retryable.
    """

    def __init__(self, fetch: Callable[[], Token]) -> None:
        self._fetch = fetch
        self._token = Token("", 0.0)
        self._lock = ProcessLock()

    def authorization(self) -> str:
        """The value of the ``Authorization`` header.

        Raises:
            DeniedError: see there.
        """
        with self._lock:
            if time.time() >= self._token.expires_at_s - _EARLY_S:
                self._token = self._fetch()
            return f"Bearer {self._token.value}"

    def renewed(self, refused: str) -> str:
        """The same, after the service refused a token before its time: a new one, unless another thread has it already.

        Args:
            refused: the header's value that was refused.

        Raises:
            DeniedError: see there.
        """
        with self._lock:
            if refused == f"Bearer {self._token.value}":
                self._token = self._fetch()
            return f"Bearer {self._token.value}"
