"""LlamaIndex on the openai and anthropic clients: its models, structured output, tools, agents, embeddings."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import callspan
from callspan.cli.fake_openai import FakeOpenAI
from callspan_semconv import attributes as attr
from callspan_semconv import to_payload
from tests.frameworks.tree import payloads, tree
from tests.instrumentation.support import Read, Spans, collect, collect_garbage, settle

pytest.importorskip("llama_index", reason="LlamaIndex is absent: it has an environment of its own")

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.anthropic import Anthropic
from llama_index.llms.openai import OpenAI, OpenAIResponses
from pydantic import BaseModel

pytestmark = pytest.mark.filterwarnings(
    "ignore::pydantic.warnings.PydanticDeprecatedSince20", "ignore::pydantic.warnings.PydanticDeprecatedSince211"
)

MODEL = "gpt-4o-mini"
# A connection that is kept is never closed: the framework keeps its clients until they are collected.
ONCE: dict[str, Any] = {
    "api_key": "sk-local",
    "max_retries": 0,
    "default_headers": {"connection": "close", "authorization": "Bearer sk-local"},
}
# One of those that the framework names no temperature for: the anthropic package knows that parameter no longer.
CLAUDE = "claude-opus-5"


class City(BaseModel):
    """A city."""

    name: str
    size: int


def chat(server: FakeOpenAI) -> Any:
    return OpenAI(MODEL, api_base=server.base_url, **ONCE)


def responses(server: FakeOpenAI) -> Any:
    return OpenAIResponses(MODEL, api_base=server.base_url, **ONCE)


def claude(server: FakeOpenAI) -> Any:
    return Anthropic(CLAUDE, base_url=server.url, **ONCE)


MODELS = [chat, responses, claude]


@pytest.fixture(autouse=True)
def around(tracer_provider: TracerProvider) -> Iterator[None]:
    """The application's own span."""
    with tracer_provider.get_tracer("app").start_as_current_span("request"):
        yield


def asked(text: str) -> list[Any]:
    return [ChatMessage(role="user", content=text)]


@pytest.mark.parametrize("method", ["chat", "achat"])
@pytest.mark.parametrize("make", MODELS)
async def test_chat(make: Any, method: str, server: FakeOpenAI, spans: Spans) -> None:
    """One call, with what the application said about it."""
    llm = make(server)
    with callspan.context(tags=["beta"]):
        result = await settle(getattr(llm, method)(asked("!say Hello")))
    assert result.message.content == "Hello"
    assert tree(spans.all) == [(f"chat {llm.model}", [])]
    (payload,) = payloads(spans.all)
    assert payload["request_tags"] == ["beta"]
    assert payload["total_tokens"] > 0
    assert (spans.one().text, spans.one().ok) == ("Hello", True)


@pytest.mark.parametrize("method", ["stream_chat", "astream_chat"])
@pytest.mark.parametrize("make", MODELS)
async def test_stream(make: Any, method: str, server: FakeOpenAI, spans: Spans) -> None:
    """The whole text of a stream."""
    llm = make(server)
    chunks = await collect(await settle(getattr(llm, method)(asked("!say one two three"))))
    assert chunks[-1].message.content == "one two three"
    assert (spans.one().text, spans.one().end) == ("one two three", "exhausted")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # nobody closes the connection
@pytest.mark.parametrize("method", ["stream_chat", "astream_chat"])
async def test_stream_left_early(method: str, server: FakeOpenAI, spans: Spans) -> None:
    """The text so far."""
    stream = await settle(getattr(chat(server), method)(asked("!chunks 50")))
    await collect(stream, 3)
    del stream
    await collect_garbage(spans)
    assert spans.one().ok
    assert 0 < len(spans.one().text.split()) < 50


@pytest.mark.parametrize("method", ["complete", "acomplete"])
@pytest.mark.parametrize("make", MODELS)
async def test_complete(make: Any, method: str, server: FakeOpenAI, spans: Spans) -> None:
    """Completion of a chat model is a chat."""
    assert (await settle(getattr(make(server), method)("!say Hello"))).text == "Hello"
    assert len(payloads(spans.all)) == 1


@pytest.mark.parametrize("method", ["chat", "achat"])
async def test_structured_output(method: str, server: FakeOpenAI, spans: Spans) -> None:
    """A structured model asks once, and gets the fields."""
    result = await settle(getattr(chat(server).as_structured_llm(City), method)(asked("Where?")))
    assert result.raw == City(name="Paris", size=7)
    assert tree(spans.all) == [(f"chat {MODEL}", [])]
    (tool,) = spans.one().json(attr.GEN_AI_TOOL_DEFINITIONS) or [None]
    assert tool is None or tool["name"] == "City"


async def test_agent(server: FakeOpenAI, spans: Spans) -> None:
    """An agent that uses a tool asks twice."""

    async def weather(city: str) -> str:
        """The weather in a city."""
        return f"Sunny in {city}"

    agent = FunctionAgent(tools=[weather], llm=chat(server), streaming=False)
    await agent.run("Weather?")
    calls = [Read(span) for span in spans.all if to_payload(span) is not None]
    assert [call.span.name for call in calls] == [f"chat {MODEL}"] * 2
    assert [part["name"] for part in calls[0].output[0]["parts"] if part["type"] == "tool_call"] == ["weather"]


@pytest.mark.parametrize("make", MODELS)
async def test_error(make: Any, server: FakeOpenAI, spans: Spans) -> None:
    """The client's exception reaches the application; one failed call."""
    with pytest.raises(Exception, match="400"):
        make(server).chat(asked("!error 400"))
    (payload,) = payloads(spans.all)
    assert (payload["status"], payload["error_information"]["error_code"]) == ("failure", "400")


@pytest.mark.parametrize("method", ["get_text_embedding", "aget_text_embedding"])
async def test_embeddings(method: str, server: FakeOpenAI, spans: Spans) -> None:
    """One call."""
    embedder = OpenAIEmbedding(api_base=server.base_url, **ONCE)
    assert await settle(getattr(embedder, method)("Hello"))
    assert [name for name, _ in tree(spans.all)] == [f"embeddings {embedder.model_name}"]
