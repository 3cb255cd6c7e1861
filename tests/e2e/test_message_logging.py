"""``message_logging: false`` for one sink: its copy of a call has no content, the others' have all of it."""

import json
import sys
from pathlib import Path

import pytest

from tests.e2e import sinks
from tests.e2e.test_four_sinks import CALLS, FIVE_CALLS
from tests.exporters.servers import SinkServer
from tests.setup.processes import run

pytestmark = pytest.mark.process

CANARY = "CANARY-7f3a"
# The canary is in prompts, answers, instructions, tools and their arguments and results, and in the error.
SAID = {"SAID": f"{CANARY} sings"}


def check(recorder: SinkServer, silent: str) -> None:
    """Every sink has every call; each call holds the canary, but for one sink, which has seen it nowhere at all."""
    for sink in sinks.PATHS:
        calls = sinks.call_texts(recorder, sink)
        assert len(calls) == CALLS
        assert [CANARY in call for call in calls] == [sink != silent] * CALLS, sink
    assert CANARY.encode() not in sinks.received(recorder, silent)
    assert sinks.seen_in_langfuse(recorder) == sinks.seen_in_payloads(sinks.hooked(recorder))


@pytest.mark.parametrize("silent", sinks.PATHS)
def test_in_the_file(silent: str, recorder: SinkServer, tmp_path: Path) -> None:
    """Zero code: no byte of content reaches the sink, which still has every call with its numbers."""
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"callback_settings": {silent: {"message_logging": False}}}))
    finished = run(FIVE_CALLS, **{**sinks.all_at(recorder.url), **SAID, "CALLSPAN_CONFIG": str(file)})
    assert (finished.code, finished.err) == (0, "")
    check(recorder, silent)


@pytest.mark.parametrize("silent", sinks.PATHS)
def test_in_code(silent: str, recorder: SinkServer) -> None:
    """The same for `configure`, without ``opentelemetry-instrument``."""
    settings = f"callbacks={list(sinks.PATHS)}, callback_settings={{{silent!r}: {{'message_logging': False}}}}"
    application = f"import callspan; callspan.configure({settings})\n{FIVE_CALLS.read_text()}"
    environment = {**sinks.all_at(recorder.url), **SAID, "OTEL_TRACES_EXPORTER": ""}
    finished = run(application, under=(sys.executable,), **environment)
    assert (finished.code, finished.err) == (0, "")
    check(recorder, silent)
