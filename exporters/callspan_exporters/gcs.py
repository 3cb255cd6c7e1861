"""Google Cloud Storage: one JSON object per call."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from callspan_exporters.addresses import parse_url
from callspan_exporters.bearer import BearerToken, DeniedError
from callspan_exporters.delivery.classify import classify_http, retry_after_s
from callspan_exporters.delivery.http import HTTPTransport
from callspan_exporters.environment import first_variable, flag, number, required, variable
from callspan_exporters.extras import require
from callspan_exporters.object_store import ObjectSettings, ObjectStoreExporter, read_options
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, Verdict
from callspan_semconv import jsonio

ENDPOINT: Final = "https://storage.googleapis.com"
_SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_write"
_ADVICE: Final = {
    401: "401 unauthorized: check path_service_account or GCS_PATH_SERVICE_ACCOUNT",
    403: "403 forbidden: the account may not write here: storage.objects.create is needed",
    404: "404 not found: the bucket does not exist: check bucket_name or GCS_BUCKET_NAME",
}


class GCSSpanExporter(ObjectStoreExporter):
    """Every LLM call, success or failure, as one `StandardLoggingPayload` object in a bucket.

    docs/object-stores.md describes the keys. An object is created and never overwritten, so that the account needs no
    right to delete: a call that is there already counts as delivered.

    Args:
        bucket_name: the bucket, and after a slash a folder in it; default ``GCS_BUCKET_NAME``.
        path_service_account: path of a service account's JSON key; default ``GCS_PATH_SERVICE_ACCOUNT``, else
            application default credentials.
        endpoint: an emulator; default ``STORAGE_EMULATOR_HOST``. Without a service account nobody signs in there.
        batch_size: calls per flush; default ``GCS_BATCH_SIZE``, else 2048.
        flush_interval: seconds after which fewer are written; default ``GCS_FLUSH_INTERVAL``, else 20.
        max_concurrent_uploads: how many uploads may be under way at once.
        name, export_timeout_s, request_timeout_s: see `callspan_exporters.sink.SinkExporter`.
        options: ``use_team_prefix``, ``use_key_prefix``, ``partition_granularity``, ``strip_base64_files``,
            ``log_prompts_only``, ``batch_file_upload`` (default ``GCS_USE_BATCHED_LOGGING``, else false); see
            `callspan_exporters.object_store.ObjectSettings`.

    Raises:
        ValueError: there is no bucket, or a setting is malformed; names the variable and the argument.
        ImportError: google-auth is not installed; says what to install.
    """

    sink = "gcs_bucket"

    def __init__(
        self,
        bucket_name: str | None = None,
        path_service_account: str | None = None,
        *,
        endpoint: str | None = None,
        batch_size: int | None = None,
        flush_interval: float | None = None,
        max_concurrent_uploads: int = 16,
        name: str | None = None,
        export_timeout_s: float = 30.0,
        request_timeout_s: float = 10.0,
        **options: Any,
    ) -> None:
        value = required(bucket_name, "GCS_BUCKET_NAME", sink=self.sink, keyword="bucket_name")
        bucket, _, folder = value.strip("/").partition("/")
        super().__init__(
            objects=_objects(options, folder),
            concurrency=int(number(max_concurrent_uploads, 16, "max_concurrent_uploads", least=1, most=256)),
            name=name,
            batching=Batching(
                max_items=int(number(batch_size, 2048, "GCS_BATCH_SIZE", least=1)),
                interval_s=number(flush_interval, 20.0, "GCS_FLUSH_INTERVAL", least=0),
            ),
            export_timeout_s=export_timeout_s,
            request_timeout_s=request_timeout_s,
        )
        base, is_emulator = _endpoint(endpoint)
        key_file = path_service_account or variable("GCS_PATH_SERVICE_ACCOUNT")
        self._target = (
            f"{base}/upload/storage/v1/b/{quote(bucket, safe='')}/o?uploadType=multipart&ifGenerationMatch=0&name="
        )
        self._transport = HTTPTransport(max_connections=self.concurrency)
        self._token = None if is_emulator and not key_file else _token(key_file, self._transport)

    def upload(self, items: Sequence[Item], key: str, body: bytes, headers: Mapping[str, str]) -> Request:
        """Create one object ("Objects: insert" of Google's JSON API, as a multipart upload)."""
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        described = {
            "name": key,
            "contentType": headers["content-type"],
            "contentDisposition": headers.get("content-disposition"),
            "md5Hash": base64.b64encode(digest).decode(),
        }
        boundary = f"callspan-{digest.hex()}"
        parts = b"\r\n".join(
            (
                f"--{boundary}\r\ncontent-type: application/json\r\n".encode(),
                jsonio.dump_bytes({name: value for name, value in described.items() if value}),
                f"--{boundary}\r\ncontent-type: {headers['content-type']}\r\n".encode(),
                body,
                f"--{boundary}--\r\n".encode(),
            )
        )
        content_type = {"content-type": f"multipart/related; boundary={boundary}"}
        return Request(items=items, body=parts, target=self._target + quote(key, safe=""), headers=content_type)

    def send(self, request: Request, timeout_s: float) -> Response:
        """Sign in and create one object."""
        if self._token is not None:
            try:
                authorization = {"authorization": self._token.authorization()}
            except DeniedError as denied:
                return denied.response
            request = replace(request, headers={**request.headers, **authorization})
        return self._transport.send(request, timeout_s)

    def classify(self, response: Response) -> Outcome:
        """412 says that the object is there already; 403 is retried, as rights take minutes to arrive everywhere."""
        if response.status == 412:
            return Outcome(Verdict.DELIVERED)
        outcome = classify_http(response)
        if response.status == 403:
            outcome = Outcome(Verdict.RETRY, outcome.reason, retry_after_s(response.headers))
        return replace(outcome, reason=_ADVICE.get(response.status, outcome.reason))

    def shutdown(self) -> None:
        """Close connections."""
        self._transport.close()


def _objects(options: Mapping[str, Any], folder: str) -> ObjectSettings:
    """The options, with the bucket's folder as the path of all keys."""
    batched = flag(variable("GCS_USE_BATCHED_LOGGING") or "false", "GCS_USE_BATCHED_LOGGING")
    return read_options({"batch_file_upload": batched, "path": folder, **options}, "gcs_bucket: ")


def _endpoint(given: str | None) -> tuple[str, bool]:
    """The API's base, and whether it is an emulator."""
    source, url = ("endpoint", given) if given else first_variable("STORAGE_EMULATOR_HOST") or ("", "")
    if not url:
        return ENDPOINT, False
    url = url if "://" in url else f"http://{url}"
    return parse_url(url, f"gcs_bucket: {source}").geturl().rstrip("/"), True


def _token(key_file: str | None, transport: HTTPTransport) -> BearerToken:
    require("google.auth", sink="gcs_bucket", extra="gcs")
    from callspan_exporters.google_identity import GoogleIdentity  # noqa: PLC0415 - an extra's library

    identity = GoogleIdentity(key_file, _SCOPE, transport=transport, sink="gcs_bucket", keyword="path_service_account")
    return BearerToken(identity.fetch)
