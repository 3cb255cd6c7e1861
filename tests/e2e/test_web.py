"""A FastAPI service under uvicorn: one trace from the caller to the model, and no call lost when it stops."""

import re
import signal
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.e2e import sinks
from tests.exporters.servers import SinkServer
from tests.servers.collector import Collector
from tests.setup.processes import start

pytestmark = pytest.mark.process

WEB = Path(__file__).parent / "apps" / "web.py"
TRACE, CALLER = "80e1afed08e019fc1110464cfa66635c", "7a085853722dc6d2"


@contextmanager
def service(workers: int, **environment: str) -> Iterator[str]:
    """The address of the running service; at the end of the block it is asked to stop, and does."""
    process = start(WEB, WORKERS=str(workers), **environment)
    assert process.stderr is not None
    address, started = "", 0
    for line in process.stderr:
        address = found.group() if (found := re.search(r"http://127\.0\.0\.1:\d+", line)) else address
        started += "startup complete" in line
        if address and started == workers:
            break
    try:
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def ask(address: str, **headers: str) -> None:
    request = urllib.request.Request(f"{address}/ask?q=hello", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200


@pytest.mark.collector
@pytest.mark.parametrize("http_clients", [False, True])
def test_one_trace_from_caller_to_model(
    http_clients: bool, collector: Collector, webhook: SinkServer, fake_openai: FakeOpenAI
) -> None:
    """The caller's trace goes on through service and call to the model's server, HTTP spans or not; baggage stays."""
    environment = {
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "" if http_clients else "httpx,httpx2",
        "OTEL_TRACES_EXPORTER": "otlp,generic_api",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.grpc_endpoint,
        **sinks.webhook_at(webhook.url),
    }
    with service(1, **environment) as address:
        ask(address, traceparent=f"00-{TRACE}-{CALLER}-01", baggage="user=alice")
    spans = collector.spans()
    assert {span["traceId"] for span in spans} == {TRACE}
    sent = fake_openai.requests[-1].headers
    path = _path_to_the_root(spans, sent["traceparent"].split("-")[2])
    assert [span["name"] for span in path] == ["POST"] * http_clients + ["chat gpt-4o-mini", "GET /ask"]
    assert path[-1]["parentSpanId"] == CALLER
    assert http_clients or "baggage" not in sent  # what HTTP instrumentations pass on is theirs to say
    # Deliveries are HTTP requests too, and are not traced.
    assert [span["name"] for span in spans].count("POST") == http_clients
    (payload,) = sinks.hooked(webhook)
    assert payload["trace_id"] == TRACE


def test_two_workers_stop(webhook: SinkServer) -> None:
    """SIGTERM to the parent of two worker processes: every call of both arrives."""
    environment = {"OTEL_TRACES_EXPORTER": "generic_api", **sinks.webhook_at(webhook.url)}
    with service(2, **environment) as address, ThreadPoolExecutor(8) as callers:
        list(callers.map(ask, [address] * 40))
    assert len({payload["litellm_call_id"] for payload in sinks.hooked(webhook)}) == 40
    assert len(sinks.hooked(webhook)) == 40


def _path_to_the_root(spans: list[dict[str, Any]], span_id: str) -> list[dict[str, Any]]:
    by_id = {span["spanId"]: span for span in spans}
    path = []
    while span_id in by_id:
        path.append(by_id[span_id])
        span_id = by_id[span_id].get("parentSpanId", "")
    return path
