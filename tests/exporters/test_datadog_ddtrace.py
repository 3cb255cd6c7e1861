"""callspan beside Datadog's own tracer, as docs/sinks/datadog.md describes it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.exporters.servers import SinkServer
from tests.servers.cache import cached, run
from tests.servers.datadog_agent import DatadogAgent

VERSION = "4.16.0"

_APP = """
import callspan
from ddtrace import tracer
from openai import OpenAI
from opentelemetry.sdk.trace import TracerProvider

callspan.configure(callbacks=["datadog"], tracer_provider=TracerProvider())
with tracer.trace("web.request"):
    OpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])
assert callspan.flush().ok
"""


@pytest.mark.process
def test_a_log_leads_to_the_trace_of_ddtrace(
    datadog_agent: DatadogAgent, fake_openai: FakeOpenAI, sink_server: SinkServer, tmp_path: Path
) -> None:
    """The call's log has the id of the trace that `ddtrace-run` sends to the Agent."""
    packages = cached(f"ddtrace-{VERSION}-py{sys.version_info.major}{sys.version_info.minor}", _install)
    settings = {
        "PYTHONPATH": str(packages),
        "OPENAI_BASE_URL": fake_openai.base_url,
        "OPENAI_API_KEY": "sk-local",
        "CALLSPAN_SPOOL_DIR": str(tmp_path),
        "DD_API_KEY": "key",
        "DD_BASE_URL": sink_server.url,
        "DD_TRACE_AGENT_URL": datadog_agent.url,
        "DD_TRACE_OTEL_ENABLED": "true",
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    }
    command = [sys.executable, str(packages / "bin" / "ddtrace-run"), sys.executable, "-c", _APP]
    done = subprocess.run(command, env={**os.environ, **settings}, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    (log,) = [log for request in sink_server.requests for log in json.loads(request.body)]
    traces = {span["name"]: span["trace_id"] for span in datadog_agent.apm_spans()}
    assert log["dd.trace_id"] == str(traces["web.request"])


def _install(place: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(place)]
    # Its other requirements are OpenTelemetry and wrapt, and those are callspan's.
    run([*pip, "--no-deps", f"ddtrace=={VERSION}", "ddtrace-internal", "bytecode", "envier"], place.parent)
