"""What the tests of the instrumentation share: reading spans, and driving sync and async clients with one code."""

import asyncio
import gc
import importlib
import inspect
import json
from collections.abc import Sequence
from typing import Any

import openai
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from callspan_semconv import attributes as attr

OPENAI_MAJOR = int(openai.__version__.partition(".")[0])
# openai 3 speaks through httpx2, openai 2 through httpx; both have the same interface.
httpx: Any = importlib.import_module("httpx2" if OPENAI_MAJOR >= 3 else "httpx")

MODEL = "gpt-4o-mini"


class Spans:
    """Finished spans."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()

    @property
    def all(self) -> Sequence[ReadableSpan]:
        return self.exporter.get_finished_spans()

    def one(self) -> "Read":
        """The only span there is."""
        (span,) = self.all
        return Read(span)

    def take(self) -> "Read":
        """The only span there is, and forget it."""
        read = self.one()
        self.exporter.clear()
        return read


class Read:
    """A finished span, its JSON attributes parsed."""

    def __init__(self, span: ReadableSpan) -> None:
        self.span = span
        self.attributes = dict(span.attributes or {})

    def __getitem__(self, name: str) -> Any:
        return self.attributes[name]

    def get(self, name: str) -> Any:
        return self.attributes.get(name)

    def json(self, name: str) -> Any:
        """A JSON attribute, None if absent."""
        text = self.attributes.get(name)
        return None if text is None else json.loads(str(text))

    @property
    def ok(self) -> bool:
        return self.span.status.is_unset

    @property
    def end(self) -> Any:
        return self.get(attr.CALLSPAN_STREAM_END)

    @property
    def input(self) -> Any:
        return self.json(attr.GEN_AI_INPUT_MESSAGES)

    @property
    def output(self) -> Any:
        return self.json(attr.GEN_AI_OUTPUT_MESSAGES)

    @property
    def text(self) -> str:
        """The text of the first answer, as far as it came."""
        messages = self.output or [{"parts": []}]
        return "".join(part["content"] for part in messages[0]["parts"] if part["type"] == "text")

    @property
    def parameters(self) -> Any:
        return self.json(attr.CALLSPAN_REQUEST_PARAMETERS)


def user(text: Any) -> Any:
    return [{"role": "user", "content": text}]


async def settle(value: Any) -> Any:
    """The value itself, or what an awaitable brings."""
    return await value if inspect.isawaitable(value) else value


async def collect(stream: Any, limit: int | None = None) -> list[Any]:
    """Loop over a stream of either kind, and break off after ``limit`` items."""
    items: list[Any] = []
    if hasattr(stream, "__aiter__"):
        async for item in stream:
            items.append(item)
            if len(items) == limit:
                break
        return items
    for item in stream:
        items.append(item)
        if len(items) == limit:
            break
    return items


async def collect_garbage(spans: Spans, count: int = 1) -> None:
    """Collect until so many spans are there; the event loop closes the async generators that the collector found."""
    for _ in range(6):  # each may hold another
        gc.collect()
        await asyncio.sleep(0)
        if closing := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(closing)
        if len(spans.all) >= count:
            break


def answering(answer: Any) -> Any:
    """A sync HTTP client whose server is ``answer(request) -> response``."""
    return httpx.Client(transport=httpx.MockTransport(answer))


def async_answering(answer: Any) -> Any:
    """An async HTTP client whose server is ``answer(request) -> response``."""
    return httpx.AsyncClient(transport=httpx.MockTransport(answer))
