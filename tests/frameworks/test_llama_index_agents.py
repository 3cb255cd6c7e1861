"""LlamaIndex's workflows, agents and tools, and the model calls inside them."""

import asyncio
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

import callspan
from callspan.core.guard import failures
from callspan.frameworks import llama_index as framework
from callspan.instrumentors import activate, uninstrument
from callspan_semconv import attributes as attr
from callspan_semconv import to_payload
from tests.frameworks.support import CHAT, named, tree
from tests.instrumentation.support import Spans

pytest.importorskip("llama_index", reason="LlamaIndex is absent: it has an environment of its own")

from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step

from tests.frameworks.test_llama_index import chat

pytestmark = pytest.mark.filterwarnings(
    "ignore::pydantic.warnings.PydanticDeprecatedSince20", "ignore::pydantic.warnings.PydanticDeprecatedSince211"
)


@pytest.fixture
def model(fake_openai: Any) -> Any:
    return chat(fake_openai)


@pytest.fixture(autouse=True)
def no_run_is_left() -> Any:
    """Whatever began has ended, and nothing is kept of it."""
    yield
    assert not framework._observer._runs._open
    assert not framework._observer._runs._spans


def whisper(text: str) -> str:
    """Whispers."""
    return text.lower()


def fail(text: str) -> str:
    """Fails."""
    raise ValueError(f"no {text}")


def workflow(name: str, work: Any) -> Any:
    """A workflow of one step, which does what ``work()`` does."""

    async def only(self: Any, ev: StartEvent) -> StopEvent:
        return StopEvent(result=await work())

    only.__qualname__ = f"{name}.only"  # a method, as the framework tells them
    return type(Workflow)(name, (Workflow,), {"only": step(only)})()


async def answer(runs: Any, text: str, *, streamed: bool = False) -> str:
    """What a workflow answers."""
    handler = runs.run(text)
    if streamed:
        async for _ in handler.stream_events():
            pass
    return str(await handler)


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
async def test_two_tools_at_once(streamed: bool, spans: Spans, model: Any, without: Any) -> None:
    """Two tools in parallel, one of which asks the model itself: exactly these spans, and the answer unchanged."""

    async def shout(text: str) -> str:
        """Shouts."""
        return str(await model.acomplete(f"!say {text}!"))

    crier = FunctionAgent(tools=[whisper, shout], llm=model, name="Crier")
    with without():
        expected = await answer(crier, "!tools 2 Hello", streamed=streamed)
    assert await answer(crier, "!tools 2 Hello", streamed=streamed) == expected
    assert tree(spans) == [
        "invoke_agent Crier",
        f"  {CHAT}",
        f"  {CHAT}",
        "  execute_tool shout",
        f"    {CHAT}",
        "  execute_tool whisper",
    ]
    tool = named(spans, "execute_tool whisper")
    assert tool[attr.GEN_AI_OPERATION_NAME] == "execute_tool"
    assert tool[attr.GEN_AI_TOOL_NAME] == "whisper"
    assert tool[attr.GEN_AI_TOOL_TYPE] == "function"
    assert "Whispers." in tool[attr.GEN_AI_TOOL_DESCRIPTION]
    assert tool.json(attr.GEN_AI_TOOL_CALL_ARGUMENTS) == {"text": "Paris"}
    assert tool[attr.GEN_AI_TOOL_CALL_RESULT] == "paris"
    assert named(spans, "invoke_agent Crier")[attr.GEN_AI_AGENT_NAME] == "Crier"
    assert [span.name for span in spans.all if to_payload(span) is not None] == [CHAT] * 3


async def test_agent_in_a_workflow(spans: Spans, model: Any) -> None:
    """The workflow by its class, the agent in it, two at once each with its own; an agent without a name has none."""

    async def both() -> Any:
        agents = FunctionAgent(llm=model, name="A"), FunctionAgent(llm=model)
        return await asyncio.gather(*(answer(agent, "Hello") for agent in agents))

    await workflow("Flow", both).run()
    assert tree(spans) == ["invoke_workflow Flow", "  invoke_agent", f"    {CHAT}", "  invoke_agent A", f"    {CHAT}"]


async def test_agents_that_hand_over(spans: Spans, model: Any) -> None:
    """The framework runs them as one workflow."""
    await answer(AgentWorkflow(agents=[FunctionAgent(llm=model, name="A", tools=[whisper])]), "Hello")
    assert tree(spans) == ["invoke_workflow AgentWorkflow", f"  {CHAT}", f"  {CHAT}", "  execute_tool whisper"]


async def test_tool_that_fails(spans: Spans, model: Any) -> None:
    """The tool's span has the exception; the framework tells the model, so the agent has not failed."""
    await answer(FunctionAgent(tools=[fail], llm=model, name="A"), "Hello")
    tool = named(spans, "execute_tool fail")
    assert (tool.ok, tool[attr.ERROR_TYPE]) == (False, "ValueError")
    assert named(spans, "invoke_agent A").ok


async def test_workflow_that_fails(spans: Spans) -> None:
    """Its span says why."""

    async def broken() -> Any:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await workflow("Broken", broken).run()
    assert named(spans, "invoke_workflow Broken")[attr.ERROR_TYPE] == "KeyError"


def test_tool_alone(spans: Spans) -> None:
    """A tool that the application calls itself, by position."""
    assert FunctionTool.from_defaults(whisper).call("A").content == "a"
    tool = named(spans, "execute_tool whisper")
    assert tool.json(attr.GEN_AI_TOOL_CALL_ARGUMENTS) == {"args": ["A"]}


async def test_not_recorded(spans: Spans, model: Any) -> None:
    """Inside ``suppress_instrumentation()`` and with ``no_log`` there is no span; without content, none on a span."""
    agent = FunctionAgent(tools=[whisper], llm=model, name="A")
    with suppress_instrumentation():
        await answer(agent, "Hello")
    with callspan.context(no_log=True):
        await answer(agent, "Hello")
    assert not spans.all
    activate(capture_content=False)
    await answer(agent, "Hello")
    tool = named(spans, "execute_tool whisper")
    assert not {attr.GEN_AI_TOOL_CALL_ARGUMENTS, attr.GEN_AI_TOOL_CALL_RESULT} & tool.attributes.keys()


async def test_uninstrument(spans: Spans, model: Any) -> None:
    """Afterwards the framework has the handlers that it had before."""
    ours = [handler for handler in get_dispatcher().span_handlers if isinstance(handler, framework.Handler)]
    assert len(ours) == 1
    uninstrument()
    assert not [handler for handler in get_dispatcher().span_handlers if isinstance(handler, framework.Handler)]
    await answer(FunctionAgent(tools=[whisper], llm=model), "Hello")
    assert not spans.all


class TestBoundary:
    """Failures of callspan's own."""

    @pytest.fixture(autouse=True)
    def no_reader_fails(self) -> None:
        """These fail on purpose."""

    async def test_failures_stay_inside(self, spans: Spans, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever breaks, the agent answers, each call is recorded once, and every span ends."""
        monkeypatch.setattr(framework, "content", lambda _: 1 / 0)
        before = failures()
        assert await answer(FunctionAgent(tools=[whisper], llm=model, name="A"), "Hello") == "You said: Hello"
        assert failures() != before
        assert tree(spans) == ["invoke_agent A", f"  {CHAT}", f"  {CHAT}", "  execute_tool whisper"]
