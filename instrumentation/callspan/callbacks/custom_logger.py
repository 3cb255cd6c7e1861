"""The base class of callbacks, with the observing hooks of LiteLLM's class of the same name."""

from __future__ import annotations

from datetime import datetime
from typing import Any


class CustomLogger:
    """Override the hooks that you want; see ``docs/callbacks.md`` for when each runs and what its arguments hold.

    Hooks are called with keyword arguments, so keep the parameters' names. What they return is ignored, but for
    `logging_hook` and its twin. A hook that raises is reported once in the log, and reaches nobody else.

    Args:
        turn_off_message_logging: true: prompts and answers are withheld from this callback, in every hook.
        message_logging: false means the same; LiteLLM's older word.
    """

    def __init__(
        self, turn_off_message_logging: bool = False, message_logging: bool = True, **_unknown: object
    ) -> None:
        self.turn_off_message_logging = turn_off_message_logging
        self.message_logging = message_logging

    def log_pre_api_call(self, model: str, messages: Any, kwargs: dict[str, Any]) -> None:
        """The request goes out next; also of async calls, on the thread that makes them."""

    def log_post_api_call(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime | None
    ) -> None:
        """The provider has answered, or begun to; also of async calls, unless the twin is overridden."""

    def log_stream_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """A chunk of a stream has arrived."""

    def log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """A call has succeeded; of a stream, once, when it has ended."""

    def log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """A call has failed: ``kwargs["exception"]`` says how."""

    def logging_hook(
        self,
        kwargs: dict[str, Any],
        result: Any,
        call_type: str,  # noqa: ARG002 - for those who override
    ) -> tuple[dict[str, Any], Any]:
        """Change what `log_success_event` of this object gets."""
        return kwargs, result

    async def async_log_pre_api_call(self, model: str, messages: Any, kwargs: dict[str, Any]) -> None:
        """An async call's request goes out; nobody waits for this hook."""

    async def async_log_post_api_call(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime | None
    ) -> None:
        """The provider has answered an async call, or begun to."""

    async def async_log_stream_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """A chunk of an async call's stream has arrived."""

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """An async call has succeeded; of a stream, once, when it has ended."""

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """An async call has failed: ``kwargs["exception"]`` says how."""

    async def async_logging_hook(
        self,
        kwargs: dict[str, Any],
        result: Any,
        call_type: str,  # noqa: ARG002 - for those who override
    ) -> tuple[dict[str, Any], Any]:
        """Change what `async_log_success_event` of this object gets."""
        return kwargs, result
