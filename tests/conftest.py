"""Fixtures that every test may use."""

from collections.abc import Iterator

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.servers import ports
from tests.servers.collector import Collector, go_available, run_collector
from tests.servers.moto import Moto, run_moto


@pytest.fixture
def free_port() -> int:
    """A loopback port that nobody listens on."""
    return ports.free_port()


@pytest.fixture
def fake_openai() -> Iterator[FakeOpenAI]:
    """A local OpenAI-compatible server; prompts steer its answers, ``requests`` holds what arrived."""
    with FakeOpenAI() as server:
        yield server


@pytest.fixture(scope="session")
def _running_collector() -> Iterator[Collector]:
    if not go_available():
        pytest.skip("no Go here to build the OpenTelemetry Collector with")
    with run_collector() as collector:
        yield collector


@pytest.fixture
def collector(_running_collector: Collector) -> Collector:
    """A real OpenTelemetry Collector that has received nothing yet; mark the test ``collector``."""
    _running_collector.clear()
    return _running_collector


@pytest.fixture(scope="session")
def _running_moto() -> Iterator[Moto]:
    with run_moto() as moto:
        yield moto


@pytest.fixture
def moto(_running_moto: Moto) -> Moto:
    """A local S3 that checks signatures, its bucket empty."""
    _running_moto.clear()
    return _running_moto
