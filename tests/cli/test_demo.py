"""``callspan demo``: the first thing a user runs."""

import sqlite3
from pathlib import Path

import pytest

from tests.cli.support import CALLSPAN, Command, Done

pytestmark = pytest.mark.process

CHAT = "gpt-4o-mini"


@pytest.fixture(scope="module")
def callspan(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """One home for all: the demo may be run again."""
    return Command(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def done(callspan: Command) -> Done:
    """The command as the README has it."""
    return callspan("demo")


def test_demo_lists_every_call(done: Done) -> None:
    """Without a key or a network: nine calls with model, tokens, cost, times and outcome."""
    assert (done.status, done.err) == (0, "")
    table = [row for row in done.rows if len(row) == 10]
    assert table[0] == ["ID", "TIME", "CALL", "MODEL", "IN", "OUT", "COST", "FIRST", "LATENCY", "OUTCOME"]
    ids, _, *columns = zip(*table[1:], strict=True)
    calls, models, tokens_in, _, costs, firsts, latencies, outcomes = columns
    assert len(set(ids)) == 9
    assert calls == (*["completion"] * 3, "responses", "embedding", *["completion"] * 2, *["acompletion"] * 2)
    assert models == (CHAT, CHAT, "gpt-4o", "gpt-5-mini", "text-embedding-3-small", CHAT, CHAT, *["gpt-4.1-mini"] * 2)
    assert outcomes == (*["ok"] * 5, "openai.RateLimitError", "closed early", "ok", "ok")
    assert tokens_in[0] == "23"
    assert costs[0] == "$0.000007"
    assert [index for index, first in enumerate(firsts) if first != "-"] == [1, 6], "the two streams"
    assert all(latency.endswith((" ms", " s")) for latency in latencies)


def test_the_next_steps_work(callspan: Command, done: Done) -> None:
    """What the demo prints under its table can be copied."""
    commands = [line.partition("callspan ")[2].split() for line in done.out.splitlines() if "--db" in line]
    assert [command[0] for command in commands] == ["ls", "show"]
    assert [callspan(*command).status for command in commands] == [0, 0]


def test_demo_as_json(callspan: Command, tmp_path: Path) -> None:
    """Programs get the calls of this run only, in the order in which they were made."""
    db = tmp_path / "demo.sqlite3"
    runs = [callspan("demo", "--json", "--db", db) for _ in range(2)]
    assert [done.status for done in runs] == [0, 0]
    first, second = (done.json for done in runs)
    assert (second["ok"], second["db"], second["problems"]) == (True, str(db), [])
    assert len(second["calls"]) == 9
    assert not {call["call_id"] for call in first["calls"]} & {call["call_id"] for call in second["calls"]}
    assert second["calls"][0]["cost"] == pytest.approx(23 * 0.15e-6 + 6 * 0.6e-6)


def test_the_users_environment_does_not_disturb(callspan: Command, tmp_path: Path) -> None:
    """Settings for real applications neither send the demo's calls elsewhere nor switch them off."""
    environment = {
        "OTEL_SDK_DISABLED": "true",
        "OTEL_TRACES_EXPORTER": "otlp",
        "CALLSPAN_CONFIG": "/nowhere.yaml",
        "OPENAI_BASE_URL": "https://example.invalid/v1",
        "NO_PROXY": "*",
        "HTTPS_PROXY": "http://example.invalid:1",
    }
    done = callspan("demo", "--json", "--db", tmp_path / "demo.sqlite3", **environment)
    assert (done.status, done.json["problems"]) == (0, [])


def test_only_the_named_file_is_written(callspan: Command, tmp_path: Path) -> None:
    """The home stays as it was; the file is readable by its owner alone."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    db = work / "demo.sqlite3"
    assert callspan("demo", "--db", db, HOME=str(home), TMPDIR=str(work)).status == 0
    assert list(home.iterdir()) == []
    assert [path.name for path in work.iterdir() if not path.name.startswith(db.name)] == []
    assert db.stat().st_mode & 0o777 == 0o600


def test_a_call_that_does_not_arrive_fails_the_demo(callspan: Command, tmp_path: Path) -> None:
    """Status 1 and the calls that are missing, never a table that looks complete."""
    db = tmp_path / "demo.sqlite3"
    callspan("demo", "--db", db)
    with sqlite3.connect(db) as connection:
        connection.execute(
            "CREATE TRIGGER lose AFTER INSERT ON calls WHEN new.model = 'gpt-5-mini'"
            " BEGIN DELETE FROM calls WHERE call_id = new.call_id; END"
        )
    connection.close()
    done = callspan("demo", "--db", db)
    assert done.status == 1
    assert done.err == "callspan: did not arrive: responses gpt-5-mini ok\n"


def test_without_openai_the_demo_says_what_to_install(callspan: Command, without_openai: Path) -> None:
    """One line with the command to copy."""
    done = callspan("demo", PYTHONPATH=str(without_openai))
    assert (done.status, done.out) == (1, "")
    assert done.err == "callspan: the demo needs the openai package: pip install 'callspan[openai]'\n"


def test_the_command_is_installed() -> None:
    """`pip install callspan` brings it."""
    assert CALLSPAN.exists()
