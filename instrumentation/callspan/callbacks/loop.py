"""The event loop on which async hooks run: callspan's own, in a thread of its own, one for all callbacks."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_inherited: list[asyncio.AbstractEventLoop | None] = []  # kept: a loop that looks running can neither be closed nor go


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Run a coroutine, in the context variables of the caller. Its exceptions are for the future to tell.

    Where the interpreter is past starting threads (at its exit), it runs here and now.
    """
    loop = _running()
    if loop is not None:
        return asyncio.run_coroutine_threadsafe(coroutine, loop)
    done: Future[T] = Future()
    try:
        done.set_result(asyncio.run(coroutine))
    except Exception as error:  # noqa: BLE001 - handed over, as the loop would do
        done.set_exception(error)
    return done


def _running() -> asyncio.AbstractEventLoop | None:
    global _loop  # noqa: PLW0603 - one loop per process
    with _lock:
        if _loop is None:
            loop = asyncio.new_event_loop()
            try:
                threading.Thread(target=loop.run_forever, name="callspan-callbacks", daemon=True).start()
            except RuntimeError:
                loop.close()
                return None
            _loop = loop
        return _loop


def _renew_after_fork() -> None:
    """A child has the loop's memory, and no thread that runs it."""
    global _lock, _loop
    _inherited.append(_loop)
    _lock, _loop = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)
