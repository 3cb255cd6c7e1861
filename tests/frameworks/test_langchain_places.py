"""Where calls are that LangChain makes in threads, tasks, streams and tools."""

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.context import get_current
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import use_span

from callspan_semconv import attributes as attr
from tests.frameworks.support import CHAT, named, result_of, tree
from tests.instrumentation.support import MODEL, Spans, collect_garbage

pytest.importorskip("langchain", reason="LangChain is absent: it has an environment of its own")

from langchain_core.callbacks import CallbackManager
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import StructuredTool

from tests.frameworks import langchain_support
from tests.frameworks.langchain_support import agent, prompt, saying, whisper

model, new_model, no_run_is_left = (
    langchain_support.model,
    langchain_support.new_model,
    langchain_support.no_run_is_left,
)


async def test_tool_that_is_cancelled(spans: Spans) -> None:
    """The framework says nothing of it: the span ends all the same, and nothing stays current."""
    before = get_current()
    begun = asyncio.Event()

    async def wait(text: str) -> str:
        """Waits."""
        begun.set()
        await asyncio.Event().wait()
        return text

    async def cancel(task: Any) -> None:
        await begun.wait()
        task.cancel()

    cancelling = asyncio.ensure_future(cancel(asyncio.current_task()))
    with pytest.raises(asyncio.CancelledError):
        await StructuredTool.from_function(coroutine=wait).ainvoke({"text": "x"})
    await cancelling
    assert get_current() == before
    assert tree(spans) == ["execute_tool wait"]
    assert named(spans, "execute_tool wait")[attr.ERROR_TYPE] == "asyncio.exceptions.CancelledError"


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_tool_alone(way: str, spans: Spans) -> None:
    """A tool that the application runs itself, one inside the other; afterwards nothing is current."""
    inner = StructuredTool.from_function(whisper)

    def around(text: str) -> str:
        """Around."""
        return str(inner.invoke({"text": text}))

    before = get_current()
    assert await result_of(getattr(StructuredTool.from_function(around), way)({"text": "A"})) == "a"
    assert get_current() == before
    assert tree(spans) == ["execute_tool around", "  execute_tool whisper"]


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_spans_of_the_application_in_a_tool(
    way: str, spans: Spans, tracer_provider: TracerProvider, model: Any
) -> None:
    """They are inside the tool's span, and the calls in them inside theirs."""
    tracer = tracer_provider.get_tracer("app")

    def look(text: str) -> str:
        """Looks."""
        with tracer.start_as_current_span("query"):
            return str(model.invoke(text).content)

    await result_of(getattr(agent(model, look, name="A"), way)(prompt("Hello")))
    assert tree(spans) == [
        *("invoke_agent A", f"  {CHAT}", f"  {CHAT}", "  execute_tool look", "    query", f"      {CHAT}")
    ]


async def test_stream_that_is_left(spans: Spans, model: Any) -> None:
    """The application stops reading: every span ends, and nothing has failed."""
    for _ in saying(model).stream({"word": "one two three"}):
        break
    assert tree(spans) == ["invoke_workflow RunnableSequence", f"  {CHAT}"]
    assert all(span.status.is_unset for span in spans.all)


async def test_async_stream_that_is_left(spans: Spans, model: Any) -> None:
    """The same, once Python has closed the generators inside the one that the application closes."""
    async for _ in (stream := saying(model).astream({"word": "one two three"})):
        break
    await stream.aclose()
    await collect_garbage(spans, 2)
    assert tree(spans) == ["invoke_workflow RunnableSequence", f"  {CHAT}"]
    assert all(span.status.is_unset for span in spans.all)


async def test_calls_between_the_chunks_of_a_stream(spans: Spans, model: Any) -> None:
    """What the application does between two chunks is not the stream's."""
    for count, _ in enumerate(saying(model).stream({"word": "one"})):
        if count == 1:
            model.invoke("!say two")
    assert tree(spans) == [CHAT, "invoke_workflow RunnableSequence", f"  {CHAT}"]


def in_a_thread(work: Any) -> Any:
    """What ``work`` returns in a thread, where nothing is current."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def test_config_passed_on_by_hand(spans: Spans, tracer_provider: TracerProvider, model: Any) -> None:
    """In a thread nothing is current: the config that the application passes says where a call belongs."""

    def step(word: str, config: Any) -> str:
        return str(in_a_thread(lambda: model.invoke(f"!say {word}", config)).content)

    with tracer_provider.get_tracer("app").start_as_current_span("request"):
        assert RunnableLambda(step).invoke("one") == "one"
    assert tree(spans) == ["request", "  invoke_workflow step", f"    {CHAT}"]


def test_config_of_another_run(spans: Spans, model: Any) -> None:
    """It goes before the run that is current."""

    def outer(word: str, config: Any) -> str:
        inner = RunnableLambda(lambda word: model.invoke(f"!say {word}", config))
        return str(in_a_thread(lambda: inner.with_config(run_name="inner").invoke(word)).content)

    assert RunnableLambda(outer).invoke("one") == "one"
    assert tree(spans) == ["invoke_workflow inner", "invoke_workflow outer", f"  {CHAT}"]


def test_chain_between_the_chunks_of_a_model(spans: Spans, model: Any, client: Any) -> None:
    """What it does belongs to it, not to the model that is being read."""

    def step(word: str) -> str:
        messages: Any = [{"role": "user", "content": word}]
        return str(client.chat.completions.create(model=MODEL, messages=messages).choices[0].message.content)

    chunks = model.stream("!say one")
    next(chunks)
    RunnableLambda(step).invoke("two")
    list(chunks)
    assert tree(spans) == [CHAT, "invoke_workflow step", f"  {CHAT}"]


def test_run_that_nobody_ends(spans: Spans) -> None:
    """Its span ends when nothing is left that could end it; nothing stays current."""
    manager = CallbackManager.configure().on_tool_start({"name": "odd"}, "Paris")
    assert not spans.all
    del manager
    gc.collect()
    assert tree(spans) == ["execute_tool odd"]


def test_run_inside_an_unknown_one(spans: Spans, model: Any) -> None:
    """A chain inside the run of another tracer is the outermost that callspan knows."""
    saying(model).invoke({"word": "one"}, {"callbacks": CallbackManager([], parent_run_id=uuid4())})
    assert tree(spans) == ["invoke_workflow RunnableSequence", f"  {CHAT}"]


def test_span_of_the_application_is_closer(spans: Spans, tracer_provider: TracerProvider, model: Any) -> None:
    """A span that the application makes current in a step is the parent of the call in it."""
    span = tracer_provider.get_tracer("app").start_span("mine")

    def step(word: str) -> str:
        with use_span(span, end_on_exit=True):
            return str(model.invoke(f"!say {word}").content)

    RunnableLambda(step).invoke("one")
    assert tree(spans) == ["invoke_workflow step", "mine", f"  {CHAT}"]
