"""pydantic-ai on the openai and anthropic clients, without and with the spans that it makes itself."""

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

import callspan
from callspan.cli.fake_openai import FakeOpenAI
from callspan_semconv import attributes as attr
from tests.frameworks.tree import payloads, tree
from tests.instrumentation import anthropic_server
from tests.instrumentation.support import Read, Spans

pytest.importorskip("pydantic_ai", reason="pydantic-ai is absent: it has an environment of its own")

from pydantic import BaseModel
from pydantic_ai import Agent, Embedder, InstrumentationSettings, direct
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelRequest
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

MODEL = "gpt-4o-mini"


class City(BaseModel):
    name: str
    size: int


# A connection that is kept belongs to an event loop, and ``run_sync`` has its own.
ONCE: dict[str, Any] = {"api_key": "sk-local", "max_retries": 0, "default_headers": {"connection": "close"}}


def openai_at(base_url: str) -> OpenAIProvider:
    return OpenAIProvider(openai_client=openai.AsyncOpenAI(base_url=base_url, **ONCE))


def chat(server: FakeOpenAI) -> Any:
    return OpenAIChatModel(MODEL, provider=openai_at(server.base_url))


def responses(server: FakeOpenAI) -> Any:
    return OpenAIResponsesModel(MODEL, provider=openai_at(server.base_url))


def claude(server: FakeOpenAI) -> Any:
    client = anthropic.AsyncAnthropic(base_url=server.url, **ONCE)
    return AnthropicModel(anthropic_server.MODEL, provider=AnthropicProvider(anthropic_client=client))


MODELS = [chat, responses, claude]


@pytest.fixture(params=[False, True], ids=["", "own spans"])
def own(request: pytest.FixtureRequest, tracer_provider: TracerProvider) -> Iterator[bool]:
    """Whether the framework makes spans of its own."""
    Agent.instrument_all(InstrumentationSettings(tracer_provider=tracer_provider) if request.param else False)
    yield bool(request.param)
    Agent.instrument_all(False)


def around(own: bool, model: str, *agent: str) -> list[str]:
    """The spans around a call."""
    return [f"chat {model}", *agent] if own else []


@pytest.mark.parametrize("make", MODELS)
async def test_run(make: Any, own: bool, server: FakeOpenAI, spans: Spans) -> None:
    """One call, nested in the framework's own spans, with what the application said about it."""
    model = make(server)
    with callspan.context(tags=["beta"]):
        result = await Agent(model, name="greeter").run("!say Hello")
    assert result.output == "Hello"
    name = model.model_name
    assert tree(spans.all) == [(f"chat {name}", around(own, name, "invoke_agent greeter"))]
    (payload,) = payloads(spans.all)
    assert payload["request_tags"] == ["beta"]
    assert payload["completion_tokens"] == result.usage.output_tokens
    assert payload["prompt_tokens"] == result.usage.input_tokens


@pytest.fixture
def loop() -> Iterator[None]:
    """The event loop that the framework takes for ``run_sync``; one that it makes it never closes."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.mark.usefixtures("loop")
def test_run_sync(own: bool, server: FakeOpenAI, spans: Spans) -> None:
    """``run_sync`` from outside of any event loop."""
    assert Agent(chat(server), name="greeter").run_sync("!say Hello").output == "Hello"
    assert tree(spans.all) == [(f"chat {MODEL}", around(own, MODEL, "invoke_agent greeter"))]


@pytest.mark.parametrize("make", MODELS)
async def test_stream(make: Any, own: bool, server: FakeOpenAI, spans: Spans) -> None:
    """The whole text of a stream that is read to its end."""
    model = make(server)
    async with Agent(model, name="greeter").run_stream("!say one two three") as result:
        said = [text async for text in result.stream_text(debounce_by=None)]
    assert said[-1] == "one two three"
    ((name, outer),) = tree(spans.all)
    assert (name, outer) == (f"chat {model.model_name}", around(own, model.model_name, "invoke_agent greeter"))
    (call,) = [Read(span) for span in spans.all if attr.CALLSPAN_CALL_ID in (span.attributes or {})]
    assert (call.text, call.end, call.ok) == ("one two three", "exhausted", True)


async def test_stream_left_early(own: bool, server: FakeOpenAI, spans: Spans) -> None:
    """The text so far, one call, whoever closes it."""
    async with Agent(chat(server), name="greeter").run_stream("!chunks 50") as result:
        async for _ in result.stream_text(debounce_by=None):
            break
    assert tree(spans.all) == [(f"chat {MODEL}", around(own, MODEL, "invoke_agent greeter"))]
    (payload,) = payloads(spans.all)
    assert payload["status"] == "success"


@pytest.mark.parametrize("make", [chat, responses])
async def test_structured_output(make: Any, own: bool, server: FakeOpenAI, spans: Spans) -> None:
    """An output type is a tool to the model: one call."""
    result = await Agent(make(server), output_type=City, name="finder").run("Where?")
    assert result.output == City(name="Paris", size=7)
    assert tree(spans.all) == [(f"chat {MODEL}", around(own, MODEL, "invoke_agent finder"))]


@pytest.mark.parametrize("make", MODELS)
async def test_tools(make: Any, own: bool, server: FakeOpenAI, spans: Spans) -> None:
    """Two calls, one before and one after the tool ran; what the tool asks for itself is beneath the tool."""
    model = make(server)
    helper = Agent(chat(server), name="helper")

    async def weather(city: str) -> str:
        return str((await helper.run(f"!say Sunny in {city}")).output)

    result = await Agent(model, tools=[weather], name="asker").run("Weather?")
    assert result.output
    name = model.model_name
    outer = around(own, name, "invoke_agent asker")
    inside = around(own, MODEL, "invoke_agent helper", "execute_tool weather", "invoke_agent asker")
    assert tree(spans.all) == [(f"chat {name}", outer), (f"chat {MODEL}", inside), (f"chat {name}", outer)]


@pytest.mark.filterwarnings("ignore::pydantic_ai.PydanticAIDeprecationWarning")
@pytest.mark.parametrize("version", [2, 5, 6])
async def test_versions_of_its_spans(
    version: Any, server: FakeOpenAI, spans: Spans, tracer_provider: TracerProvider
) -> None:
    """Whichever format its spans have, they are no further call."""
    agent = Agent(chat(server))
    agent.instrument = InstrumentationSettings(tracer_provider=tracer_provider, version=version)
    await agent.run("!say Hello")
    assert len(payloads(spans.all)) == 1
    assert len(spans.all) == 3


async def test_error(own: bool, server: FakeOpenAI, spans: Spans) -> None:
    """The framework's exception, and one failed call."""
    with pytest.raises(ModelHTTPError):
        await Agent(chat(server), name="greeter").run("!error 400")
    (payload,) = payloads(spans.all)
    assert (payload["status"], payload["error_information"]["error_code"]) == ("failure", "400")


async def test_fallback(own: bool, server: FakeOpenAI, spans: Spans) -> None:
    """Each request is a call: the one that failed, and the one that was made in its place."""
    broken = OpenAIChatModel(MODEL, provider=openai_at(f"{server.url}/nowhere"))
    await Agent(FallbackModel(broken, claude(server))).run("!say Hello")
    assert [payload["status"] for payload in payloads(spans.all)] == ["failure", "success"]


async def test_direct_request(own: bool, server: FakeOpenAI, spans: Spans) -> None:
    """Requests without an agent."""
    await direct.model_request(chat(server), [ModelRequest.user_text_prompt("!say Hello")])
    assert tree(spans.all) == [(f"chat {MODEL}", around(own, MODEL))]


async def test_embeddings(own: bool, server: FakeOpenAI, spans: Spans, tracer_provider: TracerProvider) -> None:
    """One call."""
    model = OpenAIEmbeddingModel("embed-small", provider=openai_at(server.base_url))
    settings = InstrumentationSettings(tracer_provider=tracer_provider) if own else False
    await Embedder(model, instrument=settings).embed_query("Hello")
    assert tree(spans.all) == [("embeddings embed-small", ["embeddings embed-small"] if own else [])]


async def test_no_log(own: bool, server: FakeOpenAI, spans: Spans) -> None:
    """A call that is not to be recorded reaches no sink by way of the framework's span either."""
    with callspan.context(no_log=True):
        await Agent(chat(server)).run("!say Hello")
    assert payloads(spans.all) == []


async def test_a_model_that_is_not_recorded_here(spans: Spans, tracer_provider: TracerProvider) -> None:
    """Where no client library is beneath, the framework's own span is the call."""
    agent = Agent(TestModel())
    agent.instrument = InstrumentationSettings(tracer_provider=tracer_provider)
    await agent.run("Hello")
    (payload,) = payloads(spans.all)
    assert payload["model"] == "test"
    assert all(span.status.status_code is not StatusCode.ERROR for span in spans.all)
