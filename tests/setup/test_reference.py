"""The reference page and the settings agree."""

import inspect
from pathlib import Path

import pytest
import yaml

import callspan
from callspan.setup.reference import renewed
from callspan.setup.settings import FIELDS, load

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "configuration.md"
BLOCKS = [
    block.split("```", maxsplit=1)[0]
    for page in (PAGE, DOCS / "redaction.md", DOCS / "tenants.md")
    for block in page.read_text(encoding="utf-8").split("```yaml\n")[1:]
]


def test_the_table_is_current() -> None:
    """`python -m callspan.setup.reference docs/configuration.md` renews it."""
    page = PAGE.read_text(encoding="utf-8")
    assert renewed(page) == page


def test_code_takes_every_setting() -> None:
    """What a file may say, ``configure`` takes by the same name, but for what is about zero-code runs."""
    assert FIELDS.keys() - inspect.signature(callspan.configure).parameters.keys() == {"sigterm_flush_s"}


@pytest.mark.parametrize("text", BLOCKS)
def test_the_examples_are_right(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each YAML block of the pages loads without a problem."""
    if "presidio" in text:
        pytest.importorskip("presidio_analyzer", reason="callspan[presidio] is not installed")
    if "file_format" in text:
        assert yaml.safe_load(text)
        return
    monkeypatch.setenv("HOOK_TOKEN", "t")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    (tmp_path / "common.yaml").write_text("")
    (tmp_path / "config.yaml").write_text(text)
    assert load(config_file=str(tmp_path / "config.yaml")).problems == ()
