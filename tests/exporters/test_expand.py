"""Placeholders in settings."""

from typing import Any

import pytest

from callspan_exporters.expand import expand


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("os.environ/CITY", "Bern"),
        ("${CITY}, ${CITY}", "Bern, Bern"),
        ("{{environment_variables.CITY}}!", "Bern!"),
        ({"a": ["os.environ/CITY", 1, None], "b": {"c": "${CITY}"}}, {"a": ["Bern", 1, None], "b": {"c": "Bern"}}),
        ("in os.environ/CITY", "in os.environ/CITY"),
        ("$CITY and ${}", "$CITY and ${}"),
        (True, True),
    ],
)
def test_expand(value: Any, expected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Filled in at any depth; everything else stays as it is."""
    monkeypatch.setenv("CITY", "Bern")
    assert expand(value, "file.yaml") == expected


def test_a_secret_is_not_a_template(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that looks like a placeholder is not expanded again, neither at once nor later."""
    monkeypatch.setenv("SECRET", "pa${ss}wd")
    assert expand(expand("${SECRET}", "x"), "x") == "pa${ss}wd"


def test_a_missing_variable() -> None:
    """The error names the variable and the place, down to the key."""
    with pytest.raises(ValueError, match=r"config\.yaml\.headers\.X\[1\]: environment variable NO_SUCH is not set"):
        expand({"headers": {"X": ["a", "${NO_SUCH}"]}}, "config.yaml")
