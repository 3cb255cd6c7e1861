"""Running hooks: plain ones on this thread, async ones on callspan's loop. What they raise goes no further."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from callspan.callbacks import loop
from callspan.callbacks.arguments import Occasion
from callspan.callbacks.targets import PRE, SUCCESS, Hook, Target
from callspan.core import guard

_logger = logging.getLogger("callspan")

TIMED_OUT: Final = "timed out"

_reported: set[tuple[str, str, str]] = set()


@dataclass(frozen=True, slots=True)
class Job:
    """A hook to run.

    Attributes:
        target: whose.
        hook: which.
        occasion: with what.
    """

    target: Target
    hook: Hook
    occasion: Occasion

    @property
    def rewriter(self) -> Hook | None:
        """What runs before, and may change the arguments."""
        return self.target.rewriter(self.hook) if self.occasion.moment == SUCCESS else None


def run_all(jobs: Sequence[Job], timeout_s: float) -> list[str | None]:
    """Run hooks and wait for them: those of one call in order, async ones of different calls side by side.

    Args:
        jobs: what to run.
        timeout_s: how long async hooks may take, in seconds; what is not done by then is cancelled.

    Returns:
        For each, None, or why it failed: the type of what it raised, never its text.
    """
    deadline = time.monotonic() + timeout_s
    outcomes: list[str | None] = [TIMED_OUT] * len(jobs)
    latest: dict[Any, Future[None]] = {}  # of each call, the async hook that comes last
    for index, job in enumerate(jobs):
        call = job.occasion.kwargs["litellm_call_id"]
        if job.hook.is_async:
            latest[call] = loop.submit(_run_after(latest.get(call), job, index, outcomes))
            continue
        if call in latest:
            _wait(latest[call], deadline)
        outcomes[index] = run(job, max(0.0, deadline - time.monotonic()))
    for future in latest.values():
        _wait(future, deadline)
    return list(outcomes)


def run(job: Job, timeout_s: float | None) -> str | None:
    """Run a plain hook here and now; as `run_all`.

    One that returns an awaitable is waited for, but not without a ``timeout_s``.
    """
    with suppress_instrumentation():  # a callback that asks a model must not hear of that call too
        try:
            if (rewriter := job.rewriter) is not None:
                _rewrite(job.occasion, rewriter.function(**_rewriter_arguments(job.occasion)))
            brought = _call(job)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the boundary to the user's code
            return _report(job.hook, error)
        if not inspect.isawaitable(brought):
            return None
        outcomes: list[str | None] = [TIMED_OUT]
        awaited = loop.submit(_await(job.hook, brought, outcomes))
        if timeout_s is None:
            return None
        _wait(awaited, time.monotonic() + timeout_s)
        return outcomes[0]


async def _run_after(previous: Future[None] | None, job: Job, index: int, outcomes: list[str | None]) -> None:
    if previous is not None:
        await asyncio.wait([asyncio.wrap_future(previous)])
    outcomes[index] = await _run_async(job)


async def _run_async(job: Job) -> str | None:
    try:
        if (rewriter := job.rewriter) is not None:
            _rewrite(job.occasion, await rewriter.function(**_rewriter_arguments(job.occasion)))
        await _call(job)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the boundary to the user's code
        return _report(job.hook, error)
    return None


async def _await(hook: Hook, value: Awaitable[Any], outcomes: list[str | None]) -> None:
    try:
        await value
        outcomes[0] = None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the boundary to the user's code
        outcomes[0] = _report(hook, error)


def _wait(future: Future[None], deadline: float) -> None:
    try:
        future.result(max(0.0, deadline - time.monotonic()))
    except (FutureTimeoutError, TimeoutError, CancelledError):
        future.cancel()


def _call(job: Job) -> Any:
    function, occasion = job.hook.function, job.occasion
    if occasion.moment == PRE:
        kwargs = occasion.kwargs
        if not job.hook.by_keyword:
            return function(kwargs)
        return function(model=kwargs["model"], messages=kwargs["messages"], kwargs=kwargs)
    if not job.hook.by_keyword:
        return function(occasion.kwargs, occasion.response, occasion.start, occasion.end)
    return function(
        kwargs=occasion.kwargs, response_obj=occasion.response, start_time=occasion.start, end_time=occasion.end
    )


def _rewriter_arguments(occasion: Occasion) -> dict[str, Any]:
    return {"kwargs": occasion.kwargs, "result": occasion.response, "call_type": occasion.kwargs["call_type"]}


def _rewrite(occasion: Occasion, brought: object) -> None:
    """Take what `logging_hook` returned; anything but a pair of arguments and answer changes nothing."""
    if isinstance(brought, tuple) and len(brought) == 2 and isinstance(brought[0], dict):
        occasion.kwargs, occasion.response = brought


def _report(hook: Hook, error: BaseException) -> str:
    """Log the first failure of a kind: where, and the type, but never the text, which may quote content."""
    failed = (hook.name, type(error).__name__, guard.place(error))
    if failed not in _reported:
        _reported.add(failed)
        _logger.warning("callback %s raised %s (%s); the call itself is unharmed", *failed)
    return f"{type(error).__name__} in {hook.name}"
