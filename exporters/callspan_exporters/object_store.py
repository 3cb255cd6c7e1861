"""What every object store shares: which calls make up an object, and what the object holds."""

import abc
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from callspan_exporters.environment import flag
from callspan_exporters.object_keys import KeyLayout, batch_key, disposition, object_key
from callspan_exporters.sink import Batching, Item, Request, SinkExporter
from callspan_semconv import StandardLoggingPayload, jsonio

_DATA_URL: Final = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,[A-Za-z0-9+/=_-]+")
_BASE64_KEYS: Final = frozenset({"file_data", "input_audio.data", "audio.data", "b64_json"})
_STRIPPED: Final = "[BASE64_REDACTED]"
_FLAGS: Final = ("use_team_prefix", "use_key_prefix", "strip_base64_files", "log_prompts_only", "batch_file_upload")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSettings:
    """Where objects go and what they hold, whatever the store.

    Attributes:
        layout: of the keys.
        strip_base64_files: leave inline files out of messages and responses.
        log_prompts_only: write ``"response": null``.
        batch_file_upload: one ``.jsonl`` object per batch and folder instead of one object per call.
    """

    layout: KeyLayout
    strip_base64_files: bool = False
    log_prompts_only: bool = False
    batch_file_upload: bool = False


OPTIONS: Final = frozenset(
    {field.name for part in (KeyLayout, ObjectSettings) for field in fields(part) if field.name != "layout"}
)


def read_options(given: Mapping[str, Any], where: str) -> ObjectSettings:
    """Check options of objects.

    Args:
        given: by their names in `OPTIONS`; None counts as not given.
        where: what an error puts in front of an option's name, such as ``s3: s3_``.

    Raises:
        ValueError: a name is unknown, or a value is none of its kind.
    """
    given = {name: value for name, value in given.items() if value is not None}
    if unknown := sorted(given.keys() - OPTIONS):
        message = f"{where}{unknown[0]}: unknown option; expected one of {', '.join(sorted(OPTIONS))}"
        raise ValueError(message)
    flags = {name: flag(given.get(name, False), f"{where}{name}") for name in _FLAGS}
    return ObjectSettings(
        layout=KeyLayout(
            path=(given.get("path") or "").strip("/"),
            use_team_prefix=flags["use_team_prefix"],
            use_key_prefix=flags["use_key_prefix"],
            partition_granularity=_granularity(given.get("partition_granularity") or "day", where),
        ),
        strip_base64_files=flags["strip_base64_files"],
        log_prompts_only=flags["log_prompts_only"],
        batch_file_upload=flags["batch_file_upload"],
    )


class ObjectStoreExporter(SinkExporter):
    """Base of the object stores: every LLM call, success or failure, as one `StandardLoggingPayload` object.

    The same call always has the same key, so a repeated upload changes nothing.

    Args:
        objects: where objects go and what they hold.
        concurrency: how many uploads may be under way at once.
        name, batching, export_timeout_s, request_timeout_s: see `SinkExporter`.
    """

    def __init__(
        self,
        *,
        objects: ObjectSettings,
        concurrency: int,
        name: str | None = None,
        batching: Batching | None = None,
        export_timeout_s: float = 30.0,
        request_timeout_s: float = 10.0,
    ) -> None:
        super().__init__(
            name=name, batching=batching, export_timeout_s=export_timeout_s, request_timeout_s=request_timeout_s
        )
        self.concurrency = concurrency
        self._objects = objects

    @abc.abstractmethod
    def upload(self, items: Sequence[Item], key: str, body: bytes, headers: Mapping[str, str]) -> Request:
        """The request that writes one object.

        Args:
            items: the calls in it.
            key: where it goes; not percent-encoded.
            body: what it holds.
            headers: ``content-type``, and for a single call ``content-disposition``.
        """

    def encode(self, items: Sequence[Item]) -> Iterable[Request]:
        """One request per call, or per folder with ``batch_file_upload``."""
        calls = [(item, _written(item.payload, self._objects)) for item in items if item.payload is not None]
        if self._objects.batch_file_upload:
            yield from self._files(calls)
            return
        for item, payload in calls:
            headers = {"content-type": "application/json", "content-disposition": disposition(payload)}
            yield self.upload([item], object_key(payload, self._objects.layout), jsonio.dump_bytes(payload), headers)

    def _files(self, calls: Sequence[tuple[Item, StandardLoggingPayload]]) -> Iterator[Request]:
        layout = self._objects.layout
        folders: defaultdict[str, list[tuple[Item, StandardLoggingPayload]]] = defaultdict(list)
        for item, payload in calls:
            folders[object_key(payload, layout).rpartition("/")[0]].append((item, payload))
        for group in folders.values():
            payloads = [payload for _, payload in group]
            body = b"\n".join(map(jsonio.dump_bytes, payloads)) + b"\n"
            headers = {"content-type": "application/x-ndjson"}
            yield self.upload([item for item, _ in group], batch_key(payloads, layout), body, headers)


def _granularity(value: object, where: str) -> Literal["day", "hour"]:
    if value == "day":
        return "day"
    if value == "hour":
        return "hour"
    message = f"{where}partition_granularity is {value!r}; expected 'day' or 'hour'"
    raise ValueError(message)


def _written(payload: StandardLoggingPayload, settings: ObjectSettings) -> StandardLoggingPayload:
    """The payload as this bucket is to have it; the shared one is never changed."""
    if not (settings.log_prompts_only or settings.strip_base64_files):
        return payload
    payload = payload.copy()
    if settings.log_prompts_only:
        payload["response"] = None
    if settings.strip_base64_files:
        payload["messages"] = _without_files(payload["messages"])
        payload["response"] = _without_files(payload["response"])
    return payload


def _without_files(value: Any, key: str = "") -> Any:
    """Replace inline files at any depth: data URLs, and the fields of a chat message that hold bare base64."""
    if isinstance(value, str):
        return _STRIPPED if key in _BASE64_KEYS else _DATA_URL.sub(_STRIPPED, value)
    if isinstance(value, Mapping):
        inside = key if key in {"input_audio", "audio"} else ""
        return {name: _without_files(entry, f"{inside}.{name}" if inside else name) for name, entry in value.items()}
    if isinstance(value, list):
        return [_without_files(entry) for entry in value]
    return value
