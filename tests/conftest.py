"""Fixtures that every test may use."""

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.servers import ports
from tests.servers.collector import Collector, go_available, run_collector
from tests.servers.datadog_agent import DatadogAgent, run_datadog_agent
from tests.servers.moto import Moto, run_moto

_SETTINGS = (
    "OTEL_",
    "CALLSPAN_",
    "OPENAI_",
    "GENERIC_",
    "LANGFUSE_",
    "AWS_",
    "S3_",
    "DD_",
    "LITELLM_",
    "OPENMETER_",
    "ATHINA_",
    "GCS_",
    "GOOGLE_",
    "STORAGE_",
    "AZURE_",
    "DYNAMODB_",
    "MLFLOW_",
    "ARIZE_",
    "PHOENIX_",
    "LANGTRACE_",
    "SENTRY_",
    "LANGSMITH_",
    "LUNARY_",
    "GALILEO_",
)


# Properties of tests that replay recorded exchanges with providers; their values are the exchanges' names.
RIGHT, WRONG = "replayed right", "replayed wrong"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many recorded exchanges were replayed, and how many of them were right every time."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.stats.get(kind, ())]
    said = {each for report in reports for each in report.user_properties}
    wrong = {name for kind, name in said if kind == WRONG}
    replayed = wrong | {name for kind, name in said if kind == RIGHT}
    by_provider = Counter(name.partition(":")[0] for name in replayed)
    for provider, count in sorted(by_provider.items()):
        right = count - sum(name.startswith(f"{provider}:") for name in wrong)
        terminalreporter.write_line(f"recorded exchanges of {provider}: {right} of {count} right")
    if replayed:
        terminalreporter.write_line(f"recorded exchanges: {len(replayed) - len(wrong)} of {len(replayed)} right")


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer has exported decides nothing."""
    for name in [name for name in os.environ if name.startswith(_SETTINGS) and name != "CALLSPAN_TEST_CACHE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # asking takes seconds where nobody answers


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


@pytest.fixture(scope="session")
def _running_datadog_agent() -> Iterator[DatadogAgent]:
    with run_datadog_agent() as agent:
        yield agent


@pytest.fixture
def datadog_agent(_running_datadog_agent: DatadogAgent) -> DatadogAgent:
    """Datadog's test agent, which has received nothing yet."""
    _running_datadog_agent.clear()
    return _running_datadog_agent
