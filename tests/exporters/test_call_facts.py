"""What sinks share about a call."""

from pathlib import Path

from callspan_exporters import call_facts
from callspan_exporters.local import LocalSpanExporter
from callspan_semconv import to_payload
from tests.exporters.sink_spans import START_NS, llm_span

GROUP = {"model_group": "gpt-4"}


def test_a_router_s_attempts_are_calls_of_their_own(tmp_path: Path) -> None:
    """A request that failed twice before it succeeded, all with one call id: three calls, however often they arrive."""
    attempts = [
        llm_span(metadata=GROUP, error="overloaded", start_ns=START_NS),
        llm_span(metadata=GROUP, error="overloaded", start_ns=START_NS + 1_000_000_000),
        llm_span(metadata=GROUP, start_ns=START_NS + 2_000_000_000),
    ]
    exporter = LocalSpanExporter(tmp_path / "calls.sqlite3")
    exporter.export(attempts)
    exporter.export(attempts)
    rows = list(exporter.store.list())
    exporter.shutdown()
    assert sorted(row.status for row in rows) == ["failure", "failure", "success"]
    assert {row.call_id.partition(":")[0] for row in rows} == {"11111111-2222-4333-8444-555555555555"}


def test_other_calls_are_known_by_their_id() -> None:
    """Without a router a call has one id: what arrives later under it says more about the same call."""
    for span in (llm_span(), llm_span(error="overloaded"), llm_span(metadata=GROUP)):
        payload = to_payload(span)
        assert payload is not None
        assert call_facts.identity(payload) == payload["litellm_call_id"]
