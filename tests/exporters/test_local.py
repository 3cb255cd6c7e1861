"""The local sink: one file, listed and found."""

import stat
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from callspan_exporters.local import LocalSpanExporter
from callspan_exporters.local_store import LocalStore
from tests.exporters.spans import calls


def store(path: Path, spans: Sequence[ReadableSpan], **settings: Any) -> LocalStore:
    """Write calls and return a reader."""
    exporter = LocalSpanExporter(path, **settings)
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    exporter.shutdown()
    return LocalStore(path)


def with_attributes(span: ReadableSpan, **attributes: Any) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=span.context,
        attributes={**(span.attributes or {}), **{key.replace("__", "."): value for key, value in attributes.items()}},
        start_time=span.start_time,
        end_time=span.end_time,
        resource=span.resource,
        status=span.status,
    )


def test_a_call_can_be_listed_and_read(tmp_path: Path) -> None:
    """One row per call with its numbers, and the whole payload behind it."""
    (span,) = calls(1)
    described = with_attributes(
        span, callspan__tags=("a", "b"), callspan__user="ann", gen_ai__response__id="resp-1",
        gen_ai__usage__cache_read__input_tokens=4, callspan__stream__end="closed", gen_ai__request__stream=True,
        gen_ai__response__time_to_first_chunk=0.25,
    )  # fmt: skip
    found = store(tmp_path / "calls.sqlite3", [described])
    (row,) = found.list()
    assert (row.call_id, row.response_id, row.status, row.user) == ("call-0", "resp-1", "success", "ann")
    assert (row.provider, row.model, row.tags, row.stream_end) == ("openai", "gpt-4o", ("a", "b"), "closed")
    assert (row.input_tokens, row.output_tokens, row.cached_tokens, row.reasoning_tokens) == (10, 5, 4, None)
    assert row.time_to_first_chunk_s == 0.25
    assert row.trace_id == f"{span.context.trace_id:032x}"
    assert row.cost == pytest.approx(7e-5, rel=0.5)
    payload = found.get("call-0")
    assert payload is not None
    assert payload["messages"] == [{"role": "user", "content": "marker-0; hello"}]


def test_what_is_not_known_is_empty(tmp_path: Path) -> None:
    """An unknown model has no cost, not a cost of 0."""
    (span,) = calls(1)
    found = store(tmp_path / "calls.sqlite3", [with_attributes(span, gen_ai__request__model="mystery-1")])
    assert found.list()[0].cost is None


def test_the_same_call_twice_is_one_row(tmp_path: Path) -> None:
    """Delivery is at least once; the file has the call once."""
    path = tmp_path / "calls.sqlite3"
    spans = calls(3)
    store(path, spans)
    assert store(path, spans).stats().calls == 3


def test_filters(tmp_path: Path) -> None:
    """Newest first; by model, status, tag, user, trace and time."""
    spans = calls(5, failed=[3])
    spans[1] = with_attributes(spans[1], gen_ai__request__model="gpt-4o-mini", callspan__tags=("x",))
    spans[2] = with_attributes(spans[2], callspan__user="bob")
    found = store(tmp_path / "calls.sqlite3", spans)

    def ids(**by: Any) -> list[str]:
        return [row.call_id for row in found.list(**by)]

    assert ids(limit=2) == ["call-4", "call-3"]
    assert ids(model="gpt-4o-mini") == ids(tag="x") == ["call-1"]
    assert ids(status="failure") == ["call-3"]
    assert ids(user="bob") == ["call-2"]
    assert ids(trace_id=f"{spans[0].context.trace_id:032x}") == ["call-0"]
    assert ids(since=(spans[3].start_time or 0) / 1e9) == ["call-4", "call-3"]
    assert ids(since=time.time() + 60) == []


def test_found_by_the_beginning_of_an_id(tmp_path: Path) -> None:
    """A unique beginning of a call id or response id is enough; an exact id wins; an ambiguous one is an error."""
    spans = calls(12)
    spans[5] = with_attributes(spans[5], gen_ai__response__id="chatcmpl-abc")
    found = store(tmp_path / "calls.sqlite3", spans)

    def name(id_prefix: str) -> Any:
        payload = found.get(id_prefix)
        return payload and payload["litellm_call_id"]

    assert (name("call-11"), name("call-1"), name("chatcmpl-a")) == ("call-11", "call-1", "call-5")
    assert (name("nothing"), name("")) == (None, None)
    with pytest.raises(ValueError, match="call-: 12 calls begin with it"):
        found.get("call-")


def test_only_the_owner_can_read(tmp_path: Path) -> None:
    """The file and its companions are private, and so is the folder made for them."""
    folder = tmp_path / "new"
    exporter = LocalSpanExporter(folder / "calls.sqlite3")
    exporter.export(calls(1))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 3
    exporter.shutdown()


def test_bounded_by_bytes(tmp_path: Path) -> None:
    """The oldest calls go when the file is full."""
    path = tmp_path / "calls.sqlite3"
    spans = calls(40, dict.fromkeys(range(40), "x" * 20_000))
    store(path, spans[:20])
    stats = store(path, spans[20:], max_bytes=500_000).stats()
    assert stats.size_bytes <= 500_000
    rows = LocalStore(path).list()
    assert rows[0].call_id == "call-39"
    assert 5 < len(rows) < 30


def test_bounded_by_age(tmp_path: Path) -> None:
    """Old calls go."""
    spans = calls(2)
    three_days_ns = 3 * 86_400 * 10**9
    old = with_attributes(spans[0])
    old._start_time = (spans[0].start_time or 0) - three_days_ns
    found = store(tmp_path / "calls.sqlite3", [old, spans[1]], max_age_days=2)
    assert [row.call_id for row in found.list()] == ["call-1"]


def test_two_processes_worth_of_writers(tmp_path: Path) -> None:
    """Writers at the same time wait for each other."""
    path = tmp_path / "calls.sqlite3"
    spans = calls(40)
    results: list[SpanExportResult] = []

    def write(part: Sequence[ReadableSpan]) -> None:
        exporter: SpanExporter = LocalSpanExporter(path)
        results.extend(exporter.export([span]) for span in part)
        exporter.shutdown()

    threads = [threading.Thread(target=write, args=(spans[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) == {SpanExportResult.SUCCESS}
    assert LocalStore(path).stats().calls == 40


def test_odd_texts(tmp_path: Path) -> None:
    """A lone surrogate in a model's name does not cost the batch."""
    first, second = calls(2)
    found = store(tmp_path / "calls.sqlite3", [with_attributes(first, gen_ai__request__model="gpt\ud800"), second])
    assert found.stats().calls == 2


def test_a_value_that_no_column_holds(tmp_path: Path) -> None:
    """An object where the end user's name should be costs only its own call."""
    first, second = calls(2)
    exporter = LocalSpanExporter(tmp_path / "calls.sqlite3")
    metadata = '{"user_api_key_end_user_id": {"first": "Ann"}}'
    spans = [with_attributes(first, callspan__metadata=metadata), second]
    exporter.export(spans)
    exporter.shutdown()
    assert [row.call_id for row in LocalStore(tmp_path / "calls.sqlite3").list()] == ["call-1"]


def test_readers_make_no_file(tmp_path: Path) -> None:
    """Looking into a store that does not exist yet finds nothing and leaves nothing."""
    found = LocalStore(tmp_path / "none.sqlite3")
    assert (list(found.list()), found.get("a"), found.stats().calls) == ([], None, 0)
    assert list(tmp_path.iterdir()) == []


def test_where_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CALLSPAN_DB, else the platform's data folder."""
    monkeypatch.setenv("CALLSPAN_DB", str(tmp_path / "x.db"))
    assert LocalStore().path == tmp_path / "x.db"
    monkeypatch.delenv("CALLSPAN_DB")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert LocalStore().path.name == "callspan.sqlite3"
