"""Sinks that are down: the application is as fast, says the same and ends the same; its calls are kept."""

import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e import sinks
from tests.e2e.test_four_sinks import CALLS, FIVE_CALLS
from tests.e2e.test_message_logging import CANARY, SAID
from tests.exporters.servers import refused_port
from tests.setup.processes import run, start

pytestmark = pytest.mark.process

PLAIN = (sys.executable,)
SECRETS = ("sk-lf-secret", "aws-secret", "sk-local-", "cGstbGYt")  # the last: Langfuse's basic authentication
TIMED = """
import openai, sys, time
client = openai.OpenAI(max_retries=0)
longest = 0
for _ in range(20):
    start = time.perf_counter()
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "!slow 0.02"}])
    longest = max(longest, time.perf_counter() - start)
print(longest, flush=True)
"""


@contextmanager
def down(how: str) -> Iterator[str]:
    """The address of a server that refuses connections, or that takes them and never reads nor answers."""
    if how == "refuses":
        yield f"http://127.0.0.1:{refused_port()}"
        return
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("how", "protocol"), [("refuses", "grpc"), ("never answers", "grpc"), ("never answers", "http/protobuf")]
)
def test_the_application_is_untouched(how: str, protocol: str, tmp_path: Path) -> None:
    """Same output, same status; the exit waits as long as it may and no longer; dead letters are redacted per sink."""
    plain = run(FIVE_CALLS, under=PLAIN, **SAID)
    file = tmp_path / "config.yaml"
    file.write_text("callback_settings: {s3: {message_logging: false}}")
    settings = {"CALLSPAN_SHUTDOWN_TIMEOUT_S": "0.5", "CALLSPAN_CONFIG": str(file)}
    with down(how) as url:
        environment = {**sinks.all_at(url), "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, **SAID, **settings}
        started = time.monotonic()
        finished = run(FIVE_CALLS, **environment)
    # Half a second, and one more for each sink but the first; the requests alone would wait for ten.
    assert time.monotonic() - started < 15
    assert (finished.code, finished.out) == (plain.code, plain.out)
    assert not any(text in finished.err for text in (CANARY, *SECRETS))
    letters = [json.loads(line) for line in (tmp_path / "spool" / "dead-letters.jsonl").read_text().splitlines()]
    assert Counter(letter["sink"] for letter in letters) == dict.fromkeys(sinks.PATHS, CALLS)
    assert {letter["sink"] for letter in letters if CANARY not in json.dumps(letter)} == {"s3"}
    assert not any(text in json.dumps(letters) for text in SECRETS)


@pytest.mark.parametrize("how", ["refuses", "never answers"])
def test_no_call_waits_for_a_sink(how: str) -> None:
    """The slowest of many calls takes about as long as without callspan, with requests to dead sinks in flight."""
    plain = float(run(TIMED, under=PLAIN).out)
    with down(how) as url, start(TIMED, **sinks.all_at(url), LANGFUSE_FLUSH_AT="1") as process:
        assert process.stdout is not None
        slowest = float(process.stdout.readline())
        process.kill()
    assert slowest < plain + 0.5
