"""Requests and replies of the fake server, and the framing that its APIs share."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from callspan.cli.fake_openai.directives import Directives, parse

Json = dict[str, Any]

# A model's name is answered with its dated snapshot, which is how "asked for" and "answered by" come to differ.
_SNAPSHOTS = {
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "gpt-3.5-turbo-instruct": "gpt-3.5-turbo-instruct:20230824-v2",
}
_AZURE_MODEL = "gpt-4.1-mini-2025-04-14"


@dataclass(frozen=True)
class Request:
    """One request as it arrived.

    Attributes:
        method: ``GET``, ``POST``.
        path: the path as it was sent, without the query.
        query: the query's parameters, the last one of a name.
        headers: names in lower case.
        body: the bytes that were sent.
        json: the JSON body, or the fields of a form with files as ``{"filename": ..., "size": ...}``; empty if neither.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    json: Json = field(default_factory=dict)

    @cached_property
    def azure(self) -> bool:
        """Whether it came in by an Azure OpenAI path."""
        return self.path.startswith("/openai/")

    @cached_property
    def route(self) -> str:
        """The path below the API's root: ``/chat/completions`` for the OpenAI and for the Azure path."""
        for prefix in ("/openai/v1", "/v1"):
            if self.path.startswith(prefix + "/"):
                return self.path[len(prefix) :]
        if self.path.startswith("/openai/deployments/"):
            return "/" + self.path.removeprefix("/openai/deployments/").partition("/")[2]
        return self.path.removeprefix("/openai")

    @cached_property
    def text(self) -> str:
        """What the user said last: the text of the last user message, the input or the prompt."""
        for key in ("messages", "input", "prompt"):
            if key in self.json:
                return _last_text(self.json[key])
        return ""

    @cached_property
    def directives(self) -> Directives:
        """What the last user message asks of the server itself."""
        return parse(self.text)

    @cached_property
    def model(self) -> str:
        """The model that answers."""
        asked = str(self.json.get("model", ""))
        return _SNAPSHOTS.get(asked, _AZURE_MODEL if self.azure else asked)

    @cached_property
    def streaming(self) -> bool:
        """Whether the answer is to be streamed (forms send it as text)."""
        return self.json.get("stream") in (True, "true", "True")


def _last_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    users = [entry for entry in value if isinstance(entry, dict) and entry.get("role") == "user"]
    if users:
        return _text_of(users[-1].get("content"))
    texts = [entry for entry in value if isinstance(entry, str)]
    return texts[-1] if texts else ""


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventStream:
    """An answer in server-sent events, each already framed."""

    frames: Sequence[bytes]


DONE = b"data: [DONE]\n\n"


def frame(data: object, event: str | None = None) -> bytes:
    """Frame one server-sent event."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {dumps(data)}\n\n".encode()


def dumps(value: object) -> str:
    """Serialise as the real API does on streams: compact, UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def reply_json(value: object, **headers: str) -> Reply:
    """Answer with JSON."""
    return Reply(json.dumps(value, indent=2, ensure_ascii=False).encode(), headers=headers)


def new_id(prefix: str) -> str:
    """Return an id as the API would give it: ``chatcmpl-...``, ``resp_...``."""
    return prefix + uuid.uuid4().hex


def cut_by_error(frames: Sequence[bytes], error: bytes) -> EventStream:
    """Keep the first half of a stream and end it with an error event."""
    return EventStream([*frames[: max(1, len(frames) // 2)], error])
