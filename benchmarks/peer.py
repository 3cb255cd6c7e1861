"""The official instrumentation as a further arm, where it is installed: ``opentelemetry-instrumentation-genai-openai``.

It runs in a process of its own, against the same floor, and records the content of messages on spans as callspan does.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from benchmarks.answers import Client
from benchmarks.calls import Row, arms, ask, measure
from benchmarks.timing import Arm, Spread

NAME = "genai-openai"
_PACKAGE = "opentelemetry.instrumentation.genai.openai"


def peer_rows(rounds: int) -> list[Row]:
    """What the calls cost with it; nothing if it is not installed."""
    if not _installed():
        return []
    environment = {**os.environ, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only"}
    command = [sys.executable, "-m", "benchmarks.peer", str(rounds)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return [_row(values) for values in json.loads(done.stdout)]


def _installed() -> bool:
    try:
        return importlib.util.find_spec(_PACKAGE) is not None
    except ModuleNotFoundError:  # not even the package above it
        return False


def _row(values: dict[str, Any]) -> Row:
    return Row(**{**values, "added_us": {name: Spread(**spread) for name, spread in values["added_us"].items()}})


class _Keep(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def _peer(processor: SpanProcessor) -> Arm:
    # A name that is not installed with the project, so that neither a linter nor mypy looks for it.
    instrumentor = importlib.import_module(_PACKAGE).OpenAIInstrumentor()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)

    @contextmanager
    def active() -> Iterator[None]:
        instrumentor.instrument(tracer_provider=provider)
        try:
            yield
        finally:
            instrumentor.uninstrument()

    return Arm(NAME, active)


def _check_content() -> None:
    kept = _Keep()
    client = Client()
    with _peer(kept).active():
        ask(client)
    (span,) = kept.spans
    assert "gen_ai.input.messages" in (span.attributes or {}), f"{NAME} records no content"


def main(rounds: int) -> None:
    """Measure in this process and print the rows as JSON."""
    _check_content()
    floor, _ = arms(SpanProcessor())
    rows = [asdict(row) for row in measure((floor, _peer(SpanProcessor())), rounds=rounds)]
    sys.stdout.write(json.dumps(rows))


if __name__ == "__main__":
    main(int(sys.argv[1]))
