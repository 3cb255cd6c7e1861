"""What every end-to-end test starts from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.exporters.servers import SinkServer


@pytest.fixture(autouse=True)
def application_environment(
    fake_openai: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_settings_of_this_machine: None
) -> None:
    """What an application finds: the model's server, and folders of this test's own."""
    monkeypatch.setenv("OPENAI_BASE_URL", fake_openai.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-local-0123456789abcdefghijklmnopqrstuvwxyz")
    # Whichever HTTP instrumentations the test environment has; the tests that are about them switch them on.
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "fastapi,httpx,httpx2")
    monkeypatch.setenv("CALLSPAN_DB", str(tmp_path / "calls.sqlite3"))
    monkeypatch.setenv("CALLSPAN_SPOOL_DIR", str(tmp_path / "spool"))


@pytest.fixture
def recorder() -> Iterator[SinkServer]:
    """Takes everything that is sent to it; see `tests.e2e.sinks.all_at`."""
    with SinkServer() as server:
        yield server


@pytest.fixture
def webhook() -> Iterator[SinkServer]:
    """The webhook's receiver."""
    with SinkServer() as server:
        yield server
