"""What is said to a model and by it, as message parts: the same for plain, streamed and raw answers."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from callspan_semconv import attributes as attr
from tests.instrumentation import ways
from tests.instrumentation.support import MODEL, Read, Spans, collect, settle, user

SCHEMA: Any = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTIONS: Any = [{"name": name, "parameters": SCHEMA, "strict": True} for name in ("weather", "time")]
CHAT_TOOLS: Any = [{"type": "function", "function": function} for function in FUNCTIONS]
TOOLS: Any = [{"type": "function", **function} for function in FUNCTIONS]


class City(BaseModel):
    """A structured answer."""

    name: str
    size: int | None


@pytest.fixture(params=["plain", "stream", "raw", "raw stream"])
def called(request: pytest.FixtureRequest, client: OpenAI, spans: Spans) -> Callable[..., Read]:
    """Makes a call in one of four ways, reads all of the answer, and gives the span."""

    def call(resource: str, **arguments: Any) -> Read:
        target: Any = client
        for name in resource.split("."):
            target = getattr(target, name)
        stream = "stream" in request.param
        if stream:
            arguments |= {"stream": True, **({"stream_options": {"include_usage": True}} if "chat" in resource else {})}
        create = target.with_raw_response.create if "raw" in request.param else target.create
        result = create(model=MODEL, **arguments)
        if "raw" in request.param:
            result = result.parse()
        if stream:
            list(result)
        return spans.take()

    return call


# --- answers ----------------------------------------------------------------------------------------------------------


def test_parallel_tool_calls(called: Any) -> None:
    """Tool calls in order, each with its id and parsed arguments, and the tools that were offered."""
    for resource, arguments in (
        ("chat.completions", {"messages": user("!tools 3"), "tools": CHAT_TOOLS}),
        ("responses", {"input": "!tools 3", "tools": TOOLS}),
    ):
        span = called(resource, **arguments)
        calls = [part for part in span.output[0]["parts"] if part["type"] == "tool_call"]
        assert [call["name"] for call in calls] == ["weather", "time", "weather"]
        assert [call["arguments"] for call in calls] == [{"city": "Paris"}] * 3
        assert len({call["id"] for call in calls}) == 3
        assert all(call["id"].startswith("call_") for call in calls)
        assert span.json(attr.GEN_AI_TOOL_DEFINITIONS) == TOOLS
        assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("tool_calls" if "chat" in resource else "tool_call",)


def test_arguments_that_are_no_json(called: Any) -> None:
    """A model may write broken JSON: the text is kept as it is."""
    for resource, arguments in (
        ("chat.completions", {"messages": user("!bad-arguments"), "tools": CHAT_TOOLS}),
        ("responses", {"input": "!bad-arguments", "tools": TOOLS}),
    ):
        (part,) = called(resource, **arguments).output[0]["parts"]
        assert part["arguments"] == '{"city":"Paris"'


def test_refusal(called: Any) -> None:
    """A refusal is a part of its own, no text."""
    for resource, arguments in (
        ("chat.completions", {"messages": user("!refuse")}),
        ("responses", {"input": "!refuse"}),
    ):
        parts = called(resource, **arguments).output[0]["parts"]
        assert parts == [{"type": "refusal", "content": "I'm sorry, I can't help with that."}]


def test_choices_and_log_probabilities(called: Any) -> None:
    """Every choice with its text; log probabilities beside them, the same however they came."""
    span = called("chat.completions", messages=user("!say a b"), n=2, logprobs=True, top_logprobs=1, seed=7)
    assert [message["parts"][0]["content"] for message in span.output] == ["a b", "a b (2)"]
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("stop", "stop")
    assert (span[attr.GEN_AI_REQUEST_CHOICE_COUNT], span[attr.GEN_AI_REQUEST_SEED]) == (2, 7)
    choices = span.json(attr.CALLSPAN_RESPONSE_CONTENT)["choices"]
    tokens = [entry["token"] for entry in choices[0]["logprobs"]["content"]]
    assert "".join(tokens) == "a b"
    assert len(choices) == 2


def test_tokens_and_tiers(called: Any) -> None:
    """Cached and reasoning tokens are parts of the totals; the tier asked for and the tier that served."""
    for resource, arguments in (
        ("chat.completions", {"messages": user("!cached 4 !reasoning 12 Hi")}),
        ("responses", {"input": "!cached 4 !reasoning 12 Hi"}),
    ):
        span = called(resource, service_tier="flex", **arguments)
        assert span[attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 4 <= span[attr.GEN_AI_USAGE_INPUT_TOKENS]
        assert span[attr.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS] == 12 < span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]
        assert span[attr.OPENAI_REQUEST_SERVICE_TIER] == span[attr.OPENAI_RESPONSE_SERVICE_TIER] == "flex"


def test_reasoning(called: Any) -> None:
    """Thinking that is shown comes before the answer: compatible servers' field, Responses' summaries."""
    thought = {"type": "reasoning", "content": "The question is simple. Answer it in one sentence."}
    chat = called("chat.completions", messages=user("!reasoning-content !say Yes"), reasoning_effort="low")
    responses = called("responses", input="!reasoning !say Yes", reasoning={"effort": "low", "summary": "auto"})
    for span in (chat, responses):
        assert span.output[0]["parts"] == [thought, {"type": "text", "content": "Yes"}]
        assert span[attr.GEN_AI_REQUEST_REASONING_LEVEL] == "low"


def test_audio_answer(called: Any) -> None:
    """Spoken answers: the transcript and the sound."""
    arguments: Any = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    span = called("chat.completions", messages=user("!say Hello there"), **arguments)
    (part,) = span.output[0]["parts"]
    assert (part["type"], part["modality"], part["transcript"]) == ("blob", "audio", "Hello there")
    assert part["content"]
    assert span[attr.GEN_AI_OUTPUT_TYPE] == "speech"
    assert span[attr.GEN_AI_USAGE_AUDIO_OUTPUT_TOKENS] > 0


def test_hosted_tools(called: Any) -> None:
    """Tools that ran at the provider, the picture that one of them made, and the citations of the text."""
    hosted: Any = [{"type": "web_search"}, {"type": "image_generation"}]
    span = called("responses", input="!say Paris", tools=hosted)
    kinds = [(part["type"], part.get("name") or part.get("modality")) for part in span.output[0]["parts"]]
    assert kinds == [
        ("server_tool_call", "web_search"),
        ("server_tool_call", "image_generation"),
        ("blob", "image"),
        ("text", None),
    ]
    (text,) = span.json(attr.CALLSPAN_RESPONSE_CONTENT)["output_texts"]
    assert text["annotations"][0]["url"] == "https://example.com/paris"


def test_cut_off_answer(called: Any) -> None:
    """An answer that reached its limit says so in the conventions' word."""
    chat = called("chat.completions", messages=user("!say one two three"), max_completion_tokens=2)
    responses = called("responses", input="!say one two three", max_output_tokens=2)
    for span in (chat, responses):
        assert (span.text, span[attr.GEN_AI_RESPONSE_FINISH_REASONS]) == ("one two", ("length",))
        assert span[attr.GEN_AI_REQUEST_MAX_TOKENS] == 2


def test_line_separators_in_text(called: Any) -> None:
    """Text may hold every kind of line separator that Unicode has."""
    said = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
    assert called("chat.completions", messages=user(f"!say {said}")).text == said
    assert called("responses", input=f"!say {said}").text == said


@pytest.mark.parametrize("stream", [False, True])
async def test_structured_output(stream: bool, spans: Spans, either: Any) -> None:
    """A pydantic model as answer format: the JSON is the text, and the application gets its object."""
    for resource, arguments in (
        (either.chat.completions, {"messages": user("Hi"), "response_format": City}),
        (either.responses, {"input": "Hi", "text_format": City}),
    ):
        if stream:
            manager = resource.stream(model=MODEL, **arguments)
            opened = await ways.enter(manager)
            await collect(opened)
            await ways.leaving(manager)()
        else:
            await settle(resource.parse(model=MODEL, **arguments))
        span = spans.take()
        assert json.loads(span.text) == {"name": "Paris", "size": 7}
        assert span[attr.GEN_AI_OUTPUT_TYPE] == "json"


# --- prompts ----------------------------------------------------------------------------------------------------------


def prompted(client: OpenAI, spans: Spans, messages: Any) -> Any:
    client.chat.completions.create(model=MODEL, messages=messages)
    return spans.take().input


def test_roles_and_names(client: OpenAI, spans: Spans) -> None:
    """Roles as the application gave them, and participants' names."""
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "kind."}]},
        {"role": "user", "content": "Hi", "name": "ada"},
    ]
    assert prompted(client, spans, messages) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "developer", "parts": [{"type": "text", "content": "Be "}, {"type": "text", "content": "kind."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}], "name": "ada"},
    ]


PARTS: Any = [
    ({"type": "image_url", "image_url": {"url": "https://user:pw@example.com/cat.png?sig=s3cret"}}, "uri", "image"),
    ({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}, "blob", "image"),
    ({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}, "blob", "audio"),
    ({"type": "file", "file": {"file_id": "file-1"}}, "file", "document"),
    (
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
        "blob",
        "document",
    ),
]


@pytest.mark.parametrize(("part", "kind", "modality"), PARTS, ids=[f"{p[0]['type']} {p[1]}" for p in PARTS])
def test_media_in_prompts(part: Any, kind: str, modality: str, client: OpenAI, spans: Spans) -> None:
    """Pictures, sound and files, inline or by reference; never a data: URL, never a URL's credentials."""
    ((message),) = prompted(client, spans, user([part]))
    (read,) = message["parts"]
    assert (read["type"], read["modality"]) == (kind, modality)
    text = json.dumps(read)
    assert not [secret for secret in ("data:", "pw@", "s3cret") if secret in text]
    if kind == "blob":
        assert read["content"] in json.dumps(part)
        assert read["mime_type"] in ("image/png", "audio/wav", "application/pdf")


def test_big_media_are_left_out(client: OpenAI, spans: Spans, fake_openai: Any) -> None:
    """A big inline picture is replaced by its size on the span, and reaches the provider whole."""
    data = "A" * 400_000
    messages = user([{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}])
    (message,) = prompted(client, spans, messages)
    assert message["parts"] == [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "", "omitted_bytes": 300_000}
    ]
    assert data.encode() in fake_openai.requests[0].body


def test_responses_media(client: OpenAI, spans: Spans) -> None:
    """The Responses API names its parts otherwise."""
    parts: Any = [
        {"type": "input_text", "text": "Look"},
        {"type": "input_image", "image_url": "https://example.com/cat.png", "detail": "auto"},
        {"type": "input_image", "file_id": "file-1", "detail": "auto"},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
        {"type": "input_file", "file_id": "file-2"},
    ]
    client.responses.create(model=MODEL, input=[{"role": "user", "content": parts}], instructions="Be brief.")
    span = spans.one()
    kinds = [(part["type"], part.get("modality")) for part in span.input[0]["parts"]]
    assert kinds == [("text", None), ("uri", "image"), ("file", "image"), ("uri", "document"), ("file", "document")]
    assert span.json(attr.GEN_AI_SYSTEM_INSTRUCTIONS) == [{"type": "text", "content": "Be brief."}]


def test_answers_in_the_next_prompt(client: OpenAI, spans: Spans) -> None:
    """The SDK's own message, appended to the prompt with the tool's result, as every agent does."""
    messages = user("!tools")
    first = client.chat.completions.create(model=MODEL, messages=messages, tools=CHAT_TOOLS)
    spans.take()
    message = first.choices[0].message
    called = message.tool_calls or []
    results = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in called]
    read = prompted(client, spans, [*messages, message, *results])
    assert [part["id"] for part in read[1]["parts"]] == [call.id for call in called]
    assert read[2] == {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "response": "sunny", "id": called[0].id}],
    }


def test_items_in_the_next_input(client: OpenAI, spans: Spans) -> None:
    """The SDK's own items likewise; and the application's objects stay as they are."""
    first: Any = client.responses.create(model=MODEL, input="!tools !reasoning", tools=TOOLS)
    spans.take()
    result: Any = {"type": "function_call_output", "call_id": first.output[-1].call_id, "output": "sunny"}
    dumped = first.model_dump()
    client.responses.create(model=MODEL, input=[*user("!tools"), *first.output, result])
    assert first.model_dump() == dumped
    kinds = [(message["role"], message["parts"][0]["type"]) for message in spans.one().input]
    assert kinds == [
        ("user", "text"),
        ("assistant", "reasoning"),
        ("assistant", "tool_call"),
        ("assistant", "tool_call"),
        ("tool", "tool_call_response"),
    ]


def test_arguments_are_left_alone(client: OpenAI, spans: Spans) -> None:
    """Items of tools that ran at the provider, given back as dicts, are read and not changed."""
    items: Any = [
        {"type": "mcp_call", "id": "m", "name": "n", "server_label": "s", "arguments": "{}", "output": "done"},
        {"type": "image_generation_call", "id": "i", "status": "completed", "result": "iVBORw0KGgo="},
    ]
    before = json.dumps(items)
    client.responses.create(model=MODEL, input=[*user("Hi"), *items])
    assert json.dumps(items) == before
    parts = [part for message in spans.one().input[1:] for part in message["parts"]]
    assert [part["type"] for part in parts] == [
        "server_tool_call",
        "server_tool_call_response",
        "server_tool_call",
        "blob",
    ]


# --- arguments of every kind ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [False, True])
async def test_messages_from_an_iterator(broken: bool, spans: Spans, either: Any, fake_openai: Any) -> None:
    """A one-shot iterator of messages reaches the provider whole; if it raises, the application sees its exception."""

    def messages() -> Iterator[Any]:
        yield {"role": "system", "content": "Be brief."}
        if broken:
            raise ZeroDivisionError
        yield {"role": "user", "content": "!say Hi"}

    if broken:
        with pytest.raises(ZeroDivisionError):
            await settle(either.chat.completions.create(model=MODEL, messages=messages()))
        assert not fake_openai.requests
        assert spans.one()[attr.ERROR_TYPE] == "ZeroDivisionError"
        return
    await settle(either.chat.completions.create(model=MODEL, messages=messages()))
    assert len(fake_openai.requests[0].json["messages"]) == 2
    assert [message["role"] for message in spans.one().input] == ["system", "user"]


def test_sentinels_are_no_values(client: OpenAI, spans: Spans, fake_openai: Any) -> None:
    """What the SDK leaves out of the request is not on the span."""
    nothing: Any = {"temperature": openai.NOT_GIVEN, "tools": openai.omit, "stop": None, "stream": openai.NOT_GIVEN}
    client.chat.completions.create(model=MODEL, messages=user("Hi"), **nothing)
    span = spans.one()
    assert not {"temperature", "tools", "stream"} & set(fake_openai.requests[0].json)
    assert not [name for name in span.attributes if "temperature" in name or "tool" in name or "stop" in name]
    assert span.parameters is None


def test_every_parameter_is_kept(client: OpenAI, spans: Spans) -> None:
    """Parameters without a name in the conventions are kept as JSON; those of the transport are not."""
    arguments: Any = {"logit_bias": {"50256": -100}, "store": True, "prompt_cache_key": "k", "safety_identifier": "s"}
    transport: Any = {"timeout": 5, "extra_headers": {"x-mine": "1"}, "extra_query": {"q": "1"}}
    extra: Any = {"extra_body": {"top_k": 40, "min_p": 0.1}}
    client.chat.completions.create(model=MODEL, messages=user("Hi"), **arguments, **transport, **extra)
    span = spans.one()
    assert span.parameters == {**arguments, "min_p": 0.1}
    assert span[attr.GEN_AI_REQUEST_TOP_K] == 40


@pytest.mark.parametrize("place", ["metadata", "extra_body"])
async def test_metadata_and_user(place: str, spans: Spans, either: Any) -> None:
    """Metadata of the request, as a parameter or as LiteLLM's users pass it; its tags are tags."""
    metadata = {"team": "search", "tags": ["a", "b"]} if place == "extra_body" else {"team": "search"}
    arguments: Any = {"extra_body": {"metadata": metadata}} if place == "extra_body" else {"metadata": metadata}
    await settle(either.chat.completions.create(model=MODEL, messages=user("Hi"), user="u-1", **arguments))
    span = spans.one()
    assert span.json(attr.CALLSPAN_METADATA) == metadata
    assert span[attr.CALLSPAN_USER] == "u-1"
    assert span.get(attr.CALLSPAN_TAGS) == (("a", "b") if place == "extra_body" else None)
