"""The canary's own eyes: it must see a leak where there is one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

from callspan.cli.doctor import canary
from callspan.instrumentors import instrument, uninstrument
from callspan.setup.installation import Pipeline
from callspan.setup.kinds import SinkSettings
from callspan.setup.settings import Settings
from callspan.setup.sinks import SinkPlan
from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.local import LocalSpanExporter
from callspan_exporters.redaction import Policy, full, none


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    provider = TracerProvider(shutdown_on_exit=False)
    instrument(tracer_provider=provider)
    yield provider
    uninstrument()
    provider.shutdown()


@pytest.mark.parametrize(("applied", "leaks"), [(full(), True), (none(), False)])
def test_content_against_the_policy_is_a_leak(
    provider: TracerProvider, tmp_path: Path, applied: Policy, leaks: bool
) -> None:
    """A pipeline that does not apply the policy of its sink is found out, path by path."""
    exporter = LocalSpanExporter(tmp_path / "calls.sqlite3")
    processor = DeliveryProcessor(exporter, policy=applied)
    provider.add_span_processor(processor)
    plan = SinkPlan("local", SinkSettings({"message_logging": False}, "callback_settings.local"))
    result = canary.run([Pipeline(plan, exporter, processor)], Settings())
    (sink,) = result.sinks
    assert sink.policy == "none"
    assert {finding.leak for finding in sink.paths.values()} == {leaks}
    assert [problem.split(": ")[1:3] for problem in result.problems()] == [
        ["local", path] for path in sink.paths if leaks
    ]
