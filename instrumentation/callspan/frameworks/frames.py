"""The span of a tool as OpenTelemetry's current one, for exactly as long as the tool runs.

A framework's hooks say when a tool starts, yet not always that it has ended: a cancelled one is dropped silently. The
wrapper of the method that runs the tool sees every end, so it alone gives back what was current.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from opentelemetry.context import Context, attach, get_current
from opentelemetry.trace import Span, set_span_in_context

from callspan.core import guard


class Frame:
    """Around one call of the method that runs a tool."""

    __slots__ = ("_attached", "_before", "_end", "_entered")

    def __init__(self) -> None:
        self._before: Context | None = None
        self._attached: Context | None = None
        self._end: Callable[[BaseException], None] | None = None
        self._entered = False

    @staticmethod
    def waiting() -> Frame | None:
        """The frame around this code, if its tool has not started yet."""
        frame = _frame.get()
        return frame if frame is not None and not frame._entered else None  # noqa: SLF001 - its own class

    def enter(self, span: Span | None, end: Callable[[BaseException], None]) -> None:
        """The tool starts.

        Args:
            span: made for it, if one was.
            end: takes the exception by which it ended, if it was one; later reports must count for nothing.
        """
        self._entered, self._end = True, end
        if span is not None:
            self._before = get_current()
            self._attached = set_span_in_context(span, self._before)
            attach(self._attached)

    def __enter__(self) -> Frame:
        _frame.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered = True
        # A coroutine that is thrown away ends in another context, which is not ours to change.
        if _frame.get() is self:
            _frame.set(None)
        if self._before is not None and get_current() is self._attached:
            attach(self._before)
        if error is not None and self._end is not None:
            try:
                self._end(error)
            except Exception as failure:  # noqa: BLE001 - the boundary to the framework
                guard.report("frame.end", failure)


_frame: ContextVar[Frame | None] = ContextVar("callspan_frame", default=None)


def framed(wrapped: Callable[..., Any], _tool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The wrapper of a method that runs a tool."""
    with Frame():
        return wrapped(*args, **kwargs)


async def async_framed(wrapped: Callable[..., Any], _tool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`framed`, async."""
    with Frame():
        return await wrapped(*args, **kwargs)
