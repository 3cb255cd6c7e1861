"""Instrumentation on real clients: spans in memory, requests to a local server."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import openai
import pytest
from opentelemetry.context import get_current
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from callspan.cli.fake_openai import FakeOpenAI
from callspan.core.guard import failures
from callspan.instrumentors import instrument, uninstrument
from tests.conftest import RIGHT, WRONG
from tests.instrumentation.support import Spans


@pytest.fixture
def tracer_provider() -> Iterator[TracerProvider]:
    provider = TracerProvider(shutdown_on_exit=False)
    yield provider
    provider.shutdown()


@pytest.fixture
def exported(tracer_provider: TracerProvider) -> Spans:
    """What the provider exports; nothing is instrumented by this fixture."""
    spans = Spans()
    tracer_provider.add_span_processor(SimpleSpanProcessor(spans.exporter))
    return spans


@pytest.fixture
def spans(exported: Spans, tracer_provider: TracerProvider) -> Iterator[Spans]:
    """The spans of the instrumented clients."""
    instrument(tracer_provider=tracer_provider)
    yield exported
    uninstrument()


@pytest.fixture
def without(spans: Spans, tracer_provider: TracerProvider) -> Callable[[], AbstractContextManager[None]]:
    """``with without():`` nothing is instrumented."""

    @contextmanager
    def off() -> Iterator[None]:
        uninstrument()
        yield
        instrument(tracer_provider=tracer_provider)

    return off


@pytest.fixture
def metrics(exported: Spans, tracer_provider: TracerProvider) -> Iterator[InMemoryMetricReader]:
    """The metrics of the instrumented clients."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    instrument(tracer_provider=tracer_provider, meter_provider=provider)
    yield reader
    uninstrument()
    provider.shutdown()


@pytest.fixture
def replayed(
    exported: Spans, tracer_provider: TracerProvider, record_property: Callable[[str, object], None]
) -> Iterator[Any]:
    """``await replayed(exchanges, way, call, differences)``: every exchange is made without and with instrumentation.

    All must be right: the application sees the same, and ``differences(exchange, span, error)`` finds none.
    """

    def problems(exchange: dict[str, Any], expected: Any, outcome: Any, differences: Any) -> list[str]:
        *seen, error = outcome
        found = [] if seen == list(expected[:-1]) else ["the application sees a difference"]
        if repr(error) != repr(expected[-1]):
            found.append(f"error {error!r}, not {expected[-1]!r}")
        found += differences(exchange, exported.one(), error)
        return found

    async def run(exchanges: list[dict[str, Any]], way: str, call: Any, differences: Any) -> None:
        uninstrument()
        without = [await call(each, way) for each in exchanges]
        instrument(tracer_provider=tracer_provider)
        wrong = {}
        for each, expected in zip(exchanges, without, strict=True):
            exported.exporter.clear()
            outcome = await call(each, way)
            wrong[each["name"]] = problems(each, expected, outcome, differences)
        wrong = {name: found for name, found in wrong.items() if found}
        for each in exchanges:
            record_property(WRONG if each["name"] in wrong else RIGHT, each["name"])
        assert exchanges
        assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())

    yield run
    uninstrument()


@pytest.fixture(autouse=True)
def no_reader_fails() -> Iterator[None]:
    """No part of callspan failed behind the guard; a module that breaks it on purpose overrides this."""
    before = failures()
    yield
    assert failures() == before


@pytest.fixture(autouse=True)
def context_is_restored(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A call leaves nothing attached behind, and OpenTelemetry has nothing to warn of: a token detached in a foreign
    context, a span ended twice.
    """
    before = get_current()
    with caplog.at_level(logging.WARNING, "opentelemetry"):
        yield
    assert get_current() == before
    assert not [record for record in caplog.get_records("call") if record.name.startswith("opentelemetry")]


@pytest.fixture(scope="session")
def _server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        yield server


@pytest.fixture
def fake_openai(_server: FakeOpenAI) -> FakeOpenAI:
    """One server for all these tests: starting and stopping it takes longer than most of them."""
    _server.requests.clear()
    return _server


@pytest.fixture
def client(fake_openai: FakeOpenAI) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=fake_openai.base_url, api_key="sk-local", max_retries=0) as client:
        yield client


@pytest.fixture(params=["sync", "async"])
async def either(request: pytest.FixtureRequest, fake_openai: FakeOpenAI) -> Any:
    """A client of either kind: tests await what it returns with `settle`."""
    kind = openai.OpenAI if request.param == "sync" else openai.AsyncOpenAI
    client = kind(base_url=fake_openai.base_url, api_key="sk-local", max_retries=0)
    yield client
    closing = client.close()
    if closing is not None:
        await closing
