"""Async hooks run on a loop of callspan's own: nobody's loop waits, and flush does."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import openai
import pytest

import callspan
from callspan.callbacks import exporter
from tests.callbacks.support import Recorder, chat, recording


class Waits(Recorder, callspan.CustomLogger):
    """Its hook waits until it is let go, on its own loop."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.go = threading.Event()

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self.begun.set()
        await asyncio.to_thread(self.go.wait, 10)
        self.note("async_log_success_event", kwargs, response_obj)


async def test_a_slow_hook_holds_up_nobody(configure: Callable[..., None], async_client: openai.AsyncOpenAI) -> None:
    """While it waits, the application's loop runs, further calls are made, and another callback has heard of them."""
    slow, quick = Waits(), recording("async_log_success_event")
    configure(callbacks=[slow, quick])
    await chat(async_client)
    await asyncio.to_thread(slow.begun.wait, 10)
    for _ in range(5):
        await chat(async_client)
    report = await asyncio.to_thread(callspan.flush, 0.2)
    assert not report
    assert (len(slow.heard), len(quick.heard)) == (0, 6)
    slow.go.set()
    assert await asyncio.to_thread(callspan.flush, 10)
    assert len(slow.heard) == 6


async def test_hooks_of_several_calls_run_side_by_side(
    configure: Callable[..., None], async_client: openai.AsyncOpenAI
) -> None:
    """Hooks that wait for one another: all are under way at once, on one loop, which is not the application's."""
    loops: list[Any] = []
    first_is_here, four_are_waiting, all_are_here = threading.Event(), threading.Event(), asyncio.Event()

    async def together(kwargs: Any, completion_response: Any, start_time: Any, end_time: Any) -> None:
        loops.append(asyncio.get_running_loop())
        if len(loops) == 1:  # holds up the worker while the other calls are made
            first_is_here.set()
            await asyncio.to_thread(four_are_waiting.wait, 10)
            return
        if len(loops) == 5:
            all_are_here.set()
        await all_are_here.wait()

    configure(success_callback=[together])
    await chat(async_client)
    assert await asyncio.to_thread(first_is_here.wait, 10)
    for _ in range(4):
        await chat(async_client)
    four_are_waiting.set()
    report = await asyncio.to_thread(callspan.flush, 10)
    assert report["together"].delivered == 5
    assert len(set(loops)) == 1
    assert asyncio.get_running_loop() not in loops


async def test_a_hook_that_never_ends(
    configure: Callable[..., None],
    async_client: openai.AsyncOpenAI,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is cancelled in the end, its call is a dead letter, and the next one is told."""
    monkeypatch.setattr(exporter, "TIMEOUT_S", 0.05)
    cancelled = threading.Event()

    async def endless(kwargs: Any, *_rest: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    configure(success_callback=[endless])
    for _ in range(2):
        await chat(async_client)
        report = await asyncio.to_thread(callspan.flush, 10)
        assert cancelled.wait(10)
    assert report["endless"].dead == 2


async def test_a_plain_hook_that_returns_an_awaitable(
    configure: Callable[..., None], client: openai.OpenAI, async_client: openai.AsyncOpenAI
) -> None:
    """As decorators make them: what it returns is awaited, and counts as the hook."""
    heard: list[str] = []

    async def work(kwargs: Any) -> None:
        heard.append(kwargs["call_type"])
        if len(heard) == 3:
            raise ValueError("hunter2")

    configure(success_callback=[lambda kwargs, *_rest: work(kwargs)])
    chat(client)
    await chat(async_client)
    chat(client)
    report = await asyncio.to_thread(callspan.flush, 10)
    assert heard == ["completion", "acompletion", "completion"]
    assert (report["<lambda>"].delivered, report["<lambda>"].dead) == (2, 1)


async def test_the_request_waits_for_no_awaitable(
    configure: Callable[..., None], async_client: openai.AsyncOpenAI
) -> None:
    """A plain function for requests that returns an awaitable: the call goes on."""
    go, told = threading.Event(), threading.Event()

    async def work() -> None:
        await asyncio.to_thread(go.wait, 10)
        told.set()

    configure(input_callback=[lambda kwargs: work()])
    await chat(async_client)
    assert not told.is_set()
    go.set()
    assert await asyncio.to_thread(told.wait, 10)


@pytest.mark.parametrize("kind", [ValueError, SystemExit, asyncio.CancelledError])
async def test_a_hook_that_raises(
    kind: type[BaseException],
    configure: Callable[..., None],
    async_client: openai.AsyncOpenAI,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It costs the loop nothing: the next hooks run."""
    logger = recording("async_log_success_event")

    async def broken(kwargs: Any, *_rest: Any) -> None:
        raise kind("hunter2")

    configure(callbacks=[broken, logger])
    for _ in range(2):
        await chat(async_client)
        report = await asyncio.to_thread(callspan.flush, 10)
    assert report["broken"].dead == 2
    assert len(logger.heard) == 2
    assert "hunter2" not in caplog.text
