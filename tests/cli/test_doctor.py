"""``callspan doctor``: is everything as the settings say?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.support import Command
from tests.exporters.servers import Answer, SinkServer, refused_port

pytestmark = pytest.mark.process

SECRETS = ("sk-hook-0123456789abcdef", "path-secret-123", "user-secret", "sk-lf-0123456789", "wrong-secret-456")


@pytest.fixture
def hook() -> Iterator[SinkServer]:
    """A webhook of the user's."""
    with SinkServer() as server:
        yield server


def config(command: Command, content: dict[str, Any]) -> str:
    path = command.home / "callspan.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def webhook(server: SinkServer, **more: Any) -> dict[str, Any]:
    return {"callback_type": "generic_api", "endpoint": f"{server.url}/calls", **more}


def test_a_fresh_installation_is_well(callspan: Command) -> None:
    """Status 0; versions, the client, the default sink; and nothing is written."""
    done = callspan("doctor", "--json")
    assert (done.status, done.err) == (0, "")
    report = done.json
    assert (report["ok"], report["problems"], report["canary"]) == (True, [], None)
    assert all(report["versions"][name] for name in ("python", "callspan", "opentelemetry-sdk"))
    client = next(each for each in report["clients"] if each["name"] == "openai")
    assert client["wrapped"] > 20
    assert [(sink["name"], sink["policy"], sink["where"]) for sink in report["sinks"]] == [
        ("local", "full", str(callspan.db))
    ]
    assert list(callspan.home.iterdir()) == []


def test_settings_with_their_origin(callspan: Command, hook: SinkServer) -> None:
    """Environment over file over default; of what may be secret only the keys."""
    path = config(
        callspan,
        {
            "callspan_settings": {"callbacks": ["audit"], "record_unsampled": False},
            "callback_settings": {"audit": webhook(hook, headers={"Authorization": SECRETS[0]})},
        },
    )
    report = callspan("doctor", "--json", CALLSPAN_CONFIG=path, CALLSPAN_TURN_OFF_MESSAGE_LOGGING="true").json
    settings = {each["name"]: (each["value"], each["origin"]) for each in report["settings"]}
    assert settings["callbacks"] == (["audit"], f"{path}: callspan_settings.callbacks")
    assert settings["turn_off_message_logging"] == (True, "CALLSPAN_TURN_OFF_MESSAGE_LOGGING")
    assert settings["max_retry_age_s"] == (3600.0, "default")
    assert settings["callback_settings"][0] == {"audit": ["callback_type", "endpoint", "headers"]}
    assert settings["spool_dir"] == (None, "default")
    assert [(sink["name"], sink["policy"], sink["reachable"]) for sink in report["sinks"]] == [("audit", "none", True)]


def test_sinks_of_teams(callspan: Command, hook: SinkServer) -> None:
    """Each by the sink's and the team's name, with its policy; one that cannot be made is a problem; no secret."""
    team = {"team_id": "a", "turn_off_message_logging": True, "callback_settings": {"audit": webhook(hook)}}
    langfuse = {"team_id": "b", "success_callback": ["langfuse"], "langfuse_secret_key": SECRETS[3]}
    path = config(
        callspan, {"callspan_settings": {"default_team_settings": [{**team, "callbacks": "audit"}, langfuse]}}
    )
    done = callspan("doctor", "--json", CALLSPAN_CONFIG=path)
    known = {sink["name"]: (sink["policy"], sink["events"]) for sink in done.json["sinks"]}
    assert known["audit@a"] == ("none", ["success", "failure"])
    assert known["langfuse@b"] == (None, [])
    settings = {each["name"]: each["value"] for each in done.json["settings"]}
    assert settings["default_team_settings"] == ["a", "b"]
    (problem,) = done.json["problems"]
    assert "default_team_settings[1]: langfuse: langfuse: public_key is missing" in problem
    assert SECRETS[3] not in done.out + done.err


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_no_secret_is_printed(callspan: Command, options: list[str]) -> None:
    """Neither headers, nor keys, nor the parts of URLs that may be one, also where they are the problem."""
    path = config(
        callspan,
        {
            "litellm_settings": {"callbacks": ["audit", "langfuse", "odd"]},
            "callback_settings": {
                "audit": {
                    "callback_type": "generic_api",
                    "endpoint": f"http://me:{SECRETS[2]}@127.0.0.1:{refused_port()}/{SECRETS[1]}?token={SECRETS[1]}",
                    "headers": {"Authorization": f"Bearer {SECRETS[0]}"},
                },
                "odd": {"callback_type": "generic_api", "endpoint": f"ftp://me:{SECRETS[4]}@x.invalid"},
            },
        },
    )
    done = callspan(
        "doctor", *options, CALLSPAN_CONFIG=path, LANGFUSE_PUBLIC_KEY="pk", LANGFUSE_SECRET_KEY=SECRETS[3],
        LANGFUSE_HOST=f"http://127.0.0.1:{refused_port()}",
    )  # fmt: skip
    assert done.status == 1
    assert "http://127.0.0.1" in done.out
    assert not [secret for secret in SECRETS if secret in done.out + done.err]


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"CALLSPAN_CALLBACKS": "langfuse"}, "langfuse: public_key is missing; set the environment variable LANGFUSE"),
        ({"CALLSPAN_CALLBACKS": "locl"}, "unknown sink 'locl'; did you mean 'local'?"),
        ({"CALLSPAN_MAX_RETRY_AGE_S": "long"}, "CALLSPAN_MAX_RETRY_AGE_S: expected a number of seconds"),
        ({"CALLSPAN_CONFIG": "missing.yaml"}, "missing.yaml"),
        ({"CALLSPAN_DB": "/dev/null/calls.sqlite3"}, "local: cannot write /dev/null/calls.sqlite3"),
        ({"OTEL_SDK_DISABLED": "true"}, "OTEL_SDK_DISABLED is true: no call is recorded"),
        ({"OTEL_TRACES_EXPORTER": "otpl"}, "OTEL_TRACES_EXPORTER: unknown exporter 'otpl'; did you mean otlp?"),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "callspan-openai"}, "switches callspan's instrumentation off"),
        (
            {"CALLSPAN_CALLBACKS": "generic_api", "GENERIC_LOGGER_ENDPOINT": "http://localhost:1/x"},
            "generic_api: cannot reach http://localhost:1",
        ),
    ],
)
def test_a_problem_is_named(callspan: Command, environment: dict[str, str], problem: str) -> None:
    """What is wrong, once, with the name of the setting; status 1."""
    done = callspan("doctor", **environment)
    listed = done.out.partition("Problems\n")[2].splitlines()
    assert [problem in line for line in listed].count(True) == 1
    found = f"{len(listed)} problem{'s' * (len(listed) > 1)}"
    assert (done.status, done.err) == (1, f"callspan: doctor found {found}\n")


def test_dead_letters_are_counted(callspan: Command) -> None:
    """By sink, with the file; it stays as it is."""
    letters = callspan.home / "spool" / "dead-letters.jsonl"
    letters.parent.mkdir()
    letters.write_text('{"sink":"s3"}\n{"sink":"s3"}\n{"sink":"audit"}\ncut o')
    done = callspan("doctor", "--json", CALLSPAN_SPOOL_DIR=str(letters.parent))
    assert done.status == 1
    found = done.json["dead_letters"]
    assert found == {"path": str(letters), "bytes": 50, "calls": {"s3": 2, "audit": 1, "unreadable": 1}}
    assert done.json["problems"] == [
        f"calls that were never delivered are in {letters}: s3 2, audit 1, unreadable 1"
    ]  # fmt: skip
    assert letters.stat().st_size == 50


@pytest.mark.parametrize(("disabled", "status"), [("", 1), ("openai-v2", 0)])
def test_another_instrumentation_of_the_client(callspan: Command, disabled: str, status: int) -> None:
    """Two instrumentations count every call twice: doctor says which to switch off, and how."""
    distribution = callspan.home / "site" / "rival_openai_v2-2.1.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: rival-openai-v2\nVersion: 2.1\n")
    (distribution / "entry_points.txt").write_text("[opentelemetry_instrumentor]\nopenai-v2 = rival:Instrumentor\n")
    done = callspan(
        "doctor", "--json", PYTHONPATH=str(distribution.parent), OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=disabled
    )
    assert done.status == status
    client = next(each for each in done.json["clients"] if each["name"] == "openai")
    state = "switched off" if disabled else "may record too"
    assert client["rivals"] == [{"name": "openai-v2", "package": "rival-openai-v2 2.1", "state": state}]
    assert done.json["problems"] == [
        "openai: rival-openai-v2 2.1 may record the same calls again; if so, set "
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=openai-v2"
    ] * status  # fmt: skip


PATHS = {"prompt", "stream", "tool", "error", "image", "responses"}


def test_the_canary_shows_what_each_sink_was_sent(callspan: Command, hook: SinkServer) -> None:
    """Two sinks of one kind, one without content: the table says what the servers really received."""
    path = config(
        callspan,
        {
            "litellm_settings": {
                "callbacks": ["everything", "numbers", "local", "otel"],
                "failure_callback": ["alerts"],
            },
            "callback_settings": {
                "everything": webhook(hook),
                "numbers": webhook(hook, endpoint=f"{hook.url}/numbers", message_logging=False),
                "alerts": webhook(hook, endpoint=f"{hook.url}/alerts"),
                "otel": {"endpoint": hook.url, "protocol": "http", "message_logging": False},
            },
        },
    )
    done = callspan("doctor", "--canary", "--json", CALLSPAN_CONFIG=path)
    assert (done.status, done.json["problems"]) == (0, [])
    sinks = {sink["sink"]: sink for sink in done.json["canary"]["sinks"]}
    states = {name: {path: found["state"] for path, found in sink["paths"].items()} for name, sink in sinks.items()}
    assert states == {
        "everything": dict.fromkeys(PATHS, "present"),
        "local": dict.fromkeys(PATHS, "present"),
        "numbers": dict.fromkeys(PATHS, "clean"),
        "otel": dict.fromkeys(PATHS, "clean"),
        "alerts": {**dict.fromkeys(PATHS, "not sent"), "error": "present"},
    }
    assert sinks["everything"]["paths"]["stream"]["found"] == ["name", "ssn", "key"]
    assert (sinks["alerts"]["offered"], sinks["alerts"]["delivered"]) == (1, 1)
    bodies = {path: b"".join(r.body for r in hook.requests if r.path == path) for path in ("/calls", "/numbers")}
    assert b"078-05-112" in bodies["/calls"]
    assert bodies["/numbers"]
    assert b"078-05-112" not in bodies["/numbers"]


def test_the_canary_as_a_table(callspan: Command) -> None:
    """A line for each sink, a column for each path; the marked calls are in the local file."""
    done = callspan("doctor", "--canary")
    assert (done.status, done.err) == (0, "")
    table = [row for row in done.rows if len(row) == 9]
    assert [row[2:4] for row in table] == [["DELIVERED", "PROMPT"], ["6 of 6", "present"]]
    assert len(callspan("ls", "--json").json) == 6


def test_a_refusal_is_no_delivery(callspan: Command, hook: SinkServer) -> None:
    """The sink's answer is shown, and the marked calls do not become dead letters."""
    hook.rule = lambda _: Answer(status=401)
    spool = callspan.home / "spool"
    done = callspan(
        "doctor", "--canary", "--json", CALLSPAN_CALLBACKS="generic_api", GENERIC_LOGGER_ENDPOINT=hook.url,
        CALLSPAN_SPOOL_DIR=str(spool),
    )  # fmt: skip
    assert done.status == 1
    (sink,) = done.json["canary"]["sinks"]
    assert (sink["offered"], sink["delivered"]) == (6, 0)
    assert {finding["state"] for finding in sink["paths"].values()} == {"not delivered"}
    assert "401 unauthorized" in done.json["problems"][0]
    assert not spool.exists()


def test_the_console_sink_does_not_mix_with_the_report(callspan: Command) -> None:
    """JSON on standard output stays JSON."""
    done = callspan("doctor", "--canary", "--json", CALLSPAN_CALLBACKS="console")
    (sink,) = done.json["canary"]["sinks"]
    assert {finding["state"] for finding in sink["paths"].values()} == {"present"}


def test_content_that_is_never_recorded_reaches_nobody(callspan: Command) -> None:
    """Where spans carry no content, even a sink that may have it gets none."""
    done = callspan(
        "doctor", "--canary", "--json", OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="NO_CONTENT"
    )  # fmt: skip
    (sink,) = done.json["canary"]["sinks"]
    assert (done.status, {finding["state"] for finding in sink["paths"].values()}) == (0, {"clean"})


def test_the_canary_without_openai(callspan: Command, without_openai: Path) -> None:
    """It needs a client to make the calls with."""
    done = callspan("doctor", "--canary", PYTHONPATH=str(without_openai))
    assert done.status == 1
    assert "pip install 'callspan[openai]'" in done.out
