"""AWS credentials and request signing, by botocore.

botocore signs, callspan's own transport sends: the same connections, timeouts, proxies and fork rules as every other
sink. (An S3 client with a runtime of its own threads was measured to hang for good in a forked worker.)
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callspan_exporters.extras import require
from callspan_exporters.process_lock import ProcessLock
from callspan_exporters.sink import Request

if TYPE_CHECKING:
    from botocore.credentials import Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class AWSIdentity:
    """Who signs. The first that is given wins: a role, keys, a profile, else botocore's own chain.

    That chain is the environment, the shared files, SSO, container and instance roles.

    Attributes:
        access_key_id: with ``secret_access_key``, and ``session_token`` for temporary keys.
        profile_name: a profile of the shared files.
        role_name: the ARN of a role to assume.
        session_name: what the assumed role's session is called.
        web_identity_token: a token, or the path of a file that holds one: the role is assumed with it.
        sts_endpoint: where roles are assumed; default: the region's.
    """

    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    profile_name: str | None = None
    role_name: str | None = None
    session_name: str | None = None
    web_identity_token: str | None = None
    sts_endpoint: str | None = None


class AWSSigner:
    """Signs requests (Signature Version 4).

    Credentials are looked up at the first request and refreshed by botocore; nothing is read before.

    Args:
        identity: who signs.
        region: the region to sign for.
        service: what is signed for, as in an ARN: ``s3``, ``dynamodb``.
        extra: the name of the sink, and of the extra that brings botocore, for the error.

    Raises:
        ImportError: botocore is not installed; says what to install.
    """

    def __init__(self, identity: AWSIdentity, region: str, *, service: str, extra: str) -> None:
        require("botocore", sink=extra, extra=extra)
        self._identity = identity
        self._region = region
        self._service = service
        self._credentials: Credentials | None = None
        self._lock = ProcessLock()

    def sign(self, request: Request) -> Request:
        """Add the signature's headers.

        Raises:
            botocore.exceptions.BotoCoreError: there are no credentials, or the role cannot be assumed.
        """
        from botocore.auth import S3SigV4Auth, SigV4Auth  # noqa: PLC0415 - an extra's library, needed by few sinks
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        signed = AWSRequest(request.method, request.target, headers=dict(request.headers), data=request.body)
        algorithm = S3SigV4Auth if self._service == "s3" else SigV4Auth  # S3 does not normalise paths
        algorithm(self._current(), self._service, self._region).add_auth(signed)
        return replace(request, headers=dict(signed.headers.items()))

    def _current(self) -> Any:
        with self._lock:
            if self._credentials is None:
                self._credentials = _load(self._identity, self._region)
            return self._credentials.get_frozen_credentials()


def _load(identity: AWSIdentity, region: str) -> "Credentials":
    from botocore.credentials import Credentials, DeferredRefreshableCredentials  # noqa: PLC0415 - see AWSSigner.sign
    from botocore.exceptions import NoCredentialsError  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    if identity.role_name:
        return DeferredRefreshableCredentials(lambda: _assume_role(identity, region), "sts-assume-role")
    if identity.access_key_id and identity.secret_access_key:
        return Credentials(identity.access_key_id, identity.secret_access_key, identity.session_token)
    credentials = Session(profile=identity.profile_name).get_credentials()
    if credentials is None:
        raise NoCredentialsError
    return credentials


def _assume_role(identity: AWSIdentity, region: str) -> Mapping[str, str]:
    from botocore.config import Config  # noqa: PLC0415 - see AWSSigner.sign
    from botocore.session import Session  # noqa: PLC0415

    sts = Session(profile=identity.profile_name).create_client(
        "sts",
        region_name=region,
        endpoint_url=identity.sts_endpoint,
        aws_access_key_id=identity.access_key_id,
        aws_secret_access_key=identity.secret_access_key,
        aws_session_token=identity.session_token,
        config=Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1}),
    )
    role = {"RoleArn": identity.role_name, "RoleSessionName": identity.session_name or "callspan"}
    if identity.web_identity_token:
        answer = sts.assume_role_with_web_identity(**role, WebIdentityToken=_token(identity.web_identity_token))
    else:
        answer = sts.assume_role(**role)
    issued = answer["Credentials"]
    return {
        "access_key": issued["AccessKeyId"],
        "secret_key": issued["SecretAccessKey"],
        "token": issued["SessionToken"],
        "expiry_time": issued["Expiration"].isoformat(),
    }


def _token(token_or_path: str) -> str:
    """A JSON web token has two dots and no slash in its first part; all else is a path, read anew at each refresh."""
    if token_or_path.count(".") == 2 and "/" not in token_or_path:
        return token_or_path
    return Path(token_or_path).read_text(encoding="utf-8").strip()
