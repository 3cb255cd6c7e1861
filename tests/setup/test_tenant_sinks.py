"""Sinks of tenants at moments that only threads and forks bring about."""

import json
import threading
from collections.abc import Callable

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from callspan.setup.routes import Routes, TenantPlan
from callspan.setup.settings import load
from callspan.setup.tenant_sinks import Make, TenantSink, TenantSinks
from callspan_exporters.delivery import DeliveryProcessor
from tests.exporters.sink_spans import llm_span

TEAMS = [{"team_id": "a", "callbacks": ["own"]}]


def routes() -> Routes:
    return Routes(load({"default_team_settings": TEAMS}).settings)


def call() -> ReadableSpan:
    return llm_span({"callspan.metadata": json.dumps({"user_api_key_team_id": "a"})})


def into(exporter: InMemorySpanExporter, when: Callable[[], object] = lambda: None) -> Make:
    """Makes delivery to memory, once something has happened."""

    def make(each: TenantPlan) -> DeliveryProcessor:
        when()
        return DeliveryProcessor(exporter, name=each.name)

    return make


def test_a_closed_sink_takes_no_call() -> None:
    """Who has it in hand while it is closed asks for another; what it had is delivered."""
    exporter = InMemorySpanExporter()
    (plan,) = routes().plans()
    sink = TenantSink(plan, into(exporter))
    assert sink.take(call())
    sink.retire()
    assert not sink.take(call())
    assert len(exporter.get_finished_spans()) == 1


def test_calls_wait_in_order_while_a_sink_is_made() -> None:
    """None of them on the thread that ends the span."""
    exporter, go = InMemorySpanExporter(), threading.Event()
    sinks = TenantSinks(routes(), into(exporter, go.wait), max_open=2, idle_s=60, shutdown_timeout_s=5)
    spans = [call() for _ in range(5)]
    for span in spans:
        sinks.on_end(span)
    assert exporter.get_finished_spans() == ()
    go.set()
    assert sinks.force_flush()
    assert [each.context for each in exporter.get_finished_spans()] == [span.context for span in spans]
    sinks.shutdown()


def test_a_sink_that_the_parent_was_making_is_made_again_after_a_fork() -> None:
    """By the child, for the child's calls: the thread that was at it is the parent's."""
    theirs, mine, begun, parents = InMemorySpanExporter(), InMemorySpanExporter(), threading.Event(), threading.Event()

    def make(each: TenantPlan) -> DeliveryProcessor:
        if begun.is_set():
            return into(mine)(each)
        begun.set()
        parents.wait()
        return into(theirs)(each)

    sinks = TenantSinks(routes(), make, max_open=2, idle_s=60, shutdown_timeout_s=5)
    sinks.on_end(call())
    assert begun.wait(10)
    sinks.renew_after_fork()  # as the child finds them
    span = call()
    sinks.on_end(span)
    assert sinks.force_flush()
    assert [each.context for each in mine.get_finished_spans()] == [span.context]
    sinks.shutdown()
    parents.set()
