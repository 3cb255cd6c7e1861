"""What the tests of LangChain share: models, chains, agents and tools."""

from functools import partial
from typing import Any

import pytest

from callspan.frameworks import langchain as framework
from tests.instrumentation.support import MODEL, httpx

pytest.importorskip("langchain", reason="LangChain is absent: it has an environment of its own")

from langchain.agents import create_agent
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import StructuredTool, ToolException
from langchain_openai import ChatOpenAI


@pytest.fixture
async def new_model(fake_openai: Any) -> Any:
    """Makes a model."""
    # The HTTP clients are the test's own: those that the library keeps for all models are never closed.
    async with httpx.AsyncClient() as async_client:
        with httpx.Client() as client:
            yield partial(
                ChatOpenAI,
                model=MODEL,
                base_url=fake_openai.base_url,
                api_key="sk-local",
                max_retries=0,
                http_client=client,
                http_async_client=async_client,
            )


@pytest.fixture
def model(new_model: Any) -> Any:
    return new_model()


@pytest.fixture(autouse=True)
def no_run_is_left() -> Any:
    """Whatever began has ended, and nothing is kept of it."""
    yield
    handler = framework._switch._handler
    kept = [handler._runs._open, handler._runs._spans, handler._watches] if handler else []
    assert not any(kept)


def saying(model: Any) -> Any:
    return ChatPromptTemplate.from_messages([("user", "!say {word}")]) | model | StrOutputParser()


def whisper(text: str) -> str:
    """Whispers."""
    return text.lower()


def asking(model: Any, name: str = "shout") -> Any:
    """A tool that asks the model itself, sync or async as it is called."""

    def ask(text: str) -> str:
        return str(model.invoke(f"!say {text}!").content)

    async def aask(text: str) -> str:
        return str((await model.ainvoke(f"!say {text}!")).content)

    return StructuredTool.from_function(ask, aask, name=name, description="Asks.")


def agent(model: Any, *tools: Any, **options: Any) -> Any:
    return create_agent(model, list(tools), **options)


def prompt(text: str) -> Any:
    return {"messages": [("user", text)]}


def failing(handle: Any) -> Any:
    def fail(text: str) -> str:
        raise ToolException(f"no {text}")

    return StructuredTool.from_function(fail, name="fail", description="Fails.", handle_tool_error=handle)
