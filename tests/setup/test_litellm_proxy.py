"""Inside the LiteLLM proxy: which file is read, and whose sinks are whose."""

import json
import os
import sys
from pathlib import Path

import pytest

from callspan.setup import litellm_proxy
from callspan.setup.settings import load

SPAWNED = ["-c", "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5)", "--multiprocessing-fork"]
CONFIG = """
litellm_settings:
  callbacks: [langfuse, prometheus, custom_callbacks.handler, audit]
  success_callback: s3
  failure_callback: [detect_prompt_injection]
callspan_settings:
  failure_callback: [my.exporter]
callback_settings:
  audit: {callback_type: generic_api, endpoint: http://127.0.0.1:9}
"""


def under(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """As if the process had been started with these arguments."""
    monkeypatch.setattr(sys, "orig_argv", ["/venv/bin/python", *arguments])


@pytest.mark.parametrize(
    ("arguments", "environment", "file"),
    [
        (["/venv/bin/litellm", "--port", "1", "--config", "c.yaml"], {}, "c.yaml"),
        (["/venv/bin/litellm", "--config=c.yaml"], {}, "c.yaml"),
        (["/venv/bin/litellm", "-c", "c.yaml"], {}, "c.yaml"),
        (["-m", "litellm.proxy.proxy_cli", "--config", "c.yaml"], {}, "c.yaml"),
        (["/venv/bin/litellm", "--config", "c.yaml"], {"CONFIG_FILE_PATH": "e.yaml"}, "e.yaml"),
        (["/venv/bin/uvicorn", "litellm.proxy.proxy_server:app"], {"CONFIG_FILE_PATH": "e.yaml"}, "e.yaml"),
        (["/venv/bin/gunicorn", "litellm.proxy.proxy_server:app"], {"WORKER_CONFIG": "w.yaml"}, "w.yaml"),
        (SPAWNED, {"WORKER_CONFIG": json.dumps({"model": None, "config": "c.yaml"})}, "c.yaml"),
        (SPAWNED, {"WORKER_CONFIG": json.dumps({"model": "gpt-4o", "config": None})}, None),
        (SPAWNED, {}, None),
        (["/venv/bin/litellm", "--config"], {}, None),
        (["app.py", "--config", "c.yaml"], {"CONFIG_FILE_PATH": "e.yaml", "WORKER_CONFIG": "w.yaml"}, None),
        (["litellm.py", "--config", "c.yaml"], {}, None),
        (["-c", "print()", "litellm", "--config", "c.yaml"], {}, None),
        ([], {}, None),
    ],
)
def test_which_file(
    arguments: list[str], environment: dict[str, str], file: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy's own file counts where the proxy runs, however it was started, and nowhere else."""
    under(monkeypatch, *arguments)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert litellm_proxy.config_file() == file


def test_whose_sinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sinks that callspan knows are its own; custom callbacks and LiteLLM's guardrails are left alone, silently."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    under(monkeypatch, "/venv/bin/litellm", "--config", str(file))
    loaded = load()
    assert loaded.problems == ()
    assert loaded.settings.callbacks == ("langfuse", "audit")
    assert loaded.settings.success_callback == ("s3",)
    assert loaded.settings.failure_callback == ("my.exporter",)  # said to callspan alone


@pytest.mark.parametrize(
    ("arguments", "environment", "name"),
    [
        (["/venv/bin/litellm"], {}, "litellm"),
        (["/venv/bin/litellm"], {"OTEL_SERVICE_NAME": "gateway"}, "gateway"),
        (["/venv/bin/litellm"], {"OTEL_RESOURCE_ATTRIBUTES": "a=b,service.name=gateway"}, None),
        (["app.py"], {}, None),
    ],
)
def test_service_name(
    arguments: list[str], environment: dict[str, str], name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy's spans come from the service `litellm` unless the operator named it."""
    under(monkeypatch, *arguments)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "")  # so that what is set below is taken back
    monkeypatch.delenv("OTEL_SERVICE_NAME")
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    litellm_proxy.name_service()
    assert os.environ.get("OTEL_SERVICE_NAME") == name


def test_a_named_file_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`CALLSPAN_CONFIG` stands in the place of the proxy's file."""
    mine = tmp_path / "mine.yaml"
    mine.write_text("litellm_settings: {callbacks: [datadog]}")
    under(monkeypatch, "/venv/bin/litellm", "--config", "config.yaml")
    monkeypatch.setenv("CALLSPAN_CONFIG", str(mine))
    assert load().settings.callbacks == ("datadog",)


@pytest.mark.parametrize(
    ("settings", "left", "taken"),
    [
        ({"callbacks": ["langfuse", "a.b", "otel"]}, {"callbacks": ["a.b"]}, ["langfuse", "otel"]),
        ({"callbacks": "langfuse", "drop_params": True}, {"drop_params": True}, ["langfuse"]),
        ({"callbacks": "a.b"}, {"callbacks": "a.b"}, []),
        ({"success_callback": ["otel"], "failure_callback": ["otel"]}, {}, ["otel"]),
        ({"success_callback": ["lago"], "service_callback": ["otel"]}, None, []),
        ({"callbacks": [print, {"a": 1}]}, None, []),
        ({"callbacks": None}, None, []),
        (None, None, []),
    ],
)
def test_what_litellm_keeps(settings: dict[str, object], left: dict[str, object] | None, taken: list[str]) -> None:
    """LiteLLM is told of its settings without callspan's sinks; what it has read itself stays as it was."""
    config = {"litellm_settings": settings, "model_list": []}
    before = repr(config)
    got, names = litellm_proxy.without(config, frozenset({"langfuse", "otel"}))
    assert (got["litellm_settings"], names) == (settings if left is None else left, taken)
    assert got["model_list"] is config["model_list"]
    assert repr(config) == before
