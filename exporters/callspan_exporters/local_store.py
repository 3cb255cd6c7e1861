"""The SQLite file of the local sink: one row per call."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from callspan_exporters.paths import database_path, open_private
from callspan_semconv import jsonio

_SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS calls (
    call_id TEXT PRIMARY KEY, trace_id TEXT, span_id TEXT, response_id TEXT,
    started_at REAL NOT NULL, ended_at REAL NOT NULL,
    provider TEXT, model TEXT, call_type TEXT, status TEXT NOT NULL, error_type TEXT,
    input_tokens INTEGER, output_tokens INTEGER, cached_tokens INTEGER, reasoning_tokens INTEGER,
    cost REAL, time_to_first_chunk_s REAL, latency_s REAL, stream_end TEXT, tags TEXT, user TEXT,
    payload TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS calls_by_start ON calls (started_at);
CREATE INDEX IF NOT EXISTS calls_by_response ON calls (response_id);
"""
# Above every character of an id: an upper bound for all ids that begin with a prefix.
_AFTER_ALL: Final = "\U0010ffff"


@dataclass(frozen=True)
class Row:
    """What is known of a call without its content.

    Attributes:
        call_id: ``callspan.call_id``, or one made from the span's ids.
        trace_id: of the span, 32 hex digits; likewise ``span_id``, 16.
        response_id: the provider's.
        started_at: seconds since the epoch; likewise ``ended_at``.
        status: ``success`` or ``failure``.
        input_tokens: with cached tokens; None where the provider reported none. Likewise the other counts.
        cost: USD; None where it is not known.
        time_to_first_chunk_s: of a stream.
        stream_end: ``exhausted``, ``closed``, ``abandoned`` or ``error``.
    """

    call_id: str
    trace_id: str | None
    span_id: str | None
    response_id: str | None
    started_at: float
    ended_at: float
    provider: str | None
    model: str | None
    call_type: str | None
    status: str
    error_type: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost: float | None
    time_to_first_chunk_s: float | None
    latency_s: float | None
    stream_end: str | None
    tags: tuple[str, ...]
    user: str | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Stats:
    """Sums over the file; ``cost`` in USD of the calls whose cost is known, times in seconds since the epoch."""

    calls: int
    failures: int
    input_tokens: int
    output_tokens: int
    cost: float
    oldest: float | None
    newest: float | None
    size_bytes: int


_COLUMNS: Final = tuple(field.name for field in fields(Row))
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM calls "  # noqa: S608 - made of constants
_STORED: Final = (*_COLUMNS, "payload")
_UPSERT: Final = "INSERT INTO calls ({columns}) VALUES ({marks}) ON CONFLICT (call_id) DO UPDATE SET {updates}".format(  # noqa: S608 - made of constants
    columns=", ".join(_STORED),
    marks=", ".join("?" * len(_STORED)),
    updates=", ".join(f"{name} = excluded.{name}" for name in _STORED[1:]),
)


class LocalStore:
    """Reads and writes the file. Readers never create it.

    Args:
        path: default: ``CALLSPAN_DB``, else the platform's data folder.

    Raises:
        ValueError: no path, and no home folder either.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path) if path is not None else database_path()
        # By process id: a connection must not be used, nor closed, in a child process.
        self._writers: dict[int, sqlite3.Connection] = {}

    def upsert(self, calls: Sequence[tuple[Row, str]], timeout_s: float) -> None:
        """Write calls with their payloads' JSON, all or none; a call that is there already is replaced.

        Raises:
            OSError: the file cannot be created.
            sqlite3.Error: it cannot be written, or another process held it for ``timeout_s``.
        """
        connection = self._writer()
        connection.execute(f"PRAGMA busy_timeout = {int(timeout_s * 1000)}")
        with connection:
            connection.executemany(_UPSERT, [(*_values(row), payload) for row, payload in calls])

    def prune(self, max_bytes: int, max_age_s: float) -> int:
        """Delete calls that are too old, and the oldest of the rest until the file's content fits.

        Returns:
            How many were deleted.
        """
        connection = self._writer()
        with connection:
            deleted = connection.execute("DELETE FROM calls WHERE started_at < ?", (time.time() - max_age_s,)).rowcount
            while _used_bytes(connection) > max_bytes:
                # A tenth at a time: the file must not be pruned again at every write.
                gone = connection.execute(
                    "DELETE FROM calls WHERE call_id IN (SELECT call_id FROM calls ORDER BY started_at"
                    " LIMIT (SELECT max(1, count(*) / 10) FROM calls))"
                ).rowcount
                if not gone:
                    break
                deleted += gone
        return deleted

    def close(self) -> None:
        """Close this process's connection."""
        connection = self._writers.pop(os.getpid(), None)
        if connection is not None:
            connection.close()

    def list(
        self,
        limit: int = 50,
        *,
        since: float | None = None,
        model: str | None = None,
        provider: str | None = None,
        status: str | None = None,
        user: str | None = None,
        tag: str | None = None,
        trace_id: str | None = None,
    ) -> Sequence[Row]:
        """The newest calls first.

        Args:
            limit: how many at most.
            since: started at or after, in seconds since the epoch.
            model: exactly that model.
            provider: exactly that provider.
            status: ``success`` or ``failure``.
            user: exactly that user.
            tag: one of the call's tags.
            trace_id: of the span, 32 hex digits.
        """
        equal: dict[str, object] = {
            "model": model,
            "provider": provider,
            "status": status,
            "user": user,
            "trace_id": trace_id,
        }
        conditions = {f"{name} = ?": value for name, value in equal.items()}
        conditions["started_at >= ?"] = since
        conditions["EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)"] = tag
        given = {condition: value for condition, value in conditions.items() if value is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""
        return self._select(f"{where} ORDER BY started_at DESC LIMIT ?", (*given.values(), limit))

    def find(self, id_prefix: str) -> Sequence[Row]:
        """The calls whose call id or response id begins with a text, newest first."""
        span = (id_prefix, id_prefix + _AFTER_ALL)
        return self._select(
            "WHERE call_id BETWEEN ? AND ? OR response_id BETWEEN ? AND ? ORDER BY started_at DESC", (*span, *span)
        )

    def get(self, id_prefix: str) -> dict[str, Any] | None:
        """The payload of one call.

        Args:
            id_prefix: a call id or a response id, or enough of its beginning to be unique.

        Returns:
            The payload; None if no call begins so.

        Raises:
            ValueError: several calls do.
        """
        rows = self.find(id_prefix) if id_prefix else []
        exact = [row for row in rows if id_prefix in {row.call_id, row.response_id}]
        rows = exact or rows
        if len(rows) > 1:
            raise ValueError(f"{id_prefix}: {len(rows)} calls begin with it; expected a longer id")
        if not rows:
            return None
        with self._reader() as connection:
            found = connection.execute("SELECT payload FROM calls WHERE call_id = ?", (rows[0].call_id,)).fetchone()
        payload: dict[str, Any] | None = jsonio.loads(found[0]) if found else None
        return payload

    def stats(self) -> Stats:
        """Sums over all calls."""
        if not self.path.exists():
            return Stats(0, 0, 0, 0, 0.0, None, None, 0)
        with self._reader() as connection:
            calls, failures, input_tokens, output_tokens, cost, oldest, newest = connection.execute(
                "SELECT count(*), coalesce(sum(status = 'failure'), 0),"
                " coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(cost), 0.0),"
                " min(started_at), max(started_at) FROM calls"
            ).fetchone()
            size_bytes = _used_bytes(connection)
            return Stats(calls, failures, input_tokens, output_tokens, cost, oldest, newest, size_bytes)

    def _select(self, clauses: str, values: Sequence[object]) -> Sequence[Row]:
        if not self.path.exists():
            return []
        with self._reader() as connection:
            found = connection.execute(_SELECT + clauses, values).fetchall()
        return [_row(dict(zip(_COLUMNS, values, strict=True))) for values in found]

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            yield connection

    def _writer(self) -> sqlite3.Connection:
        connection = self._writers.get(os.getpid())
        if connection is None:
            os.close(open_private(self.path))
            connection = sqlite3.connect(self.path, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
            connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            self._writers[os.getpid()] = connection
        return connection


def _values(row: Row) -> list[object]:
    values = {**asdict(row), "tags": jsonio.dumps(row.tags)}
    # SQLite takes no lone surrogates.
    return [value.encode(errors="replace").decode() if isinstance(value, str) else value for value in values.values()]


def _row(values: dict[str, Any]) -> Row:
    return Row(**{**values, "tags": tuple(jsonio.loads(values["tags"]))})


def _used_bytes(connection: sqlite3.Connection) -> int:
    """Pages in use: what deleted calls leave free is written again before the file grows."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * size)
