"""openai-agents, from 0.4: its traces, agents and tools, by a trace processor beside those that are there."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from opentelemetry.trace import Span

from callspan.core import guard, runs
from callspan.core.model import Client, Hook, Plugin
from callspan.frameworks.recording import (
    EXECUTE_TOOL,
    INVOKE_AGENT,
    INVOKE_WORKFLOW,
    Runs,
    content,
    hook,
    mark_failed,
    set_given,
)
from callspan_semconv import attributes as attr

_NAME: Final = "openai_agents"


class Processor:
    """What ``agents.add_trace_processor`` takes.

    The framework's own spans of model calls are places only: the clients beneath record those calls.

    Attributes:
        plugged: whether it is registered.
    """

    def __init__(self) -> None:
        self.plugged = False
        self._runs = Runs(_NAME)

    @hook
    def on_trace_start(self, trace: Any) -> None:
        """A workflow begins; ``group_id`` is what links the traces of one conversation."""
        self._runs.begin(trace.trace_id, None, _text(getattr(trace, "group_id", None)))
        self._runs.record(trace.trace_id, INVOKE_WORKFLOW, trace.name)

    @hook
    def on_trace_end(self, trace: Any) -> None:
        """A workflow has ended."""
        self._runs.end(trace.trace_id)

    @hook
    def on_span_start(self, span: Any) -> None:
        """Any step begins."""
        self._runs.begin(span.span_id, self._runs.get(span.parent_id or span.trace_id))
        data = span.span_data
        if data.type == "agent":
            self._runs.record(span.span_id, INVOKE_AGENT, data.name)
        elif data.type == "function":
            recorded = self._runs.record(span.span_id, EXECUTE_TOOL, data.name)
            if recorded is not None:
                recorded.set_attribute(attr.GEN_AI_TOOL_TYPE, "function")

    @hook
    def on_span_end(self, span: Any) -> None:
        """Any step has ended."""
        try:
            if (recorded := self._runs.recording(span.span_id)) is not None:
                _read(span, recorded)
        finally:
            self._runs.end(span.span_id)

    def shutdown(self, timeout: float | None = None) -> None:
        """Nothing to do: spans end with the steps they describe."""

    def force_flush(self) -> None:
        """Nothing is held back."""

    def here(self) -> runs.Run | None:
        """The step that runs here."""
        agents: Any = import_module("agents.tracing")
        span, trace = agents.get_current_span(), agents.get_current_trace()
        found = self._runs.get(span.span_id) if span is not None else None
        return found or (self._runs.get(trace.trace_id) if trace is not None else None)


def _read(span: Any, recorded: Span) -> None:
    """What is known of a step that has ended."""
    data = span.span_data
    if data.type == "function":
        # The framework leaves out both where its ``trace_include_sensitive_data`` is off.
        arguments, result = content(data.input), content(data.output)
        set_given(recorded, {attr.GEN_AI_TOOL_CALL_ARGUMENTS: arguments, attr.GEN_AI_TOOL_CALL_RESULT: result})
    if span.error is not None:
        mark_failed(recorded, _error_text(span.error))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _error_text(error: Any) -> str | None:
    """``{"message": ..., "data": {"error": ...}}``: what happened, and the exception's text."""
    data = error.get("data")
    detail = data.get("error") if isinstance(data, dict) else None
    return ": ".join(part for part in (error.get("message"), detail) if isinstance(part, str)) or None


_processor = Processor()


def _plug(add_trace_processor: Callable[[Any], None]) -> None:
    add_trace_processor(_processor)
    _processor.plugged = True
    runs.locate_by(_NAME, _processor.here)


def _unplug() -> None:
    """Take out this one processor; the framework has no call for that, only one that sets all of them."""
    _processor.plugged = False
    runs.forget(_NAME)
    provider = import_module("agents.tracing").get_trace_provider()
    if _processor in (registered := _registered(provider)):
        provider.set_processors([each for each in registered if each is not _processor])


def _registered(provider: Any) -> tuple[Any, ...]:
    """The processors of a provider; none where it does not show them."""
    processors = getattr(getattr(provider, "_multi_processor", None), "_processors", ())
    return tuple(processors)


def _keep(wrapped: Callable[..., Any], provider: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An application sets its own list of processors to be rid of the vendor's: callspan's stays beside them."""
    result = wrapped(*args, **kwargs)
    try:
        if _processor.plugged and _processor not in _registered(provider):
            provider.register_processor(_processor)
    except Exception as error:  # noqa: BLE001 - the boundary to the framework
        guard.report(f"{_NAME}.set_processors", error)
    return result


CLIENT = Client(
    name=_NAME,
    hooks=(Hook("agents.tracing.provider", "DefaultTraceProvider.set_processors", _keep),),
    plugins=(Plugin("agents.tracing", "add_trace_processor", _plug, _unplug),),
    package=None,
)
