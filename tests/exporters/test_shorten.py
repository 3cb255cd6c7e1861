"""Calls that are too large for a sink: what is kept, and how the gaps are marked."""

from typing import Any

import pytest

from callspan_exporters.shorten import Shortening, fitted
from callspan_semconv import jsonio


def shortened(value: Any, max_bytes: int) -> Any:
    """The value as it is sent, and the limit is kept."""
    body = fitted(lambda shorten: jsonio.dump_bytes(shorten(value) if shorten else value), max_bytes)
    assert len(body) <= max_bytes
    return jsonio.loads(body)


def message(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_what_fits_is_not_touched() -> None:
    """Up to the last byte."""
    value = {"messages": [message("x" * 1000)]}
    assert shortened(value, len(jsonio.dump_bytes(value))) == value


def test_a_long_text_keeps_both_ends() -> None:
    """The gap says how much is missing; short texts beside it are whole."""
    text = "begin " + "x" * 100_000 + " end"
    seen = shortened({"id": "chatcmpl-1", "messages": [message("be brief"), message(text)]}, 50_000)
    brief, cut = (entry["content"] for entry in seen["messages"])
    assert (seen["id"], brief) == ("chatcmpl-1", "be brief")
    assert cut.startswith("begin x")
    assert cut.endswith("x end")
    head, gap, tail = cut.split(" … ")
    assert gap == f"[callspan: {len(text) - len(head) - len(tail)} characters left out]"


def test_long_lists_keep_both_ends() -> None:
    """A history of many short messages keeps the first and the last, and a message says how many are gone."""
    seen = shortened({"messages": [message(f"{number} " + "x" * 90) for number in range(5000)]}, 100_000)["messages"]
    assert (seen[0]["content"][:2], seen[-1]["content"][:5]) == ("0 ", "4999 ")
    (gap,) = [entry["content"] for entry in seen if "callspan" in entry["content"]]
    assert gap == f"[callspan: {5000 - len(seen) + 1} entries left out]"


@pytest.mark.parametrize(
    "value",
    [
        {"metadata": {f"key {number} " + "k" * 100: "v" * 100 for number in range(20_000)}},
        {"messages": [[["x" * 100] * 60] * 60] * 60},
        {
            "metadata": {
                f"a{i}": {f"b{j}": {f"c{k}": "v" * 40 for k in range(40)} for j in range(40)} for i in range(40)
            }
        },
        {"messages": [{"content": "\x00" * 300_000}, {"content": "\N{GRINNING FACE}" * 100_000}]},
        {"messages": [[], {}, None, 1.5, True, "x" * 100_000, {"a": ["y" * 100_000]}]},
    ],
    ids=["keys", "lists in lists", "objects in objects", "escapes", "kinds"],
)
def test_anything_can_be_made_to_fit(value: dict[str, Any]) -> None:
    """Whatever its shape, and it keeps its types."""
    seen = shortened(value, 50_000)
    for key, entry in value.items():
        assert type(seen[key]) is type(entry)
    assert "left out]" in str(seen)


def test_objects_keep_their_first_keys() -> None:
    """Those of a fixed shape have all of theirs."""
    seen = shortened({"metadata": {f"key {number}": "v" * 50 for number in range(5000)}}, 50_000)["metadata"]
    assert list(seen) == [*(f"key {number}" for number in range(64)), "callspan"]
    assert seen["callspan"] == "[callspan: 4936 keys left out]"


def test_the_strongest_shortening() -> None:
    """Ids are whole, a message of a few plain values stays one, and what is nested is marked."""
    given = {"id": "1" * 64, "message": message("x"), "messages": [message("x")], "none": []}
    assert Shortening(64, 4, 1)(given) == {
        "id": "1" * 64,
        "message": message("x"),
        "messages": [{"role": "system", "content": "[callspan: 1 entries left out]"}],
        "none": [],
    }
