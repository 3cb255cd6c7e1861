"""What LiteLLM notes about a call on its logging object: the provider it resolved, where it went, how it was priced."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

from callspan.core import guard
from callspan.core.call import Call

_expected: weakref.WeakValueDictionary[str, Call] = weakref.WeakValueDictionary()
_objects: weakref.WeakKeyDictionary[Call, Any] = weakref.WeakKeyDictionary()


def expect(call: Call, logging: Any) -> None:
    """``logging`` is the call's logging object; where there is none yet, the one that is made for its id will be."""
    if logging is None:
        _expected[call.call_id] = call
    else:
        _objects[call] = logging


def when_made(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A wrapper for the function of LiteLLM that makes a call's logging object."""
    made = wrapped(*args, **kwargs)
    try:
        if (call := _expected.pop(kwargs.get("litellm_call_id", ""), None)) is not None:
            _objects[call] = made[0]
    except Exception as error:  # noqa: BLE001 - the boundary: the application's call goes on without us
        guard.report("litellm.function_setup", error)
    return made


def details(call: Call) -> Mapping[str, Any]:
    """What is noted about the call so far."""
    found = getattr(_objects.get(call), "model_call_details", None)
    return found if isinstance(found, Mapping) else {}


def found_all(call: Call) -> bool:
    """Whether the cache had the whole of an answer that it had a part in."""
    return getattr(_objects.get(call), "caching_details", True) is not None


def api_base(call: Call) -> object:
    """Where the call went, if that is noted."""
    parameters = details(call).get("litellm_params")
    return parameters.get("api_base") if isinstance(parameters, Mapping) else None


def breakdown(call: Call) -> Mapping[str, Any]:
    """The components of the call's cost, once it is priced."""
    found = getattr(_objects.get(call), "cost_breakdown", None)
    return found if isinstance(found, Mapping) else {}


def price(call: Call, answer: Any) -> object:
    """LiteLLM's price of ``answer``, USD; None if it has none."""
    logging = _objects.get(call)
    for name in ("response_cost_calculator", "_response_cost_calculator"):  # before 1.104
        if (calculate := getattr(logging, name, None)) is not None:
            return calculate(result=answer)
    return None
