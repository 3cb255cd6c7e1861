"""Which hooks run, how often, in which order, and where."""

import threading
from collections.abc import Callable
from typing import Any

import openai
import pytest

import callspan
from tests.callbacks.support import ASYNC, SYNC, async_call, call, chat, recording

CHUNKS = 5  # what the server sends for "!chunks 3": a role, three words, an end


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("plain", ["log_pre_api_call", "log_post_api_call", "log_success_event"]),
        (
            "stream",
            ["log_pre_api_call", "log_post_api_call", *["log_stream_event"] * CHUNKS, "log_success_event"],
        ),
        ("failure", ["log_pre_api_call", "log_post_api_call", "log_failure_event"]),
    ],
)
def test_a_sync_call(how: str, expected: list[str], configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Plain hooks, once each, in this order; async hooks not at all."""
    logger = recording()
    configure(callbacks=[logger])
    call(client, how)
    assert callspan.flush(10)
    assert logger.hooks == expected


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("plain", ["async_log_pre_api_call", "async_log_post_api_call", "async_log_success_event"]),
        (
            "stream",
            [
                "async_log_pre_api_call",
                "async_log_post_api_call",
                *["async_log_stream_event"] * CHUNKS,
                "async_log_success_event",
            ],
        ),
        ("failure", ["async_log_pre_api_call", "async_log_post_api_call", "async_log_failure_event"]),
    ],
)
async def test_an_async_call(
    how: str, expected: list[str], configure: Callable[..., None], async_client: openai.AsyncOpenAI
) -> None:
    """Async hooks, once each, in this order; of the plain ones those that have no twin here: none."""
    logger = recording()
    configure(callbacks=[logger])
    await async_call(async_client, how)
    assert callspan.flush(10)
    assert logger.hooks == expected


async def test_an_async_call_with_plain_hooks_for_the_request(
    configure: Callable[..., None], async_client: openai.AsyncOpenAI
) -> None:
    """Where the twins are missing, the plain hooks hear of request and answer, as in LiteLLM; ends are for twins."""
    logger = recording(*SYNC, "async_log_success_event")
    configure(callbacks=[logger])
    for how in ("plain", "stream", "failure"):
        await async_call(async_client, how)
    assert callspan.flush(10)
    assert logger.hooks.count("log_pre_api_call") == logger.hooks.count("log_post_api_call") == 3
    assert logger.hooks.count("async_log_success_event") == 2
    assert not {"log_stream_event", "log_success_event", "log_failure_event"} & set(logger.hooks)


@pytest.mark.parametrize("hooks", [("log_success_event",), ("async_log_success_event",)])
async def test_a_missing_twin_is_said_once(
    hooks: tuple[str, ...],
    configure: Callable[..., None],
    client: openai.OpenAI,
    async_client: openai.AsyncOpenAI,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A class with one hook hears of one kind of calls, and the log says of which it does not."""
    logger = recording(*hooks)
    configure(callbacks=[logger])
    for _ in range(2):
        call(client, "plain")
        await async_call(async_client, "plain")
    report = callspan.flush(10)
    assert logger.hooks == list(hooks) * 2
    assert report["Recording"].offered == 2
    (line,) = [record.getMessage() for record in caplog.records]
    assert "it hears nothing of" in line


async def test_functions(
    configure: Callable[..., None], client: openai.OpenAI, async_client: openai.AsyncOpenAI
) -> None:
    """A plain function hears of every call once, an async one of async calls."""
    heard: list[str] = []

    def plain(kwargs: Any, completion_response: Any, start_time: Any, end_time: Any) -> None:
        heard.append(f"plain {kwargs['call_type']} {kwargs['log_event_type']}")

    async def awaited(kwargs: Any, completion_obj: Any, start_time: Any, end_time: Any) -> None:
        heard.append(f"async {kwargs['call_type']} {kwargs['log_event_type']}")

    configure(success_callback=[plain, awaited], failure_callback=[plain, awaited])
    for how in ("plain", "stream", "failure"):
        call(client, how)
        await async_call(async_client, how)
    assert callspan.flush(10)
    good, bad = "successful_api_call", "failed_api_call"
    assert sorted(heard) == sorted(
        [f"plain completion {good}", f"plain acompletion {good}", f"async acompletion {good}"] * 2
        + [f"plain completion {bad}", f"plain acompletion {bad}", f"async acompletion {bad}"]
    )


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("callbacks", set(SYNC)),
        ("success_callback", {"log_stream_event", "log_success_event"}),
        ("failure_callback", {"log_failure_event"}),
        ("input_callback", {"log_pre_api_call", "log_post_api_call"}),
    ],
)
def test_each_list_gets_its_events(
    where: str, expected: set[str], configure: Callable[..., None], client: openai.OpenAI
) -> None:
    """A logger in one list hears of what that list is about."""
    logger = recording()
    configure(**{where: [logger]})
    for how in ("plain", "stream", "failure"):
        call(client, how)
    callspan.flush(10)
    assert set(logger.hooks) == expected


def test_a_logger_in_two_lists_hears_once(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Named for successes and for failures: one report of each call."""
    logger = recording("log_success_event", "log_failure_event")
    configure(success_callback=[logger], failure_callback=[logger])
    for how in ("plain", "failure"):
        call(client, how)
    assert callspan.flush(10)["Recording"].delivered == 2
    assert logger.hooks == ["log_success_event", "log_failure_event"]


async def test_requests_are_told_where_they_are_made(
    configure: Callable[..., None], client: openai.OpenAI, async_client: openai.AsyncOpenAI
) -> None:
    """Before the request, on the caller's thread, sync and async; an async function not on the caller's loop."""
    seen: list[str] = []

    def before(kwargs: Any) -> None:
        seen.append(threading.current_thread().name)

    async def awaited(kwargs: Any) -> None:
        seen.append(f"async: {threading.current_thread().name}")

    here = threading.current_thread().name
    configure(input_callback=[before, awaited])
    chat(client)
    assert seen == [here]
    await chat(async_client)
    callspan.flush(10)
    assert seen == [here, here, "async: callspan-callbacks"]


def test_the_request_has_not_left_when_it_is_told(
    configure: Callable[..., None], client: openai.OpenAI, fake_openai: Any
) -> None:
    """As in LiteLLM: before the provider is asked."""
    requests: list[int] = []
    configure(input_callback=[lambda kwargs: requests.append(len(fake_openai.requests))])
    chat(client)
    assert requests == [0]
    assert len(fake_openai.requests) == 1


def test_nobody_listens_where_no_hook_wants_it(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Loggers of ends cost a call nothing while it goes on."""
    from callspan.core import state

    configure(callbacks=[recording("log_success_event"), print])
    assert state.listeners == ()


def test_embeddings_and_others_are_told(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Not only chats."""
    logger = recording(*SYNC)
    configure(callbacks=[logger])
    client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    client.responses.create(model="gpt-4o-mini", input="hi", instructions="be terse")
    client.completions.create(model="gpt-3.5-turbo-instruct", prompt="hi")
    assert callspan.flush(10)
    types = [each.kwargs["call_type"] for each in logger.heard if each.hook == "log_success_event"]
    assert types == ["embedding", "responses", "text_completion"]


async def test_a_cancelled_call_is_a_failed_one(
    configure: Callable[..., None], async_client: openai.AsyncOpenAI
) -> None:
    """`asyncio.timeout` around a call: one failure is told."""
    import asyncio

    logger = recording(*ASYNC)
    configure(callbacks=[logger])
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(chat(async_client, "!slow 5"), 0.05)
    callspan.flush(10)
    assert logger.hooks == ["async_log_pre_api_call", "async_log_failure_event"]
    assert type(logger.heard[-1].kwargs["exception"]).__name__ == "CancelledError"


def test_moments_of_several_calls_stay_in_order(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Calls of many threads: each call's hooks run in order, each once."""
    logger = recording(*SYNC)
    configure(callbacks=[logger])
    threads = [threading.Thread(target=call, args=(client, "stream")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert callspan.flush(20)
    by_call: dict[str, list[str]] = {}
    for each in logger.heard:
        by_call.setdefault(each.kwargs["litellm_call_id"], []).append(each.hook)
    expected = ["log_pre_api_call", "log_post_api_call", *["log_stream_event"] * CHUNKS, "log_success_event"]
    assert list(by_call.values()) == [expected] * 8
