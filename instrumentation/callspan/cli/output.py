"""Printing: JSON for programs, tables for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from callspan_semconv import jsonio

# Where nobody watches (a pipe, a log) nothing is worth cutting off.
_WIDTH_OF_NO_TERMINAL: Final = 160
NOTHING: Final = "-"
_LEAST_SHOWN: Final = 0.000001  # USD


def console(*, stderr: bool = False) -> Console:
    """Standard output or error. Nothing in a text is markup: what models say is printed as it is."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    fixed = None if terminal or "COLUMNS" in os.environ else _WIDTH_OF_NO_TERMINAL
    return Console(stderr=stderr, width=fixed, markup=False, highlight=False, emoji=False)


def print_json(value: object) -> None:
    """Print one JSON document on a line of its own."""
    sys.stdout.write(jsonio.dumps(value) + "\n")


def printable(text: str) -> str:
    """A text without what a terminal would obey: control characters other than line ends and tabs."""
    return "".join(each if each.isprintable() or each in "\n\t" else "\ufffd" for each in text)


def cell(text: str, style: str = "") -> Text:
    """A text as it is, for a table."""
    return Text(printable(text), style=style)


def table(*columns: str, numbers: Collection[str] = (), whole: Collection[str] = ()) -> Table:
    """An empty table without a frame.

    Args:
        columns: the headings.
        numbers: those to align on the right.
        whole: those that keep their width where the terminal is narrow, beside the numbers.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        number = column in numbers
        made.add_column(
            column, justify="right" if number else "left", overflow="fold", no_wrap=number or column in whole
        )
    return made


def facts(pairs: Mapping[str, Any]) -> Table:
    """Names and values, one pair a line; what is None is left out."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in pairs.items():
        if value is not None:
            grid.add_row(name, value if isinstance(value, Text) else cell(str(value)))
    return grid


def count(number: int | None) -> str:
    """A number of tokens or calls."""
    return NOTHING if number is None else f"{number:,}"


def dollars(amount: float | None) -> str:
    """USD; single calls cost tiny fractions of a cent."""
    if not amount:
        return NOTHING if amount is None else "$0"
    if 0 < amount < _LEAST_SHOWN:
        return f"<${_LEAST_SHOWN:.6f}"
    return f"${amount:.6f}" if amount < 1 else f"${amount:,.2f}"


def duration(seconds: float | None) -> str:
    """Seconds, below one in milliseconds."""
    if seconds is None:
        return NOTHING
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
