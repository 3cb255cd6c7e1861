"""What callspan raises."""

from __future__ import annotations

from collections.abc import Sequence


class ConfigurationError(ValueError):
    """A setting is wrong. The text names what was given, where, and what was expected; never a secret."""


def raise_all(problems: Sequence[ConfigurationError]) -> None:
    """Raise what was found, as one error with one line for each.

    Raises:
        ConfigurationError: something was found.
    """
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ConfigurationError("\n".join(map(str, problems)))
