"""openai-agents: its traces, agents and tools, and the model calls inside them."""

import asyncio
from typing import Any

import openai
import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider

import callspan
from callspan.core.guard import failures
from callspan.frameworks import openai_agents as framework
from callspan.instrumentors import activate, uninstrument
from callspan_semconv import attributes as attr
from callspan_semconv import to_payload
from tests.frameworks.support import CHAT, named, tree
from tests.instrumentation.support import MODEL, Spans, settle

agents: Any = pytest.importorskip("agents", reason="openai-agents runs in a lane of its own")
FLOW = "invoke_workflow Agent workflow"


class Recorder:
    """Another trace processor: what it is told of."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def on_trace_start(self, trace: Any) -> None:
        self.told.append(("start", trace.name))

    def on_trace_end(self, trace: Any) -> None:
        self.told.append(("end", trace.name))

    def on_span_start(self, span: Any) -> None:
        self.told.append(("start", span.span_data.type))

    def on_span_end(self, span: Any) -> None:
        self.told.append(("end", span.span_data.type))

    def shutdown(self) -> None: ...

    def force_flush(self) -> None: ...


@pytest.fixture(autouse=True)
def recorder() -> Any:
    """The only processor of the application's: the framework's own would talk to its vendor."""
    uninstrument()
    recorder = Recorder()
    agents.set_trace_processors([recorder])
    return recorder


@pytest.fixture
def spans(recorder: Any, spans: Spans) -> Spans:
    """Instrumented when the application has set its processors."""
    return spans


@pytest.fixture(autouse=True)
def no_run_is_left() -> Any:
    """Whatever began has ended, and nothing is kept of it."""
    yield
    assert not framework._processor._runs._open
    assert not framework._processor._runs._spans


@pytest.fixture
async def client(fake_openai: Any) -> Any:
    async with openai.AsyncOpenAI(base_url=fake_openai.base_url, api_key="sk-local", max_retries=0) as client:
        yield client


@pytest.fixture(params=["chat", "responses"])
def new_model(request: pytest.FixtureRequest) -> Any:
    """Makes a model of a client."""
    kind = agents.OpenAIChatCompletionsModel if request.param == "chat" else agents.OpenAIResponsesModel
    return lambda client: kind(model=MODEL, openai_client=client)


@pytest.fixture
def model(new_model: Any, client: Any) -> Any:
    return new_model(client)


def tool(function: Any, **options: Any) -> Any:
    return agents.function_tool(function, **options)


def whisper(text: str) -> str:
    """Whispers."""
    return text.lower()


def asking(client: Any) -> Any:
    """A tool that asks a model itself, with the client alone."""

    async def shout(text: str) -> str:
        messages: Any = [{"role": "user", "content": f"!say {text}!"}]
        answer = await client.chat.completions.create(model=MODEL, messages=messages)
        return str(answer.choices[0].message.content)

    return tool(shout)


async def run(agent: Any, text: str, *, streamed: bool = False, **config: Any) -> Any:
    """The final output of a run."""
    config = agents.RunConfig(**config)
    if not streamed:
        return (await agents.Runner.run(agent, text, run_config=config)).final_output
    result = agents.Runner.run_streamed(agent, text, run_config=config)
    async for _ in result.stream_events():
        pass
    return result.final_output


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
async def test_two_tools_at_once(streamed: bool, spans: Spans, new_model: Any, client: Any, without: Any) -> None:
    """Two tools in parallel, one of which asks a model itself: exactly these spans, and the answer unchanged."""

    async def answer(client: Any) -> Any:
        crier = agents.Agent(name="Crier", model=new_model(client), tools=[asking(client), tool(whisper)])
        return await run(crier, "!tools 2 Hello", streamed=streamed, group_id="g-1")

    with without():
        expected = await answer(client)
    assert await answer(client.copy()) == expected
    assert tree(spans) == [
        FLOW,
        "  invoke_agent Crier",
        f"    {CHAT}",
        f"    {CHAT}",
        "    execute_tool shout",
        f"      {CHAT}",
        "    execute_tool whisper",
    ]
    found = named(spans, "execute_tool whisper")
    assert found[attr.GEN_AI_OPERATION_NAME] == "execute_tool"
    assert found[attr.GEN_AI_TOOL_NAME] == "whisper"
    assert found[attr.GEN_AI_TOOL_TYPE] == "function"
    assert found.json(attr.GEN_AI_TOOL_CALL_ARGUMENTS) == {"text": "Paris"}
    assert found[attr.GEN_AI_TOOL_CALL_RESULT] == "paris"
    assert named(spans, FLOW)[attr.GEN_AI_WORKFLOW_NAME] == "Agent workflow"
    assert named(spans, "invoke_agent Crier")[attr.GEN_AI_AGENT_NAME] == "Crier"
    assert {dict(span.attributes or {})[attr.GEN_AI_CONVERSATION_ID] for span in spans.all} == {"g-1"}
    assert all(span.status.is_unset for span in spans.all)
    assert [span.name for span in spans.all if to_payload(span) is not None] == [CHAT] * 3


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
async def test_handoff(streamed: bool, spans: Spans, tracer_provider: TracerProvider, model: Any) -> None:
    """Each agent's calls are in its own span, all of it in the workflow, and that in the application's span."""
    second = agents.Agent(name="Second", model=model)
    first = agents.Agent(name="First", model=model, handoffs=[second])
    with tracer_provider.get_tracer("app").start_as_current_span("request"):
        assert await run(first, "Hello", streamed=streamed, workflow_name="Desk")
    assert tree(spans) == [
        *("request", "  invoke_workflow Desk"),
        *("    invoke_agent First", f"      {CHAT}", "    invoke_agent Second", f"      {CHAT}"),
    ]


@pytest.fixture
def loop() -> Any:
    """The event loop that synchronous code runs on: one that the framework makes is never closed."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    asyncio.set_event_loop(None)


def test_run_sync(spans: Spans, fake_openai: Any, loop: Any) -> None:
    """The same from synchronous code."""
    client = openai.AsyncOpenAI(base_url=fake_openai.base_url, api_key="sk-local", max_retries=0)
    model = agents.OpenAIChatCompletionsModel(model=MODEL, openai_client=client)
    agents.Runner.run_sync(agents.Agent(name="A", model=model, tools=[tool(whisper)]), "Hello")
    loop.run_until_complete(client.close())
    assert tree(spans) == [FLOW, "  invoke_agent A", f"    {CHAT}", f"    {CHAT}", "    execute_tool whisper"]


async def test_agent_as_tool(spans: Spans, model: Any) -> None:
    """An agent that is another's tool is inside that tool."""
    inner = agents.Agent(name="Inner", model=model).as_tool("ask_inner", "Asks.")
    await run(agents.Agent(name="Outer", model=model, tools=[inner]), "Hello")
    assert tree(spans) == [
        *(FLOW, "  invoke_agent Outer", f"    {CHAT}", f"    {CHAT}", "    execute_tool ask_inner"),
        *("      invoke_agent Inner", f"        {CHAT}"),
    ]


async def test_langchain_inside(spans: Spans, model: Any, client: Any) -> None:
    """A chain in a tool, and an agent in that chain: each call is in the innermost."""
    runnables = pytest.importorskip("langchain_core.runnables", reason="LangChain is absent")
    inner = agents.Agent(name="Inner", model=model)

    async def step(text: str) -> str:
        await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}])
        return str(await run(inner, text))

    async def chain(text: str) -> str:
        """Runs a chain."""
        return str(await runnables.RunnableLambda(step).ainvoke(text))

    await run(agents.Agent(name="Outer", model=model, tools=[tool(chain)]), "Hello")
    assert tree(spans) == [
        *(FLOW, "  invoke_agent Outer", f"    {CHAT}", f"    {CHAT}", "    execute_tool chain"),
        *("      invoke_workflow step", f"        {CHAT}", "        invoke_agent Inner", f"          {CHAT}"),
    ]


async def test_two_runs_in_one_trace(spans: Spans, model: Any, client: Any) -> None:
    """The application's own ``trace`` holds both, also as tasks, and calls of no agent's."""
    agent = agents.Agent(name="A", model=model)
    with agents.trace("Both", group_id="g"):
        await asyncio.gather(run(agent, "one"), run(agent, "two"))
        await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "three"}])
    assert tree(spans) == ["invoke_workflow Both", f"  {CHAT}", *("  invoke_agent A", f"    {CHAT}") * 2]


def fail(text: str) -> str:
    """Fails."""
    raise ValueError(f"no {text}")


@pytest.mark.parametrize("told", [True, False], ids=["the model is told", "raised"])
async def test_tool_that_fails(told: bool, spans: Spans, model: Any) -> None:
    """The tool's span says so; the application sees what it would see."""
    broken = tool(fail) if told else tool(fail, failure_error_function=None)
    agent = agents.Agent(name="A", model=model, tools=[broken])
    if told:
        assert await run(agent, "Hello")
    else:
        with pytest.raises(agents.UserError, match="no Paris"):
            await run(agent, "Hello")
    found = named(spans, "execute_tool fail")
    assert (found.ok, found[attr.ERROR_TYPE]) == (False, "_OTHER")
    said = "Error running tool (non-fatal): Tool execution failed." if told else "Error running tool: no Paris"
    assert str(found.span.status.description).startswith(said)
    assert tree(spans)[:2] == [FLOW, "  invoke_agent A"]


async def test_model_that_fails(spans: Spans, model: Any) -> None:
    """Every span ends, and the call's says what happened."""
    with pytest.raises(openai.InternalServerError):
        await run(agents.Agent(name="A", model=model), "!error 500")
    assert tree(spans) == [FLOW, "  invoke_agent A", f"    {CHAT}"]
    assert named(spans, CHAT)[attr.ERROR_TYPE] == "openai.InternalServerError"


async def test_stream_that_is_left(spans: Spans, model: Any) -> None:
    """The application cancels the run: every span ends."""
    result = agents.Runner.run_streamed(agents.Agent(name="A", model=model), "!chunks 50")
    async for event in result.stream_events():
        if event.type == "raw_response_event":
            result.cancel()
    assert tree(spans) == [FLOW, "  invoke_agent A", f"    {CHAT}"]


async def test_other_processors(spans: Spans, model: Any, recorder: Recorder) -> None:
    """They hear all that they heard before; callspan stays when the application sets others, and goes when told to."""
    agent = agents.Agent(name="A", model=model)
    await run(agent, "Hello")
    assert ("start", "agent") in recorder.told
    assert sorted(name for kind, name in recorder.told if kind == "start") == sorted(
        name for kind, name in recorder.told if kind == "end"
    )
    other = Recorder()
    agents.set_trace_processors([other])
    assert tree(spans) == [FLOW, "  invoke_agent A", f"    {CHAT}"]
    await run(agent, "Hello")
    assert tree(spans) == [FLOW, "  invoke_agent A", f"    {CHAT}"] * 2
    uninstrument()
    registered = agents.tracing.get_trace_provider()._multi_processor._processors
    assert registered == (other,)


async def test_tracing_disabled(spans: Spans, model: Any, client: Any) -> None:
    """The framework's own switch leaves its agents and tools unseen; calls are recorded as ever."""
    agent = agents.Agent(name="A", model=model, tools=[asking(client)])
    await run(agent, "Hello", tracing_disabled=True)
    assert tree(spans) == [CHAT] * 3


async def test_sensitive_data(spans: Spans, model: Any) -> None:
    """Arguments and results are left out where the framework or callspan is told to leave them out."""
    agent = agents.Agent(name="A", model=model, tools=[tool(whisper)])
    await run(agent, "Hello", trace_include_sensitive_data=False)
    activate(capture_content=False)
    await run(agent, "Hello")
    tools = [dict(span.attributes or {}) for span in spans.all if span.name == "execute_tool whisper"]
    assert len(tools) == 2
    assert not any({attr.GEN_AI_TOOL_CALL_ARGUMENTS, attr.GEN_AI_TOOL_CALL_RESULT} & tool.keys() for tool in tools)


async def test_not_recorded(spans: Spans, model: Any) -> None:
    """Inside ``suppress_instrumentation()`` and with ``no_log`` there is no span at all."""
    agent = agents.Agent(name="A", model=model, tools=[tool(whisper)])
    with suppress_instrumentation():
        await run(agent, "Hello")
    with callspan.context(no_log=True):
        await run(agent, "Hello")
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
        assert await settle(run(agents.Agent(name="A", model=model, tools=[tool(whisper)]), "Hello"))
        assert failures() != before
        assert len([span for span in spans.all if span.name == CHAT]) == 2
