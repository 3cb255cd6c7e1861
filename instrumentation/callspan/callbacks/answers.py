"""Answers as callbacks read them: as objects and as dicts."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from callspan_semconv import jsonio

_Fields = dict[str, Any]  # the class below has a method of the name ``dict``


class Answer(_Fields):
    """JSON whose keys also read as attributes: ``answer.choices[0].message.content``, ``answer["usage"]``.

    It is a dict, so it prints, compares and serialises as one. `model_dump`, `dict`, `json` and `model_dump_json` are
    there for code that expects one of pydantic's models; `json` returns a dict, as it does on LiteLLM's answers.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__((name, wrapped(value)) for name, value in fields.items())

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the answer has no {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __deepcopy__(self, _memo: object) -> Answer:
        return Answer(self)

    def model_dump(self, **_options: object) -> _Fields:
        """The answer as plain dicts and lists."""
        return {name: _plain(value) for name, value in self.items()}

    dict = json = model_dump

    def model_dump_json(self, **_options: object) -> str:
        """The answer as JSON."""
        return jsonio.dumps(self)


def wrapped(value: Any) -> Any:
    """A copy of JSON whose objects are `Answer`."""
    if isinstance(value, Mapping):
        return Answer(value)
    return [wrapped(item) for item in value] if isinstance(value, (list, tuple)) else copy.copy(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Answer):
        return value.model_dump()
    return [_plain(item) for item in value] if isinstance(value, list) else value
