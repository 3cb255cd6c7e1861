"""Every example runs as its first lines say, as a process, against a local server."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from callspan_exporters.local_store import LocalStore
from tests.exporters.servers import SinkServer
from tests.servers.collector import Collector

EXAMPLES = Path(__file__).parents[2] / "examples"
INSTRUMENT = str(Path(sys.executable).with_name("opentelemetry-instrument"))

pytestmark = pytest.mark.process


@pytest.fixture
def env(fake_openai: FakeOpenAI, tmp_path: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "CALLSPAN_"))},
        "OPENAI_BASE_URL": fake_openai.base_url,
        "OPENAI_API_KEY": "sk-test",
        "CALLSPAN_DB": str(tmp_path / "calls.sqlite3"),
        "CALLSPAN_SPOOL_DIR": str(tmp_path / "spool"),
    }


def settings(name: str, **changed: str) -> dict[str, str]:
    """The variables of an ``.env`` example, some changed to point at this machine."""
    lines = (EXAMPLES / name).read_text().splitlines()
    return {**dict(line.split("=", 1) for line in lines if line and not line.startswith("#")), **changed}


def run(env: dict[str, str], *command: str) -> str:
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def llm_span(collector: Collector) -> dict[str, Any]:
    """The one LLM span; HTTP instrumentations that happen to be installed add theirs."""
    (span,) = (span for span in collector.spans() if "gen_ai.operation.name" in span["attributes"])
    return span


@contextmanager
def server(env: dict[str, str], *command: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A process that says where it listens, and its address."""
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                yield process, found.group()
                break
        else:
            pytest.fail("it never said where it listens")
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


def test_zero_code(env: dict[str, str]) -> None:
    """An application that knows nothing of callspan: its call is in the local file."""
    assert "Why is the sky blue?" in run(env, INSTRUMENT, sys.executable, str(EXAMPLES / "zero_code.py"))
    (row,) = LocalStore(env["CALLSPAN_DB"]).list()
    assert (row.model, row.status) == ("gpt-4o-mini", "success")


def test_in_code_to_a_webhook(env: dict[str, str]) -> None:
    """Both sinks have the call; the webhook's has no content, the local one's has."""
    with server(env, sys.executable, str(EXAMPLES / "webhook_receiver.py"), "0") as (receiver, address):
        changed = {**env, "GENERIC_LOGGER_ENDPOINT": f"{address}/logs"}
        output = run(changed, sys.executable, str(EXAMPLES / "in_code.py"))
        assert receiver.stdout is not None
        assert receiver.stdout.readline().startswith("success gpt-4o-mini")
    assert "generic_api: offered 1, delivered 1" in output
    assert "local: offered 1, delivered 1" in output
    (row,) = LocalStore(env["CALLSPAN_DB"]).list()
    assert row.call_id in output


def test_own_sink(env: dict[str, str]) -> None:
    """A sink in a few lines delivers like the others."""
    with SinkServer() as audit:
        assert run({**env, "AUDIT_URL": audit.url}, sys.executable, str(EXAMPLES / "own_sink.py")) == "1 delivered\n"
        (request,) = audit.requests
    assert json.loads(request.body)["messages"] == [{"role": "user", "content": "Who pays?"}]


def test_custom_callback(env: dict[str, str]) -> None:
    """A class and a function of the application's own hear of the call, the class before it, too."""
    first, *rest = run(env, sys.executable, str(EXAMPLES / "custom_callback.py")).splitlines()
    assert first == "asking gpt-4o-mini"
    assert re.fullmatch(r"search: \d+ tokens, \$0\.0\d+, \d+\.\d+ s", next(line for line in rest if "tokens" in line))
    assert {"answer: You said: Who pays?", "tags: ['example']", "all told: True"} <= set(rest)


def test_fastapi_continues_the_trace(env: dict[str, str]) -> None:
    """The call is in the trace of the request that came in."""
    uvicorn = str(Path(sys.executable).with_name("uvicorn"))
    command = (INSTRUMENT, uvicorn, "--app-dir", str(EXAMPLES), "--port", "0", "fastapi_app:app")
    traceparent = "00-80e1afed08e019fc1110464cfa66635c-7a085853722dc6d2-01"
    with server({**env, "PYTHONUNBUFFERED": "1"}, *command) as (_process, address):
        request = urllib.request.Request(f"{address}/ask?q=hello", headers={"traceparent": traceparent})
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
    (row,) = LocalStore(env["CALLSPAN_DB"]).list()
    assert (row.call_id, row.trace_id) == (answer["call_id"], "80e1afed08e019fc1110464cfa66635c")


def test_asgi_gateway(env: dict[str, str]) -> None:
    """Session and tags of a request are those of its call, whose id and cost the response has."""
    uvicorn = str(Path(sys.executable).with_name("uvicorn"))
    command = (INSTRUMENT, uvicorn, "--app-dir", str(EXAMPLES), "--port", "0", "asgi_app:app")
    body = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "hello"}],
        "metadata": {"tags": ["job:7"]},
    }
    headers = {"content-type": "application/json", "x-litellm-session-id": "chat-1"}
    with server({**env, "PYTHONUNBUFFERED": "1"}, *command) as (_process, address):
        request = urllib.request.Request(f"{address}/chat/completions", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            told = response.headers
    (row,) = LocalStore(env["CALLSPAN_DB"]).list()
    payload: Any = LocalStore(env["CALLSPAN_DB"]).get(row.call_id)
    assert told["x-litellm-call-id"] == row.call_id
    assert float(told["x-litellm-response-cost"]) == pytest.approx(row.cost)
    assert (payload["session_id"], payload["request_tags"][0]) == ("chat-1", "job:7")


@pytest.mark.collector
def test_collector(env: dict[str, str], collector: Collector) -> None:
    """A real Collector receives the span, with content, tokens and cost."""
    changed = settings(
        "collector.env", OTEL_EXPORTER_OTLP_ENDPOINT=collector.http_endpoint, OTEL_METRICS_EXPORTER="none"
    )
    run({**env, **changed}, INSTRUMENT, sys.executable, str(EXAMPLES / "zero_code.py"))
    span = llm_span(collector)
    assert span["name"] == "chat gpt-4o-mini"
    assert span["attributes"]["gen_ai.usage.input_tokens"] > 0
    assert span["attributes"]["callspan.cost.total"] > 0
    assert "Why is the sky blue?" in span["attributes"]["gen_ai.input.messages"]


@pytest.mark.collector
def test_honeycomb_settings(env: dict[str, str], collector: Collector) -> None:
    """The settings for Honeycomb, pointed at a Collector, deliver."""
    changed = settings("honeycomb.env", HONEYCOMB_API_ENDPOINT=collector.http_endpoint)
    run({**env, **changed}, INSTRUMENT, sys.executable, str(EXAMPLES / "zero_code.py"))
    span = llm_span(collector)
    assert span["name"] == "chat gpt-4o-mini"


@pytest.mark.collector
def test_config_file(env: dict[str, str], collector: Collector) -> None:
    """LiteLLM's shape of configuration: the Collector gets no content, the webhook does."""
    with FakeOpenAI() as webhook:  # any server that takes a POST will do to see what was sent
        changed = {
            "CALLSPAN_CONFIG": str(EXAMPLES / "config.yaml"),
            "MY_API_ENDPOINT": f"{webhook.base_url}/logs",
            "MY_API_TOKEN": "token",
            "OTEL_EXPORTER": "otlp_http",
            "OTEL_ENDPOINT": collector.http_endpoint,
        }
        run({**env, **changed}, INSTRUMENT, sys.executable, str(EXAMPLES / "zero_code.py"))
        sent = webhook.requests[-1]
    assert sent.headers["authorization"] == "Bearer token"
    assert b"Why is the sky blue?" in sent.body
    span = llm_span(collector)
    assert "Why is the sky blue?" not in json.dumps(span)
