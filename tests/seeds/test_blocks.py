"""``blocks.md`` lists what runs each code block of LiteLLM's logging pages: it names files and tests that there are."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TEXT = (HERE / "blocks.md").read_text(encoding="utf-8")
NAMES = re.findall(r"`([^`]+)`", TEXT)
TESTS = sorted({name for name in NAMES if "::" in name})
FILES = {name for name in NAMES if re.match(r"(files|python)/", name)} - {"files/", "python/"}


@pytest.mark.parametrize("name", TESTS)
def test_the_test_exists(name: str) -> None:
    """A test that is renamed or removed leaves a block without one."""
    path, _, function = name.partition("::")
    assert re.search(rf"^(async )?def {function}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_file_is_listed() -> None:
    """No file without a block, no block without its file."""
    there = [*HERE.glob("files/*.yaml"), *HERE.glob("python/*.py")]
    assert sorted(FILES) == sorted(str(path.relative_to(HERE)) for path in there)
