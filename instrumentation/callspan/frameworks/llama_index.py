"""LlamaIndex, from llama-index-core 0.13: its workflows, agents and tools, by a span handler of its dispatcher."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import BoundArguments
from types import new_class
from typing import Any, Final

from opentelemetry.trace import Span

from callspan.core import runs
from callspan.core.model import Client, Plugin
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

_NAME: Final = "llama_index"
_MODULE: Final = "llama_index_instrumentation"


class Observer:
    """What is told of every decorated method of the framework, by its ids for these calls."""

    def __init__(self) -> None:
        self._runs = Runs(_NAME)

    @hook
    def begin(self, key: str, arguments: BoundArguments, instance: Any, parent: str | None) -> None:
        """A method was called: ``Class.method-<uuid>`` is its key."""
        self._runs.begin(key, self._runs.get(parent))
        operation, name = _work_of(instance, key.partition("-")[0].rpartition(".")[2])
        if operation is None:
            return
        span = self._runs.record(key, operation, name)
        if span is not None and operation == EXECUTE_TOOL:
            _read_arguments(arguments, instance, span)

    @hook
    def end(self, key: str, result: Any, error: BaseException | None) -> None:
        """It has returned, or raised."""
        try:
            if (span := self._runs.recording(key)) is not None and _is(result, "ToolOutput"):
                said = content(result.content)
                set_given(span, {attr.GEN_AI_TOOL_CALL_RESULT: said})
                if result.is_error:
                    mark_failed(span, said)
        finally:
            self._runs.end(key, error)

    def here(self) -> runs.Run | None:
        """The method that runs here."""
        return self._runs.get(import_module(_MODULE).span.active_span_id.get())


_observer = Observer()


class Handler:
    """The methods of a ``BaseSpanHandler``; it keeps no spans of the framework's."""

    def new_span(
        self, id_: str, bound_args: BoundArguments, *, instance: Any = None, parent_span_id: str | None = None, **_: Any
    ) -> None:
        """A call begins."""
        _observer.begin(id_, bound_args, instance, parent_span_id)

    def prepare_to_exit_span(self, id_: str, *, result: Any = None, **_: Any) -> None:
        """A call has returned."""
        _observer.end(id_, result, None)

    def prepare_to_drop_span(self, id_: str, *, err: BaseException | None = None, **_: Any) -> None:
        """A call has raised."""
        _observer.end(id_, None, err)


def _work_of(instance: Any, method: str) -> tuple[str | None, str | None]:
    """Operation and name of what a method does; no operation if it is a step of something."""
    if method in ("call", "acall") and _is(instance, "BaseTool"):
        return EXECUTE_TOOL, instance.metadata.name
    if method == "run" and _is(instance, "BaseWorkflowAgent"):
        default = type(instance).model_fields["name"].default
        return INVOKE_AGENT, None if instance.name == default else instance.name
    if method == "run" and _is(instance, "Workflow"):
        return INVOKE_WORKFLOW, type(instance).__name__
    return None, None


def _is(instance: Any, name: str) -> bool:
    """Whether it is of a class of this name: the framework's classes are the application's to import."""
    return any(kind.__name__ == name for kind in type(instance).__mro__)


def _read_arguments(arguments: BoundArguments, tool: Any, span: Span) -> None:
    given = arguments.arguments
    named = given.get("kwargs") or {name: value for name, value in given.items() if value != ()}
    set_given(
        span,
        {
            attr.GEN_AI_TOOL_TYPE: "function",
            attr.GEN_AI_TOOL_DESCRIPTION: tool.metadata.description,
            attr.GEN_AI_TOOL_CALL_ARGUMENTS: content(named),
        },
    )


def _plug(get_dispatcher: Callable[[], Any]) -> None:
    base = import_module(f"{_MODULE}.span_handlers").BaseSpanHandler
    handler: Any = new_class("CallspanSpanHandler", (Handler, base))
    get_dispatcher().add_span_handler(handler())
    runs.locate_by(_NAME, _observer.here)


def _unplug() -> None:
    """Take the handler out of the list that the framework shows."""
    runs.forget(_NAME)
    dispatcher = import_module(_MODULE).get_dispatcher()
    dispatcher.span_handlers = [each for each in dispatcher.span_handlers if not isinstance(each, Handler)]


CLIENT = Client(
    name=_NAME,
    plugins=(Plugin(_MODULE, "get_dispatcher", _plug, _unplug),),
    package=None,
    distribution="llama-index-core",
)
