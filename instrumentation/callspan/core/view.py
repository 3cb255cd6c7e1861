"""Raw JSON in the dress of an SDK object, so that one reader serves parsed and raw responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class View:
    """A JSON object whose keys read as attributes; absent keys read as None, as optional fields of SDK models do."""

    __slots__ = ("__dict__", "_raw")

    def __init__(self, data: dict[str, Any]) -> None:
        self._raw = data
        self.__dict__.update((name, view(value)) for name, value in data.items())

    def __getattr__(self, name: str) -> None:
        return None

    @property
    def __pydantic_extra__(self) -> dict[str, Any]:
        """Every key counts as extra: readers look here for fields that the SDK does not know."""
        return self._raw

    def model_dump(self, **_options: object) -> dict[str, Any]:
        """The JSON itself."""
        return self._raw


def view(value: Any) -> Any:
    """Dress objects, and objects in lists; leave the rest."""
    if isinstance(value, dict):
        return View(value)
    if isinstance(value, list):
        return [view(item) for item in value]
    return value


def fields(value: Any) -> Mapping[str, Any]:
    """The fields of a dict, of an SDK model or of a `View`: attribute misses are slow on pydantic models.

    Fields that the SDK's model does not know count too. A text, which the SDK returns where it expected JSON, has none.
    """
    if type(value) is dict:
        return value
    own: dict[str, Any] = getattr(value, "__dict__", {})
    extra = None if isinstance(value, View) else getattr(value, "__pydantic_extra__", None)
    return {**own, **extra} if extra else own


def field(value: Any, name: str) -> Any:
    """``value[name]`` of a dict or ``value.name`` of an object; None if absent.

    Request parameters may be plain dicts or SDK objects (an answer appended to the next prompt).
    """
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)
