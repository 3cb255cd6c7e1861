"""Azure Blob Storage and Data Lake: one JSON block blob per call."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol
from urllib.parse import quote

from callspan_exporters.addresses import parse_url
from callspan_exporters.azure_shared_key import SharedKey
from callspan_exporters.bearer import DeniedError
from callspan_exporters.delivery.classify import classify_http, coded_reason, retry_after_s
from callspan_exporters.delivery.http import HTTPTransport
from callspan_exporters.environment import number, required, variable
from callspan_exporters.extras import require
from callspan_exporters.object_store import ObjectStoreExporter, read_options
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, Verdict

_CODE: Final = re.compile(rb"<Code>([A-Za-z]{3,60})</Code>")
_ADVICE: Final = {
    "AuthenticationFailed": "check AZURE_STORAGE_ACCOUNT_KEY and this machine's clock",
    "AuthorizationFailure": "the account's network rules or key do not allow this",
    "AuthorizationPermissionMismatch": "the identity needs the role Storage Blob Data Contributor",
    "ContainerNotFound": "the container does not exist: check AZURE_STORAGE_FILE_SYSTEM",
    "AccountIsDisabled": "",
    "ContainerBeingDeleted": "",
    "InternalError": "",
    "InvalidAuthenticationInfo": "check the credentials",
    "KeyBasedAuthenticationNotPermitted": "the account takes no keys: use a tenant, client id and client secret",
    "OperationTimedOut": "",
    "RequestBodyTooLarge": "",
    "ServerBusy": "",
}
# The blob is written once: that it is there, and may not be changed, is what was wanted.
_THERE: Final = frozenset({"BlobAlreadyExists", "BlobImmutableDueToPolicy", "ConditionNotMet"})
_HOPELESS: Final = frozenset({"AccountIsDisabled", "KeyBasedAuthenticationNotPermitted"})
_WRONG_KEY: Final = b"MAC signature"  # of AuthenticationFailed; a clock that is wrong has the same code


class _Identity(Protocol):
    """Who writes."""

    def signed(self, method: str, url: str, headers: Mapping[str, str], size: int) -> dict[str, str]:
        """The headers of a request, with those that sign it."""


class AzureBlobSpanExporter(ObjectStoreExporter):
    """Every LLM call, success or failure, as one `StandardLoggingPayload` block blob in a container.

    The Blob endpoint serves accounts with and without hierarchical namespaces (Data Lake) alike. docs/object-stores.md
    describes the keys. A blob is created and never overwritten; a call that is there already counts as delivered.

    Args:
        account_name: default ``AZURE_STORAGE_ACCOUNT_NAME``.
        file_system: the container; default ``AZURE_STORAGE_FILE_SYSTEM``.
        account_key: default ``AZURE_STORAGE_ACCOUNT_KEY``.
        tenant_id: with ``client_id`` and ``client_secret``, an application of Entra, in place of the key; default
            ``AZURE_STORAGE_TENANT_ID``, ``AZURE_STORAGE_CLIENT_ID``, ``AZURE_STORAGE_CLIENT_SECRET``. With neither key
            nor application: what azure-identity's ``DefaultAzureCredential`` finds.
        endpoint_suffix: of another cloud; default ``AZURE_STORAGE_ENDPOINT_SUFFIX``, else ``core.windows.net``.
        endpoint: the whole Blob endpoint, for an emulator or a private link.
        authority: where to sign in, in another cloud; default ``AZURE_AUTHORITY_HOST``.
        batch_size: calls per flush.
        flush_interval: seconds after which fewer are written.
        max_concurrent_uploads: how many uploads may be under way at once.
        name, export_timeout_s, request_timeout_s: see `callspan_exporters.sink.SinkExporter`.
        options: ``path``, ``use_team_prefix``, ``use_key_prefix``, ``partition_granularity``, ``strip_base64_files``,
            ``log_prompts_only``, ``batch_file_upload``; see `callspan_exporters.object_store.ObjectSettings`.

    Raises:
        ValueError: account or container is missing, or a setting is malformed; names the variable and the argument.
        ImportError: there is no account key, and azure-identity is not installed; says what to install.
    """

    sink = "azure_storage"

    def __init__(
        self,
        account_name: str | None = None,
        file_system: str | None = None,
        *,
        account_key: str | None = None,
        tenant_id: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        endpoint_suffix: str | None = None,
        endpoint: str | None = None,
        authority: str | None = None,
        batch_size: int = 512,
        flush_interval: float = 5.0,
        max_concurrent_uploads: int = 16,
        name: str | None = None,
        export_timeout_s: float = 30.0,
        request_timeout_s: float = 10.0,
        **options: Any,
    ) -> None:
        super().__init__(
            objects=read_options(options, "azure_storage: "),
            concurrency=int(number(max_concurrent_uploads, 16, "max_concurrent_uploads", least=1, most=256)),
            name=name,
            batching=Batching(
                max_items=int(number(batch_size, 512, "batch_size", least=1)),
                interval_s=number(flush_interval, 5.0, "flush_interval", least=0),
            ),
            export_timeout_s=export_timeout_s,
            request_timeout_s=request_timeout_s,
        )
        account = required(account_name, "AZURE_STORAGE_ACCOUNT_NAME", sink=self.sink, keyword="account_name")
        container = required(file_system, "AZURE_STORAGE_FILE_SYSTEM", sink=self.sink, keyword="file_system")
        self._base_url = f"{_endpoint(endpoint, account, endpoint_suffix)}/{quote(container)}/"
        self._identity = _identity(account, account_key, (tenant_id, client_id, client_secret), authority)
        self._transport = HTTPTransport(max_connections=self.concurrency)

    def upload(self, items: Sequence[Item], key: str, body: bytes, headers: Mapping[str, str]) -> Request:
        """Create one block blob ("Put Blob" of Azure's REST API)."""
        written = {
            "content-type": headers["content-type"],
            "content-md5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
            "if-none-match": "*",
            "x-ms-blob-type": "BlockBlob",
        }
        if shown := headers.get("content-disposition"):
            written["x-ms-blob-content-disposition"] = shown
        return Request(items, body, self._base_url + quote(key, safe="/"), written, method="PUT")

    def send(self, request: Request, timeout_s: float) -> Response:
        """Sign in and create one blob."""
        try:
            signed = self._identity.signed(request.method, request.target, request.headers, len(request.body))
        except DeniedError as denied:
            return denied.response
        return self._transport.send(replace(request, headers=signed), timeout_s)

    def classify(self, response: Response) -> Outcome:
        """Apply Azure Storage's error codes, then the common table.

        403 is retried, because clocks recover and roles take minutes to arrive, but not when the key is wrong.
        """
        if 200 <= response.status < 300:
            return Outcome(Verdict.DELIVERED)
        found = _CODE.search(response.body)
        code = response.headers.get("x-ms-error-code") or (found[1].decode() if found else "")
        if code in _THERE:
            return Outcome(Verdict.DELIVERED)
        outcome = classify_http(response)
        if _passes(response, code):
            outcome = Outcome(Verdict.RETRY, retry_after_s=retry_after_s(response.headers))
        return replace(outcome, reason=coded_reason(response.status, code, _ADVICE)) if code else outcome

    def shutdown(self) -> None:
        """Close connections."""
        self._transport.close()


def _passes(response: Response, code: str) -> bool:
    if response.status == 403:
        return code not in _HOPELESS and _WRONG_KEY not in response.body
    return code == "ContainerBeingDeleted"


def _endpoint(given: str | None, account: str, suffix: str | None) -> str:
    suffix = suffix or variable("AZURE_STORAGE_ENDPOINT_SUFFIX") or "core.windows.net"
    return parse_url(given or f"https://{account}.blob.{suffix}", "azure_storage: endpoint").geturl().rstrip("/")


def _identity(
    account: str, key: str | None, application: tuple[str | None, str | None, str | None], authority: str | None
) -> _Identity:
    """The account's key where there is one, else an application, else whoever this machine is."""
    if found := key or variable("AZURE_STORAGE_ACCOUNT_KEY"):
        return SharedKey(account, found)
    names = ("tenant_id", "client_id", "client_secret")
    variables = {name: f"AZURE_STORAGE_{name.upper()}" for name in names}
    parts = {name: given or variable(variables[name]) for name, given in zip(names, application, strict=True)}
    if any(parts.values()):
        for name, value in parts.items():
            required(value, variables[name], sink="azure_storage", keyword=name)
    require("azure.identity", sink="azure_storage", extra="azure")
    from callspan_exporters.azure_entra import EntraIdentity  # noqa: PLC0415 - an extra's library

    return EntraIdentity(**parts, authority=authority)
