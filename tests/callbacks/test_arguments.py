"""What hooks are called with: the keys that LiteLLM's users read, and no secret."""

import copy
import json
import pickle
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import openai
import pytest

import callspan
from callspan_semconv import to_payload
from tests.callbacks.support import MODEL, SYNC, call, chat, recording

METADATA = {
    "team": "search",
    "model_info": {"id": "deployment-1", "mode": "chat"},
    "headers": {"user-agent": "curl/8", "authorization": "Bearer sk-1234567890abcdef"},
    "user_api_key": "sk-1234567890abcdef",
    "proxy_server_request": {
        "url": "http://testserver/chat/completions",
        "method": "POST",
        "headers": {"host": "testserver", "x-api-key": "sk-1234567890abcdef"},
        "body": {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]},
    },
}


def heard(configure: Callable[..., None], make: Callable[[], Any], *hooks: str) -> Any:
    """What a logger with these hooks (default: all) hears of the calls that ``make`` makes."""
    logger = recording(*(hooks or SYNC))
    configure(callbacks=[logger])
    make()
    assert callspan.flush(10)
    return logger


def test_a_chat(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Everything that the pages on custom callbacks read from ``kwargs``."""

    def make() -> None:
        with callspan.context(metadata=METADATA, tags=["beta"]):
            chat(client, temperature=0.2, user="ishaan-app", extra_body={"top_k": 3})

    kwargs = heard(configure, make).one("log_success_event").kwargs
    assert kwargs["model"] == MODEL
    assert kwargs["messages"] == kwargs["input"] == [{"role": "user", "content": "hello"}]
    assert kwargs["user"] == "ishaan-app"
    assert kwargs["stream"] is False
    assert kwargs["call_type"] == "completion"
    assert kwargs["log_event_type"] == "successful_api_call"
    assert kwargs["custom_llm_provider"] == "custom_openai"
    assert kwargs["optional_params"]["temperature"] == kwargs["temperature"] == 0.2
    assert kwargs["top_k"] == 3
    assert 0 < kwargs["response_cost"] < 1
    assert not kwargs["cache_hit"]
    body = {"model": MODEL, "messages": kwargs["messages"], "temperature": 0.2, "user": "ishaan-app", "top_k": 3}
    assert kwargs["additional_args"]["complete_input_dict"] == body
    parameters = kwargs["litellm_params"]
    assert parameters["metadata"]["team"] == "search"
    assert parameters["metadata"]["tags"] == ["beta"]
    assert parameters["metadata"]["headers"]["user-agent"] == "curl/8"
    assert parameters["model_info"] == METADATA["model_info"]
    assert parameters["proxy_server_request"]["url"] == "http://testserver/chat/completions"
    assert parameters["proxy_server_request"]["body"]["messages"] == kwargs["messages"]
    assert parameters["api_base"].startswith("http://127.0.0.1:")
    assert parameters["custom_llm_provider"] == "custom_openai"
    assert kwargs["standard_logging_object"]["litellm_call_id"] == kwargs["litellm_call_id"]


def test_no_key_is_among_them(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Neither the provider's key nor those that a gateway put into the metadata, in any hook."""

    def make() -> None:
        with callspan.context(metadata=METADATA):
            for how in ("plain", "stream", "failure"):
                call(client, how)

    logger = heard(configure, make)
    assert len(logger.heard) > 8
    for each in logger.heard:
        assert "sk-1234567890abcdef" not in str(each.kwargs["litellm_params"])
        assert "sk-local-0123456789abcdef" not in f"{each.kwargs} {each.response}"
        assert "api_key" not in each.kwargs


def test_the_payload_is_the_sinks(configure: Callable[..., None], client: openai.OpenAI, provider: Any) -> None:
    """``standard_logging_object`` is what every other sink gets."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    memory = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    logger = heard(configure, lambda: chat(client))
    (span,) = memory.get_finished_spans()
    assert logger.one("log_success_event").kwargs["standard_logging_object"] == to_payload(span)


@pytest.mark.parametrize("hook", ["log_pre_api_call", "log_post_api_call", "log_success_event"])
def test_times(hook: str, configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Local time without a zone, as LiteLLM has it: ``(end_time - start_time).total_seconds()`` works."""
    before = datetime.now()
    each = heard(configure, lambda: chat(client)).one(hook)
    assert before - timedelta(seconds=1) < each.kwargs["start_time"] < datetime.now()
    if hook == "log_success_event":
        assert 0 < (each.end - each.start).total_seconds() < 10
    assert hook != "log_post_api_call" or each.end is None


def test_the_answer_reads_as_object_and_as_dict(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """``.choices[0].message.content`` and ``["usage"]``; printing, JSON and pydantic's methods work."""
    answer = heard(configure, lambda: chat(client)).one("log_success_event").response
    assert answer.choices[0].message.content == answer["choices"][0]["message"]["content"] == "You said: hello"
    assert answer["usage"]["total_tokens"] == answer.usage.total_tokens > 0
    assert answer.get("id").startswith("chatcmpl-")
    assert "You said: hello" in str(answer)
    assert (
        json.loads(json.dumps(answer)) == answer.model_dump() == answer.dict() == json.loads(answer.model_dump_json())
    )
    assert type(answer.model_dump()["choices"][0]) is dict
    assert not hasattr(answer, "output")
    other = copy.deepcopy(answer)
    other.choices[0].message.content = "changed"
    assert answer.choices[0].message.content == "You said: hello"


def test_a_stream(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Chunks as the client got them, then the assembled answer under LiteLLM's names."""
    logger = heard(configure, lambda: call(client, "stream"))
    chunks = [each.response for each in logger.heard if each.hook == "log_stream_event"]
    assert "".join(chunk.choices[0].delta.get("content") or "" for chunk in chunks) == " 0 1 2"
    end = logger.one("log_success_event")
    assert end.response.choices[0].message.content == " 0 1 2"
    assert end.kwargs["complete_streaming_response"] == end.kwargs["complete_response"] == end.response
    assert end.kwargs["stream"] is True
    assert end.start <= end.kwargs["completion_start_time"] <= end.end


async def test_an_async_stream(configure: Callable[..., None], async_client: openai.AsyncOpenAI) -> None:
    """The assembled answer has the name that LiteLLM has for async calls."""
    from tests.callbacks.support import async_call

    logger = recording("async_log_success_event")
    configure(callbacks=[logger])
    await async_call(async_client, "stream")
    callspan.flush(10)
    (end,) = logger.heard
    assert end.kwargs["async_complete_streaming_response"].choices[0].message.content == " 0 1 2"
    assert end.kwargs["litellm_params"]["acompletion"] is True


def test_a_failure(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """The exception by its name, with LiteLLM's attributes; the traceback as a text; no answer."""
    each = heard(configure, lambda: call(client, "failure")).one("log_failure_event")
    error = each.kwargs["exception"]
    assert Exception in type(error).__mro__
    assert (type(error).__name__, error.status_code, error.llm_provider) == ("RateLimitError", 429, "custom_openai")
    assert "Rate limit" in str(error)
    assert "Traceback" in each.kwargs["traceback_exception"]
    assert each.response is None
    assert each.kwargs["log_event_type"] == "failed_api_call"
    assert each.kwargs["response_cost"] == 0.0
    assert each.kwargs["standard_logging_object"]["status"] == "failure"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda kwargs: pickle.loads(pickle.dumps(kwargs))])
def test_copies(copied: Any, configure: Callable[..., None], client: openai.OpenAI) -> None:
    """``copy.deepcopy(kwargs)`` and pickle work, on success and failure, answer and exception included."""
    logger = recording("log_success_event", "log_failure_event")
    configure(callbacks=[logger])
    call(client, "stream")
    call(client, "failure")
    callspan.flush(10)
    good, bad = logger.heard
    assert copied(good.kwargs) == good.kwargs
    assert copied(good.response).choices[0].message.content == good.response.choices[0].message.content
    error = copied(bad.kwargs)["exception"]
    assert (type(error).__name__, error.status_code, str(error)) == (
        "RateLimitError",
        429,
        str(bad.kwargs["exception"]),
    )


async def test_raw_responses(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """The same hooks; the bytes of a raw stream are no chunks."""
    logger = recording(*SYNC)
    configure(callbacks=[logger])
    messages: Any = [{"role": "user", "content": "!chunks 2"}]
    client.chat.completions.with_raw_response.create(model=MODEL, messages=messages).parse()
    assert callspan.flush(10)
    raw = client.chat.completions.with_streaming_response
    with raw.create(model=MODEL, messages=messages, stream=True) as response:
        response.read()
    assert callspan.flush(10)
    assert logger.hooks == ["log_pre_api_call", "log_post_api_call", "log_success_event"] * 2
    texts = [each.response.choices[0].message.content for each in logger.heard if each.hook == "log_success_event"]
    assert texts[1] == " 0 1"


def test_before_the_answer(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """The request's hook has the request, the answer's the raw answer; neither has what is known at the end only."""
    logger = heard(configure, lambda: chat(client, temperature=0))
    before, after = logger.one("log_pre_api_call"), logger.one("log_post_api_call")
    assert before.response == (MODEL, [{"role": "user", "content": "hello"}])
    assert before.kwargs["additional_args"]["complete_input_dict"]["temperature"] == 0
    assert json.loads(after.kwargs["original_response"])["choices"][0]["message"]["content"] == "You said: hello"
    assert after.response is None
    for each in (before, after):
        assert not {"standard_logging_object", "end_time", "response_cost"} & set(each.kwargs)
    assert before.kwargs["litellm_call_id"] == logger.one("log_success_event").kwargs["litellm_call_id"]


def test_embeddings(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Texts in, usage out; vectors are on no span, and so not in the answer."""
    each = heard(configure, lambda: client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])).one(
        "log_success_event"
    )
    assert each.kwargs["input"] == ["a", "b"]
    assert each.kwargs["additional_args"]["complete_input_dict"] == {
        "model": "text-embedding-3-small",
        "input": ["a", "b"],
    }
    assert each.response["usage"]["prompt_tokens"] == 2
    assert (each.response.data, each.response.vector_count, each.response.dimensions) == ([], 2, 1536)


def test_responses(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """The Responses API keeps its shape."""
    each = heard(configure, lambda: client.responses.create(model=MODEL, input="hi")).one("log_success_event")
    assert each.response.output[0].content[0].text == "You said: hi"
    assert each.kwargs["additional_args"]["complete_input_dict"]["input"][0]["content"] == "hi"


def test_text_completion(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """So do completions."""
    each = heard(configure, lambda: client.completions.create(model="gpt-3.5-turbo-instruct", prompt="hi")).one(
        "log_success_event"
    )
    assert "hi" in each.response.choices[0].text
    assert each.kwargs["additional_args"]["complete_input_dict"]["prompt"] == ["hi"]


@pytest.mark.parametrize(
    ("operation", "call_type", "asked"),
    [
        (lambda c: c.images.generate(model="gpt-image-1", prompt="a cat"), "image_generation", ("prompt", ["a cat"])),
        (lambda c: c.moderations.create(model="omni-moderation-latest", input="hi"), "moderation", ("input", ["hi"])),
        (
            lambda c: c.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF", "audio/wav")),
            "transcription",
            ("model", "whisper-1"),
        ),
        (lambda c: c.audio.speech.create(model="tts-1", voice="alloy", input="hi").read(), "speech", ("input", ["hi"])),
    ],
    ids=["images", "moderations", "transcriptions", "speech"],
)
def test_other_operations(
    operation: Any, call_type: str, asked: tuple[str, Any], configure: Callable[..., None], client: openai.OpenAI
) -> None:
    """Everything that makes a model work is told, with an answer that prints and serialises."""
    logger = heard(configure, lambda: operation(client))
    end = logger.one("log_success_event")
    assert end.kwargs["call_type"] == call_type
    assert end.kwargs["additional_args"]["complete_input_dict"][asked[0]] == asked[1]
    assert json.loads(json.dumps(end.response)) == end.response.model_dump()
    assert logger.hooks == ["log_pre_api_call", "log_post_api_call", "log_success_event"]


def test_spans_of_others(configure: Callable[..., None], provider: Any) -> None:
    """A span that another instrumentation made is told like a call of ours; what nobody knows is absent or None."""
    logger = recording("log_success_event", "async_log_success_event")
    only_async = recording("async_log_success_event")
    configure(callbacks=[logger, only_async], instrument=False)
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": MODEL,
        "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"hello"}]}]',
        "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"hi"}]}]',
    }
    with provider.get_tracer("theirs").start_as_current_span("chat", attributes=attributes):
        pass
    callspan.flush(10)
    (each,) = logger.heard
    assert each.hook == "log_success_event"
    assert each.response.choices[0].message.content == "hi"
    assert each.kwargs["user"] is None
    assert only_async.hooks == ["async_log_success_event"]
