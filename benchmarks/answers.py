"""An openai client whose answers are canned: the SDK's method runs, its objects come back, and no bytes move.

The seam is the client's own ``post``, below the resource method that is instrumented and above the HTTP transport.
Through the whole SDK a call costs two to twenty times as much, and its variation hides small differences. One case goes
through all of it nevertheless.
"""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletionChunk

API_KEY = "sk-benchmark"
HEADERS = {"content-type": "application/json", "x-request-id": "req_4f2b9c0de1"}
EVENT_HEADERS = {**HEADERS, "content-type": "text/event-stream"}
MODEL = "gpt-4o-mini"
EMBEDDING_MODEL = "text-embedding-3-small"
_ANSWERED_BY = "gpt-4o-mini-2024-07-18"

_USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 10,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
_CHAT = {
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    "object": "chat.completion",
    "created": 1_741_569_952,
    "model": _ANSWERED_BY,
    "service_tier": "default",
    "system_fingerprint": "fp_44709d6fcb",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hello there, how are you today? " * 4,
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": _USAGE,
}
_EMBEDDINGS = {
    "object": "list",
    "model": EMBEDDING_MODEL,
    "data": [{"object": "embedding", "index": 0, "embedding": [0.001 * n for n in range(1536)]}],
    "usage": {"prompt_tokens": 20, "total_tokens": 20},
}


def _answer(request: httpx2.Request) -> httpx2.Response:
    body = _EMBEDDINGS if request.url.path.endswith("/embeddings") else _CHAT
    return httpx2.Response(200, headers=HEADERS, content=json.dumps(body))


def whole_client() -> openai.OpenAI:
    """The SDK with everything it does for a call, but no socket."""
    return openai.OpenAI(api_key=API_KEY, http_client=httpx2.Client(transport=httpx2.MockTransport(_answer)))


class _Templates:
    """The objects that the SDK itself makes of the answers; each call gets a shallow copy of its own."""

    def __init__(self) -> None:
        client = whole_client()
        self._by_path: dict[str, Any] = {
            "/chat/completions": client.chat.completions.create(model=MODEL, messages=[]),
            "/embeddings": client.embeddings.create(model=EMBEDDING_MODEL, input=""),
        }

    def answer(self, path: str) -> Any:
        return copy.copy(self._by_path[path])


def _chunks(count: int) -> list[ChatCompletionChunk]:
    """A stream of ``count`` chunks: the role, text, the finish reason, and the usage as the last."""
    head = {key: _CHAT[key] for key in ("id", "created", "model", "service_tier", "system_fingerprint")}
    head["object"] = "chat.completion.chunk"

    def chunk(delta: dict[str, Any], reason: str | None = None) -> ChatCompletionChunk:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return ChatCompletionChunk.model_validate({**head, "choices": [choice], "usage": None})

    first = chunk({"role": "assistant", "content": "", "refusal": None})
    texts = [chunk({"content": " word"}) for _ in range(count - 3)]
    usage = ChatCompletionChunk.model_validate({**head, "choices": [], "usage": _USAGE})
    return [first, *texts, chunk({}, "stop"), usage]


class _Nothing(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        return
        yield b""


class _Stream(openai.Stream[ChatCompletionChunk]):
    """The SDK's stream, with chunks that are parsed already."""

    chunks: list[ChatCompletionChunk]

    def __stream__(self) -> Iterator[ChatCompletionChunk]:
        yield from type(self).chunks
        self.response.close()


class _AsyncStream(openai.AsyncStream[ChatCompletionChunk]):
    """The same, async."""

    chunks: list[ChatCompletionChunk]

    async def __stream__(self) -> AsyncIterator[ChatCompletionChunk]:
        for chunk in type(self).chunks:
            yield chunk
        await self.response.aclose()


def _stream_arguments(client: Any) -> dict[str, Any]:
    response = httpx2.Response(200, headers=EVENT_HEADERS, stream=_Nothing())
    return {"cast_to": ChatCompletionChunk, "response": response, "client": client}


class Client(openai.OpenAI):
    """The SDK's client, answered from memory.

    Args:
        chunks: length of its streams.
    """

    def __init__(self, chunks: int = 0) -> None:
        super().__init__(api_key=API_KEY)
        self._templates = _Templates()
        self._stream_class = type("Stream", (_Stream,), {"chunks": _chunks(chunks) if chunks else []})

    def post(self, path: str, *, stream: bool = False, **_options: Any) -> Any:
        return self._stream_class(**_stream_arguments(self)) if stream else self._templates.answer(path)


class AsyncClient(openai.AsyncOpenAI):
    """The same, async."""

    def __init__(self, chunks: int = 0) -> None:
        super().__init__(api_key=API_KEY)
        self._templates = _Templates()
        self._stream_class = type("Stream", (_AsyncStream,), {"chunks": _chunks(chunks) if chunks else []})

    async def post(self, path: str, *, stream: bool = False, **_options: Any) -> Any:
        return self._stream_class(**_stream_arguments(self)) if stream else self._templates.answer(path)
