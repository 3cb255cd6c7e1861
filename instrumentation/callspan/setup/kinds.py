"""How a setting's value is read, whether it comes as YAML, as text from the environment, or from code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from callspan.callbacks.targets import is_callback
from callspan.errors import ConfigurationError
from callspan_exporters.expand import expand

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_CAPTURE = {"NO_CONTENT": False, "EVENT_ONLY": False, "SPAN_ONLY": True, "SPAN_AND_EVENT": True}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value.

    Attributes:
        expected: what a value looks like, for errors and the reference page.
        parse: makes the value; raises ValueError for what it does not take.
        secret: whether a wrong value must not be quoted.
    """

    expected: str
    parse: Callable[[Any], Any]
    secret: bool = False

    def read(self, value: object, where: str) -> Any:
        """Make the setting's value from what was found at ``where``.

        Raises:
            ConfigurationError: naming ``where``, what was expected, and what was given.
        """
        try:
            return self.parse(value)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"{where}: expected {self.expected}, got {self._shown(value)}") from error

    def _shown(self, value: object) -> str:
        if self.secret or not isinstance(value, (str, bool, int, float)):
            return type(value).__name__
        return repr(value if not isinstance(value, str) else value[:80])


def expanded(value: Any, where: str) -> Any:
    """Resolve references to environment variables in ``value``.

    Raises:
        ConfigurationError: a variable is not set; names it and ``where``.
    """
    try:
        return expand(value, where)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """What the user wrote for one sink; references to variables are resolved when the sink is built.

    Attributes:
        values: keys as written.
        where: where they were written.
    """

    values: Mapping[str, Any]
    where: str


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if isinstance(value, str) and text in _TRUE | _FALSE:
        return text in _TRUE
    raise ValueError


def _capture(value: Any) -> bool:
    if isinstance(value, str) and value.strip().upper() in _CAPTURE:
        return _CAPTURE[value.strip().upper()]
    return _boolean(value)


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ValueError
    return tuple(item.strip() for item in value if item.strip())


def _sinks(value: Any) -> tuple[Any, ...]:
    entries = _names(value) if isinstance(value, str) else value
    if not isinstance(entries, (list, tuple)):
        entries = (entries,)
    # An exporter is known by its method: importing the SDK only to ask for its type would make reading settings slow.
    if not all(isinstance(entry, str) or _is_exporter(entry) or is_callback(entry) for entry in entries):
        raise ValueError
    return tuple(entry.strip() if isinstance(entry, str) else entry for entry in entries)


def _is_exporter(value: object) -> bool:
    return callable(getattr(value, "export", None)) and not isinstance(value, type)


def _input_callbacks(value: Any) -> tuple[Any, ...]:
    entries = _sinks(value)
    if not all(isinstance(entry, str) or is_callback(entry) for entry in entries):
        raise ValueError
    # Names without a dot are integrations of LiteLLM's; no sink has a use for requests.
    return tuple(entry for entry in entries if not isinstance(entry, str) or "." in entry)


def _hosts(value: Any) -> bool | tuple[str, ...]:
    if isinstance(value, (list, tuple)):
        return _names(value)
    try:
        return _boolean(value)
    except ValueError:
        return _names(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        value = json.loads(value)
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError
    return value


def _entries(value: Any) -> list[Any]:
    if isinstance(value, str):
        value = json.loads(value)
    if not isinstance(value, (list, tuple)):
        raise ValueError
    return list(value)


def _positive(value: Any) -> int:
    if isinstance(value, bool) or int(value) <= 0:
        raise ValueError
    return int(value)


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not 0 <= float(value) < float("inf"):
        raise ValueError
    return float(value)


def _path(value: Any) -> str:
    path = os.fspath(value)
    if not isinstance(path, str) or not path.strip():
        raise ValueError
    return path


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _durability(value: Any) -> str:
    if value != "memory":
        raise ValueError
    return "memory"


BOOLEAN = Kind("true or false", _boolean)
CAPTURE = Kind("NO_CONTENT, SPAN_ONLY, EVENT_ONLY, SPAN_AND_EVENT, true or false", _capture)
NAMES = Kind("a list of names", _names)
SINKS = Kind("a list of sink names (in code also exporters, functions and instances of CustomLogger)", _sinks)
INPUT_CALLBACKS = Kind(
    "a list of `module.instance` (in code also functions, instances of CustomLogger)", _input_callbacks
)
HOSTS = Kind("true, false or a list of host names", _hosts)
MAPPING = Kind("a mapping (in the environment: a JSON object)", _mapping, secret=True)
MAPPINGS = Kind("a mapping of sink names to mappings (in the environment: a JSON object)", _mapping, secret=True)
TENANTS = Kind("a list of mappings (in the environment: a JSON list)", _entries, secret=True)
POLICY = Kind("none, full, mask or the name of one of `masks`", _name)
MASKS = Kind("a mapping of names to masks (in the environment: a JSON object)", _mapping, secret=True)
POSITIVE = Kind("a whole number above 0", _positive)
SECONDS = Kind("a number of seconds, 0 or more", _seconds)
NAME = Kind("a name", _name)
PATH = Kind("a path", _path)
DURABILITY = Kind("memory (disk is not available in this version)", _durability)
