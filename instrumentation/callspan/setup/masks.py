"""Masks as users write them, in code, environment or file, and policies by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Final

from callspan.errors import ConfigurationError
from callspan.setup import kinds
from callspan.setup.imports import imported
from callspan.setup.kinds import Kind
from callspan_exporters.redaction import MaskPattern, Policy, mask, named
from callspan_exporters.redaction.patterns import patterns_from

_BUILTIN: Final = "builtin"
_PATTERNS: Final = "patterns"
_CALLABLES: Final = "callables"
_PRESIDIO: Final = "presidio"
_KEYS: Final = (_BUILTIN, _PATTERNS, _CALLABLES, _PRESIDIO)
_ALWAYS: Final = ("none", "full", "mask")


def read(name: str, value: object, where: str, config_file: str | None) -> Policy:
    """Make a mask of what is written under its name.

    Args:
        name: the mask's.
        value: a mapping with any of ``builtin`` (names of built-in patterns), ``patterns`` (names to regular
            expressions, or to pairs of expression and replacement), ``callables`` (functions from text to text, or
            where to import them) and ``presidio`` (its settings). Empty: all built-in patterns.
        where: where it is written.
        config_file: callables are imported from its folder.

    Raises:
        ConfigurationError: names the key and what was expected.
    """
    written: Mapping[str, Any] = kinds.MAPPING.read(value, where)
    _check_keys(written, _KEYS, where)
    patterns = (*_built_in(written, where), *_own(written, where)) if any(written.values()) else None
    callables = (*_callables(written, where, config_file), *_presidio(written, where))
    try:
        return mask(patterns, callables, name=name)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{where}: {error}") from error


def policy_named(name: str, where: str, masks: Mapping[str, Policy]) -> Policy:
    """The policy of that name.

    Args:
        name: ``none``, ``full``, ``mask`` (all built-in patterns), or a mask's.
        where: who asks for it.
        masks: those of the settings.

    Raises:
        ConfigurationError: there is none.
    """
    policy = masks.get(name) or named(name)
    if policy is None:
        raise ConfigurationError(f"{where}: unknown policy {name!r}; {_expected(name, sorted({*_ALWAYS, *masks}))}")
    return policy


def _check_keys(written: Iterable[str], known: Sequence[str], where: str) -> None:
    for key in written:
        if key not in known:
            raise ConfigurationError(f"{where}.{key}: unknown key; {_expected(key, known)}")


def _expected(name: str, known: Sequence[str]) -> str:
    meant = get_close_matches(name, known, n=1)
    return f"did you mean {meant[0]}?" if meant else f"expected one of {', '.join(known)}"


def _built_in(written: Mapping[str, Any], where: str) -> tuple[MaskPattern, ...]:
    names: tuple[str, ...] = kinds.NAMES.read(written.get(_BUILTIN) or (), f"{where}.{_BUILTIN}")
    try:
        return patterns_from(names)
    except ValueError as error:
        raise ConfigurationError(f"{where}.{_BUILTIN}: {error}") from error


def _own(written: Mapping[str, Any], where: str) -> tuple[MaskPattern, ...]:
    expressions = kinds.MAPPING.read(written.get(_PATTERNS), f"{where}.{_PATTERNS}")
    try:
        return patterns_from(expressions)
    except ValueError as error:
        raise ConfigurationError(f"{where}.{_PATTERNS}: {error}") from error


def _callables(written: Mapping[str, Any], where: str, config_file: str | None) -> Iterator[Callable[[str], str]]:
    place = f"{where}.{_CALLABLES}"
    for each in _FUNCTIONS.read(written.get(_CALLABLES) or (), place):
        found = imported(each, config_file, where=place) if isinstance(each, str) else each
        if not callable(found):
            raise ConfigurationError(f"{place}: {each}: expected a function, got {type(found).__name__}")
        yield found


def _presidio(written: Mapping[str, Any], where: str) -> Iterator[Callable[[str], str]]:
    if not written.get(_PRESIDIO):
        return
    place = f"{where}.{_PRESIDIO}"
    from callspan_exporters.redaction.presidio import Presidio  # noqa: PLC0415 - an extra: only where it is asked for

    settings = {} if written[_PRESIDIO] is True else kinds.MAPPING.read(written[_PRESIDIO], place)
    _check_keys(settings, [each.name for each in fields(Presidio)], place)
    try:
        yield Presidio(**settings)
    except (ImportError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{place}: {error}") from error


def _functions(value: Any) -> tuple[Any, ...]:
    each = value if isinstance(value, (list, tuple)) else (value,)
    if not all(callable(item) or (isinstance(item, str) and "." in item.strip(".")) for item in each):
        raise ValueError
    return tuple(each)


_FUNCTIONS = Kind("a list of functions, each as package.module.function", _functions)
