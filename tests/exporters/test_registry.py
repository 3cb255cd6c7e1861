"""Sinks by name."""

import sys
from importlib.metadata import entry_points

import pytest

from callspan_exporters import registry


@pytest.mark.parametrize("name", sorted(registry.names()))
def test_every_name_loads(name: str) -> None:
    """What the registry promises exists."""
    assert callable(registry.load(name))


def test_every_entry_point_is_the_same_sink() -> None:
    """`OTEL_TRACES_EXPORTER=name` and `callbacks: [name]` mean the same class."""
    ours = [
        point for point in entry_points(group="opentelemetry_traces_exporter") if point.module.startswith("callspan")
    ]
    assert len(ours) > 5
    assert {point.name: point.load() for point in ours} == {point.name: registry.load(point.name) for point in ours}


def test_an_unknown_name() -> None:
    """The error suggests the nearest name."""
    with pytest.raises(ValueError, match=r"unknown sink 'langfus'; did you mean 'langfuse'\?"):
        registry.load("langfus")


def test_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "callspan_exporters.s3", None)
    with pytest.raises(ImportError, match=r"sink 's3' needs: pip install 'callspan\[s3\]'"):
        registry.load("s3")
