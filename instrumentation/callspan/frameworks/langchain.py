"""LangChain from 0.3 and LangGraph: chains, graphs, agents and tools, by a handler in every callback manager.

Only what the conventions name has a span: tools, the agents of ``create_agent``, and as workflows the outermost chains
and graphs. The steps in between are places for what happens inside them, no more.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from typing import Any, Final, NamedTuple
from uuid import UUID

from opentelemetry.trace import Span

from callspan.core import runs
from callspan.core.model import Client, Hook, Plugin
from callspan.frameworks.frames import Frame, async_framed, framed
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

_NAME: Final = "langchain"

# By these metadata keys LangSmith, too, groups runs into threads.
_CONVERSATION_KEYS: Final = ("thread_id", "session_id", "conversation_id")

_AGENTS: Final = "langchain_create_agent"  # what ``create_agent`` calls itself in the metadata of what it makes
_UNNAMED_GRAPH: Final = "LangGraph"  # the name of a graph that was given none
_INTERRUPT: Final = "GraphBubbleUp"  # how a graph stops to ask a person


class _Marks(NamedTuple):
    """What a run's metadata says; the runs inside inherit it."""

    agent: str | None = None
    maker: str | None = None


# Runs that began in this context or one that it was copied from. A hook runs in the context of what begins, and perhaps
# in another when that ends, so neither is ever reset: the key of a run that has ended names nothing. The node is what
# Python before 3.11 has: there the framework's own variable does not reach the tasks that it starts.
_model: ContextVar[int | None] = ContextVar("callspan_langchain_model", default=None)
_node: ContextVar[int | None] = ContextVar("callspan_langchain_node", default=None)


class Callbacks:
    """The methods of a callback handler; see ``langchain_core.callbacks.BaseCallbackHandler``.

    A run is known by the integer of its id: the id itself is watched, since the framework holds it exactly as long as
    something can still report the run's end.
    """

    run_inline = True  # in the caller's context, also from async managers

    def __init__(self) -> None:
        self._runs = Runs(_NAME)
        self._watches: dict[int, weakref.ref[UUID]] = {}

    # -- chains, graphs and agents --------------------------------------------------------------------------------

    @hook
    def on_chain_start(
        self,
        serialized: Mapping[str, Any] | None,
        inputs: Any,  # noqa: ARG002 - the framework's signature
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """A chain, a graph, an agent, or a step of one."""
        around, run = self._begin(run_id, parent_run_id, metadata)
        said = metadata or {}
        run.facts = marks = _Marks(said.get("lc_agent_name"), said.get("ls_integration"))
        outer: _Marks = (around and around.facts) or _Marks()
        name = more.get("name") or (serialized or {}).get("name")
        if name and name == said.get("langgraph_node"):
            _node.set(run_id.int)
        if marks.agent and name == marks.agent != outer.agent:
            self._runs.record(run_id.int, INVOKE_AGENT, name)
        elif marks.maker == _AGENTS != outer.maker and name == _UNNAMED_GRAPH:
            self._runs.record(run_id.int, INVOKE_AGENT)
        elif around is None and not more.get("run_type"):  # "prompt", "parser": these call nothing
            self._runs.record(run_id.int, INVOKE_WORKFLOW, None if name == _UNNAMED_GRAPH else name)

    @hook
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **_: Any) -> None:  # noqa: ARG002 - the framework's signature
        """It has ended."""
        self._end(run_id)

    @hook
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """It has failed."""
        self._end(run_id, error)

    # -- tools ----------------------------------------------------------------------------------------------------

    @hook
    def on_tool_start(
        self,
        serialized: Mapping[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """A tool."""
        _, run = self._begin(run_id, parent_run_id, metadata)
        run.facts = _Marks(maker=(metadata or {}).get("ls_integration"))
        tool = serialized or {}
        span = self._runs.record(run_id.int, EXECUTE_TOOL, tool.get("name") or more.get("name"))
        if (frame := Frame.waiting()) is not None:
            frame.enter(self._runs.span(run_id.int), partial(self._end, run_id))
        if span is not None:
            set_given(
                span,
                {
                    attr.GEN_AI_TOOL_TYPE: "function",
                    attr.GEN_AI_TOOL_DESCRIPTION: tool.get("description"),
                    attr.GEN_AI_TOOL_CALL_ID: more.get("tool_call_id"),
                    attr.GEN_AI_TOOL_CALL_ARGUMENTS: content(input_str if inputs is None else inputs),
                },
            )

    @hook
    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """It has ended."""
        try:
            if (span := self._runs.recording(run_id.int)) is not None:
                _read_result(output, span)
        finally:
            self._end(run_id)

    @hook
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """It has failed."""
        self._end(run_id, error)

    # -- models and retrievers: places only -----------------------------------------------------------------------

    @hook
    def on_chat_model_start(
        self,
        serialized: Any,  # noqa: ARG002 - the framework's signature
        messages: Any,  # noqa: ARG002 - the same
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """A model, in this context or one copied from it.

        It knows where it belongs even if no step is current here, as in a thread to which the application passes the
        config by hand.
        """
        self._begin(run_id, parent_run_id, metadata)
        _model.set(run_id.int)

    on_llm_start = on_chat_model_start

    on_llm_end = on_chain_end
    on_llm_error = on_chain_error

    @hook
    def on_retriever_start(
        self,
        serialized: Any,  # noqa: ARG002 - the framework's signature
        query: str,  # noqa: ARG002 - the same
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """A retriever; some ask a model for better questions."""
        self._begin(run_id, parent_run_id, metadata)

    on_retriever_end = on_chain_end
    on_retriever_error = on_chain_error

    # -- runs -----------------------------------------------------------------------------------------------------

    def here(self) -> runs.Run | None:
        """The run that a model call made here belongs to."""
        return runs.later(self._runs.get(_model.get()), self._step())

    def _step(self) -> runs.Run | None:
        """The step that is current: by the framework, or else the node of a graph whose task this is."""
        return runs.later(self._runs.get(_current()), self._runs.get(_node.get()))

    def _begin(
        self, run_id: UUID, parent_run_id: UUID | None, metadata: Mapping[str, Any] | None
    ) -> tuple[runs.Run | None, runs.Run]:
        """A run begins; the one around it, if callspan knows that, and itself.

        A parent that the application chose goes before the step that is current. One that callspan does not know is
        another tracer's, or begun before callspan came.
        """
        around = None
        if parent_run_id is not None and parent_run_id.int != _current():
            around = self._runs.get(parent_run_id.int)
        around = around or self._step()
        said = metadata or {}
        conversation = next((said[key] for key in _CONVERSATION_KEYS if said.get(key)), None)
        run = self._runs.begin(run_id.int, around, str(conversation) if conversation is not None else None)
        self._watches[run_id.int] = weakref.ref(run_id, partial(self._lost, run_id.int))
        return around, run

    def _end(self, run_id: UUID, error: BaseException | None = None) -> None:
        self._watches.pop(run_id.int, None)
        self._runs.end(run_id.int, None if error is None or _is_no_failure(error) else error)

    def _lost(self, key: int, _: object) -> None:
        """Nothing is left that could report the end."""
        self._watches.pop(key, None)
        self._runs.end(key)


def _read_result(output: Any, span: Span) -> None:
    """The result of a tool: a message to the model, or what the tool returned if no model asked for it."""
    result = content(getattr(output, "content", output))
    # Before 1.0 only the message tells which call it answers.
    call_id = getattr(output, "tool_call_id", None)
    set_given(span, {attr.GEN_AI_TOOL_CALL_ID: call_id, attr.GEN_AI_TOOL_CALL_RESULT: result})
    if getattr(output, "status", None) == "error":
        mark_failed(span, result)


def _is_no_failure(error: BaseException) -> bool:
    """Whether it only says that the application reads no further, or that a graph stops to ask a person."""
    return isinstance(error, GeneratorExit) or any(kind.__name__ == _INTERRUPT for kind in type(error).__mro__)


def _current() -> int | None:
    """The key of the run that the framework says is current here."""
    config = import_module("langchain_core.runnables.config").var_child_runnable_config.get() or {}
    run_id = getattr(config.get("callbacks"), "parent_run_id", None)
    return run_id.int if isinstance(run_id, UUID) else None


class _Switch:
    """What the framework takes for a context variable, and asks for a handler whenever it makes a callback manager."""

    def __init__(self) -> None:
        self._callbacks = Callbacks()
        self._handler: Any = None
        self._on = False

    def get(self) -> Any:
        """The handler; none while LangChain is not instrumented."""
        return self._handler if self._on else None

    def turn_on(self, register_configure_hook: Callable[..., None]) -> None:
        """Register, once: the framework has no call to take that back."""
        if self._handler is None:
            base = import_module("langchain_core.callbacks").BaseCallbackHandler
            self._handler = type("CallspanHandler", (Callbacks, base), {})()
            register_configure_hook(self, inheritable=True)
        self._on = True
        runs.locate_by(_NAME, self._handler.here)

    def turn_off(self) -> None:
        """Hand out no handler any more; runs in progress still end."""
        self._on = False
        runs.forget(_NAME)


_switch = _Switch()

CLIENT = Client(
    name=_NAME,
    hooks=(
        Hook("langchain_core.tools.base", "BaseTool.run", framed),
        Hook("langchain_core.tools.base", "BaseTool.arun", async_framed),
    ),
    plugins=(Plugin("langchain_core.tracers.context", "register_configure_hook", _switch.turn_on, _switch.turn_off),),
    package=None,
    distribution="langchain-core",
)
