"""The settings of the S3 sink: LiteLLM's ``s3_callback_params``, checked."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final
from urllib.parse import urlsplit

from callspan_exporters.aws import AWSIdentity
from callspan_exporters.environment import first_variable, flag, number, required, variable
from callspan_exporters.object_store import OPTIONS, ObjectSettings, read_options
from callspan_exporters.tls import NO_FILES, TLSFiles

_logger = logging.getLogger(__name__)

# Delivery has bounds of its own for every sink; a LiteLLM configuration that sets these must still load.
_DELIVERYS_OWN: Final = ("max_queue_size", "max_retry_age_seconds", "adaptive_concurrency", "max_adaptive_concurrency")
_IDENTITY: Final = {f"aws_{field.name}": field.name for field in fields(AWSIdentity)}


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Settings:
    """Where objects go and what they hold; see `callspan_exporters.s3.S3SpanExporter` for each."""

    bucket: str
    region: str
    base_url: str
    identity: AWSIdentity
    objects: ObjectSettings
    encryption: Mapping[str, str]
    verify: bool = True
    tls: TLSFiles = NO_FILES
    drop_on_terminal_error: bool = True
    batch_size: int = 512
    flush_interval_s: float = 10.0
    max_concurrent_uploads: int = 16


VALID: Final = (
    *("bucket_name", "region_name", "endpoint_url", "api_version", "use_ssl", "verify", "config"),
    *("use_virtual_hosted_style", "server_side_encryption", "sse_kms_key_id", "drop_on_terminal_error"),
    *("batch_size", "flush_interval", "max_concurrent_uploads"),
    *sorted(OPTIONS),
    *_IDENTITY,
    *_DELIVERYS_OWN,
)


def read(options: Mapping[str, Any]) -> S3Settings:
    """Check the options and complete them from the environment.

    Args:
        options: by name, with or without LiteLLM's ``s3_`` in front; None counts as not given.

    Raises:
        ValueError: a name is unknown or given twice, or a value is none that S3 or callspan knows.
    """
    given = _plain_names(options)
    _check_unsupported(given)
    bucket = required(given.get("bucket_name"), "S3_BUCKET_NAME", sink="s3", keyword="s3_bucket_name")
    region = given.get("region_name") or variable("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION") or "us-east-1"
    return S3Settings(
        bucket=bucket,
        region=region,
        base_url=_base_url(given, bucket, region),
        identity=AWSIdentity(**{name: given.get(key) for key, name in _IDENTITY.items()}),
        objects=_objects(given),
        encryption=_encryption(given),
        **_verify(given.get("verify")),
        drop_on_terminal_error=_flag(given, "drop_on_terminal_error", default=True),
        batch_size=int(number(given.get("batch_size"), 512, "DEFAULT_S3_BATCH_SIZE", least=1)),
        flush_interval_s=number(given.get("flush_interval"), 10, "DEFAULT_S3_FLUSH_INTERVAL_SECONDS", least=0),
        max_concurrent_uploads=int(
            number(given.get("max_concurrent_uploads"), 16, "s3_max_concurrent_uploads", least=1, most=256)
        ),
    )


def _plain_names(options: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for key, value in options.items():
        name = key.removeprefix("s3_")
        if name not in VALID:
            message = f"s3: unknown option {key!r}; expected one of {', '.join(sorted(VALID))}, with or without 's3_'"
            raise ValueError(message)
        if name in given:
            message = f"s3: {name} is given twice, with and without 's3_'"
            raise ValueError(message)
        given[name] = value
    return {name: value for name, value in given.items() if value is not None}


def _check_unsupported(given: Mapping[str, Any]) -> None:
    if given.get("config"):
        message = "s3: s3_config holds settings of boto3's client, which is not used here; use the options of this sink"
        raise ValueError(message)
    if given.get("api_version", "2006-03-01") != "2006-03-01":
        message = f"s3: s3_api_version {given['api_version']!r} does not exist; the only one is 2006-03-01"
        raise ValueError(message)
    if bool(given.get("aws_access_key_id")) != bool(given.get("aws_secret_access_key")):
        message = "s3: s3_aws_access_key_id and s3_aws_secret_access_key are only useful together; one is missing"
        raise ValueError(message)
    if given.get("aws_web_identity_token") and not given.get("aws_role_name"):
        message = "s3: s3_aws_web_identity_token needs s3_aws_role_name, the ARN of the role to assume"
        raise ValueError(message)
    if unused := [name for name in _DELIVERYS_OWN if name in given]:
        _logger.warning("s3: %s has no effect: delivery's own bounds apply to every sink", ", ".join(unused))


def _base_url(given: Mapping[str, Any], bucket: str, region: str) -> str:
    """The URL that a key is appended to, by path or by virtual host.

    ``s3.amazonaws.com`` as an endpoint means AWS itself, where only the region's own host takes a path or a bucket of
    that region.
    """
    source, endpoint = "s3_endpoint_url", given.get("endpoint_url")
    if not endpoint:
        source, endpoint = first_variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") or (source, None)
    scheme = "https" if _flag(given, "use_ssl", default=True) else "http"
    if not endpoint or urlsplit(endpoint).hostname == "s3.amazonaws.com":
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        host = f"s3.{region}.{suffix}"
        # A wildcard certificate covers one label: a bucket with dots in its name is reached by path.
        return f"{scheme}://{host}/{bucket}/" if "." in bucket else f"{scheme}://{bucket}.{host}/"
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = f"{source}: {endpoint!r} is not a URL; expected http://host:port or https://host:port"
        raise ValueError(message)
    if _flag(given, "use_virtual_hosted_style"):
        return parts._replace(netloc=f"{bucket}.{parts.netloc}", path=parts.path.rstrip("/") + "/").geturl()
    return parts._replace(path=f"{parts.path.rstrip('/')}/{bucket}/").geturl()


def _flag(given: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    return flag(given.get(name, default), f"s3: s3_{name}")


def _objects(given: Mapping[str, Any]) -> ObjectSettings:
    completed = {
        "path": variable("S3_PATH"),
        "partition_granularity": variable("S3_PARTITION_GRANULARITY"),
        **{name: value for name, value in given.items() if name in OPTIONS},
        "log_prompts_only": _prompts_only(given),
    }
    return read_options(completed, "s3: s3_")


def _prompts_only(given: Mapping[str, Any]) -> bool:
    """Whether responses stay out: what cannot be read as false means yes, for it is the private side."""
    value = given.get("log_prompts_only", os.environ.get("S3_LOG_PROMPTS_ONLY", ""))
    try:
        return flag(value, "s3_log_prompts_only")
    except ValueError:
        return True


def _verify(value: object) -> dict[str, Any]:
    """Whether to check certificates, or the path of the authorities to trust."""
    try:
        return {"verify": flag(True if value is None else value, "s3_verify")}
    except ValueError:
        return {"tls": TLSFiles(certificate=str(value).strip())}


def _encryption(given: Mapping[str, Any]) -> dict[str, str]:
    """Server-side encryption headers; a key id alone means KMS, and without KMS it means nothing."""
    key_id = given.get("sse_kms_key_id")
    algorithm = given.get("server_side_encryption") or ("aws:kms" if key_id else None)
    if algorithm is None:
        return {}
    if algorithm not in {"AES256", "aws:kms", "aws:kms:dsse"}:
        message = f"s3: s3_server_side_encryption is {algorithm!r}; expected AES256, aws:kms or aws:kms:dsse"
        raise ValueError(message)
    headers = {"x-amz-server-side-encryption": algorithm}
    if key_id and algorithm.startswith("aws:kms"):
        headers["x-amz-server-side-encryption-aws-kms-key-id"] = key_id
    return headers
