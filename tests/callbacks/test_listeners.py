"""The seam beneath: who listens to calls cannot harm them, and costs nothing where nobody does."""

from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider

import callspan
from callspan.core import guard, state
from callspan.core.streams import feeder
from tests.callbacks.support import call, chat


class Broken:
    """A listener that fails at every moment."""

    def begun(self, call: Any) -> None:
        raise ValueError("hunter2")

    answered = ended = begun

    def chunk(self, call: Any, chunk: Any) -> None:
        raise ValueError("hunter2")


@pytest.mark.parametrize("how", ["plain", "stream", "failure"])
def test_a_listener_that_fails(
    how: str,
    provider: TracerProvider,
    client: openai.OpenAI,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The call is as it would be; the failure is counted, and logged without its text."""
    monkeypatch.setattr(state, "listeners", (Broken(),))
    monkeypatch.setattr(guard, "_failures", type(guard._failures)())
    callspan.instrument(tracer_provider=provider)
    call(client, how)
    moments = {site.partition(".")[2] for site, _ in guard.failures()}
    assert moments == {"begun", "answered", "ended", *(["chunk"] if how == "stream" else [])}
    assert "hunter2" not in caplog.text
    guard._failures.clear()


def test_chunks_cost_nothing_where_nobody_listens(
    provider: TracerProvider, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function that sees each chunk is the one without listeners."""
    names: list[str] = []

    def spy(call: Any, accumulator: Any) -> Any:
        take = feeder(call, accumulator)
        names.append(take.__name__)
        return take

    monkeypatch.setattr("callspan.core.streams.feeder", spy)
    callspan.instrument(tracer_provider=provider)
    for _ in chat(client, "!chunks 2", stream=True):
        pass
    assert names == ["take"]
