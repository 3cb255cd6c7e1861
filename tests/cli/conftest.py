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


@pytest.fixture
def without_openai(tmp_path: Path) -> Path:
    """A ``PYTHONPATH`` under which the openai package counts as not installed."""
    site = tmp_path / "without-openai"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import importlib.metadata as metadata\n"
        "found = metadata.version\n"
        "def version(name):\n"
        "    if name == 'openai':\n"
        "        raise metadata.PackageNotFoundError(name)\n"
        "    return found(name)\n"
        "metadata.version = version\n"
    )
    return site


def store(path: Path, spans: Sequence[ReadableSpan]) -> None:
    """Write calls as the local sink does."""
    exporter = LocalSpanExporter(path)
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    exporter.shutdown()
