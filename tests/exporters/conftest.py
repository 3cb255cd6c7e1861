"""Fixtures of the exporters' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from callspan_exporters.delivery import log
from tests.exporters.servers import SinkServer


@pytest.fixture(autouse=True)
def spool_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where dead letters of this test go."""
    folder = tmp_path / "spool"
    monkeypatch.setenv("CALLSPAN_SPOOL_DIR", str(folder))
    return folder


@pytest.fixture(autouse=True)
def fresh_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier test logged does not keep this one from logging."""
    monkeypatch.setattr(log, "_last", {})


@pytest.fixture
def sink_server() -> Iterator[SinkServer]:
    """A server for a sink to talk to."""
    with SinkServer() as server:
        yield server
