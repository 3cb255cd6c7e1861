"""Web applications that call models, under real servers."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import openai
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from opentelemetry.sdk.trace import ReadableSpan
from starlette.background import BackgroundTask

from callspan.cli.fake_openai import FakeOpenAI
from tests.instrumentation.support import MODEL, user

TRACE, CALLER = "80e1afed08e019fc1110464cfa66635c", "7a085853722dc6d2"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"


def place(span: ReadableSpan) -> str:
    """Trace and parent of a span, as ids in a ``traceparent``."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}-{span.parent.span_id if span.parent else 0:016x}"


class Service:
    """An application that calls a model in every way that a request can.

    Attributes:
        later: set when the background task is done.
    """

    def __init__(self, fake: FakeOpenAI) -> None:
        self.later = threading.Event()
        self._options: Any = {"base_url": fake.base_url, "api_key": "k", "max_retries": 0}

    def app(self) -> FastAPI:
        app = FastAPI()
        for endpoint in (self.ask, self.thread, self.stream, self.background, self.none, self.raises):
            app.add_api_route(f"/{endpoint.__name__}", endpoint, methods=["POST"], response_model=None)
        return app

    async def call(self, text: str = "Hi") -> None:
        async with openai.AsyncOpenAI(**self._options) as client:
            await client.chat.completions.create(model=MODEL, messages=user(text))

    async def ask(self, request: Request) -> JSONResponse:
        body = await request.json()
        for text in body.get("texts", [body.get("text", "Hi")]):
            await self.call(text)
        return JSONResponse({"body": body})

    def thread(self) -> None:
        with openai.OpenAI(**self._options) as client:
            client.chat.completions.create(model=MODEL, messages=user("Hi"))

    async def stream(self) -> StreamingResponse:
        client = openai.AsyncOpenAI(**self._options)
        stream = await client.chat.completions.create(model=MODEL, messages=user("Hi"), stream=True)

        async def pieces() -> AsyncIterator[str]:
            async for chunk in stream:
                yield chunk.choices[0].delta.content or "" if chunk.choices else ""
            await client.close()
            await self.call()

        return StreamingResponse(pieces())

    async def background(self) -> JSONResponse:
        async def after() -> None:
            await self.call()
            self.later.set()

        return JSONResponse({}, background=BackgroundTask(after))

    async def none(self, request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    async def raises(self) -> None:
        await self.call("!error 400")


@contextmanager
def serve(app: Any) -> Iterator[str]:
    """Serve an ASGI application with uvicorn; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            threading.Event().wait(0.005)  # uvicorn has no event to wait for
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
