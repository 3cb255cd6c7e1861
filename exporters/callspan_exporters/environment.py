"""Settings of sinks from the environment."""

import math
import os
from typing import Final

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off", ""})


def first_variable(*names: str) -> tuple[str, str] | None:
    """The first variable that is set to something: its name and its stripped value."""
    for name in names:
        if value := os.environ.get(name, "").strip():
            return name, value
    return None


def variable(*names: str) -> str | None:
    """The value of the first variable that is set to something."""
    found = first_variable(*names)
    return found[1] if found else None


def required(value: str | None, *names: str, sink: str, keyword: str) -> str:
    """A setting that a sink cannot do without.

    Args:
        value: what code or file gave.
        names: the variables that hold it otherwise, the first to be set wins.
        sink: the sink's name, for the error.
        keyword: the setting's name in code and file, for the error.

    Raises:
        ValueError: it is nowhere; names the variables and the keyword.
    """
    found = value or variable(*names)
    if not found:
        places = " or ".join(names)
        message = f"{sink}: {keyword} is missing; set the environment variable {places}, or pass {keyword}="
        raise ValueError(message)
    return found


def number(value: float | None, default: float, *names: str, least: float, most: float = math.inf) -> float:
    """A numeric setting: from code or file, else from the first variable that is set, else the default.

    Raises:
        ValueError: it is no number, or out of bounds; names where it came from and what was expected.
    """
    found = None if value is not None else first_variable(*names)
    source, given = found or (names[0], default if value is None else value)
    try:
        result = float(given)
    except (TypeError, ValueError):
        result = math.nan
    if not least <= result <= most:
        bounds = f"at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
        message = f"{source}: {given!r} is not a number {bounds}"
        raise ValueError(message)
    return result


def flag(value: object, where: str) -> bool:
    """A boolean setting; text too, because a variable is text.

    Raises:
        ValueError: it is neither true nor false; names ``where``.
    """
    text = str(value).strip().lower()
    if text not in _TRUE | _FALSE:
        message = f"{where} is {value!r}; expected true or false"
        raise ValueError(message)
    return text in _TRUE
