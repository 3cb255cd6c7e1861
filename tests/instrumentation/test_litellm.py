"""The litellm package: its functions, beneath which other clients run."""

import asyncio
import copy
import inspect
import json
import pickle
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider

import callspan
from callspan.instrumentors import instrument, uninstrument
from callspan_semconv import attributes as attr
from callspan_semconv import to_payload
from tests.instrumentation.litellm_calls import CHAT, KEY, QUIET, VERSION, LiteLLM, litellm, llm
from tests.instrumentation.support import Spans, collect_garbage, user

__all__ = ["llm"]
pytestmark = QUIET

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
WITH_USAGE: Any = {"stream": True, "stream_options": {"include_usage": True}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}

FUNCTIONS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "completion": (
        "chat",
        {"model": CHAT, "messages": user("hi")},
        {
            attr.GEN_AI_REQUEST_MODEL: "gpt-4o-mini",
            attr.GEN_AI_RESPONSE_MODEL: "gpt-4o-mini-2024-07-18",
            attr.GEN_AI_USAGE_INPUT_TOKENS: 4,
            attr.GEN_AI_USAGE_OUTPUT_TOKENS: 3,
            attr.GEN_AI_RESPONSE_FINISH_REASONS: ("stop",),
            attr.CALLSPAN_COST_TOTAL: 2.4e-06,
            attr.CALLSPAN_COST_INPUT: 6e-07,
            attr.CALLSPAN_COST_OUTPUT: 1.8e-06,
        },
    ),
    "text_completion": (
        "text_completion",
        {"model": "text-completion-openai/gpt-3.5-turbo-instruct", "prompt": "hi"},
        {
            attr.GEN_AI_REQUEST_MODEL: "gpt-3.5-turbo-instruct",
            attr.GEN_AI_USAGE_INPUT_TOKENS: 1,
            attr.GEN_AI_USAGE_OUTPUT_TOKENS: 3,
            attr.CALLSPAN_COST_TOTAL: 7.5e-06,
        },
    ),
    "embedding": (
        "embeddings",
        {"model": "openai/text-embedding-3-small", "input": ["a", "b"], "dimensions": 8},
        {
            attr.GEN_AI_USAGE_INPUT_TOKENS: 2,
            attr.GEN_AI_USAGE_OUTPUT_TOKENS: None,
            attr.CALLSPAN_EMBEDDING_VECTORS: 2,
            attr.CALLSPAN_EMBEDDING_DIMENSIONS: 8,
            attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT: 8,
            attr.CALLSPAN_COST_TOTAL: 4e-08,
        },
    ),
    "responses": (
        "chat",
        {"model": CHAT, "input": "hi", "instructions": "Be brief."},
        {
            attr.OPENAI_API_TYPE: "responses",
            attr.GEN_AI_RESPONSE_MODEL: "gpt-4o-mini-2024-07-18",
            attr.GEN_AI_USAGE_OUTPUT_TOKENS: 3,
            attr.GEN_AI_RESPONSE_FINISH_REASONS: ("stop",),
        },
    ),
    "image_generation": (
        "image_generation",
        {"model": "openai/gpt-image-1", "prompt": "a cat", "size": "1024x1024"},
        {attr.GEN_AI_USAGE_IMAGE_OUTPUT_TOKENS: 272, attr.CALLSPAN_COST_TOTAL: pytest.approx(0.0109, rel=0.01)},
    ),
    "speech": (
        "speech",
        {"model": "openai/tts-1", "input": "hi", "voice": "alloy"},
        {attr.GEN_AI_OUTPUT_TYPE: "speech", attr.CALLSPAN_COST_TOTAL: 3e-05},
    ),
    "transcription": (
        "transcription",
        {"model": "openai/whisper-1", "file": ("hello.wav", b"RIFF")},
        {attr.GEN_AI_OUTPUT_TYPE: "text", attr.CALLSPAN_COST_TOTAL: 0.00025},
    ),
    "image_edit": (
        "image_edit",
        {"model": "openai/gpt-image-1", "image": b"\x89PNG\r\n\x1a\n", "prompt": "a dog"},
        {attr.GEN_AI_OUTPUT_TYPE: "image"},
    ),
    "rerank": (
        "rerank",
        {"model": "cohere/rerank-v3.5", "query": "cat?", "documents": ["dog", "cat"]},
        {attr.GEN_AI_PROVIDER_NAME: "cohere", attr.GEN_AI_RESPONSE_ID: "rerank-1"},
    ),
}


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_a_call_is_one_span(llm: LiteLLM, spans: Spans, function: str) -> None:
    """Although another client runs beneath it; with what LiteLLM knows about it, and LiteLLM's payload."""
    operation, arguments, expected = FUNCTIONS[function]
    await llm(function, **arguments)
    span = spans.one()
    known = {attr.GEN_AI_OPERATION_NAME: operation, attr.GEN_AI_PROVIDER_NAME: "openai", **expected}
    assert {name: span.get(name) for name in known} == known
    assert (span.ok, span[attr.SERVER_ADDRESS]) == (True, "127.0.0.1")
    payload = to_payload(span.span)
    assert payload is not None
    call_type = f"a{function}" if llm.is_async else function
    assert (payload["call_type"], payload["status"]) == (call_type, "success")
    assert payload["hidden_params"]["litellm_model_name"] == arguments["model"]
    assert (payload["model"], payload["custom_llm_provider"]) == (
        arguments["model"].partition("/")[2],
        known[attr.GEN_AI_PROVIDER_NAME],
    )


STREAMS = {name: FUNCTIONS[name][1] for name in ("completion", "text_completion", "responses")}


@pytest.mark.parametrize("function", STREAMS)
async def test_a_stream_is_one_span(llm: LiteLLM, spans: Spans, function: str) -> None:
    """With its text, the time to its first chunk, and how it ended."""
    await llm.read(await llm(function, stream=True, **STREAMS[function]))
    span = spans.one()
    assert (span.text, span.end, span.ok) == ("You said: hi", "exhausted", True)
    assert span[attr.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] > 0
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("stop",)
    payload = to_payload(span.span)
    assert payload is not None
    assert payload["stream"] is True


@pytest.mark.parametrize(("options", "counts"), [({"stream": True}, (None, None, None)), (WITH_USAGE, (4, 3, 2.4e-06))])
async def test_tokens_of_a_stream_are_those_that_the_provider_counted(
    llm: LiteLLM, spans: Spans, options: Any, counts: Any
) -> None:
    """LiteLLM's zeros and estimates count for nothing."""
    await llm.read(await llm.chat(**options))
    span = spans.one()
    names = (attr.GEN_AI_USAGE_INPUT_TOKENS, attr.GEN_AI_USAGE_OUTPUT_TOKENS, attr.CALLSPAN_COST_TOTAL)
    assert tuple(map(span.get, names)) == counts
    told = VERSION >= (1, 102)
    assert span.get(attr.GEN_AI_RESPONSE_MODEL) == ("gpt-4o-mini-2024-07-18" if told else None)


@pytest.mark.parametrize("options", [{}, WITH_USAGE])
async def test_the_price_is_litellms_own(llm: LiteLLM, spans: Spans, options: Any) -> None:
    """Such as a price of the deployment's."""
    result = await llm.chat(input_cost_per_token=1.0, output_cost_per_token=10.0, **options)
    if options:
        await llm.read(result)
    span = spans.one()
    names = (attr.CALLSPAN_COST_TOTAL, attr.CALLSPAN_COST_INPUT, attr.CALLSPAN_COST_OUTPUT)
    assert tuple(map(span.get, names)) == (34.0, 4.0, 30.0)


async def test_a_stream_that_is_left(llm: LiteLLM, spans: Spans) -> None:
    """It is one span with what came, once it is closed or forgotten."""
    stream = await llm.chat("!chunks 50", stream=True)
    await llm.read(stream, limit=4)
    assert not spans.all
    closes = llm.is_async and hasattr(stream, "aclose")
    if closes:
        await stream.aclose()
    del stream
    await collect_garbage(spans)
    span = spans.one()
    assert (span.end, span.ok) == ("closed" if closes else "abandoned", True)
    assert span.text


async def test_a_stream_that_breaks(llm: LiteLLM, spans: Spans) -> None:
    """The application gets LiteLLM's exception, the span what came before it."""
    with pytest.raises(openai.OpenAIError) as raised:
        await llm.read(await llm.chat("!chunks 50 !stream-error", stream=True))
    span = spans.one()
    assert (span.end, span.ok) == ("error", False)
    assert span[attr.ERROR_TYPE] == f"litellm.exceptions.{type(raised.value).__name__}"


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "AuthenticationError"), (429, "RateLimitError"), (500, "InternalServerError")]
)
async def test_an_error(llm: LiteLLM, spans: Spans, status: int, kind: str) -> None:
    """It is LiteLLM's exception, unchanged; the span says which, and the status."""
    with pytest.raises(getattr(litellm.exceptions, kind)) as raised:
        await llm.chat(f"!error {status}")
    span = spans.one()
    assert type(raised.value).__name__ == kind
    assert span[attr.ERROR_TYPE] == f"litellm.exceptions.{kind}"
    assert span[attr.HTTP_RESPONSE_STATUS_CODE] == status
    assert span[attr.CALLSPAN_PROVIDER_REQUEST_ID].startswith("req_")
    payload = to_payload(span.span)
    assert payload is not None
    assert (payload["status"], payload["error_information"]["error_class"]) == ("failure", kind)


async def test_a_call_that_is_cancelled(fake_openai: Any, spans: Spans) -> None:
    """It is one span."""
    task = asyncio.create_task(LiteLLM(fake_openai, is_async=True).chat("!slow 5"))
    while not fake_openai.requests:  # noqa: ASYNC110 - of a server in a thread
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert spans.one()[attr.ERROR_TYPE] == "asyncio.exceptions.CancelledError"


@pytest.mark.parametrize("options", [{}, WITH_USAGE])
async def test_what_was_thought_and_every_choice(llm: LiteLLM, spans: Spans, options: Any) -> None:
    """Reasoning, cached tokens, and the choices with their log probabilities."""
    result = await llm.chat("!reasoning-content !cached 2 hi there", n=2, logprobs=True, **options)
    if options:
        await llm.read(result)
    span = spans.one()
    first, second = span.output
    assert [part["type"] for part in first["parts"]] == ["reasoning", "text"]
    assert second["parts"][-1]["content"] == "You said: hi there (2)"
    assert set(span[attr.GEN_AI_RESPONSE_FINISH_REASONS]) == {"stop"}
    if VERSION >= (1, 102) or not options:  # before, its streams lost that
        assert span[attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 2
    assert span[attr.GEN_AI_REQUEST_CHOICE_COUNT] == 2
    assert [
        choice["logprobs"]["content"][0]["token"] for choice in span.json(attr.CALLSPAN_RESPONSE_CONTENT)["choices"]
    ]


async def test_a_refusal(llm: LiteLLM, spans: Spans) -> None:
    """LiteLLM keeps it beside the message."""
    await llm.chat("!refuse")
    assert [part["type"] for part in spans.one().output[0]["parts"]] == ["refusal"]


async def test_tools(llm: LiteLLM, spans: Spans) -> None:
    """Definitions, and the calls in order."""
    result = await llm.chat("!tools 2", tools=[TOOL], tool_choice="auto")
    span = spans.take()
    calls = [part for part in span.output[0]["parts"] if part["type"] == "tool_call"]
    assert [call["id"] for call in calls] == [call.id for call in result.choices[0].message.tool_calls]
    assert span.json(attr.GEN_AI_TOOL_DEFINITIONS)[0]["name"] == "weather"
    await llm.read(await llm.chat("!tools 2", tools=[TOOL], stream=True))
    assert [part["name"] for part in spans.one().output[0]["parts"]] == ["weather", "weather"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("function", ["completion", "anthropic_messages"])
async def test_anthropics_format(llm: LiteLLM, spans: Spans, function: str, stream: bool) -> None:
    """Numbers by the conventions: the input includes what was cached."""
    if function == "anthropic_messages" and not llm.is_async:
        pytest.skip("this function is async only")
    if stream and function == "completion" and VERSION < (1, 104):
        pytest.skip("this version of LiteLLM does not put together the usage of such a stream")
    result = await llm(function, messages=user("hi"), max_tokens=9, stream=stream, **llm.anthropic)
    if stream:
        await llm.read(result)
    span = spans.one()
    assert (span[attr.GEN_AI_PROVIDER_NAME], span.text) == ("anthropic", "Hello")
    assert (span[attr.GEN_AI_USAGE_INPUT_TOKENS], span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]) == (19, 10)
    assert span[attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 5
    assert span[attr.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS] == 3
    assert span[attr.CALLSPAN_COST_TOTAL] == pytest.approx(6.525e-05)


@pytest.mark.parametrize("function", [*FUNCTIONS])
async def test_results_are_as_without_callspan(
    llm: LiteLLM, spans: Spans, without: Callable[[], Any], function: str
) -> None:
    """The same class, and the same values but for ids and times."""
    arguments = FUNCTIONS[function][1]
    ours = await llm(function, **arguments)
    with without():
        expected = await llm(function, **arguments)
    assert type(ours) is type(expected)
    assert _shape(ours) == _shape(expected)


async def test_streams_are_as_without_callspan(llm: LiteLLM, spans: Spans, without: Callable[[], Any]) -> None:
    """Passes for LiteLLM's class, has its attributes, and brings the same chunks."""
    ours = await llm.chat(**WITH_USAGE)
    with without():
        expected = await llm.chat(**WITH_USAGE)
    assert isinstance(ours, litellm.CustomStreamWrapper)
    assert (ours.model, ours.custom_llm_provider) == (expected.model, expected.custom_llm_provider)
    assert ours._hidden_params.keys() == expected._hidden_params.keys()
    assert list(map(_shape, await llm.read(ours))) == list(map(_shape, await llm.read(expected)))


_VARYING = ("id", "created", "created_at", "completed_at", "output")


def _shape(result: Any) -> Any:
    if not hasattr(result, "model_dump"):
        return None
    dumped = json.loads(result.model_dump_json())
    return {name: value for name, value in dumped.items() if name not in _VARYING}


def test_functions_that_were_imported_before(
    fake_openai: Any, exported: Spans, tracer_provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``from litellm import completion`` and only then ``callspan.configure()``; and they are given back."""
    module = ModuleType("an_application")
    vars(module)["ask"] = original = litellm.completion
    monkeypatch.setitem(sys.modules, module.__name__, module)
    instrument(tracer_provider=tracer_provider, clients=["litellm"])
    module.ask(CHAT, user("hi"), **LiteLLM(fake_openai, is_async=False).to)
    uninstrument()
    exported.one()
    assert module.ask is litellm.completion is original


def test_functions_stay_functions(spans: Spans, without: Callable[[], Any]) -> None:
    """Applications copy them, pickle them, ask for their parameters."""
    function = litellm.completion
    assert copy.copy(function) is copy.deepcopy(function) is pickle.loads(pickle.dumps(function)) is function
    assert inspect.iscoroutinefunction(litellm.acompletion)
    parameters = inspect.signature(function)
    with without():
        assert inspect.signature(litellm.completion) == parameters
        assert pickle.loads(pickle.dumps(function)) is litellm.completion


async def test_keys_and_credentials_are_not_recorded(llm: LiteLLM, spans: Spans) -> None:
    """Nor are LiteLLM's own parameters: only what a model is asked."""
    await llm.chat(temperature=0.5, top_k=3, logit_bias={"1": 2}, aws_secret_access_key=KEY, organization="org", seed=0)
    span = spans.one()
    assert KEY not in span.span.to_json()
    assert span[attr.GEN_AI_REQUEST_TEMPERATURE] == 0.5
    assert span[attr.GEN_AI_REQUEST_SEED] == 0
    assert span.parameters == {"logit_bias": {"1": 2}}


async def test_the_call_id_is_litellms(llm: LiteLLM, spans: Spans) -> None:
    """On the span, on the result, in LiteLLM's callbacks and headers: one id, given or made."""
    result = await llm.chat()
    assert spans.take()[attr.CALLSPAN_CALL_ID] == callspan.call_id(result) == result._hidden_params["litellm_call_id"]
    await llm.chat(litellm_call_id="given")
    assert spans.take()[attr.CALLSPAN_CALL_ID] == "given"
    with pytest.raises(litellm.exceptions.InternalServerError):
        await llm.chat("!error 500", litellm_call_id="failed")
    assert spans.one()[attr.CALLSPAN_CALL_ID] == "failed"
