"""The command, and a file of calls for it."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from callspan_exporters.local import LocalSpanExporter
from tests.cli.support import Command


@pytest.fixture
def callspan(tmp_path: Path) -> Command:
    """The installed command in an empty home."""
    return Command(tmp_path)


def store(path: Path, spans: Sequence[ReadableSpan]) -> None:
    """Write calls as the local sink does."""
    exporter = LocalSpanExporter(path)
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    exporter.shutdown()
