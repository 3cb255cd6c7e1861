"""Object keys: one layout for every object store, that of LiteLLM's ``s3`` and ``s3_v2``, in UTC.

docs/object-stores.md describes it for users.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final, Literal

from callspan_semconv import StandardLoggingPayload

MAX_KEY_BYTES: Final = 1024  # the limit of Amazon S3, Google Cloud Storage and, counted in characters, Azure
_MAX_CUT_NAME_BYTES: Final = 64
# A header value is ASCII without quotes; everything else of an id becomes an underscore there.
_NOT_IN_A_HEADER: Final = re.compile(r"[^A-Za-z0-9._=+@-]")
# Stores take most of these in a key, but a path that climbs or a line break in a name is no one's wish.
_NOT_IN_A_SEGMENT: Final = re.compile(r"[/\\\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLayout:
    """What comes before an object's name.

    Attributes:
        path: prefix of every key, without a slash at either end.
        use_team_prefix: whether the gateway's team alias is a folder; likewise ``use_key_prefix``, its key alias.
        partition_granularity: a folder per day, or within it one per hour.
    """

    path: str = ""
    use_team_prefix: bool = False
    use_key_prefix: bool = False
    partition_granularity: Literal["day", "hour"] = "day"


def folder(payload: StandardLoggingPayload, layout: KeyLayout) -> str:
    """``[path/][team alias/][key alias/]YYYY-MM-DD[/HH]`` of a call's start."""
    start = _start(payload)
    metadata = payload["metadata"]
    segments = [layout.path] if layout.path else []
    if layout.use_team_prefix:
        segments.append(_segment(metadata.get("user_api_key_team_alias") or metadata.get("team_alias")))
    if layout.use_key_prefix:
        segments.append(_segment(metadata.get("user_api_key_alias")))
    segments.append(f"{start:%Y-%m-%d}")
    if layout.partition_granularity == "hour":
        segments.append(f"{start:%H}")
    return "/".join(segment for segment in segments if segment)


def object_key(payload: StandardLoggingPayload, layout: KeyLayout) -> str:
    """``{folder}/time-HH-MM-SS-ffffff_{id}.json``: the same call has the same key, at most 1024 bytes long."""
    stem = f"time-{_start(payload):%H-%M-%S-%f}_{_NOT_IN_A_SEGMENT.sub('_', payload['id']).replace(':', '_')}"
    return bounded(folder(payload, layout), f"{stem}.json")


def batch_key(payloads: Sequence[StandardLoggingPayload], layout: KeyLayout) -> str:
    """``{folder}/batch_HH-MM-SS_{digest}.jsonl``: the digest of the calls' ids, so the same batch has the same key."""
    digest = hashlib.sha256("\n".join(f"{p['startTime']} {p['id']}" for p in payloads).encode(errors="replace"))
    name = f"batch_{_start(payloads[0]):%H-%M-%S}_{digest.hexdigest()[:32]}.jsonl"
    return bounded(folder(payloads[0], layout), name)


def disposition(payload: StandardLoggingPayload) -> str:
    """``Content-Disposition`` of an object: the name that a browser saves it under, of at most 1024 bytes."""
    identifier = _NOT_IN_A_HEADER.sub("_", payload["id"])[:900]
    return f'inline; filename="time-{_start(payload):%Y-%m-%dT%H-%M-%S-%f}_{identifier}.json"'


def bounded(parent: str, name: str) -> str:
    """Join, and shorten what exceeds the limit: a cut name ends in its digest, a cut folder in a digest segment."""
    if _size(f"{parent}/{name}") <= MAX_KEY_BYTES:
        return f"{parent}/{name}"
    name = f"{_cut(name, _MAX_CUT_NAME_BYTES)}_{hashlib.sha256(name.encode()).hexdigest()}"
    if _size(f"{parent}/{name}") > MAX_KEY_BYTES:
        digest = hashlib.sha256(parent.encode()).hexdigest()[:16]
        parent = f"{_cut(parent, MAX_KEY_BYTES - _size(name) - len(digest) - 2)}/{digest}"
    return f"{parent}/{name}"


def _start(payload: StandardLoggingPayload) -> datetime:
    return datetime.fromtimestamp(payload["startTime"], timezone.utc)


def _segment(alias: object) -> str:
    text = _NOT_IN_A_SEGMENT.sub("_", str(alias or "")).strip()
    return "_" * len(text) if text in {".", ".."} else text


def _size(text: str) -> int:
    return len(text.encode())


def _cut(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode(errors="ignore")
