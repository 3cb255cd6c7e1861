"""Callbacks that a `callspan.context` block names."""

from collections.abc import Callable
from typing import Any

import openai
import pytest

import callspan
from callspan.core import state
from tests.callbacks.support import ASYNC, SYNC, async_call, call, chat, recording


def test_they_hear_of_the_calls_inside(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """All hooks, in order; before and after the block nothing, and the process's callbacks are as before."""
    everywhere, here = recording(*SYNC), recording(*SYNC)
    configure(callbacks=[everywhere])
    before = state.listeners
    chat(client)
    with callspan.context(callbacks=[here]):
        call(client, "stream")
    chat(client)
    assert callspan.flush(10)
    assert here.hooks == ["log_pre_api_call", "log_post_api_call", *["log_stream_event"] * 5, "log_success_event"]
    assert everywhere.hooks.count("log_success_event") == 3
    assert state.listeners is before


def test_each_argument_has_its_events(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """``success_callback`` and ``failure_callback`` as in `configure`; nested blocks add up, each callback once."""
    heard: list[str] = []

    def good(kwargs: Any, *_rest: Any) -> None:
        heard.append(f"good {kwargs['log_event_type']}")

    def bad(kwargs: Any, *_rest: Any) -> None:
        heard.append(f"bad {kwargs['log_event_type']}")

    configure()
    with callspan.context(success_callback=[good]), callspan.context(failure_callback=[bad], success_callback=[good]):
        call(client, "plain")
        call(client, "failure")
    assert callspan.flush(10)
    assert heard == ["good successful_api_call", "bad failed_api_call"]


async def test_async_calls(configure: Callable[..., None], async_client: openai.AsyncOpenAI) -> None:
    """In ``async with``, across awaits, with async hooks."""
    logger = recording(*ASYNC)
    configure()
    async with callspan.context(callbacks=[logger]):
        await async_call(async_client, "stream")
        await async_call(async_client, "failure")
    assert callspan.flush(10)
    assert logger.hooks.count("async_log_stream_event") == 5
    assert logger.hooks[-1] == "async_log_failure_event"


def test_without_configure(provider: Any, client: openai.OpenAI) -> None:
    """Instrumentation alone is enough."""
    logger = recording("log_success_event")
    callspan.instrument(tracer_provider=provider)
    with callspan.context(callbacks=[logger]):
        chat(client)
    assert callspan.flush(10)["context"].delivered == 1
    assert logger.hooks == ["log_success_event"]


def test_a_hundred_functions_share_one_worker(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """A function made for every call costs no thread of its own."""
    import threading

    heard: list[int] = []
    configure()
    chat(client)
    callspan.flush(10)
    before = threading.active_count()
    for number in range(100):
        with callspan.context(callbacks=[lambda *_arguments, number=number: heard.append(number)]):
            chat(client)
    assert threading.active_count() <= before + 2
    assert callspan.flush(10)["context"].delivered == 100
    assert heard == list(range(100))


def test_one_that_hears_of_every_call_hears_once(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Named for the process and for a block: only what it would not hear of anyway is added."""
    both, ends = recording(*SYNC), recording(*SYNC)
    configure(callbacks=[both], success_callback=[ends])
    with callspan.context(callbacks=[both, ends]):
        call(client, "plain")
        call(client, "failure")
    assert callspan.flush(10)
    expected = {"log_pre_api_call": 2, "log_post_api_call": 2, "log_success_event": 1, "log_failure_event": 1}
    for logger in (both, ends):
        assert {name: logger.hooks.count(name) for name in expected} == expected


def test_one_policy_does_not_touch_the_others(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """A logger that wants no content gets none; one beside it gets everything; so do the process's sinks."""
    closed = recording(*SYNC, turn_off_message_logging=True)
    opened, everywhere = recording(*SYNC), recording(*SYNC)
    configure(callbacks=[everywhere])
    with callspan.context(callbacks=[closed, opened]):
        chat(client, "hunter2")
    callspan.flush(10)
    assert "hunter2" not in str(closed.heard)
    for logger in (opened, everywhere):
        assert all("hunter2" in str(each) for each in logger.heard)
    assert closed.hooks == opened.hooks


def test_the_process_policy_counts(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """``turn_off_message_logging`` and ``callback_settings`` by the callback's name."""
    logger = recording(*SYNC)
    configure(callback_settings={"Recording": {"message_logging": False}})
    with callspan.context(callbacks=[logger]):
        chat(client, "hunter2")
    callspan.flush(10)
    assert len(logger.heard) == 3
    assert "hunter2" not in str(logger.heard)


def test_nothing_is_remembered_of_calls_that_are_told(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Not even of those whose end nobody asked for, or that are for other sinks: a closure would live on."""
    import gc
    import weakref

    class Heavy:
        def __call__(self, *_arguments: Any) -> None: ...

    configure()
    alive = []
    for arguments in ({"success_callback": True}, {"failure_callback": True}, {"callbacks": True, "sinks": ["local"]}):
        heavy = Heavy()
        alive.append(weakref.ref(heavy))
        with callspan.context(**{name: [heavy] if value is True else value for name, value in arguments.items()}):  # type: ignore[arg-type]
            call(client, "plain")
            call(client, "stream")
        del heavy
    callspan.flush(10)
    gc.collect()
    assert [each() for each in alive] == [None] * 3


def test_sinks_decides_about_them_too(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Their name there is ``context``."""
    logger = recording(*SYNC)
    configure()
    with callspan.context(callbacks=[logger], sinks=["local"]):
        chat(client)
    with callspan.context(callbacks=[logger], sinks=["context"]):
        chat(client)
    callspan.flush(10)
    assert logger.hooks == ["log_pre_api_call", "log_post_api_call", "log_success_event"]


def test_the_policy_of_a_team_counts(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """What is said of a team's calls holds for callbacks too, the process's and a block's, in every hook."""
    everywhere, here = recording(*SYNC), recording(*SYNC)
    configure(callbacks=[everywhere], default_team_settings=[{"team_id": "t1", "turn_off_message_logging": True}])
    for team in ("t1", "t2"):
        with callspan.context(metadata={"user_api_key_team_id": team}, callbacks=[here]):
            call(client, "plain", "hunter2")
            call(client, "stream")
    assert callspan.flush(10)
    for logger in (everywhere, here):
        said = {
            team: [each for each in logger.heard if f"'user_api_key_team_id': '{team}'" in str(each.kwargs)]
            for team in ("t1", "t2")
        }
        assert len(said["t1"]) == len(said["t2"]) == 11
        assert "hunter2" not in str(said["t1"])
        assert "hunter2" in str(said["t2"])


@pytest.mark.parametrize("wrong", ["langfuse", 7, callspan.CustomLogger])
def test_what_is_no_callback(wrong: Any) -> None:
    """A name, a number, a class: an error where it is written."""
    with pytest.raises(TypeError, match=r"callbacks=.*takes functions and instances of CustomLogger"):
        callspan.context(callbacks=[wrong])
