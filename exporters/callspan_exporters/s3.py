"""Amazon S3 and what speaks its protocol (MinIO, R2, B2): one JSON object per call."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from callspan_exporters import tls
from callspan_exporters.aws import AWSSigner
from callspan_exporters.delivery.classify import classify_http, coded_reason, retry_after_s
from callspan_exporters.delivery.http import HTTPTransport
from callspan_exporters.object_store import ObjectStoreExporter
from callspan_exporters.s3_settings import read
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, Verdict

_HEADERS: Final = {
    "content-language": "en",
    "cache-control": "private, immutable, max-age=31536000, s-maxage=0",
}
_CODE: Final = re.compile(rb"<Code>([A-Za-z]{3,60})</Code>")
# Amazon S3, "List of error codes". What an operator can do about an answer; the same words every time, for the log.
_ADVICE: Final = {
    "InvalidAccessKeyId": "the access key id does not exist: check s3_aws_access_key_id or AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret access key is wrong: check s3_aws_secret_access_key or AWS_SECRET_ACCESS_KEY",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set s3_region_name",
    "PermanentRedirect": "the bucket is in another region: set s3_region_name",
    "NoSuchBucket": "the bucket does not exist: check s3_bucket_name",
    "AccessDenied": "the credentials may not write here: s3:PutObject is needed",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "ExpiredToken": "the temporary credentials have expired",
    "EntityTooLarge": "the object is too large",
    "SlowDown": "the bucket asks to slow down",
}
_BAD_KEYS: Final = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch"})
_TERMINAL: Final = frozenset(
    {"InvalidArgument", "MalformedXML", "InvalidDigest", "KeyTooLongError", "BadDigest", "InvalidRequest"}
)
# Some recoverable troubles come as 400 or 409.
_PASSING: Final = frozenset({"ExpiredToken", "RequestTimeout", "OperationAborted", "SlowDown", "TokenRefreshRequired"})
_SAID: Final = dict.fromkeys(_TERMINAL | _PASSING, "") | _ADVICE


class S3SpanExporter(ObjectStoreExporter):
    """Every LLM call, success or failure, as one `StandardLoggingPayload` object in a bucket.

    The key is ``[path/][team alias/][key alias/]YYYY-MM-DD/[HH/]time-HH-MM-SS-ffffff_{id}.json``, from the call's start
    in UTC; the same call always has the same key, so a repeated upload changes nothing.

    Args:
        s3_bucket_name: the bucket; default ``S3_BUCKET_NAME``.
        name, export_timeout_s, request_timeout_s: see `SinkExporter`.
        options: LiteLLM's ``s3_callback_params``, with or without ``s3_`` in front:

            - ``region_name``: default ``AWS_REGION_NAME``, ``AWS_REGION``, ``AWS_DEFAULT_REGION``, else us-east-1.
            - ``endpoint_url``: another service than AWS; default ``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL``.
            - ``use_virtual_hosted_style``: bucket in the host name rather than the path (default false).
            - ``use_ssl`` (default true), ``verify``: true, false, or the path of a file of authorities.
            - ``aws_access_key_id``, ``aws_secret_access_key``, ``aws_session_token``, ``aws_profile_name``,
              ``aws_role_name``, ``aws_session_name``, ``aws_web_identity_token``, ``aws_sts_endpoint``: see
              `callspan_exporters.aws.AWSIdentity`; default: botocore's own chain.
            - ``path``: prefix of every key; default ``S3_PATH``.
            - ``use_team_prefix``, ``use_key_prefix``: the gateway's team and key alias in the key.
            - ``partition_granularity``: ``day`` or ``hour``.
            - ``server_side_encryption``: ``AES256``, ``aws:kms``, ``aws:kms:dsse``; ``sse_kms_key_id``.
            - ``strip_base64_files``: leave inline files out of messages and responses.
            - ``log_prompts_only``: write ``"response": null``.
            - ``batch_file_upload``: one ``.jsonl`` object per batch and folder instead of one object per call.
            - ``batch_size`` (512), ``flush_interval`` (10 s), ``max_concurrent_uploads`` (16).
            - ``drop_on_terminal_error``: false retries what S3 calls invalid (default true: to the dead letters).

    Raises:
        ValueError: an option is unknown, contradictory or malformed, or there is no bucket.
        ImportError: botocore is not installed; says what to install.
    """

    sink = "s3"

    def __init__(
        self,
        s3_bucket_name: str | None = None,
        *,
        name: str | None = None,
        export_timeout_s: float = 30.0,
        request_timeout_s: float = 10.0,
        **options: Any,
    ) -> None:
        settings = read({"s3_bucket_name": s3_bucket_name, **options} if s3_bucket_name else options)
        super().__init__(
            objects=settings.objects,
            concurrency=settings.max_concurrent_uploads,
            name=name,
            batching=Batching(max_items=settings.batch_size, interval_s=settings.flush_interval_s),
            export_timeout_s=export_timeout_s,
            request_timeout_s=request_timeout_s,
        )
        self._settings = settings
        self._signer = AWSSigner(settings.identity, settings.region, service="s3", extra=self.sink)
        self._transport = HTTPTransport(
            max_connections=settings.max_concurrent_uploads,
            tls=tls.context(settings.tls, verify=settings.verify),
        )

    def upload(self, items: Sequence[Item], key: str, body: bytes, headers: Mapping[str, str]) -> Request:
        """Put one object."""
        digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        return Request(
            items=items,
            body=body,
            target=self._settings.base_url + quote(key, safe="/"),
            headers={**_HEADERS, **headers, "content-md5": digest, **self._settings.encryption},
            method="PUT",
        )

    def send(self, request: Request, timeout_s: float) -> Response:
        """Sign and put one object."""
        return self._transport.send(self._signer.sign(request), timeout_s)

    def classify(self, response: Response) -> Outcome:
        """Apply S3's error codes, then the common table.

        403 is retried, because clocks and temporary credentials recover, but not when it says that the keys are wrong.
        """
        if 200 <= response.status < 300:
            return Outcome(Verdict.DELIVERED)
        found = _CODE.search(response.body)
        code = found[1].decode() if found else ""
        return replace(self._verdict(code, response), reason=coded_reason(response.status, code, _SAID))

    def shutdown(self) -> None:
        """Close connections."""
        self._transport.close()

    def _verdict(self, code: str, response: Response) -> Outcome:
        if response.status == 413 or code == "EntityTooLarge":
            return Outcome(Verdict.SPLIT)
        if code in _BAD_KEYS:
            return Outcome(Verdict.REFUSED)
        kept_alive = code in _TERMINAL and not self._settings.drop_on_terminal_error
        if kept_alive or response.status == 403 or code in _PASSING:
            return Outcome(Verdict.RETRY, retry_after_s=retry_after_s(response.headers))
        return classify_http(response)
