"""Where model calls belong that a framework makes: inside its agents, workflows and tools.

A framework calls its hooks where it likes: in threads, in tasks, in generators that are thrown away elsewhere. So
nothing is attached to OpenTelemetry's context from a hook, since nobody could promise to detach it: the framework is
asked for the run that a call belongs to when the call begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, get_current_span, set_span_in_context

from callspan.call_context import CallContext, here
from callspan.core import guard
from callspan_semconv import attributes as attr

_orders = count()


class Run:
    """A piece of a framework's work, begun here and now.

    Args:
        around: the run that it is part of.
        conversation_id: of the thread or session that it belongs to; by default that of the run around it.

    Attributes:
        span: the parent of what happens inside: the run's own span, else that of the nearest run around it that has
            one, else what is current.
        order: runs begun later have higher numbers.
        conversation_id: as given, or inherited.
        facts: what the framework's module notes of it.
    """

    __slots__ = ("_current", "conversation_id", "facts", "order", "span")

    def __init__(self, around: Run | None, conversation_id: str | None = None) -> None:
        context = here()
        self._current = get_current_span(context)
        self.span: Span = self._current if around is None else get_current_span(around.inside(context))
        self.conversation_id: str | None = conversation_id
        if conversation_id is None and around is not None:
            self.conversation_id = around.conversation_id
        self.order = next(_orders)
        self.facts: Any = None

    def inside(self, context: Context) -> Context:
        """``context``, with the run's span as the current one unless a closer one was begun since (a tool's own)."""
        current = get_current_span(context)
        if current is self._current or not current.get_span_context().is_valid:
            return set_span_in_context(self.span, context)
        return context


Locator = Callable[[], Run | None]
_locators: dict[str, Locator] = {}


def locate_by(framework: str, locator: Locator) -> None:
    """From now on, ask ``locator`` for the run of ``framework`` that a call made right here belongs to."""
    _locators[framework] = locator


def forget(framework: str) -> None:
    """Ask no more."""
    _locators.pop(framework, None)


def surroundings(context: Context, said: CallContext) -> tuple[Context, CallContext]:
    """Parent and call context of a call made right here, as the frameworks around it see them."""
    run = innermost() if _locators else None
    if run is None:
        return context, said
    if run.conversation_id is not None and attr.GEN_AI_CONVERSATION_ID not in said.attributes:
        said = replace(said, attributes={**said.attributes, attr.GEN_AI_CONVERSATION_ID: run.conversation_id})
    return run.inside(context), said


def innermost(besides: str | None = None) -> Run | None:
    """The run right around this code: the one begun last, of those that the frameworks name.

    Args:
        besides: a framework that is not asked.
    """
    found = None
    for framework, locator in list(_locators.items()):
        if framework == besides:
            continue
        try:
            found = later(found, locator())
        except Exception as error:  # noqa: BLE001 - the boundary to the framework: the call is recorded all the same
            guard.report(f"{framework}.locate", error)
    return found


def later(one: Run | None, other: Run | None) -> Run | None:
    """The one that was begun later, and so is inside the other."""
    if one is None or other is None:
        return one or other
    return one if one.order > other.order else other
