"""What counts as a callback, and which of its functions hears of which moment of a call."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

_logger = logging.getLogger("callspan")

Moment = Literal["pre_api_call", "post_api_call", "stream_event", "success_event", "failure_event"]
PRE: Final = "pre_api_call"
POST: Final = "post_api_call"
STREAM: Final = "stream_event"
SUCCESS: Final = "success_event"
FAILURE: Final = "failure_event"
MOMENTS: Final[tuple[Moment, ...]] = (PRE, POST, STREAM, SUCCESS, FAILURE)

# What callbacks are registered for: the ends of calls, as sinks are; requests (`input_callback`); and calls that go on
# (`callbacks`), of which only objects with hooks for it hear.
ON_SUCCESS: Final = "success"
ON_FAILURE: Final = "failure"
ON_INPUT: Final = "input"
ON_REQUESTS: Final = "requests"
_MOMENTS_OF: Final[dict[str, frozenset[Moment]]] = {
    ON_SUCCESS: frozenset({STREAM, SUCCESS}),
    ON_FAILURE: frozenset({FAILURE}),
    ON_INPUT: frozenset({PRE, POST}),
    ON_REQUESTS: frozenset({PRE, POST}),
}

_said: set[tuple[str, str]] = set()

# LiteLLM's class and callspan's own, by name: LiteLLM is never imported.
_BASES: Final = frozenset(
    {("litellm.integrations.custom_logger", "CustomLogger"), (f"{__package__}.custom_logger", "CustomLogger")}
)
_PROXY: Final = "litellm.proxy.proxy_server"
# Hooks by which LiteLLM's proxy and router let classes change requests and answers.
_CHANGING_HOOKS: Final = (
    *("async_pre_call_hook", "async_moderation_hook", "async_pre_request_hook", "async_pre_routing_hook"),
    *("async_post_call_success_hook", "async_post_call_failure_hook", "async_post_call_response_headers_hook"),
    *("async_post_call_streaming_hook", "async_post_call_streaming_iterator_hook", "async_filter_deployments"),
    *("async_pre_call_deployment_hook", "async_post_call_success_deployment_hook", "async_pre_call_check"),
    *("pre_call_check", "async_get_chat_completion_prompt", "get_chat_completion_prompt"),
)


@dataclass(frozen=True, slots=True)
class Hook:
    """A function of the user's.

    Attributes:
        name: as the user knows it, for the log.
        function: what to call.
        is_async: whether it is to run on an event loop.
        by_keyword: whether it takes its arguments by name, as methods of loggers do; functions take them by position.
    """

    name: str
    function: Callable[..., Any]
    is_async: bool
    by_keyword: bool = True


class Logger(Protocol):
    """An object with hooks: `CustomLogger`, LiteLLM's class of that name, or any other with hooks of these names."""

    def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> Any:
        """One of the hooks; see `CustomLogger`."""


# What users pass.
Callback: TypeAlias = Logger | Callable[..., Any]


class Target(Protocol):
    """A callback, by kind."""

    @property
    def withholds(self) -> bool:
        """Whether the callback itself wants no prompts and answers."""

    def hook(self, moment: Moment, is_async: bool | None) -> Hook | None:
        """What to run at a moment of a call; None: nothing. ``is_async`` is None where nobody knows of the call."""

    def rewriter(self, hook: Hook) -> Hook | None:
        """What may change the arguments of ``hook`` before."""


def is_callback(value: object) -> bool:
    """Whether a value is a function, or an object with a hook of `CustomLogger`. A class is neither."""
    return not inspect.isclass(value) and (callable(value) or _has_hooks(value))


def name_of(value: Any) -> str:
    """What a callback is called in reports and in ``callback_settings``: its function's name or its class's."""
    if _has_hooks(value):
        return type(value).__name__
    function = getattr(value, "func", value)  # of a functools.partial
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(value).__name__


def _has_hooks(value: object) -> bool:
    kind = type(value)
    return any(hasattr(kind, f"log_{moment}") or hasattr(kind, f"async_log_{moment}") for moment in MOMENTS)


class FunctionTarget:
    """A function: ``f(kwargs)`` before a call, ``f(kwargs, completion_response, start_time, end_time)`` after it.

    Args:
        function: plain or async.
    """

    withholds = False

    def __init__(self, function: Callable[..., Any]) -> None:
        is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - of an object whose calls are awaited
        )
        self._hook = Hook(name_of(function), function, is_async, by_keyword=False)

    def hook(self, moment: Moment, is_async: bool | None) -> Hook | None:
        """The function; an async one hears of async calls only."""
        if moment in {POST, STREAM} or (self._hook.is_async and is_async is False):
            return None
        return self._hook

    def rewriter(self, hook: Hook) -> Hook | None:  # noqa: ARG002 - the interface's
        """Nothing."""
        return None


class LoggerTarget:
    """An object with hooks of `CustomLogger`, of LiteLLM's class of that name, or of neither.

    Args:
        logger: the object.
    """

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        kind = type(logger)
        self._base = next((each for each in kind.__mro__ if (each.__module__, each.__qualname__) in _BASES), None)
        changing = [name for name in _CHANGING_HOOKS if self._overrides(name)]
        if changing and _PROXY not in sys.modules:
            _say_once(kind.__name__, f"{', '.join(changing)} not run: only LiteLLM can let a callback change calls")

    @property
    def withholds(self) -> bool:
        """What the object says now; an unclear word withholds."""
        return _says(self._logger, "turn_off_message_logging", default=False, unclear=True) or not _says(
            self._logger, "message_logging", default=True, unclear=False
        )

    def hook(self, moment: Moment, is_async: bool | None) -> Hook | None:
        """Plain hooks for sync calls, async hooks for async calls; see the table in ``docs/callbacks.md``."""
        own, twin = self._overrides(f"log_{moment}"), self._overrides(f"async_log_{moment}")
        if twin and (is_async or (is_async is None and not own)):
            return self._hook(f"async_log_{moment}", is_async=True)
        if own and (not is_async or moment in {PRE, POST}):
            return self._hook(f"log_{moment}", is_async=False)
        if (own or twin) and moment in {SUCCESS, FAILURE}:
            missing, kind = (f"async_log_{moment}", "async") if is_async else (f"log_{moment}", "sync")
            how = "succeed" if moment == SUCCESS else "fail"
            _say_once(type(self._logger).__name__, f"without {missing} it hears nothing of {kind} calls that {how}")
        return None

    def rewriter(self, hook: Hook) -> Hook | None:
        """`CustomLogger.logging_hook`, or its twin."""
        name = "async_logging_hook" if hook.is_async else "logging_hook"
        return self._hook(name, is_async=hook.is_async) if self._overrides(name) else None

    def _hook(self, name: str, *, is_async: bool) -> Hook:
        return Hook(f"{type(self._logger).__name__}.{name}", getattr(self._logger, name), is_async)

    def _overrides(self, name: str) -> bool:
        own = getattr(type(self._logger), name, None)
        inherited = own is None or (self._base is not None and own is getattr(self._base, name, None))
        return not inherited or name in getattr(self._logger, "__dict__", {})


def _say_once(name: str, what: str) -> None:
    """Warn of what a callback's author may not expect."""
    if (name, what) not in _said:
        _said.add((name, what))
        _logger.warning("callback %s: %s", name, what)


def _says(logger: object, name: str, *, default: bool, unclear: bool) -> bool:
    """A switch of the logger's: LiteLLM's users write booleans, and the words for them."""
    value = getattr(logger, name, None)
    if value is None:
        return default
    return {"true": True, "false": False}.get(str(value).strip().lower(), unclear)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A callback, and the moments that it was registered for."""

    target: Target
    moments: frozenset[Moment]

    def hook(self, moment: Moment, is_async: bool | None) -> Hook | None:
        """See `Target.hook`."""
        return self.target.hook(moment, is_async) if moment in self.moments else None


def subscription(callback: Any, events: Iterable[str]) -> Subscription:
    """Register a callback.

    Args:
        callback: what `is_callback` accepts.
        events: any of ``success``, ``failure``, ``input`` and ``requests``.
    """
    if _has_hooks(callback):
        return Subscription(LoggerTarget(callback), frozenset().union(*(_MOMENTS_OF[event] for event in events)))
    heard = (_MOMENTS_OF[event] for event in events if event != ON_REQUESTS)
    return Subscription(FunctionTarget(callback), frozenset().union(*heard))
