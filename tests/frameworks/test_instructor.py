"""instructor on the openai and anthropic clients: structured output, streamed parts, and answers asked for again."""

from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel, field_validator

import callspan
from callspan.cli.fake_openai import FakeOpenAI
from callspan_semconv import attributes as attr
from tests.frameworks.tree import payloads, tree
from tests.instrumentation import anthropic_server
from tests.instrumentation.support import Read, Spans, collect, settle, user

instructor: Any = pytest.importorskip("instructor", reason="instructor is absent: it has an environment of its own")

MODEL = "gpt-4o-mini"


class City(BaseModel):
    name: str
    size: int


class Place(BaseModel):
    """What Anthropic's stand-in answers."""

    city: str


class Picky(City):
    @field_validator("size")
    @classmethod
    def large(cls, size: int) -> int:
        raise ValueError("too small")


@pytest.fixture(params=["sync", "async"])
async def plain(request: pytest.FixtureRequest, server: FakeOpenAI) -> Any:
    """The openai client beneath."""
    kind: Any = openai.OpenAI if request.param == "sync" else openai.AsyncOpenAI
    client = kind(base_url=server.base_url, api_key="sk-local", max_retries=0)
    yield client
    await settle(client.close())


@pytest.fixture(params=["sync", "async"])
async def claude(request: pytest.FixtureRequest, server: FakeOpenAI) -> Any:
    kind: Any = anthropic.Anthropic if request.param == "sync" else anthropic.AsyncAnthropic
    client = kind(base_url=server.url, auth_token="sk-local", max_retries=0)
    yield client
    await settle(client.close())


MODES = ["TOOLS", "JSON", "JSON_SCHEMA"]


@pytest.mark.parametrize("mode", MODES)
async def test_create(mode: str, plain: Any, server: FakeOpenAI, spans: Spans) -> None:
    """One call, whatever way the model is asked for fields, with what the application said about it."""
    client = instructor.from_openai(plain, mode=instructor.Mode[mode])
    said = "Where?" if mode != "JSON" else '!say {"name": "Paris", "size": 7}'
    with callspan.context(tags=["beta"]):
        city = await settle(client.chat.completions.create(model=MODEL, messages=user(said), response_model=City))
    assert (city.name, city.size) == ("Paris", 7)
    assert tree(spans.all) == [(f"chat {MODEL}", [])]
    (payload,) = payloads(spans.all)
    assert payload["request_tags"] == ["beta"]
    assert payload["total_tokens"] > 0


async def test_with_completion(plain: Any, spans: Spans) -> None:
    """The raw completion beside the fields is the one whose id the span has."""
    client = instructor.from_openai(plain)
    found = client.chat.completions.create_with_completion(model=MODEL, messages=user("Hi"), response_model=City)
    _, completion = await settle(found)
    assert spans.one()[attr.GEN_AI_RESPONSE_ID] == completion.id
    assert callspan.call_id(completion) == spans.one()[attr.CALLSPAN_CALL_ID]


async def test_partial(plain: Any, spans: Spans) -> None:
    """Fields that come in parts: one stream."""
    client = instructor.from_openai(plain)
    found = client.chat.completions.create_partial(model=MODEL, messages=user("Hi"), response_model=City)
    parts = await collect(await settle(found))
    assert parts[-1].name == "Paris"
    assert (spans.one().end, spans.one().ok) == ("exhausted", True)
    (part,) = spans.one().output[0]["parts"]
    assert part["arguments"] == {"name": "Paris", "size": 7}


async def test_iterable(plain: Any, spans: Spans) -> None:
    """Several objects from one stream."""
    client = instructor.from_openai(plain)
    found = client.chat.completions.create_iterable(model=MODEL, messages=user("Hi"), response_model=City)
    cities = await collect(await settle(found))
    assert cities
    assert len(payloads(spans.all)) == 1


async def test_asked_again(plain: Any, spans: Spans) -> None:
    """An answer that does not validate is asked for again: a call each time."""
    client = instructor.from_openai(plain)
    with pytest.raises(Exception, match="too small"):
        await settle(
            client.chat.completions.create(model=MODEL, messages=user("Hi"), response_model=Picky, max_retries=2)
        )
    assert [Read(span).ok for span in spans.all] == [True] * 3
    assert len(payloads(spans.all)) == 3


async def test_error(plain: Any, spans: Spans) -> None:
    """One failed call."""
    client = instructor.from_openai(plain)
    with pytest.raises(Exception, match="400"):
        await settle(client.chat.completions.create(model=MODEL, messages=user("!error 400"), response_model=City))
    statuses = {payload["error_information"]["error_code"] for payload in payloads(spans.all)}
    assert statuses == {"400"}


async def test_anthropic(claude: Any, spans: Spans) -> None:
    """One call of Anthropic's client."""
    found = instructor.from_anthropic(claude).chat.completions.create(
        model=anthropic_server.MODEL, max_tokens=99, messages=user("Hi"), response_model=Place
    )
    assert (await settle(found)).city == "Oslo"
    assert tree(spans.all) == [(f"chat {anthropic_server.MODEL}", [])]
    (payload,) = payloads(spans.all)
    assert payload["prompt_tokens"] == 19
