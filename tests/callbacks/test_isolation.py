"""Callbacks do not see one another's changes or failures, and the application sees neither."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

import callspan
from tests.callbacks.support import SYNC, Recorder, call, chat, recording


def spoil(kwargs: dict[str, Any], *rest: Any) -> None:
    """Change everything within reach."""
    for value in (kwargs, *rest):
        if isinstance(value, dict):
            for inner in list(value.values()):
                spoil(inner)
            value.clear()
            value["spoilt"] = True
        elif isinstance(value, list):
            for inner in value:
                spoil(inner)
            value.clear()


class Spoiler(callspan.CustomLogger):
    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:
        spoil(messages, kwargs)

    def log_post_api_call(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        spoil(kwargs)

    def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        spoil(kwargs, response_obj)


def test_changes_stay_where_they_are_made(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """One callback clears all that it gets: those before and after it have everything, and so has the request."""
    first, last = recording(*SYNC), recording(*SYNC)
    messages = [{"role": "user", "content": "hello"}]
    metadata = {"team": ["a"]}
    configure(callbacks=[first, Spoiler(), last, "local"])
    with callspan.context(metadata=metadata):
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages)  # type: ignore[arg-type]
    assert callspan.flush(10)
    assert answer.choices[0].message.content == "You said: hello"
    assert (messages, metadata) == ([{"role": "user", "content": "hello"}], {"team": ["a"]})
    for logger in (first, last):
        for hook in ("log_pre_api_call", "log_post_api_call", "log_success_event"):
            kwargs = logger.one(hook).kwargs
            assert kwargs["messages"] == messages
            assert kwargs["litellm_params"]["metadata"] == metadata
        end = logger.one("log_success_event")
        assert end.response.choices[0].message.content == "You said: hello"
        assert end.kwargs["standard_logging_object"]["messages"] == messages


def test_values_of_one_callback_do_not_hang_together(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Changing ``messages`` changes neither the payload nor the request's body beside it."""
    logger = recording("log_success_event")
    configure(callbacks=[logger])
    chat(client, temperature=0.5, stop=["x"])
    callspan.flush(10)
    (each,) = logger.heard
    each.kwargs["messages"].clear()
    each.kwargs["stop"].clear()
    assert each.kwargs["standard_logging_object"]["messages"]
    assert each.kwargs["additional_args"]["complete_input_dict"]["messages"]
    assert each.kwargs["optional_params"]["stop"] == ["x"]


class SecretError(Exception):
    """Its text must not be logged."""


@pytest.mark.parametrize("kind", [SecretError, TypeError, SystemExit])
@pytest.mark.parametrize("hook", ["log_pre_api_call", "log_post_api_call", "log_stream_event", "log_success_event"])
def test_a_callback_that_raises(
    hook: str,
    kind: type[BaseException],
    configure: Callable[..., None],
    client: openai.OpenAI,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The call and the other callbacks go on; the log names place and type, once, and quotes nothing."""

    def fail(self: Any, **_arguments: Any) -> None:
        raise kind("hunter2 was in the prompt")

    broken = type("Broken", (callspan.CustomLogger,), {hook: fail})()
    well = recording(*SYNC)
    configure(callbacks=[broken, well])
    for _ in range(2):
        call(client, "stream")
    callspan.flush(10)
    assert well.hooks.count("log_success_event") == 2
    ours = [record.getMessage() for record in caplog.records if record.name == "callspan"]
    (line,) = [line for line in ours if f"Broken.{hook} raised {kind.__name__}" in line]
    assert "test_isolation.py:" in line
    assert "hunter2" not in caplog.text


def test_what_failed_is_kept_and_not_tried_again(
    configure: Callable[..., None], client: openai.OpenAI, tmp_path: Path
) -> None:
    """The report says so, and the call is among the dead letters, with the type of the error only."""
    tries: list[Any] = []

    def broken(kwargs: Any, *_rest: Any) -> None:
        tries.append(kwargs)
        if len(tries) == 1:
            raise SecretError("hunter2")

    configure(success_callback=[broken])
    chat(client)
    report = callspan.flush(10)["broken"]
    assert (report.offered, report.delivered, report.dead, report.retried) == (1, 0, 1, 0)
    chat(client)
    assert callspan.flush(10)["broken"].delivered == 1
    assert len(tries) == 2
    (line,) = (tmp_path / "spool" / "dead-letters.jsonl").read_text().splitlines()
    letter = json.loads(line)
    assert (letter["sink"], letter["reason"]) == ("broken", "SecretError in broken")
    assert "hunter2" not in line


def test_a_failed_moment_is_no_dead_letter(
    configure: Callable[..., None], client: openai.OpenAI, tmp_path: Path
) -> None:
    """What is kept can be sent again as a call, and a part of one is none; the report counts it as lost."""

    class Broken(callspan.CustomLogger):
        def log_stream_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
            assert start_time <= end_time
            raise SecretError

    configure(callbacks=[Broken()])
    call(client, "stream")
    report = callspan.flush(10)
    assert report["Broken.moments"].dropped == {"no_payload": 5}
    assert not (tmp_path / "spool" / "dead-letters.jsonl").exists()


def test_a_hook_with_other_parameters(
    configure: Callable[..., None], client: openai.OpenAI, caplog: pytest.LogCaptureFixture
) -> None:
    """Hooks are called by keyword: other names are an error of the callback's, and said."""

    class Misnamed(callspan.CustomLogger):
        def log_success_event(self, kwargs, response, start, end) -> None:  # type: ignore[no-untyped-def]
            raise AssertionError

    configure(callbacks=[Misnamed()])
    chat(client)
    assert callspan.flush(10)["Misnamed"].dead == 1
    assert "Misnamed.log_success_event raised TypeError" in caplog.text


def test_logging_hook_changes_what_its_own_logger_gets(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """LiteLLM lets it rewrite for everybody; here its object alone hears of the change."""

    class Rewrites(Recorder, callspan.CustomLogger):
        def logging_hook(self, kwargs: Any, result: Any, call_type: str) -> Any:
            assert call_type == "completion"
            return {**kwargs, "messages": "hidden"}, "no answer"

        def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
            self.note("log_success_event", kwargs, response_obj)

    rewriting, other = Rewrites(), recording("log_success_event")
    configure(callbacks=[rewriting, other])
    chat(client)
    assert callspan.flush(10)
    assert (rewriting.heard[0].kwargs["messages"], rewriting.heard[0].response) == ("hidden", "no answer")
    assert other.heard[0].kwargs["messages"] == [{"role": "user", "content": "hello"}]


async def test_async_logging_hook(configure: Callable[..., None], async_client: openai.AsyncOpenAI) -> None:
    """The twin does the same for async calls; an answer that is no pair changes nothing."""

    class Rewrites(Recorder, callspan.CustomLogger):
        answers: Any = ({"litellm_call_id": "x"}, "rewritten"), None

        async def async_logging_hook(self, kwargs: Any, result: Any, call_type: str) -> Any:
            return self.answers[len(self.heard)]

        async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
            self.note("async_log_success_event", kwargs, response_obj)

    logger = Rewrites()
    configure(callbacks=[logger])
    for _ in range(2):
        await chat(async_client)
        assert callspan.flush(10)
    assert logger.heard[0].response == "rewritten"
    assert logger.heard[1].response.choices[0].message.content == "You said: hello"


def test_a_callback_that_asks_a_model_is_not_told_of_it(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Neither before nor after a call: no endless chain."""
    heard: list[str] = []

    class Asks(callspan.CustomLogger):
        def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:
            heard.append("pre")
            chat(client)

        def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
            heard.append("success")
            chat(client)

    configure(callbacks=[Asks()])
    chat(client)
    callspan.flush(10)
    assert heard == ["pre", "success"]


def test_modifying_hooks_are_said_not_to_run(configure: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    """Hooks of LiteLLM's proxy that change requests: one line, with their names."""

    class Guard(callspan.CustomLogger):
        async def async_pre_call_hook(self, user_api_key_dict: Any, cache: Any, data: Any, call_type: Any) -> None:
            raise AssertionError

    with caplog.at_level(logging.WARNING, "callspan"):
        configure(callbacks=[Guard()])
        configure(callbacks=[Guard(), "local"])
    assert [record.getMessage() for record in caplog.records] == [
        "callback Guard: async_pre_call_hook not run: only LiteLLM can let a callback change calls"
    ]


def test_sinks_of_a_call(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """``sinks`` and ``disabled_sinks`` count for callbacks too, in every hook."""
    logger = recording(*SYNC)
    configure(callbacks=[logger])
    with callspan.context(sinks=["local"]):
        call(client, "stream")
    with callspan.context(disabled_sinks=["Recording"]):
        call(client, "stream")
    callspan.flush(10)
    assert logger.heard == []
    with callspan.context(sinks=["Recording"]):
        chat(client)
    callspan.flush(10)
    assert logger.hooks == ["log_pre_api_call", "log_post_api_call", "log_success_event"]


def test_no_log(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Nothing is told, not even of the request."""
    logger = recording(*SYNC)
    configure(callbacks=[logger])
    with callspan.context(no_log=True):
        chat(client)
    callspan.flush(10)
    assert logger.heard == []
