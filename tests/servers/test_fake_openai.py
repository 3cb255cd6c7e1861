"""The local OpenAI-compatible server, read by the real SDK."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, AzureOpenAI, OpenAI
from pydantic import BaseModel

from callspan.cli.fake_openai import FakeOpenAI

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTIONS = [{"name": name, "parameters": SCHEMA, "strict": True} for name in ("weather", "time")]
CHAT_TOOLS: Any = [{"type": "function", "function": function} for function in FUNCTIONS]
TOOLS: Any = [{"type": "function", **function} for function in FUNCTIONS]
HOSTED: Any = [
    {"type": "web_search"},
    {"type": "image_generation", "partial_images": 2},
    {"type": "code_interpreter", "container": {"type": "auto"}},
]
AUDIO: Any = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
LOGPROBS: Any = ["message.output_text.logprobs"]
SOUND = ("a.wav", b"RIFF")
PICTURE = ("a.png", b"PNG", "image/png")


class City(BaseModel):
    """A structured answer."""

    name: str
    tags: list[str]
    size: int | None


@pytest.fixture
def client(fake_openai: FakeOpenAI) -> Iterator[OpenAI]:
    with OpenAI(base_url=fake_openai.base_url, api_key="sk-local") as client:
        yield client


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


def chat(text: str, **more: Any) -> Callable[[OpenAI, Any], Any]:
    return lambda client, how: how(client.chat.completions, messages=user(text), **more)


def respond(text: str, **more: Any) -> Callable[[OpenAI, Any], Any]:
    return lambda client, how: how(client.responses, input=text, **more)


# Each is called with how to call it: as it is, or with ``stream=True``.
BOTH: dict[str, Callable[[OpenAI, Any], Any]] = {
    "chat": chat("Hi"),
    "chat choices": chat("Hi", n=2, logprobs=True, top_logprobs=2),
    "chat tools": chat("!tools 3", tools=CHAT_TOOLS),
    "chat refusal": chat("!refuse"),
    "chat audio": chat("Hi", **AUDIO),
    "chat reasoning": chat("!reasoning 12 !cached 4 !reasoning-content", service_tier="flex"),
    "response": respond("Hi", include=LOGPROBS, instructions="Be brief."),
    "response tools": respond("!tools !reasoning", tools=TOOLS),
    "response hosted tools": respond("Hi", tools=HOSTED),
    "response refusal": respond("!refuse"),
    "response incomplete": respond("one two three", max_output_tokens=2),
    "response failed": respond("!fail"),
    "image": lambda client, how: how(client.images, "generate", model="gpt-image-1", prompt="A cat"),
    "image edit": lambda client, how: how(client.images, "edit", model="gpt-image-1", prompt="A cat", image=PICTURE),
    "transcript": lambda client, how: how(client.audio.transcriptions, model="gpt-4o-transcribe", file=SOUND),
}
PLAIN: dict[str, Callable[[OpenAI, Any], Any]] = {
    "completion": lambda client, how: how(client.completions, prompt=["Hi", "Ho"], n=2, logprobs=1),
    "image url": lambda client, how: how(client.images, "generate", model="dall-e-3", prompt="A cat"),
    "verbose transcript": lambda client, how: how(
        client.audio.transcriptions, model="whisper-1", file=SOUND, response_format="verbose_json"
    ),
    "translation": lambda client, how: how(client.audio.translations, model="whisper-1", file=SOUND),
    "embedding": lambda client, how: how(client.embeddings, input=["a", "b"], encoding_format="float"),
    "moderation": lambda client, how: how(client.moderations, input=["violence", "peace"]),
    "response in the background": respond("Hi", background=True),
}


def plain(resource: Any, method: str = "create", *, model: str = "gpt-4o-mini", **arguments: Any) -> Any:
    return getattr(resource.with_raw_response, method)(model=model, **arguments)


def streamed(resource: Any, method: str = "create", *, model: str = "gpt-4o-mini", **arguments: Any) -> Any:
    return getattr(resource, method)(model=model, stream=True, **arguments)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # openai 3 deprecates translations
@pytest.mark.parametrize("name", [*BOTH, *PLAIN])
def test_answers_have_every_field_of_the_sdks_types(client: OpenAI, name: str) -> None:
    """Every answer passes the SDK's own models, checked strictly (the SDK itself accepts anything)."""
    raw = {**BOTH, **PLAIN}[name](client, plain)
    parsed = raw.parse()
    assert type(parsed).model_validate_json(raw.content)


@pytest.mark.parametrize("name", BOTH)
def test_streams_have_every_field_of_the_sdks_types(client: OpenAI, name: str) -> None:
    """Every event of a stream passes the SDK's own models, and there is more than one."""
    events = list(BOTH[name](client, streamed))
    for event in events:
        # openai 2 asks for a name in function_call_arguments.done, which the API does not send.
        assert type(event).model_validate({"name": "", **event.to_dict()})
    assert len(events) > 1 or name.startswith("image")


def test_chat_stream_adds_up(client: OpenAI) -> None:
    """The SDK's stream helper puts text and usage together; choices differ."""
    arguments: Any = {"model": "gpt-4o-mini", "messages": user("!say Grüße, 世界!"), "n": 2}
    with client.chat.completions.stream(**arguments, stream_options={"include_usage": True}) as stream:
        final = stream.get_final_completion()
    whole = client.chat.completions.create(**arguments)
    texts = [choice.message.content for choice in whole.choices]
    assert texts == [choice.message.content for choice in final.choices] == ["Grüße, 世界!", "Grüße, 世界! (2)"]
    assert final.usage == whole.usage
    assert final.model == "gpt-4o-mini-2024-07-18"


def test_tool_loop(client: OpenAI) -> None:
    """An agent's loop ends: tools are called, and once they are answered, text comes."""
    messages = user("!tools")
    first = client.chat.completions.create(model="gpt-4o", messages=messages, tools=CHAT_TOOLS)
    calls: Any = first.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["weather", "time"]
    assert json.loads(calls[0].function.arguments) == {"city": "Paris"}
    messages += [first.choices[0].message, {"role": "tool", "tool_call_id": calls[0].id, "content": "sunny"}]
    last = client.chat.completions.create(model="gpt-4o", messages=messages, tools=CHAT_TOOLS)
    assert last.choices[0].finish_reason == "stop"


def test_structured_answers(client: OpenAI) -> None:
    """``parse`` returns the model that was asked for, from both APIs."""
    expected = City(name="Paris", tags=["Paris"], size=7)
    answer = client.chat.completions.parse(model="gpt-4o", messages=user("Where?"), response_format=City)
    assert answer.choices[0].message.parsed == expected
    assert client.responses.parse(model="gpt-4o", input="Where?", text_format=City).output_parsed == expected


def test_response_stream_in_order(client: OpenAI) -> None:
    """Thinking, then a hosted tool, then text; the stream helper's final response equals the last event's."""
    with client.responses.stream(model="gpt-5", input="!reasoning", tools=HOSTED[1:2]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = list(dict.fromkeys(event.type.removeprefix("response.") for event in events))
    assert kinds == [
        *("created", "in_progress", "output_item.added"),
        *("reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.done"),
        *("reasoning_summary_part.done", "output_item.done"),
        *("image_generation_call.in_progress", "image_generation_call.generating"),
        *("image_generation_call.partial_image", "image_generation_call.completed"),
        *("content_part.added", "output_text.delta", "output_text.done", "content_part.done", "completed"),
    ]
    assert [item.type for item in final.output] == ["reasoning", "image_generation_call", "message"]


def test_background_response_is_read_later(client: OpenAI) -> None:
    """A queued response is complete when it is asked for again, and its stream can be resumed."""
    queued = client.responses.create(model="gpt-5", input="!say done", background=True)
    assert queued.status == "queued"
    assert client.responses.retrieve(queued.id).output_text == "done"
    events = list(client.responses.retrieve(queued.id, stream=True, starting_after=4))
    assert [events[0].sequence_number, events[-1].type] == [5, "response.completed"]
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_unknown")


@pytest.mark.parametrize(
    ("directive", "error"),
    [
        ("!error 400", openai.BadRequestError),
        ("!error 401", openai.AuthenticationError),
        ("!error 429", openai.RateLimitError),
        ("!error 500", openai.InternalServerError),
        ("!reset-midstream", openai.APIConnectionError),
    ],
)
def test_errors_reach_the_sdk(client: OpenAI, fake_openai: FakeOpenAI, directive: str, error: type[Exception]) -> None:
    """The SDK raises the error that the prompt asked for, with OpenAI's envelope and a request id."""
    with pytest.raises(error) as raised:
        client.with_options(max_retries=0).chat.completions.create(model="gpt-4o", messages=user(directive))
    if isinstance(raised.value, openai.APIStatusError):
        assert raised.value.type
        assert str(raised.value.request_id).startswith("req_")


def test_flaky_answers_the_retry(client: OpenAI, fake_openai: FakeOpenAI) -> None:
    """One call, two requests: the SDK's retry succeeds."""
    answer = client.chat.completions.create(model="gpt-4o", messages=user("!flaky 503 !say back"))
    assert answer.choices[0].message.content == "back"
    assert len(fake_openai.requests) == 2


@pytest.mark.parametrize("directive", ["!stream-error", "!stream-error nested", "!reset-midstream"])
@pytest.mark.parametrize("call", [chat, respond])
def test_streams_break_off(client: OpenAI, call: Any, directive: str) -> None:
    """A stream yields its first half and then fails: with the SDK's error or the API's error event."""
    received = []
    failure: Exception | None = None
    try:
        received.extend(call(f"{directive} !chunks 20")(client, streamed))
    except Exception as error:  # which one depends on the SDK's major version
        failure = error
    assert len(received) >= 10
    assert failure is not None or received[-1].type == "error"


def test_requests_are_recorded_as_sent(client: OpenAI, fake_openai: FakeOpenAI) -> None:
    """Tests see each request's headers and body, forms included."""
    client.embeddings.create(model="text-embedding-3-small", input="Hi", extra_headers={"traceparent": "00-1"})
    client.audio.transcriptions.create(model="whisper-1", file=SOUND, prompt="Hi")
    embedding, transcription = fake_openai.requests
    assert (embedding.method, embedding.path, embedding.headers["traceparent"]) == ("POST", "/v1/embeddings", "00-1")
    assert embedding.json == {"input": "Hi", "model": "text-embedding-3-small", "encoding_format": "base64"}
    assert transcription.json["file"] == {"filename": "a.wav", "size": 4}


def test_both_embedding_encodings_hold_the_same_numbers(client: OpenAI) -> None:
    """What the SDK decodes from base64 (its default) is what it reads as floats."""
    arguments: Any = {"model": "text-embedding-3-small", "input": ["a", "b"], "dimensions": 3}
    packed = client.embeddings.create(**arguments).data
    assert packed == client.embeddings.create(**arguments, encoding_format="float").data
    assert [len(entry.embedding) for entry in packed] == [3, 3]


def test_binary_and_text_answers(client: OpenAI) -> None:
    """Speech is bytes and a plain transcript is a string."""
    assert client.audio.speech.create(model="tts-1", voice="alloy", input="Hi there").read() == b"fake fake "
    text: Any = client.audio.transcriptions.create(model="whisper-1", file=SOUND, response_format="text")
    assert text == "You said: a recording\n"


def test_azure_paths(fake_openai: FakeOpenAI) -> None:
    """An Azure client is answered by the deployment's model; its stream opens with a chunk without choices."""
    with AzureOpenAI(azure_endpoint=fake_openai.url, api_key="local", api_version="2024-10-21") as client:
        answer = client.chat.completions.create(model="my-deployment", messages=user("Hi"))
        assert answer.model == "gpt-4.1-mini-2025-04-14"
        assert [len(chunk.choices) for chunk in chat("Hi")(client, streamed)][:2] == [0, 1]
    assert fake_openai.requests[0].path == "/openai/deployments/my-deployment/chat/completions"


async def test_concurrent_async_calls(fake_openai: FakeOpenAI) -> None:
    """Fifty calls at once each get their own answer, streamed or not."""
    async with AsyncOpenAI(base_url=fake_openai.base_url, api_key="sk-local") as client:

        async def ask(number: int) -> str:
            answer = await client.chat.completions.create(model="gpt-4o", messages=user(f"!say {number}"))
            return str(answer.choices[0].message.content)

        async def stream(number: int) -> str:
            events = await client.responses.create(model="gpt-4o", input=f"!say {number}", stream=True)
            return "".join([event.delta async for event in events if event.type == "response.output_text.delta"])

        asked = await asyncio.gather(*(ask(number) for number in range(25)))
        streams = await asyncio.gather(*(stream(number) for number in range(25)))
    assert asked == streams == [str(number) for number in range(25)]


def test_closing_cuts_slow_answers_short(client: OpenAI, fake_openai: FakeOpenAI) -> None:
    """A server that is closed does not wait for an answer that was told to take a minute."""
    with pytest.raises(openai.APITimeoutError):
        client.with_options(max_retries=0).responses.create(model="gpt-4o", input="!slow 60", timeout=0.2)
    started = time.monotonic()
    fake_openai.close()
    assert time.monotonic() - started < 30
