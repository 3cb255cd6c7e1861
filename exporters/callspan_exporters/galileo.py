"""Galileo: each LLM call as a trace with one LLM span."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import quote, urlencode

from callspan_exporters import addresses
from callspan_exporters.bearer import BearerToken, DeniedError, Token
from callspan_exporters.environment import number, required, variable
from callspan_exporters.galileo_trace import trace
from callspan_exporters.http_sink import HTTPSinkExporter
from callspan_exporters.packing import packed
from callspan_exporters.sink import Batching, Item, Request, Response
from callspan_semconv import jsonio

CLOUD: Final = "https://api.galileo.ai"
# Galileo publishes no limits.
_MAX_BYTES: Final = 5_000_000
_JSON: Final = {"content-type": "application/json"}
_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
_WRONG_CREDENTIALS: Final = frozenset({400, 413, 422})  # of a login; elsewhere these are about a call
_FOREVER: Final = float("inf")  # Galileo does not say when a token ends


class GalileoSpanExporter(HTTPSinkExporter):
    """Every LLM call, success or failure, as a Galileo trace.

    With an API key, or with user name and password: then it logs in at the first request, and once more when Galileo
    no longer takes the token. Calls of one session go into one Galileo session. The same call has the same ids.

    Args:
        project_id: default ``GALILEO_PROJECT_ID``.
        api_key: default ``GALILEO_API_KEY``.
        username: in place of a key; default ``GALILEO_USERNAME``.
        password: default ``GALILEO_PASSWORD``.
        base_url: the API's address: the console's with ``api`` in place of ``console``; default ``GALILEO_BASE_URL``,
            else, with an API key, ``https://api.galileo.ai``.
        log_stream_id: default ``GALILEO_LOG_STREAM_ID``, else the project's default stream.
        batch_size: calls per request.
        flush_interval: seconds after which fewer are sent.
        timeout_s: how long one request may take, in seconds.
        name, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: a setting is missing or malformed; names the variable and the argument.
    """

    sink = "galileo"

    def __init__(
        self,
        project_id: str | None = None,
        *,
        api_key: str | None = None,
        username: str | None = None,
        password: str | None = None,
        base_url: str | None = None,
        log_stream_id: str | None = None,
        batch_size: int = 100,
        flush_interval: float = 5.0,
        timeout_s: float = 20.0,
        name: str | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        super().__init__(
            name=name,
            batching=Batching(
                max_items=int(number(batch_size, 100, "galileo.batch_size", least=1)), interval_s=flush_interval
            ),
            export_timeout_s=export_timeout_s,
            request_timeout_s=timeout_s,
        )
        project = quote(required(project_id, "GALILEO_PROJECT_ID", sink=self.name, keyword="project_id"), safe="")
        # A password in code or file wins over a key that is only in the environment.
        key = api_key or (None if username or password else variable("GALILEO_API_KEY"))
        self._headers: Mapping[str, str] = _JSON
        self._token: BearerToken | None = None
        if key:
            where = addresses.base_url(base_url, CLOUD, "GALILEO_BASE_URL", sink=self.name, keyword="base_url")
            self._url = f"{where}/ingest/traces/{project}"
            self._headers = {**_JSON, "galileo-api-key": key}
        else:
            self._login = self._login_request(username, password, base_url)
            self._url = f"{self._login.target.removesuffix('/login')}/v2/projects/{project}/traces"
            self._token = BearerToken(self._log_in)
        self._log_stream_id = log_stream_id or variable("GALILEO_LOG_STREAM_ID")

    def encode(self, items: Sequence[Item]) -> Iterator[Request]:
        """Requests of about 5 MB at most, apart by session."""
        sessions: dict[str, list[tuple[Item, bytes]]] = {}
        for item in items:
            if item.payload is not None:
                made = jsonio.dump_bytes(trace(item.payload, item.metadata))
                sessions.setdefault(item.payload["session_id"], []).append((item, made))
        for session, traces in sessions.items():
            prefix = self._prefix(session)
            for part, body in packed(traces, max_bytes=_MAX_BYTES, prefix=prefix, suffix=b"]}"):
                yield Request(items=part, body=body, target=self._url, headers=self._headers)

    def send(self, request: Request, timeout_s: float) -> Response:
        """Post; with a password, as whoever is logged in."""
        if self._token is None:
            return super().send(request, timeout_s)
        try:
            token = self._token.authorization()
            response = super().send(_authorized(request, token), timeout_s)
            if response.status not in {401, 403}:
                return response
            return super().send(_authorized(request, self._token.renewed(token)), timeout_s)
        except DeniedError as denied:
            return denied.response

    def _prefix(self, session: str) -> bytes:
        settings = {
            "logging_method": "api_direct",
            "reliable": True,  # else Galileo answers before it has stored anything
            "is_complete": True,
            **({"log_stream_id": self._log_stream_id} if self._log_stream_id else {}),
            **({"session_external_id": session} if session else {}),
        }
        return jsonio.dump_bytes(settings)[:-1] + b',"traces":['

    def _login_request(self, username: str | None, password: str | None, base_url: str | None) -> Request:
        if not (username or password or variable("GALILEO_USERNAME", "GALILEO_PASSWORD")):
            required(
                None, "GALILEO_API_KEY", "GALILEO_USERNAME and GALILEO_PASSWORD", sink=self.name, keyword="api_key"
            )
        form = {
            "username": required(username, "GALILEO_USERNAME", sink=self.name, keyword="username"),
            "password": required(password, "GALILEO_PASSWORD", sink=self.name, keyword="password"),
        }
        given = required(base_url, "GALILEO_BASE_URL", sink=self.name, keyword="base_url")
        where = addresses.base_url(base_url, given, "GALILEO_BASE_URL", sink=self.name, keyword="base_url")
        return Request(items=(), body=urlencode(form).encode(), target=f"{where}/login", headers=_FORM)

    def _log_in(self) -> Token:
        answer = self._transport.send(self._login, self.request_timeout_s)
        if answer.status >= 300 and answer.status not in _WRONG_CREDENTIALS:
            raise DeniedError("authentication failed", answer)
        token = answer.parsed().get("access_token")
        if not isinstance(token, str) or not token:
            raise DeniedError("authentication failed")
        return Token(token, _FOREVER)


def _authorized(request: Request, authorization: str) -> Request:
    return replace(request, headers={**request.headers, "authorization": authorization})
