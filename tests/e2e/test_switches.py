"""What OpenTelemetry's own variables turn off, and what they leave on."""

from pathlib import Path

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.e2e import sinks
from tests.e2e.test_four_sinks import CALLS, FIVE_CALLS
from tests.exporters.servers import SinkServer
from tests.setup.processes import run

pytestmark = pytest.mark.process


def sampled(fake_openai: FakeOpenAI) -> set[bool | None]:
    """What the requests to the model's server said of their trace; None: no ``traceparent``."""
    headers = [request.headers.get("traceparent") for request in fake_openai.requests]
    return {bool(int(header[-2:], 16) & 1) if header else None for header in headers}


@pytest.mark.parametrize(
    ("switch", "received", "sampling"),
    [
        pytest.param({}, dict.fromkeys(sinks.PATHS, CALLS), {True}, id="nothing"),
        pytest.param({"OTEL_SDK_DISABLED": "true"}, {}, {None}, id="sdk disabled"),
        pytest.param({"OTEL_TRACES_EXPORTER": "none"}, {}, {True}, id="no exporter"),
        pytest.param(
            {"OTEL_TRACES_EXPORTER": "none", "CALLSPAN_CALLBACKS": "s3"}, {"s3": CALLS}, {True}, id="no exporter but s3"
        ),
        pytest.param(
            {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "callspan-openai,httpx,httpx2"}, {}, {None}, id="no openai"
        ),
        pytest.param(
            {"OTEL_TRACES_SAMPLER": "always_off"},
            {"langfuse": CALLS, "s3": CALLS, "generic_api": CALLS},
            {False},
            id="sampled out",
        ),
        pytest.param(
            {"OTEL_TRACES_SAMPLER": "always_off", "CALLSPAN_RECORD_UNSAMPLED": "false"},
            {},
            {False},
            id="sampled out and not recorded",
        ),
    ],
)
def test_switch(
    switch: dict[str, str],
    received: dict[str, int],
    sampling: set[bool | None],
    recorder: SinkServer,
    fake_openai: FakeOpenAI,
    tmp_path: Path,
) -> None:
    """Sampling is for traces, not for logs and bills; every other switch turns off what its name says."""
    finished = run(FIVE_CALLS, **{**sinks.all_at(recorder.url), **switch})
    assert (finished.code, finished.err) == (0, "")
    assert "You said: Why is the sky blue?" in finished.out
    assert {sink: count for sink in sinks.PATHS if (count := len(sinks.call_texts(recorder, sink)))} == received
    assert sampled(fake_openai) == sampling
    assert not (tmp_path / "calls.sqlite3").exists()


def test_suppressed_calls(recorder: SinkServer) -> None:
    """Inside OpenTelemetry's ``suppress_instrumentation`` nothing is recorded, for no sink."""
    body = "".join(f"    {line}" for line in FIVE_CALLS.read_text().splitlines(keepends=True))
    importing = "from opentelemetry.instrumentation.utils import suppress_instrumentation"
    suppressed = f"{importing}\nwith suppress_instrumentation():\n{body}"
    finished = run(suppressed, **sinks.all_at(recorder.url))
    assert (finished.code, finished.err, recorder.requests) == (0, "", [])
