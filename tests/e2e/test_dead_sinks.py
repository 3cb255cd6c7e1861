"""Sinks that are down: the application is as fast, says the same and ends the same; its calls are kept."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import sinks
from tests.e2e.test_four_sinks import CALLS, FIVE_CALLS
from tests.e2e.test_message_logging import CANARY, SAID
from tests.exporters.servers import Answer, SinkServer, refused_port
from tests.setup.processes import run

pytestmark = pytest.mark.process

PLAIN = (sys.executable,)
SECRETS = ("sk-lf-secret", "aws-secret", "sk-local-", "cGstbGYt")  # the last: Langfuse's basic authentication
TIMED = """
import openai, sys, time
client = openai.OpenAI(max_retries=0)
longest = 0
for _ in range(30):
    start = time.perf_counter()
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "!slow 0.05"}])
    longest = max(longest, time.perf_counter() - start)
print(longest)
"""


@pytest.fixture(params=["refuses", "never answers"])
def nowhere(request: pytest.FixtureRequest, recorder: SinkServer) -> Iterator[str]:
    """The address of a server that is down, or that takes requests and never answers."""
    recorder.rule = lambda _: Answer(hang=True)
    yield f"http://127.0.0.1:{refused_port()}" if request.param == "refuses" else recorder.url


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_the_application_is_untouched(protocol: str, nowhere: str, tmp_path: Path) -> None:
    """Same output, same status; the exit waits as long as it may and no longer; dead letters are redacted per sink."""
    plain = run(FIVE_CALLS, under=PLAIN, **SAID)
    file = tmp_path / "config.yaml"
    file.write_text("callback_settings: {s3: {message_logging: false}}")
    bound = {"CALLSPAN_SHUTDOWN_TIMEOUT_S": "1", "CALLSPAN_CONFIG": str(file), "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    started = time.monotonic()
    finished = run(FIVE_CALLS, **{**sinks.all_at(nowhere), **SAID, **bound})
    assert time.monotonic() - started < 8
    assert (finished.code, finished.out) == (plain.code, plain.out)
    assert not any(text in finished.err for text in (CANARY, *SECRETS))
    letters = [json.loads(line) for line in (tmp_path / "spool" / "dead-letters.jsonl").read_text().splitlines()]
    assert Counter(letter["sink"] for letter in letters) == dict.fromkeys(sinks.PATHS, CALLS)
    assert {letter["sink"] for letter in letters if CANARY not in json.dumps(letter)} == {"s3"}
    assert not any(text in json.dumps(letters) for text in SECRETS)


def test_no_call_waits_for_a_sink(nowhere: str) -> None:
    """The slowest of many calls takes about as long as without callspan, with requests to dead sinks in flight."""
    quick = {"CALLSPAN_SHUTDOWN_TIMEOUT_S": "0.2", "LANGFUSE_FLUSH_AT": "1", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    plain = run(TIMED, under=PLAIN)
    finished = run(TIMED, **{**sinks.all_at(nowhere), **quick})
    assert finished.code == 0
    assert float(finished.out) < float(plain.out) + 0.5
