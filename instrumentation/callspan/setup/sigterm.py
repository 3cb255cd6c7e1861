"""SIGTERM ends a Python process without its exit handlers; deliver what is queued before it does."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, ModuleType
from typing import Any

import wrapt

from callspan.core import guard
from callspan.core.call import end_open_streams
from callspan_exporters.delivery import live


def flush_on_sigterm(timeout_s: float) -> None:
    """Install a handler that delivers and then dies of SIGTERM as before.

    Nothing happens if the application has a handler, ignores the signal, or this is not the main thread. A handler that
    the application sets later replaces this one, but for the default one that gunicorn gives its uvicorn workers.

    Args:
        timeout_s: how long delivery may take.
    """
    _install(timeout_s)
    wrapt.register_post_import_hook(lambda module: _install_before_serving(module, timeout_s), "uvicorn.server")


def _install_before_serving(module: ModuleType, timeout_s: float) -> None:
    """See that uvicorn, which raises the signal again when it has served, finds the handler there."""

    def serve(wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        _install(timeout_s)
        return wrapped(*args, **kwargs)

    try:
        wrapt.wrap_function_wrapper(module, "Server.serve", serve)
    except Exception as error:  # noqa: BLE001 - the boundary: an import of the application's
        guard.report("sigterm.uvicorn", error)


def _install(timeout_s: float) -> None:
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return

    def deliver() -> None:
        end_open_streams()
        live.shutdown(timeout_s)  # what cannot be delivered in time becomes a dead letter

    def deliver_and_die(signum: int, _frame: FrameType | None) -> None:
        # In a thread of its own: the interrupted main thread may hold a lock that delivery needs.
        worker = threading.Thread(target=deliver, name="callspan-sigterm", daemon=True)
        worker.start()
        worker.join(timeout_s)
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)

    signal.signal(signal.SIGTERM, deliver_and_die)
