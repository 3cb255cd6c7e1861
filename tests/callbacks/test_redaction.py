"""No policy lets a word of prompt, answer or error through any field of any hook, however the call is made."""

from collections.abc import Callable
from typing import Any

import openai
import pytest

import callspan
from callspan_semconv import REDACTED
from tests.callbacks.support import ASYNC, SYNC, chat, recording
from tests.instrumentation.support import collect, settle

CANARY = "canary7f3a"
MASKED = "canary@example.com"
TOOL = {
    "type": "function",
    "function": {"name": "lookup", "description": f"finds {CANARY}", "parameters": {"type": "object"}},
}


def ask(client: Any, how: str, canary: str) -> Any:
    """A call that holds the canary in all that it says, and gets it back."""
    more: dict[str, Any] = {"tools": [TOOL], "stop": [canary], "extra_body": {"prediction": canary}}
    if canary == MASKED:
        more = {"stop": [canary]}
    if how == "stream":
        return chat(client, f"tell me of {canary}", stream=True, **more)
    if how == "failure":
        return chat(client, f"!error 400 {canary}")
    return chat(client, f"tell me of {canary}", **more)


async def make_calls(client: Any, canary: str) -> None:
    """Plain, streamed, failed; embeddings and responses."""
    await settle(ask(client, "plain", canary))
    await collect(await settle(ask(client, "stream", canary)))
    with pytest.raises(openai.BadRequestError):
        await settle(ask(client, "failure", canary))
    await settle(client.embeddings.create(model="text-embedding-3-small", input=[canary]))
    await settle(client.responses.create(model="gpt-4o-mini", input=canary, instructions=f"speak of {canary}"))
    await settle(client.completions.create(model="gpt-3.5-turbo-instruct", prompt=canary))


POLICIES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "process": ({"turn_off_message_logging": True}, {}, CANARY),
    "redaction": ({"redaction": "none"}, {}, CANARY),
    "sink": ({"callback_settings": {"Recording": {"message_logging": False}}}, {}, CANARY),
    "sink policy": ({"callback_settings": {"Recording": {"redaction": "none"}}}, {}, CANARY),
    "logger": ({}, {"turn_off_message_logging": True}, CANARY),
    "logger, in words": ({}, {"turn_off_message_logging": "true"}, CANARY),
    "logger, unclear": ({}, {"turn_off_message_logging": "yes please"}, CANARY),
    "logger, older word": ({}, {"message_logging": False}, CANARY),
    "mask": ({"redaction": "mask"}, {}, MASKED),
}


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("policy", POLICIES)
async def test_no_content_in_any_field(
    policy: str,
    kind: str,
    configure: Callable[..., None],
    client: openai.OpenAI,
    async_client: openai.AsyncOpenAI,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Hooks of every moment ran, and nothing that they got has the canary; the log has neither."""
    settings, options, canary = POLICIES[policy]
    logger = recording(**options)
    configure(callbacks=[logger], **settings)
    gateways = {"proxy_server_request": {"url": "http://here", "body": {"messages": canary}}, "raw_request": canary}
    with callspan.context(metadata=gateways, log_raw_request=True):
        await make_calls(client if kind == "sync" else async_client, canary)
    assert callspan.flush(20)
    assert set(logger.hooks) == set(SYNC if kind == "sync" else ASYNC)
    for each in logger.heard:
        error = each.kwargs.get("exception")
        told = f"{each.kwargs} {each.response} {vars(error) if error else ''} {getattr(error, 'args', '')}"
        assert canary not in told, each.hook
        if each.hook.endswith("stream_event"):  # a mask cannot see what is spread over two chunks
            assert each.response.choices[0].delta.content == REDACTED
    assert canary not in caplog.text


def test_chunks_where_no_content_is_recorded(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=false`` holds for chunks as well."""
    logger = recording(*SYNC)
    configure(callbacks=[logger], capture_message_content=False)
    for _ in chat(client, "!chunks 2", stream=True):
        pass
    callspan.flush(10)
    chunks = [each.response.choices[0].delta.content for each in logger.heard if each.hook == "log_stream_event"]
    assert chunks == [REDACTED] * 4
    assert logger.heard[0].kwargs["messages"] is None


def test_without_a_policy_everything_is_there(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """What the test above looks for is found where nothing withholds it."""
    logger = recording()
    configure(callbacks=[logger])
    ask(client, "plain", CANARY)
    for _ in ask(client, "stream", CANARY):
        pass
    with pytest.raises(openai.BadRequestError):
        ask(client, "failure", CANARY)
    callspan.flush(10)
    assert set(logger.hooks) == set(SYNC)
    assert all(CANARY in f"{each.kwargs} {each.response}" for each in logger.heard)


def test_what_stays(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Model, usage, cost, metadata and shapes stay, as in LiteLLM's redaction."""
    logger = recording(turn_off_message_logging=True)
    configure(callbacks=[logger])
    with callspan.context(metadata={"team": "search"}):
        chat(client, temperature=0.5)
        for _ in chat(client, "!chunks 2", stream=True):
            pass
    callspan.flush(10)
    plain = next(each for each in logger.heard if each.hook == "log_success_event")
    assert plain.kwargs["messages"] == [{"role": "user", "content": REDACTED}]
    assert plain.response.choices[0].message.content == REDACTED
    assert plain.response["usage"]["total_tokens"] > 0
    assert plain.kwargs["response_cost"] > 0
    assert plain.kwargs["temperature"] == 0.5
    assert plain.kwargs["litellm_params"]["metadata"] == {"team": "search"}
    chunk = next(each for each in logger.heard if each.hook == "log_stream_event").response
    assert chunk.choices[0].delta.content == REDACTED


def test_one_logger_withholds_for_itself_alone(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Later loggers and the other sinks keep everything."""
    closed, opened = recording(message_logging=False), recording("log_success_event")
    configure(callbacks=[closed, opened])
    chat(client, CANARY)
    callspan.flush(10)
    assert CANARY not in str(closed.heard)
    assert CANARY in str(opened.heard)


def test_a_logger_may_change_its_mind(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Its attributes count from call to call."""
    logger = recording("log_success_event")
    configure(callbacks=[logger])
    chat(client, CANARY)
    callspan.flush(10)
    logger.turn_off_message_logging = True
    chat(client, CANARY)
    callspan.flush(10)
    assert [CANARY in str(each) for each in logger.heard] == [True, False]


@pytest.mark.parametrize(("asks", "open_"), [("full", True), ("none", False)])
def test_what_a_call_asks_for(asks: str, open_: bool, configure: Callable[..., None], client: openai.OpenAI) -> None:
    """A call may opt out of the process's redaction where the operator lets it, never of a logger's own."""
    process, own = recording("log_success_event"), recording("log_success_event", turn_off_message_logging=True)
    configure(callbacks=[process, own], turn_off_message_logging=asks == "full", allow_redaction_opt_out=True)
    with callspan.context(redact=asks):
        chat(client, CANARY)
    callspan.flush(10)
    assert (CANARY in str(process.heard)) is open_
    assert CANARY not in str(own.heard)


def test_user_api_key_info(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """``redact_user_api_key_info`` holds for metadata in every hook."""
    logger = recording()
    configure(callbacks=[logger], redact_user_api_key_info=True)
    with callspan.context(metadata={"user_api_key_alias": "alice-key", "team": "a"}):
        for _ in chat(client, "!chunks 2", stream=True):
            pass
    callspan.flush(10)
    assert set(logger.hooks) == set(SYNC) - {"log_failure_event"}
    assert "alice-key" not in str(logger.heard)
    assert all(each.kwargs["litellm_params"]["metadata"] == {"team": "a"} for each in logger.heard)
    chunks = [each.response for each in logger.heard if each.hook == "log_stream_event"]
    assert "".join(chunk.choices[0].delta.get("content") or "" for chunk in chunks) == " 0 1"


def test_a_mask_does_not_run_where_the_call_is_made(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Requests that have to be masked are told from the worker, before anything else of the call."""
    import threading

    threads: list[str] = []

    def mask(text: str) -> str:
        threads.append(threading.current_thread().name)
        return text

    logger = recording(*SYNC)
    configure(callbacks=[logger], redaction="mine", masks={"mine": {"callables": [mask]}})
    chat(client)
    callspan.flush(10)
    assert threads
    assert threading.current_thread().name not in threads
    assert logger.hooks == ["log_pre_api_call", "log_post_api_call", "log_success_event"]
