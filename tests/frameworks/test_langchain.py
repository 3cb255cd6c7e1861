"""LangChain's chains, agents and tools, and the model calls inside them."""

from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import callspan
from callspan.core.guard import failures
from callspan.frameworks import langchain as framework
from callspan.instrumentors import activate, uninstrument
from callspan_exporters.redaction import RedactionProcessor, none
from callspan_semconv import attributes as attr
from callspan_semconv import to_payload
from tests.frameworks.support import CHAT, named, result_of, tree
from tests.instrumentation import anthropic_server
from tests.instrumentation.support import Read, Spans

pytest.importorskip("langchain", reason="LangChain is absent: it has an environment of its own")

from langchain_anthropic import ChatAnthropic
from langchain_anthropic._client_utils import _get_default_httpx_client
from langchain_core.callbacks import CallbackManager
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import ToolException
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from tests.frameworks import langchain_support
from tests.frameworks.langchain_support import agent, asking, failing, prompt, saying, whisper

model, new_model, no_run_is_left = (
    langchain_support.model,
    langchain_support.new_model,
    langchain_support.no_run_is_left,
)


WAYS = ["invoke", "ainvoke", "stream", "astream", "batch", "abatch"]
AGENT_WAYS = WAYS[:4]


@pytest.mark.parametrize("way", WAYS)
async def test_chain(way: str, spans: Spans, new_model: Any, without: Any) -> None:
    """The outermost chain is a workflow, its model call one span inside it; the chain brings what it brings alone."""
    words: Any = [{"word": "one"}, {"word": "two"}] if "batch" in way else {"word": "one two"}
    with without():
        expected = await result_of(getattr(saying(new_model()), way)(words))
    assert not spans.all
    assert await result_of(getattr(saying(new_model()), way)(words)) == expected
    assert tree(spans) == ["invoke_workflow RunnableSequence", f"  {CHAT}"] * (2 if "batch" in way else 1)


@pytest.mark.parametrize("way", WAYS[:4])
async def test_nested_chains(way: str, spans: Spans, tracer_provider: TracerProvider, model: Any) -> None:
    """Chains in chains and in threads: every call is in the workflow, the workflow in the application's span."""
    both = RunnableParallel(left=saying(model), right=RunnableLambda(lambda given: saying(model).invoke(given)))
    chain = RunnableLambda(lambda word: {"word": word}) | both
    with tracer_provider.get_tracer("app").start_as_current_span("request"):
        await result_of(getattr(chain.with_config(run_name="both"), way)("one"))
    assert tree(spans) == ["request", "  invoke_workflow both", f"    {CHAT}", f"    {CHAT}"]


@pytest.mark.parametrize("way", AGENT_WAYS)
async def test_agent_with_two_tools_at_once(way: str, spans: Spans, new_model: Any, without: Any) -> None:
    """Two tools in parallel, one of which asks the model itself: exactly these spans."""

    async def run(model: Any) -> Any:
        crier = agent(model, asking(model), whisper, name="Crier")
        return await result_of(getattr(crier, way)(prompt("!tools 2 Hello")))

    with without():
        expected = await run(new_model())
    found = await run(new_model())
    assert texts(found) == texts(expected)
    assert tree(spans) == [
        "invoke_agent Crier",
        f"  {CHAT}",
        f"  {CHAT}",
        "  execute_tool shout",
        f"    {CHAT}",
        "  execute_tool whisper",
    ]
    tool = named(spans, "execute_tool whisper")
    calls = [part for span in spans.all for part in tool_calls(span) if part["name"] == "whisper"]
    assert tool[attr.GEN_AI_OPERATION_NAME] == "execute_tool"
    assert tool[attr.GEN_AI_TOOL_NAME] == "whisper"
    assert tool[attr.GEN_AI_TOOL_TYPE] == "function"
    assert tool[attr.GEN_AI_TOOL_DESCRIPTION] == "Whispers."
    assert tool[attr.GEN_AI_TOOL_CALL_ID] == calls[0]["id"]
    assert tool.json(attr.GEN_AI_TOOL_CALL_ARGUMENTS) == calls[0]["arguments"] == {"text": "Paris"}
    assert tool[attr.GEN_AI_TOOL_CALL_RESULT] == "paris"
    assert tool.ok
    assert named(spans, "invoke_agent Crier")[attr.GEN_AI_AGENT_NAME] == "Crier"


def texts(found: Any) -> list[Any]:
    """What messages an agent's answer or stream holds, those of tools in any order."""
    steps = found if isinstance(found, list) else [{"all": found}]
    return sorted((node, message.text) for each in steps for node, step in each.items() for message in step["messages"])


def tool_calls(span: Any) -> list[Any]:
    parts = [part for message in Read(span).output or [] for part in message["parts"]]
    return [part for part in parts if part["type"] == "tool_call"]


async def test_agents_in_agents(spans: Spans, model: Any) -> None:
    """An agent behind another's tool is inside that tool; an agent as a node is inside the workflow."""
    inner = agent(model, whisper, name="Inner")

    async def delegate(text: str) -> str:
        """Delegates."""
        return str((await inner.ainvoke(prompt(text)))["messages"][-1].content)

    answers = [f"    {CHAT}", f"    {CHAT}", "    execute_tool whisper"]
    await agent(model, delegate, name="Outer").ainvoke(prompt("Hello"))
    assert tree(spans) == [
        *("invoke_agent Outer", f"  {CHAT}", f"  {CHAT}", "  execute_tool delegate", "    invoke_agent Inner"),
        *(f"  {line}" for line in answers),
    ]
    spans.exporter.clear()
    graph = StateGraph(MessagesState).add_node("Inner", inner).add_edge(START, "Inner").compile(name="flow")
    await graph.ainvoke(prompt("Hello"))
    assert tree(spans) == ["invoke_workflow flow", "  invoke_agent Inner", *answers]


async def test_without_a_name(spans: Spans, model: Any) -> None:
    """An agent or a graph that was given no name has none: the framework's default is not one."""
    graph = StateGraph(MessagesState).add_node("all", lambda state: {}).add_edge(START, "all").compile()

    def walk(text: str) -> str:
        """Walks a graph, which is no agent though an agent's tool runs it."""
        return str(graph.invoke(prompt(text))["messages"][-1].content)

    await agent(model, walk).ainvoke(prompt("Hello"))
    graph.invoke(prompt("Hi"))
    assert tree(spans) == ["invoke_agent", f"  {CHAT}", f"  {CHAT}", "  execute_tool walk", "invoke_workflow"]


async def test_agent_with_the_name_of_its_node(spans: Spans, model: Any) -> None:
    """It is one agent: what a node inherits of it is not another."""
    await agent(model, name="model").ainvoke(prompt("Hello"))
    assert tree(spans) == ["invoke_agent model", f"  {CHAT}"]


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_tool_that_fails(way: str, spans: Spans, model: Any) -> None:
    """The exception is the application's, unchanged, and on the spans of tool and agent."""
    with pytest.raises(ToolException, match="no Paris"):
        await result_of(getattr(agent(model, failing(False), name="A"), way)(prompt("Hello")))
    assert tree(spans) == ["invoke_agent A", f"  {CHAT}", "  execute_tool fail"]
    for name in ("invoke_agent A", "execute_tool fail"):
        span = named(spans, name)
        assert span[attr.ERROR_TYPE] == "langchain_core.tools.base.ToolException"
        assert [event.name for event in span.span.events] == ["exception"]
    assert attr.GEN_AI_TOOL_CALL_RESULT not in named(spans, "execute_tool fail").attributes


async def test_tool_whose_failure_the_model_is_told(spans: Spans, model: Any) -> None:
    """The tool has failed, the agent has not."""
    await agent(model, failing(True), name="A").ainvoke(prompt("Hello"))
    tool = named(spans, "execute_tool fail")
    assert (tool.ok, tool[attr.ERROR_TYPE]) == (False, "_OTHER")
    assert tool[attr.GEN_AI_TOOL_CALL_RESULT] == "no Paris"
    assert named(spans, "invoke_agent A").ok


def test_pieces_of_chains_alone(spans: Spans) -> None:
    """A prompt or a parser is no workflow."""
    messages = ChatPromptTemplate.from_messages([("user", "{word}")]).invoke({"word": "one"}).to_messages()
    StrOutputParser().invoke(messages[0])
    assert not spans.all


@pytest.mark.parametrize(
    "config", [{"configurable": {"thread_id": "t-1"}}, {"metadata": {"session_id": "t-1"}}], ids=["thread", "session"]
)
async def test_conversation(config: Any, spans: Spans, model: Any) -> None:
    """The thread or session is on every span inside; what the application says to callspan goes first."""
    remembering = agent(model, whisper, name="A", checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t-0"}, **config}
    if "metadata" in config:
        remembering = agent(model, whisper, name="A")
        config.pop("configurable")
    await remembering.ainvoke(prompt("Hello"), config)
    assert {dict(span.attributes or {})[attr.GEN_AI_CONVERSATION_ID] for span in spans.all} == {"t-1"}
    spans.exporter.clear()
    with callspan.context(session_id="mine", tags=["red"]):
        await remembering.ainvoke(prompt("Hello"), config)
    assert {dict(span.attributes or {})[attr.GEN_AI_CONVERSATION_ID] for span in spans.all} == {"mine"}
    assert {dict(span.attributes or {})[attr.CALLSPAN_TAGS] for span in spans.all} == {("red",)}


async def test_question_to_a_person(spans: Spans, model: Any) -> None:
    """A graph that stops to ask somebody has not failed, nor has its tool."""

    def confirm(text: str) -> str:
        """Asks somebody."""
        return str(interrupt(text))

    config = {"configurable": {"thread_id": "t"}}
    stopping = agent(model, confirm, name="A", checkpointer=InMemorySaver())
    await stopping.ainvoke(prompt("Hello"), config)
    await stopping.ainvoke(Command(resume="yes"), config)
    tools = [span for span in spans.all if span.name == "execute_tool confirm"]
    assert [dict(span.attributes or {}).get(attr.GEN_AI_TOOL_CALL_RESULT) for span in tools] == [None, "yes"]
    assert all(span.status.is_unset for span in spans.all)


@pytest.mark.parametrize("way", ["invoke", "stream"])
async def test_anthropic(way: str, spans: Spans, fake_openai: Any) -> None:
    """The same with Anthropic's client beneath."""
    anthropic_server.install(fake_openai)
    model = ChatAnthropic(
        model=anthropic_server.MODEL, base_url=fake_openai.base_url.removesuffix("/v1"), api_key="sk-local"
    )

    def weather(city: str) -> str:
        """The weather."""
        return "sunny"

    await result_of(getattr(agent(model, weather, name="A"), way)(prompt("Hello")))
    model._client.close()
    _get_default_httpx_client.cache_clear()
    chat = f"  chat {anthropic_server.MODEL}"
    assert tree(spans) == ["invoke_agent A", chat, chat, "  execute_tool weather"]


async def test_not_recorded(spans: Spans, model: Any) -> None:
    """Inside ``suppress_instrumentation()`` and with ``no_log`` there is no span at all."""
    with suppress_instrumentation():
        await agent(model, whisper).ainvoke(prompt("Hello"))
    with callspan.context(no_log=True):
        await agent(model, whisper).ainvoke(prompt("Hello"))
    assert not spans.all


async def test_without_content(spans: Spans, model: Any) -> None:
    """Where content is not recorded, neither are arguments and results of tools."""
    activate(capture_content=False)
    await agent(model, whisper, name="A").ainvoke(prompt("Hello"))
    tool = named(spans, "execute_tool whisper")
    assert not {attr.GEN_AI_TOOL_CALL_ARGUMENTS, attr.GEN_AI_TOOL_CALL_RESULT} & tool.attributes.keys()
    assert tool[attr.GEN_AI_TOOL_NAME] == "whisper"
    await agent(model, failing(True), name="A").ainvoke(prompt("Hello"))
    assert "aris" not in "".join(span.to_json() for span in spans.all)


async def test_redacted(tracer_provider: TracerProvider, spans: Spans, model: Any) -> None:
    """Arguments, results and errors of tools are content; sinks of calls get no payload of tools and agents."""
    redacted = Spans()
    tracer_provider.add_span_processor(RedactionProcessor(SimpleSpanProcessor(redacted.exporter), none()))
    await agent(model, whisper, name="A").ainvoke(prompt("Hello"))
    with pytest.raises(ToolException):
        failing(False).invoke({"text": "Paris"})
    tracer_provider.force_flush()
    assert tree(redacted) == tree(spans)
    assert "aris" not in "".join(span.to_json() for span in redacted.all)
    assert "aris" in "".join(span.to_json() for span in spans.all)
    paid = [span.name for span in spans.all if to_payload(span) is not None]
    assert paid == [CHAT, CHAT]


async def test_uninstrument(spans: Spans, model: Any) -> None:
    """Afterwards callback managers are as they were, and runs that had begun still end."""
    stream = saying(model).stream({"word": "one two"})
    next(stream)
    uninstrument()
    list(stream)
    assert tree(spans) == ["invoke_workflow RunnableSequence", f"  {CHAT}"]
    assert not CallbackManager.configure().handlers
    assert saying(model).invoke({"word": "one"}) == "one"
    assert len(spans.all) == 2


async def test_only_langchain(exported: Spans, tracer_provider: TracerProvider, model: Any) -> None:
    """``instrument(clients=["langchain"])`` records agents and tools, and no calls."""
    callspan.instrument(tracer_provider=tracer_provider, clients=["langchain"])
    await agent(model, whisper, name="A").ainvoke(prompt("Hello"))
    uninstrument()
    assert tree(exported) == ["invoke_agent A", "  execute_tool whisper"]


class TestBoundary:
    """Failures of callspan's own."""

    @pytest.fixture(autouse=True)
    def no_reader_fails(self) -> None:
        """These fail on purpose."""

    @pytest.mark.parametrize("broken", ["content", "_current"])
    async def test_failures_stay_inside(
        self, broken: str, spans: Spans, model: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever breaks, the agent answers, and each call is recorded once."""
        monkeypatch.setattr(framework, broken, lambda *_: 1 / 0)
        before = failures()
        found = await agent(model, whisper, name="A").ainvoke(prompt("Hello"))
        assert found["messages"][-1].text == "You said: Hello"
        assert failures() != before
        assert len([span for span in spans.all if span.name == CHAT]) == 2
