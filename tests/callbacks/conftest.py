"""Callbacks on real clients: each test configures callspan anew, calls go to a local server."""

import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider

import callspan
from callspan.callbacks import per_call, running, targets
from callspan.cli.fake_openai import FakeOpenAI
from callspan.core import state
from callspan.core.guard import failures
from callspan.setup import installation
from callspan_exporters.delivery import live


@pytest.fixture(autouse=True)
def a_process_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing is configured, and nothing was logged before."""
    monkeypatch.setenv("CALLSPAN_DB", str(tmp_path / "calls.sqlite3"))
    monkeypatch.setenv("CALLSPAN_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setattr(installation, "_installed", None)
    monkeypatch.setattr(state, "listeners", ())
    monkeypatch.setattr(live, "_pipelines", weakref.WeakSet())  # reports begin at 0
    monkeypatch.setattr(running, "_reported", set())
    monkeypatch.setattr(targets, "_said", set())
    before = failures()
    yield
    callspan.uninstrument()
    per_call.close()
    assert failures() == before


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    provider = TracerProvider(shutdown_on_exit=False)
    yield provider
    provider.shutdown()


@pytest.fixture
def configure(provider: TracerProvider) -> Callable[..., None]:
    """``callspan.configure`` on a provider of the test's own."""

    def run(**settings: Any) -> None:
        callspan.configure(tracer_provider=provider, **settings)

    return run


@pytest.fixture(scope="session")
def _server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        yield server


@pytest.fixture
def fake_openai(_server: FakeOpenAI) -> FakeOpenAI:
    _server.requests.clear()
    return _server


@pytest.fixture
def client(fake_openai: FakeOpenAI) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=fake_openai.base_url, api_key="sk-local-0123456789abcdef", max_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(fake_openai: FakeOpenAI) -> AsyncIterator[openai.AsyncOpenAI]:
    key = "sk-local-0123456789abcdef"
    async with openai.AsyncOpenAI(base_url=fake_openai.base_url, api_key=key, max_retries=0) as client:
        yield client
