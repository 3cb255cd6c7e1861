"""What keeps other instrumentations from recording a call again while it is being recorded here.

Each family looks for a mark of its own in the current context, where a call of ours puts them all:

- OpenTelemetry's (util-genai): an invocation that encloses theirs; see `callspan.core.util_genai`.
- OpenLLMetry: ``suppress_language_model_instrumentation``, and for some methods OpenTelemetry's general key.
- OpenInference, OpenLIT and most others: OpenTelemetry's general key alone.

The general key silences HTTP libraries as well, whose spans the application wants beneath the call's. So it holds only
from the method that the application calls to the one through which the client sends its requests: where the client
module names that one (`sending`), it is in force between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # the API exports only what reads it
    Context,
    create_key,
    get_current,
)

from callspan.core import state, util_genai
from callspan.core.contexts import await_in, run_in
from callspan.core.model import Hook

# Marks the context inside a call: what runs beneath it (a parse() that calls create(), a client under a client) is
# part of the same call.
CALL_KEY = create_key("callspan-call")
_MARKS = {CALL_KEY: True, "suppress_language_model_instrumentation": True}
_QUIET = {_SUPPRESS_INSTRUMENTATION_KEY: True, create_key("callspan-quiet"): True}

# Inside any of these contexts a call is somebody else's, or nobody's: OpenTelemetry's two spellings of "suppress", and
# the key by which OpenLLMetry silences instrumentations of LLM clients.
_SILENCERS = frozenset({*_MARKS, _SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation"})


def silenced(context: Context) -> bool:
    """Whether a call that is made in ``context`` is not to be recorded."""
    # Nearly always none of the keys is there at all; one that is there may have been set to false.
    return not _SILENCERS.isdisjoint(context) and any(context.get(key) for key in _SILENCERS)


def beneath(context: Context) -> Context:
    """``context`` for what runs inside a call: nobody makes a span of the call again."""
    return Context({**context, **_MARKS, **util_genai.marks()})


def quiet(context: Context) -> Context:
    """``context`` up to where the client sends its requests."""
    return Context({**context, **_QUIET})


def sending(module: str, *paths: str) -> tuple[Hook, ...]:
    """Hooks for the methods of a client's transport: from here on everybody is heard again.

    Args:
        module: where they are defined.
        paths: ``Class.method``, the async ones being those of a class whose name begins with ``A``.
    """
    return tuple(Hook(module, path, _async_aloud if path.startswith("A") else _aloud, innermost=True) for path in paths)


def leading(module: str, *paths: str) -> tuple[Hook, ...]:
    """Hooks for methods that make their requests through others, which are those that are recorded.

    OpenTelemetry's instrumentation would begin its span in them already, around several calls perhaps.

    Args:
        module: where they are defined.
        paths: ``Class.method``, the async ones being those of a class whose name begins with ``A``.
    """
    return tuple(Hook(module, path, _async_lead if path.startswith("A") else _lead) for path in paths)


def _lead(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if state.telemetry is None:
        return wrapped(*args, **kwargs)
    return run_in(util_genai.marked(get_current()), wrapped, args, kwargs)


async def _async_lead(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if state.telemetry is None:
        return await wrapped(*args, **kwargs)
    return await await_in(util_genai.marked(get_current()), wrapped, args, kwargs)


def _aloud(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if (context := _without_quiet()) is None:
        return wrapped(*args, **kwargs)
    return run_in(context, wrapped, args, kwargs)


async def _async_aloud(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if (context := _without_quiet()) is None:
        return await wrapped(*args, **kwargs)
    return await await_in(context, wrapped, args, kwargs)


def _without_quiet() -> Context | None:
    """The current context without what `quiet` added; None if it added nothing."""
    context = get_current()
    if not _QUIET.keys() <= context.keys():
        return None
    return Context({key: value for key, value in context.items() if key not in _QUIET})
