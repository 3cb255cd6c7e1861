"""Placeholders for environment variables in settings."""

from __future__ import annotations

import os
import re
from typing import Any, Final

_WHOLE: Final = re.compile(r"os\.environ/(?P<name>\w+)")
_INSIDE: Final = re.compile(r"\$\{(?P<braced>\w+)\}|\{\{\s*environment_variables\.(?P<listed>\w+)\s*\}\}")


class _Expanded(str):
    """A text that was expanded. Its value is not searched again: a secret may well contain a dollar sign."""

    __slots__ = ()


def expand(value: Any, where: str) -> Any:
    """Replace ``os.environ/NAME`` (a whole value), ``${NAME}`` and ``{{environment_variables.NAME}}`` by variables.

    Args:
        value: a text, or a dict or list of values to any depth; everything else is returned as it is.
        where: what an error names: the sink and its setting, or the file and its key.

    Returns:
        The value with its texts expanded; expanding it again changes nothing.

    Raises:
        ValueError: a variable is not set; names the variable and ``where``, with the key.
    """
    if isinstance(value, dict):
        return {key: expand(entry, f"{where}.{key}") for key, entry in value.items()}
    if isinstance(value, list):
        return [expand(entry, f"{where}[{index}]") for index, entry in enumerate(value)]
    if not isinstance(value, str) or isinstance(value, _Expanded):
        return value
    whole = _WHOLE.fullmatch(value)
    if whole:
        return _Expanded(_variable(whole["name"], where))
    expanded = _INSIDE.sub(lambda match: _variable(match["braced"] or match["listed"], where), value)
    return value if expanded == value else _Expanded(expanded)


def refers(value: object) -> bool:
    """Whether a text stands for environment variables, in whole or in part."""
    return isinstance(value, str) and (_WHOLE.fullmatch(value) or _INSIDE.search(value)) is not None


def _variable(name: str, where: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise ValueError(f"{where}: environment variable {name} is not set")
    return value
