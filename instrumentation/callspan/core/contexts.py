"""Calling a function, or awaiting it, with a context of OpenTelemetry's attached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.context import Context, attach, detach


def run_in(context: Context, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What ``function`` returns, called in ``context``."""
    token = attach(context)
    try:
        return function(*args, **kwargs)
    finally:
        detach(token)


async def await_in(
    context: Context, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What ``function`` returns, awaited in ``context``."""
    token = attach(context)
    try:
        result = await function(*args, **kwargs)
    except GeneratorExit:  # thrown away, perhaps from another context, where detach() would complain
        raise
    except BaseException:
        detach(token)
        raise
    detach(token)
    return result
