"""The reference page's table of settings: ``python -m callspan.setup.reference docs/configuration.md`` renews it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from callspan.setup.settings import FIELDS

_BEGIN = "<!-- settings: begin -->"
_END = "<!-- settings: end -->"


def table() -> str:
    """Every setting as a row of a Markdown table."""
    return "\n".join(_rows())


def renewed(page: str) -> str:
    """``page`` with the current table between its markers."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{table()}\n{_END}{after}"


def _rows() -> Iterator[str]:
    yield "| key, and argument of `configure` | environment variable | value | default | meaning |"
    yield "|---|---|---|---|---|"
    for name, each in FIELDS.items():
        variable, kind = each.metadata["variable"], each.metadata["kind"]
        yield f"| `{name}` | `{variable}` | {kind.expected} | {_default(each.default)} | {each.metadata['doc']} |"


def _default(value: Any) -> str:
    if value is MISSING or value is None or value == () or isinstance(value, Mapping):
        return ""
    return f"`{str(value).lower()}`"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
