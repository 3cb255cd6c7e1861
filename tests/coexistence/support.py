"""The other packages, and applications that run beside them."""

import importlib.metadata
import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.setup.processes import INSTRUMENT, Finished, run

# What each makes of one of the application's calls, when it is alone: name, and module of its instrumentation.
OPENAI = {
    "opentelemetry-instrumentation-genai-openai": "opentelemetry.instrumentation.genai.openai",
    "opentelemetry-instrumentation-openai-v2": "opentelemetry.instrumentation.openai_v2",
    "opentelemetry-instrumentation-openai": "opentelemetry.instrumentation.openai",
    "openinference-instrumentation-openai": "openinference.instrumentation.openai",
}
ANTHROPIC = {
    "opentelemetry-instrumentation-genai-anthropic": "opentelemetry.instrumentation.genai.anthropic",
    "opentelemetry-instrumentation-anthropic": "opentelemetry.instrumentation.anthropic",
    "openinference-instrumentation-anthropic": "openinference.instrumentation.anthropic",
}

OPENAI_CALLS = """
import asyncio
import openai

asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
client = openai.OpenAI(max_retries=0)
client.chat.completions.create(**asked)
list(client.chat.completions.create(stream=True, **asked))
client.chat.completions.with_raw_response.create(**asked).parse()
client.responses.create(model="gpt-5-mini", input="Hi")
with client.responses.stream(model="gpt-5-mini", input="Hi") as stream:
    list(stream)
client.embeddings.create(model="text-embedding-3-small", input=["Hi"])
try:
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "!error 400"}])
except openai.BadRequestError:
    pass

async def main():
    async with openai.AsyncOpenAI(max_retries=0) as client:
        await client.chat.completions.create(**asked)
        async for _ in await client.chat.completions.create(stream=True, **asked):
            pass

asyncio.run(main())
"""
ANTHROPIC_CALLS = """
import asyncio
import anthropic

asked = {"model": "claude-haiku-4-5", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}
client = anthropic.Anthropic(max_retries=0)
client.messages.create(**asked)
list(client.messages.create(stream=True, **asked))
with client.messages.stream(**asked) as stream:
    stream.get_final_message()
client.messages.with_raw_response.create(**asked).parse()
client.beta.messages.create(**asked)

async def main():
    async with anthropic.AsyncAnthropic(max_retries=0) as client:
        await client.messages.create(**asked)
        async for _ in await client.messages.create(stream=True, **asked):
            pass

asyncio.run(main())
"""


@dataclass(frozen=True)
class Outcome:
    """What an application did."""

    spans: list[dict[str, Any]]
    log: list[str]

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Its spans of model calls."""
        return [span for span in self.spans if span["llm"]]

    @property
    def scopes(self) -> set[str]:
        """Who made those."""
        return {call["scope"] for call in self.calls}

    def about(self, package: str) -> list[str]:
        """The lines of the log that name a package."""
        return [line for line in self.log if f" {package} " in line]


def need(package: str) -> str:
    """The module of a package's instrumentation; skips the test where it is not installed."""
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is absent: it has a CI lane of its own")
    return {**OPENAI, **ANTHROPIC}[package]


def instrumenting(module: str) -> str:
    """Code that switches an instrumentation on, as its documentation says."""
    kind = "AnthropicInstrumentor" if "anthropic" in module else "OpenAIInstrumentor"
    return f"from {module} import {kind} as Rival\nRival().instrument()\n"


def outcome_of(application: str, *, instrumented: bool = True, **environment: str) -> Outcome:
    """Run an application; under ``opentelemetry-instrument``, or as it is."""
    collecting = "from tests.coexistence.spans import collect\n" + "collect()\n" * instrumented
    done = run(collecting + application, under=INSTRUMENT if instrumented else INSTRUMENT[1:], **environment)
    return _outcome(done)


def _outcome(done: Finished) -> Outcome:
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    return Outcome(json.loads(done.out.splitlines()[-1]), done.err.splitlines())
