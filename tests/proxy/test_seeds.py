"""The proxy with the files of LiteLLM's logging pages: all sinks that they name, the console, a user's callback."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from callspan.cli.fake_openai import FakeOpenAI
from callspan_exporters.local_store import LocalStore
from tests.exporters.servers import Received, SinkServer
from tests.proxy.recorded import FILES
from tests.proxy.server import chat, needs_proxy, running_proxy
from tests.seeds import test_config_files as seeds
from tests.seeds.conftest import clean_environment, credentials, server

__all__ = ["clean_environment", "credentials", "server"]

pytestmark = [pytest.mark.process, needs_proxy]

MODELS = {"model_list": [{"model_name": "gpt-3.5-turbo", "litellm_params": {"model": "gpt-3.5-turbo"}}]}
# Where each sink's requests go.
PLACES = {
    "arize, mlflow, otel": "/v1/traces",
    "athina": "/api/v1/log/inference",
    "azure_storage": "/litellm-logs/",
    "custom_api_name": "/logs",
    "datadog": "/api/v2/logs",
    "datadog_llm_observability": "/api/intake/llm-obs/v1/trace/spans",
    "dynamodb": "DynamoDB_20120810.BatchWriteItem",
    "galileo": "/ingest/traces/p-1",
    "gcs_bucket": "/upload/storage/v1/b/my-bucket/",
    "generic": "/log-event",
    "langfuse": "/api/public/otel/v1/traces",
    "langsmith": "/api/v1/runs/batch",
    "langtrace": "/api/trace",
    "lunary": "/v1/runs/ingest",
    "openmeter": "/api/v1/events",
    "rubrik": "/",
    "s3": "/logs-bucket-litellm/my-test-path/",
    "sentry": "/api/1/envelope/",
}


def started(text: str, folder: Path, upstream: FakeOpenAI, **variables: str) -> Any:
    """The proxy with a configuration, in the environment of this test."""
    shutil.copy(FILES / "custom_callbacks.py", folder)
    (folder / "config.yaml").write_text(text)
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    models = {"OPENAI_BASE_URL": upstream.base_url, "OPENAI_API_KEY": "sk-local"}
    return running_proxy(folder / "config.yaml", environment={**ours, **models, **variables})


def seed(name: str) -> str:
    """A file as it stands, with a model where its page leaves that to another."""
    text = (seeds.FILES / f"{name}.yaml").read_text()
    return text if "model_list" in text else f"{text}\n{yaml.safe_dump(MODELS)}"


def all_in_one(server: SinkServer, folder: Path) -> str:
    """What all files say together, the recorder's address in place of every other."""
    together: dict[str, Any] = {**MODELS, "callback_settings": {"azure_storage": {"endpoint": server.url}}}
    for name in sorted({*seeds.DELIVERED, *seeds.ITS_OWN_CLASS} - {"turn-off-message-logging"}):
        document = yaml.safe_load(seeds.local(name, server, folder).read_text())
        for section in ("litellm_settings", "callback_settings", "environment_variables"):
            known = together.setdefault(section, {})
            for key, value in (document.get(section) or {}).items():
                listed = key.endswith("callback") or key == "callbacks"
                known[key] = [*known.get(key, []), *([value] if isinstance(value, str) else value)] if listed else value
    return yaml.safe_dump(together)


def place_of(request: Received) -> str:
    where = request.headers.get("x-amz-target", request.path)
    return max((sink for sink, place in PLACES.items() if where.startswith(place)), key=lambda sink: len(PLACES[sink]))


@pytest.mark.usefixtures("credentials")
def test_every_sink(server: SinkServer, tmp_path: Path) -> None:
    """All sinks of all pages at once: each gets the calls, from callspan alone, and nothing is wrong in the log."""
    with FakeOpenAI() as upstream, started(all_in_one(server, tmp_path), tmp_path, upstream) as proxy:
        assert proxy.curl(chat(user="ishaan-app")).status == 200
        assert proxy.curl(chat("!error 400")).status == 400
        output = proxy.stop()
    (taken,) = re.findall("callspan delivers in LiteLLM's place to: (.*)", output)
    assert set(taken.split(", ")) == {sink for sinks in PLACES for sink in sinks.split(", ")}
    assert {place_of(request) for request in server.requests} == set(PLACES)
    assert all("callspan" in request.headers["user-agent"] for request in server.requests)
    assert "callspan:" not in output


@pytest.mark.parametrize("name", ["otel", "otel-message-logging"])
def test_console(name: str, tmp_path: Path) -> None:
    """``OTEL_EXPORTER=console``: the span is in the log, with its content unless ``message_logging`` is off."""
    with FakeOpenAI() as upstream, started(seed(name), tmp_path, upstream, OTEL_EXPORTER="console") as proxy:
        answer = proxy.curl(chat())
        output = proxy.stop()
    printed = map(json.loads, re.findall(r"^{\n.*?^}$", output, re.MULTILINE | re.DOTALL))
    (span,) = [span for span in printed if span["attributes"].get("callspan.call_id") == answer.call_id]
    assert span["name"] == "chat gpt-3.5-turbo"
    assert span["resource"]["attributes"]["service.name"] == "litellm"
    assert ("what llm are you" in str(span)) == (name == "otel")


def test_custom_callback(tmp_path: Path) -> None:
    """The page's class runs once a call; with no sink named, the calls are in the local file as well."""
    with FakeOpenAI() as upstream, started(seed("custom-callback"), tmp_path, upstream) as proxy:
        answers = [proxy.curl(chat("good morning good sir", user="ishaan-app", temperature=0.2))]
        answers.append(proxy.curl(chat("count", stream=True)))
        failed = proxy.curl(chat("!error 400"))
        output = proxy.stop()
    assert output.count("On Async Success!") == 2
    assert output.count("On Async Failure !") == 1
    assert "Messages: [{'role': 'user', 'content': 'good morning good sir'}], User: ishaan-app" in output
    assert [f"Standard: {answer.call_id}" in output for answer in answers] == [True, True]
    rows = LocalStore(os.environ["CALLSPAN_DB"]).list()
    assert {row.call_id.partition(":")[0] for row in rows} == {answer.call_id for answer in (*answers, failed)}
