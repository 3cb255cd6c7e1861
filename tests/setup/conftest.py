"""Fixtures of the set-up tests."""

import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

from callspan.setup import installation
from callspan_exporters.delivery import live
from tests.exporters.servers import SinkServer


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path) -> Iterator[None]:
    """Nothing is configured but where files go; what a test exports is forgotten."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("OTEL_", "CALLSPAN_", "GENERIC_", "LANGFUSE_", "AWS_", "S3_")):
            del os.environ[name]
    os.environ["CALLSPAN_SPOOL_DIR"] = str(tmp_path / "spool")
    os.environ["CALLSPAN_DB"] = str(tmp_path / "calls.sqlite3")
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is a process of its own, as far as callspan's settings and reports go."""
    monkeypatch.setattr(installation, "_installed", None)
    monkeypatch.setattr(live, "_pipelines", weakref.WeakSet())
    monkeypatch.setattr(live, "_retired", {})


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    """A tracer provider of the application's own."""
    provider = TracerProvider(shutdown_on_exit=False)
    yield provider
    provider.shutdown()


@pytest.fixture
def server() -> Iterator[SinkServer]:
    """Records what is posted to any path."""
    with SinkServer() as server:
        yield server
