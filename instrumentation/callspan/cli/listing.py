"""``callspan ls``, and the table of calls that ``callspan demo`` ends with."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from rich.table import Table

from callspan.cli import output
from callspan.cli.errors import CommandError
from callspan_exporters.local_store import LocalStore, Row

_SHOWN_OF_ID = 8
# How a stream ended, for a call that did not fail; the rest of `callspan.stream.end` is "ok" or has its error.
_ENDS = {"closed": "closed early", "abandoned": "abandoned"}


def run(
    db: Path | None,
    *,
    limit: int,
    since: float | None,
    model: str | None,
    status: str | None,
    as_json: bool,
) -> None:
    """List the calls of a file.

    Raises:
        CommandError: the file is not there, or is no file of callspan's.
    """
    with opened(db) as store:
        rows = store.list(limit, since=since, model=model, status=status)
    if as_json:
        output.print_json([row.as_dict() for row in rows])
    elif rows:
        output.console().print(calls(rows))
    else:
        output.console().print(f"No such calls in {store.path}")


@contextmanager
def opened(db: Path | None) -> Iterator[LocalStore]:
    """The store behind a file, for reading.

    Raises:
        CommandError: the file is not there, or cannot be read as one of callspan's.
    """
    store = LocalStore(db)
    if not store.path.is_file():
        raise CommandError(f"no calls yet: {store.path} does not exist; try `callspan demo`, or name a file with --db")
    try:
        yield store
    except (sqlite3.Error, OSError) as error:
        raise CommandError(f"{store.path}: cannot read calls from this file: {error}") from error


def calls(rows: Sequence[Row], *, whole_ids: bool = False) -> Table:
    """One line per call. FIRST is the time to the first chunk of a stream; of the id as much as tells calls apart."""
    table = output.table(
        "ID", "TIME", "CALL", "MODEL", "IN", "OUT", "COST", "FIRST", "LATENCY", "OUTCOME",
        numbers=("IN", "OUT", "COST", "FIRST", "LATENCY"),
        whole=("ID", "TIME"),
    )  # fmt: skip
    for row in rows:
        table.add_row(
            output.cell(row.call_id if whole_ids else row.call_id[:_SHOWN_OF_ID]),
            when(row.started_at),
            output.cell(row.call_type or output.NOTHING),
            output.cell(row.model or output.NOTHING),
            output.count(row.input_tokens),
            output.count(row.output_tokens),
            output.dollars(row.cost),
            output.duration(row.time_to_first_chunk_s),
            output.duration(row.latency_s),
            output.cell(outcome(row), "red" if row.status == "failure" else ""),
        )
    return table


def outcome(row: Row) -> str:
    """``ok``, how a stream ended that was not read to its end, or the type of the error."""
    if row.status == "failure":
        return row.error_type or "error"
    return _ENDS.get(row.stream_end or "", "ok")


def when(seconds: float) -> str:
    """A time of today as a time; earlier ones with their date; local time."""
    moment = datetime.fromtimestamp(seconds).astimezone()
    today = datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S" if moment.date() == today else "%Y-%m-%d %H:%M")
