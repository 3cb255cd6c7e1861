"""An identity of Microsoft Entra, by azure-identity."""

from collections.abc import Mapping
from typing import Any, Final

from azure.core.credentials import TokenCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, DefaultAzureCredential

from callspan_exporters.azure_shared_key import API_VERSION
from callspan_exporters.bearer import BearerToken, DeniedError, Token

_SCOPE: Final = "https://storage.azure.com/.default"


class EntraIdentity:
    """Signs in with azure-identity.

    Args:
        tenant_id, client_id, client_secret: an application's; all None: what `azure.identity.DefaultAzureCredential`
            finds (environment, workload identity, managed identity, the command line's).
        authority: of another cloud; default ``AZURE_AUTHORITY_HOST``, as azure-identity reads it.
    """

    def __init__(
        self,
        tenant_id: str | None,
        client_id: str | None,
        client_secret: str | None,
        *,
        authority: str | None = None,
    ) -> None:
        # Delivery repeats a request, so azure-identity need not.
        options: dict[str, Any] = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 10}
        if authority:  # Entra's own list does not have private clouds
            options |= {"authority": authority, "disable_instance_discovery": True}
        self._credential: TokenCredential = (
            ClientSecretCredential(tenant_id, client_id, client_secret, **options)
            if tenant_id and client_id and client_secret
            else DefaultAzureCredential(**options)
        )
        self._token = BearerToken(self._fetch)

    def signed(self, method: str, url: str, headers: Mapping[str, str], size: int) -> dict[str, str]:  # noqa: ARG002 - a signature's interface
        """The headers and a token.

        Raises:
            DeniedError: Entra gives no token.
        """
        return {**headers, "x-ms-version": API_VERSION, "authorization": self._token.authorization()}

    def _fetch(self) -> Token:
        try:
            issued = self._credential.get_token(_SCOPE)
        except ClientAuthenticationError as error:
            raise DeniedError(error.message or "no credentials found") from error
        return Token(issued.token, issued.expires_on)
