"""Callbacks that remember what they were told, and ways of making a call."""

import threading
from dataclasses import dataclass
from typing import Any

import openai
import pytest

import callspan
from callspan.callbacks.targets import MOMENTS

MODEL = "gpt-4o-mini"


@dataclass(frozen=True)
class Heard:
    """One run of a hook."""

    hook: str
    kwargs: dict[str, Any]
    response: Any = None
    start: Any = None
    end: Any = None
    thread: str = ""


class Recorder:
    """Remembers what its hooks are told; mixed into classes that have hooks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heard: list[Heard] = []

    @property
    def hooks(self) -> list[str]:
        """The hooks that ran, in order."""
        return [each.hook for each in self.heard]

    def one(self, hook: str) -> Heard:
        (found,) = [each for each in self.heard if each.hook == hook]
        return found

    def note(self, hook: str, kwargs: Any, response: Any = None, start: Any = None, end: Any = None) -> None:
        self.heard.append(Heard(hook, kwargs, response, start, end, threading.current_thread().name))


def with_hooks(base: type, *names: str) -> type:
    """A recording class over ``base`` that overrides the hooks of these names."""
    return type("Recording", (Recorder, base), {name: _hook(name) for name in names})


def _hook(name: str) -> Any:
    def plain(self: Recorder, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self.note(name, kwargs, response_obj, start_time, end_time)

    async def awaited(self: Recorder, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self.note(name, kwargs, response_obj, start_time, end_time)

    def pre(self: Recorder, model: Any, messages: Any, kwargs: Any) -> None:
        self.note(name, kwargs, (model, messages))

    async def awaited_pre(self: Recorder, model: Any, messages: Any, kwargs: Any) -> None:
        self.note(name, kwargs, (model, messages))

    if name.endswith("pre_api_call"):
        return awaited_pre if name.startswith("async_") else pre
    return awaited if name.startswith("async_") else plain


SYNC = tuple(f"log_{moment}" for moment in MOMENTS)
ASYNC = tuple(f"async_log_{moment}" for moment in MOMENTS)


def recording(*names: str, **options: Any) -> Any:
    """A `callspan.CustomLogger` that overrides these hooks, by default all."""
    return with_hooks(callspan.CustomLogger, *(names or SYNC + ASYNC))(**options)


def chat(client: Any, prompt: str = "hello", **more: Any) -> Any:
    return client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": prompt}], **more)


def call(client: Any, how: str, prompt: str = "hello") -> None:
    """Make a sync call: ``plain``, ``stream`` (3 chunks and a last one), or ``failure``."""
    if how == "stream":
        for _ in chat(client, "!chunks 3", stream=True):
            pass
    elif how == "failure":
        with pytest.raises(openai.RateLimitError):
            chat(client, "!error 429")
    else:
        chat(client, prompt)


async def async_call(client: Any, how: str) -> None:
    """`call`, async."""
    if how == "stream":
        async for _ in await chat(client, "!chunks 3", stream=True):
            pass
    elif how == "failure":
        with pytest.raises(openai.RateLimitError):
            await chat(client, "!error 429")
    else:
        await chat(client)
