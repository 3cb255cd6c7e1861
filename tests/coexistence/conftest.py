"""What every application here finds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.instrumentation import anthropic_server


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    """Answers as OpenAI and as Anthropic."""
    with FakeOpenAI() as server:
        anthropic_server.install(server)
        yield server


@pytest.fixture(autouse=True)
def application_environment(
    server: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_settings_of_this_machine: None
) -> None:
    """The model's server, and no sink."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.base_url.removesuffix("/v1"))
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "sk-local-0123456789abcdefghijklmnopqrstuvwxyz")
    for signal in ("TRACES", "METRICS", "LOGS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    monkeypatch.setenv("CALLSPAN_DB", str(tmp_path / "calls.sqlite3"))
    monkeypatch.setenv("CALLSPAN_SPOOL_DIR", str(tmp_path))
