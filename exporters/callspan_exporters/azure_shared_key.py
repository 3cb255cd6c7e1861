"""Azure Storage's Shared Key: requests signed with an account key."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final
from urllib.parse import urlsplit

API_VERSION: Final = "2021-12-02"  # of the REST API
# The order of "Authorize with Shared Key", Azure Storage.
_SIGNED_HEADERS: Final = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date"),
    *("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)


@dataclass(frozen=True, slots=True)
class SharedKey:
    """Signs with an account key; see "Authorize with Shared Key" in Azure Storage's REST reference.

    Args:
        account: the account's name.
        key: base64, as the portal shows it.
    """

    account: str
    key: str

    def __post_init__(self) -> None:
        try:
            base64.b64decode(self.key, validate=True)
        except binascii.Error as error:
            message = "azure_storage: account_key (AZURE_STORAGE_ACCOUNT_KEY) is not base64; expected a key as shown"
            raise ValueError(message) from error

    def signed(self, method: str, url: str, headers: Mapping[str, str], size: int) -> dict[str, str]:
        """The headers and a signature.

        Args:
            method: of the request.
            url: without a query.
            headers: names in lower case.
            size: of the body, in bytes.
        """
        dated = {**headers, "x-ms-date": formatdate(usegmt=True), "x-ms-version": API_VERSION}
        values = {**dated, "content-length": str(size)}
        lines = [method, *(values.get(name, "") for name in _SIGNED_HEADERS)]
        lines += [f"{name}:{dated[name]}" for name in sorted(dated) if name.startswith("x-ms-")]
        lines.append(f"/{self.account}{urlsplit(url).path}")
        digest = hmac.new(base64.b64decode(self.key), "\n".join(lines).encode(), hashlib.sha256).digest()
        return {**dated, "authorization": f"SharedKey {self.account}:{base64.b64encode(digest).decode()}"}
