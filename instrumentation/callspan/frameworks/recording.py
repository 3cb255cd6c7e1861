"""Spans of agents, workflows and tools.

Source: ``docs/gen-ai/gen-ai-agent-spans.md`` in ``open-telemetry/semantic-conventions-genai``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import wraps
from typing import Any, Final, TypeVar

from opentelemetry.context import get_current
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from callspan.call_context import current_context
from callspan.core import guard, runs, state
from callspan.core.errors import record_error
from callspan.core.quiet import silenced
from callspan_semconv import attributes as attr
from callspan_semconv import jsonio, secrets

EXECUTE_TOOL: Final = "execute_tool"
INVOKE_AGENT: Final = "invoke_agent"
INVOKE_WORKFLOW: Final = "invoke_workflow"

_NAMES: Final = {
    EXECUTE_TOOL: attr.GEN_AI_TOOL_NAME,
    INVOKE_AGENT: attr.GEN_AI_AGENT_NAME,
    INVOKE_WORKFLOW: attr.GEN_AI_WORKFLOW_NAME,
}

# ``error.type`` where a framework reports a failure without an exception.
_UNKNOWN_ERROR: Final = "_OTHER"

_Method = TypeVar("_Method", bound=Callable[..., None])


def hook(method: _Method) -> _Method:
    """The guard around a method that a framework calls: the framework would log the text of our failures."""
    site = f"{method.__module__.rpartition('.')[2]}.{method.__name__}"

    @wraps(method)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the boundary to the framework
            guard.report(site, error)

    return guarded  # type: ignore[return-value]  # it is called as the method is


class Runs:
    """The runs of one framework that are in progress, by the framework's ids of them.

    Args:
        framework: its name as a client.
    """

    def __init__(self, framework: str) -> None:
        self._framework = framework
        self._open: dict[Hashable, runs.Run] = {}
        self._spans: dict[Hashable, Span] = {}

    def get(self, key: Hashable) -> runs.Run | None:
        """The run; None if it is unknown or has ended."""
        return self._open.get(key)

    def begin(self, key: Hashable, around: runs.Run | None, conversation_id: str | None = None) -> runs.Run:
        """A run begins, here and now, inside the run ``around``, or inside another framework's in that one."""
        outer = runs.later(around, runs.innermost(besides=self._framework))
        run = self._open[key] = runs.Run(outer, conversation_id)
        return run

    def record(self, key: Hashable, operation: str, name: str | None = None) -> Span | None:
        """Give a run that has just begun a span of its own.

        Args:
            key: of the run.
            operation: ``gen_ai.operation.name``.
            name: of the tool, agent or workflow; None if it has none.

        Returns:
            The span; None if nobody wants to know more of it than that it was there.
        """
        run, telemetry, said = self._open[key], state.telemetry, current_context()
        if telemetry is None or self._framework not in telemetry.clients or said.no_log or silenced(get_current()):
            return None
        start = {attr.GEN_AI_OPERATION_NAME: operation, **({_NAMES[operation]: name} if name else {})}
        run.span = self._spans[key] = telemetry.tracer.start_span(
            f"{operation} {name}" if name else operation,
            context=set_span_in_context(run.span, get_current()),
            kind=SpanKind.INTERNAL,
            attributes=start,
        )
        if not run.span.is_recording():
            return None
        if run.conversation_id is not None:
            run.span.set_attribute(attr.GEN_AI_CONVERSATION_ID, run.conversation_id)
        run.span.set_attributes(said.attributes)
        return run.span

    def span(self, key: Hashable) -> Span | None:
        """The run's own span; None if it has none."""
        return self._spans.get(key)

    def recording(self, key: Hashable) -> Span | None:
        """The run's own span, if more can be said on it."""
        span = self._spans.get(key)
        return span if span is not None and span.is_recording() else None

    def end(self, key: Hashable, error: BaseException | None = None) -> None:
        """The run has ended, by ``error`` if it failed. Later reports of it are ignored."""
        self._open.pop(key, None)
        span = self._spans.pop(key, None)
        if span is None:
            return
        if error is not None and span.is_recording():
            span.set_attribute(attr.ERROR_TYPE, record_error(span, error))
        span.end()


def mark_failed(span: Span, message: str | None) -> None:
    """Mark a run that failed without an exception."""
    span.set_attribute(attr.ERROR_TYPE, _UNKNOWN_ERROR)
    span.set_status(Status(StatusCode.ERROR, secrets.scrub(message) if message else None))


def set_given(span: Span, attributes: Mapping[str, Any]) -> None:
    """Set the attributes that have a value."""
    span.set_attributes({name: value for name, value in attributes.items() if value is not None})


def content(value: Any) -> str | None:
    """Arguments or result of a tool: text as it is, anything else as JSON; None where content is not recorded."""
    if value is None or state.telemetry is None or not state.telemetry.capture_content:
        return None
    return value if isinstance(value, str) else jsonio.dumps(value)
