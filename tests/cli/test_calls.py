"""``callspan ls`` and ``callspan show`` on files that the local sink wrote."""

import json
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Status, StatusCode

from callspan_exporters.redaction import full, none
from callspan_semconv import attributes as attr
from tests.cli.conftest import store
from tests.cli.support import Command
from tests.exporters.redaction_spans import CONTEXT, RESOURCE

NOW = time.time()
SECRET = "my number is 078-05-1120"


def call(call_id: str, attributes: Mapping[str, Any] | None = None, *, age_s: float = 1.0, **rest: Any) -> ReadableSpan:
    started = int((NOW - age_s) * 1e9)
    known: dict[str, Any] = {
        attr.GEN_AI_OPERATION_NAME: "chat",
        attr.GEN_AI_PROVIDER_NAME: "openai",
        attr.GEN_AI_REQUEST_MODEL: "gpt-4o",
        attr.GEN_AI_RESPONSE_ID: f"chatcmpl-{call_id}",
        attr.GEN_AI_USAGE_INPUT_TOKENS: 100,
        attr.GEN_AI_USAGE_OUTPUT_TOKENS: 20,
        attr.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: 40,
        attr.CALLSPAN_CALL_ID: call_id,
        attr.GEN_AI_INPUT_MESSAGES: messages({"role": "user", "parts": [{"type": "text", "content": SECRET}]}),
    }
    return ReadableSpan(
        name="chat gpt-4o", context=CONTEXT, resource=RESOURCE, attributes={**known, **(attributes or {})},
        start_time=started, end_time=started + 250_000_000, **rest,
    )  # fmt: skip


def messages(*each: Mapping[str, Any]) -> str:
    return json.dumps(each)


FAILED = Status(StatusCode.ERROR, "Error code: 429")

CALLS = (
    call("aaaa1111", age_s=3 * 86_400),
    call("aaaa2222", {attr.GEN_AI_REQUEST_MODEL: "gpt-4o-mini"}, age_s=3600),
    call("bbbb3333", {attr.ERROR_TYPE: "openai.RateLimitError"}, age_s=5, status=FAILED),
)


@pytest.fixture
def stored(callspan: Command) -> Command:
    """The command with three calls."""
    store(callspan.db, CALLS)
    return callspan


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["bbbb3333", "aaaa2222", "aaaa1111"]),
        (["--limit", "1"], ["bbbb3333"]),
        (["--since", "2h"], ["bbbb3333", "aaaa2222"]),
        (["--since", "1w"], ["bbbb3333", "aaaa2222", "aaaa1111"]),
        (["--since", (datetime.now() - timedelta(minutes=5)).isoformat()], ["bbbb3333"]),
        (["--since", "2999-01-01T00:00:00Z"], []),
        (["--model", "gpt-4o-mini"], ["aaaa2222"]),
        (["--model", "gpt-4"], []),
        (["--status", "failure"], ["bbbb3333"]),
        (["--status", "success", "--model", "gpt-4o"], ["aaaa1111"]),
    ],
)
def test_ls_finds(stored: Command, options: list[str], expected: list[str]) -> None:
    """The newest first, and only what was asked for; the same as JSON."""
    assert [row["call_id"] for row in stored("ls", "--json", *options).json] == expected
    done = stored("ls", *options)
    assert (done.status, done.err) == (0, "")
    assert [row[0] for row in done.rows if len(row) > 5][1:] == expected


def test_ls_shows_how_calls_ended(stored: Command) -> None:
    """Tokens, cost, latency and the error of each."""
    rows = {row[0]: row for row in stored("ls").rows if len(row) > 5}
    assert rows["bbbb3333"][2:] == [
        "completion", "gpt-4o", "100", "20", "$0.000400", "-", "250 ms", "openai.RateLimitError"
    ]  # fmt: skip
    assert rows["aaaa2222"][-1] == "ok"


def test_ls_reads_another_file(callspan: Command, tmp_path: Path) -> None:
    """--db wins over CALLSPAN_DB."""
    store(tmp_path / "other.sqlite3", CALLS[:1])
    assert len(callspan("ls", "--json", "--db", tmp_path / "other.sqlite3").json) == 1


@pytest.mark.parametrize("command", [["ls"], ["show", "aaaa"]])
def test_no_file(callspan: Command, command: list[str]) -> None:
    """One line that names the file, status 1, and no file is made."""
    done = callspan(*command)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"callspan: no calls yet: {callspan.db} does not exist")
    assert done.err.count("\n") == 1
    assert not callspan.db.exists()


@pytest.mark.parametrize("command", [["ls"], ["show", "aaaa"]])
def test_not_our_file(callspan: Command, command: list[str]) -> None:
    """A file of something else is named, not dumped as a traceback."""
    callspan.db.write_text("This is no database. " * 100)
    done = callspan(*command)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"callspan: {callspan.db}: cannot read calls from this file: file is not a database\n"


@pytest.mark.parametrize("wrong", [["--since", "soon"], ["--status", "ok"], ["--limit", "0"]])
def test_wrong_options(stored: Command, wrong: list[str]) -> None:
    """The option and what was given, status 2."""
    done = stored("ls", *wrong)
    assert (done.status, done.out) == (2, "")
    assert wrong[0] in done.err


FULL_CALL = call(
    "cccc4444",
    {
        attr.GEN_AI_INPUT_MESSAGES: messages(
            {"role": "user", "parts": [{"type": "text", "content": "[bold]Weather?\x1b[2J"}]},
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "12 degrees"}]},
        ),
        attr.GEN_AI_OUTPUT_MESSAGES: messages(
            {
                "role": "assistant",
                "finish_reason": "tool_call",
                "parts": [
                    {"type": "reasoning", "content": "Let me look."},
                    {"type": "tool_call", "id": "call_2", "name": "get_weather", "arguments": {"city": "Paris"}},
                ],
            }
        ),
        attr.CALLSPAN_METADATA: json.dumps({"generation_name": "forecast"}),
        attr.CALLSPAN_TAGS: ("blue", "green"),
        attr.CALLSPAN_USER: "ada",
        attr.CALLSPAN_STREAM_END: "closed",
        attr.GEN_AI_REQUEST_STREAM: True,
        attr.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: 0.05,
        attr.GEN_AI_REQUEST_TEMPERATURE: 0.2,
    },
)


@pytest.mark.parametrize("given", ["cccc4444", "cccc", "chatcmpl-cccc4444", "chatcmpl-c"])
def test_show(stored: Command, given: str) -> None:
    """Everything about the call, found by either id or the beginning of one."""
    store(stored.db, [FULL_CALL])
    done = stored("show", given)
    assert (done.status, done.err) == (0, "")
    facts = {row[0]: row[1] for row in done.rows if len(row) == 2}
    expected = {
        "id": "cccc4444", "response id": "chatcmpl-cccc4444", "model": "gpt-4o", "outcome": "closed early",
        "tags": "blue, green", "user": "ada", "latency": "250 ms", "first chunk": "50 ms",
        "input tokens": "100", "cached": "$0.000050", "output tokens": "20", "total": "$0.000400",
        "output": "$0.000200", "temperature": "0.2", "generation_name": "forecast",
    }  # fmt: skip
    assert {name: facts.get(name) for name in expected} == expected
    said = done.out.partition("Content\n")[2].split("\n\n")
    assert said == [
        "recorded",
        "user\n[bold]Weather?\ufffd[2J",
        "tool answers call_1\n12 degrees",
        "assistant thinks\nLet me look.",
        'assistant calls get_weather\n{"city":"Paris"}  [call_2]\n',
    ]


def test_show_as_json(stored: Command) -> None:
    """The row of ls, and the payload as sinks get it."""
    shown = stored("show", "bbbb", "--json").json
    assert (shown["call_id"], shown["error_type"]) == ("bbbb3333", "openai.RateLimitError")
    assert shown["payload"]["messages"] == [{"role": "user", "content": SECRET}]


def test_show_an_error(stored: Command) -> None:
    """The error's type and its text."""
    facts = {row[0]: row[1] for row in stored("show", "bbbb").rows if len(row) == 2}
    assert (facts["type"], facts["message"]) == ("openai.RateLimitError", "Error code: 429")


@pytest.mark.parametrize(
    ("policy", "attributes", "state"),
    [
        (full(), {}, "recorded"),
        (none(), {}, "withheld by the redaction policy of this sink"),
        (full(), {attr.GEN_AI_INPUT_MESSAGES: "[]"}, "not recorded"),
    ],
)
def test_show_says_whether_there_is_content(
    callspan: Command, policy: Any, attributes: dict[str, Any], state: str
) -> None:
    """A prompt that is not there was withheld or never recorded: these are two things."""
    store(callspan.db, [policy.redact(call("dddd5555", attributes))])
    done = callspan("show", "dddd")
    assert done.out.partition("Content\n")[2].splitlines()[0] == state
    assert (SECRET in done.out) == (state == "recorded")


def test_an_ambiguous_prefix_lists_the_candidates(stored: Command) -> None:
    """Status 1 and the whole ids to choose from, on stderr."""
    done = stored("show", "aaaa", "--json")
    assert (done.status, done.out) == (1, "")
    assert "aaaa1111" in done.err
    assert "aaaa2222" in done.err
    assert done.err.splitlines()[-1] == "callspan: 'aaaa': 2 calls have an id that begins so; give more of it"


@pytest.mark.parametrize("given", ["zzzz", ""])
def test_an_unknown_id(stored: Command, given: str) -> None:
    """One line, status 1."""
    done = stored("show", given)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"callspan: {given!r}: no call or response in {stored.db} has an id that begins so\n"


def test_version_and_help(callspan: Command) -> None:
    """Each command says what it does."""
    assert callspan("--version").out.startswith("callspan 0.")
    helped = callspan("--help").out
    assert all(f"\n  {command} " in helped for command in ("demo", "ls", "show"))


def test_ls_loads_no_client_and_no_sdk_configuration(stored: Command) -> None:
    """Listing answers at once: what it needs is a file and a table."""
    done = stored("ls", PYTHONPROFILEIMPORTTIME="1")
    loaded = {line.rpartition("|")[2].strip() for line in done.err.splitlines() if line.startswith("import time:")}
    assert "callspan_exporters.local_store" in loaded
    assert not loaded & {"openai", "grpc", "callspan.setup.settings", "callspan.instrumentors", "yaml"}
