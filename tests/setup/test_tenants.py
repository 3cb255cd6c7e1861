"""Logging by key and by team: which sinks, with which credentials, which policy; nothing of one tenant at another."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import callspan
from callspan.setup import litellm_proxy, processors, stamped
from callspan.setup.settings import load
from tests.exporters.servers import Answer, SinkServer
from tests.setup.processes import run
from tests.setup.spans import SECRET, call

KEY_HASH = hashlib.sha256(b"sk-virtual").hexdigest()


def hook(server: SinkServer, path: str, **more: Any) -> dict[str, Any]:
    return {"callback_type": "generic_api", "endpoint": server.url + path, **more}


def made_for(provider: TracerProvider, *, fails: bool = False, more: Any = None, **who: Any) -> None:
    """One call on behalf of a key or a team."""
    metadata = {f"user_api_key_{name}": value for name, value in who.items()}
    call(provider, {"callspan.metadata": json.dumps(metadata), **(more or {})}, fails=fails)


def configured(provider: TracerProvider, server: SinkServer, **settings: Any) -> None:
    """Webhooks ``all``, ``own`` and ``other`` exist; everybody's calls go to ``all``."""
    hooks = {name: hook(server, f"/{name}") for name in ("all", "own", "other")}
    entries = {**hooks, **settings.pop("callback_settings", {})}
    arguments = {"callbacks": ["all"], **settings}
    callspan.configure(callback_settings=entries, tracer_provider=provider, instrument=False, **arguments)


def got(server: SinkServer) -> dict[str, int]:
    """How many calls came to each path."""
    callspan.flush(10)
    counts: dict[str, int] = {}
    for request in server.requests:
        counts[request.path] = counts.get(request.path, 0) + len(json.loads(request.body))
    return counts


TEAM = {"team_id": "a", "success_callback": ["own"]}
BY_HASH = {"key_hash": KEY_HASH, "success_callback": ["other"]}
BY_ALIAS = {"key_alias": "prod", "failure_callback": ["own"]}


@pytest.mark.parametrize(
    ("teams", "keys", "who", "fails", "where"),
    [
        ([TEAM], [], {"team_id": "a"}, False, {"/all": 1, "/own": 1}),
        ([TEAM], [], {"team_id": "a"}, True, {"/all": 1}),
        ([TEAM], [], {"team_id": "b"}, False, {"/all": 1}),
        ([TEAM], [], {}, False, {"/all": 1}),
        ([TEAM], [BY_HASH], {"team_id": "a", "hash": KEY_HASH}, False, {"/all": 1, "/other": 1}),
        ([TEAM], [BY_HASH], {"team_id": "a", "hash": KEY_HASH}, True, {"/all": 1}),
        ([TEAM], [BY_ALIAS], {"team_id": "a", "alias": "prod"}, True, {"/all": 1, "/own": 1}),
        ([TEAM], [BY_ALIAS], {"team_id": "a", "alias": "prod"}, False, {"/all": 1}),
        (
            [{"team_id": "a", "callbacks": "own, other"}],
            [],
            {"team_id": "a"},
            True,
            {"/all": 1, "/own": 1, "/other": 1},
        ),
        ([{**TEAM, "litellm_disabled_callbacks": ["ALL"]}], [], {"team_id": "a"}, False, {"/own": 1}),
        ([{"team_id": 7, "logging": [{"callback_name": "own"}]}], [], {"team_id": "7"}, True, {"/all": 1, "/own": 1}),
        (
            [{"team_id": "a", "logging": [{"callback_name": "own", "callback_type": "failure"}]}],
            [],
            {"team_id": "a"},
            False,
            {"/all": 1},
        ),
        ([{"team_id": "a", "success_callback": []}], [], {"team_id": "a"}, False, {"/all": 1}),
    ],
)
def test_the_first_level_that_says_anything_counts_alone(
    teams: list[Any],
    keys: list[Any],
    who: dict[str, str],
    fails: bool,
    where: dict[str, int],
    server: SinkServer,
    provider: TracerProvider,
) -> None:
    """The key's settings, else its team's, beside everybody's sinks."""
    configured(provider, server, default_team_settings=teams, default_key_settings=keys)
    made_for(provider, fails=fails, **who)
    assert got(server) == where


def test_litellms_file_with_teams_works_as_it_is(
    server: SinkServer, provider: TracerProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each team's calls reach Langfuse with the team's keys, in place of everybody's; variables by LiteLLM's names."""
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-all")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-all")
    monkeypatch.setenv("LANGFUSE_HOST", server.url)
    monkeypatch.setenv("SECRET_OF_A", "sk-a")
    (tmp_path / "config.yaml").write_text(
        """
        litellm_settings:
          success_callback: [langfuse]
          default_team_settings:
            - max_budget: 100
            - team_id: team-a
              success_callback: [langfuse]
              failure_callback: [langfuse]
              langfuse_public_key: pk-a
              langfuse_secret: os.environ/SECRET_OF_A
            - team_id: team-b
              success_callback: ["langfuse"]
              callback_vars: {langfuse_public_key: pk-b, langfuse_secret_key: sk-b}
        """
    )
    callspan.configure(config_file=tmp_path / "config.yaml", tracer_provider=provider, instrument=False)
    made_for(provider, team_id="team-a")
    made_for(provider, team_id="team-a", fails=True)
    made_for(provider, team_id="team-b")
    made_for(provider, team_id="team-c")
    report = callspan.flush(10)
    assert {name: report[name].delivered for name in report if name.startswith("langfuse")} == {
        "langfuse": 1,
        "langfuse@team-a": 2,
        "langfuse@team-b": 1,
    }
    by_key: dict[str, bytes] = {}
    for request in server.requests:
        authorization = request.headers["authorization"]
        by_key[authorization] = by_key.get(authorization, b"") + request.body
    assert len(by_key) == 3
    teams = (b"team-a", b"team-b", b"team-c")
    assert sorted([team for team in teams if team in body] for body in by_key.values()) == [[team] for team in teams]


@pytest.mark.parametrize(
    ("everybody", "tenant", "sink", "left"),
    [
        ({}, {}, {}, {"/all": True, "/own": True}),
        ({}, {"turn_off_message_logging": True}, {}, {"/all": False, "/own": False}),
        ({}, {"callback_vars": {"turn_off_message_logging": "True"}}, {}, {"/all": False, "/own": False}),
        ({}, {"redaction": "none"}, {}, {"/all": False, "/own": False}),
        ({}, {"redaction": "full"}, {}, {"/all": True, "/own": True}),
        ({"turn_off_message_logging": True}, {"redaction": "full"}, {}, {"/all": False, "/own": False}),
        ({}, {"callback_settings": {"own": {"message_logging": False}}}, {}, {"/all": True, "/own": False}),
        (
            {},
            {"callback_settings": {"own": {"message_logging": True}}},
            {"message_logging": False},
            {"/all": True, "/own": False},
        ),
    ],
)
def test_the_tighter_policy_wins(
    everybody: dict[str, Any],
    tenant: dict[str, Any],
    sink: dict[str, Any],
    left: dict[str, bool],
    server: SinkServer,
    provider: TracerProvider,
) -> None:
    """A tenant may withhold content, everywhere or at one sink; it never lets out what is withheld from everybody."""
    mine = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(mine))
    configured(
        provider,
        server,
        default_team_settings=[{"team_id": "a", "callbacks": ["own"], **tenant}],
        callback_settings={"own": hook(server, "/own", **sink)},
        **everybody,
    )
    made_for(provider, team_id="a")
    callspan.flush(10)
    assert {request.path: SECRET.encode() in request.body for request in server.requests} == left
    (span,) = mine.get_finished_spans()
    assert (SECRET in span.to_json()) is left["/all"]


def test_one_tenants_policy_is_its_own(server: SinkServer, provider: TracerProvider) -> None:
    """What one team withholds, another team's calls still have, at the same sinks."""
    configured(
        provider,
        server,
        default_team_settings=[
            {"team_id": "a", "callbacks": ["own"], "turn_off_message_logging": True},
            {"team_id": "b", "callbacks": ["own"]},
        ],
    )
    for team in ("a", "b"):
        made_for(provider, team_id=team)
        callspan.flush(10)
    assert [SECRET.encode() in request.body for request in server.requests if request.path == "/own"] == [False, True]
    assert [SECRET.encode() in request.body for request in server.requests if request.path == "/all"] == [False, True]


def test_a_sink_that_cannot_be_made_costs_its_tenant_alone(
    server: SinkServer, provider: TracerProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """One line in the log, each call counted with the reason, everybody else unaffected."""
    configured(
        provider,
        server,
        default_team_settings=[
            {"team_id": "a", "callbacks": ["langfuse"], "langfuse_public_key": "pk-a"},
            {"team_id": "b", "callbacks": ["own"]},
        ],
    )
    for team in ("a", "a", "b"):
        made_for(provider, team_id=team)
    report = callspan.flush(10)
    assert got(server) == {"/all": 3, "/own": 1}
    assert report["langfuse@a"].dropped == {"tenant_sink_not_available": 2}
    assert not report.ok
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("callspan: configure(default_team_settings=...)[0]: langfuse: langfuse: secret_key")
    assert line.endswith("; the calls of a are not delivered there")


def test_no_more_sinks_are_open_than_allowed(server: SinkServer, provider: TracerProvider) -> None:
    """The one unused for longest delivers and closes, and is made again when it is needed; no call is lost."""
    teams = [{"team_id": f"t{number}", "callbacks": ["own"]} for number in range(5)]
    configured(provider, server, default_team_settings=teams, max_tenant_sinks=2)
    for _ in range(2):
        for number in range(5):
            made_for(provider, team_id=f"t{number}")
    report = callspan.flush(10)
    provider.shutdown()
    assert sum(each.dropped.get("tenant_sink_not_available", 0) for each in report.values()) == 0
    assert got(server) == {"/all": 10, "/own": 10}
    assert sum(thread.name.startswith("callspan-own@") for thread in threading.enumerate()) <= 2


def test_an_idle_sink_is_closed_after_it_has_delivered(server: SinkServer, provider: TracerProvider) -> None:
    """Nobody flushes: what waits goes out when the sink is closed, and its numbers stay in the report."""
    configured(
        provider,
        server,
        callbacks=[],
        default_team_settings=[{"team_id": "a", "callbacks": ["own"]}],
        tenant_idle_s=0.2,
    )
    made_for(provider, team_id="a")
    server.wait_for(1)
    made_for(provider, team_id="a")
    server.wait_for(2)
    provider.shutdown()
    report = callspan.flush(10)
    assert sum(each.delivered for name, each in report.items() if name.startswith("own@")) == 2


def test_the_end_of_the_process_loses_nothing(server: SinkServer, provider: TracerProvider) -> None:
    """Shutting the provider down makes the sinks that calls wait for."""
    configured(provider, server, default_team_settings=[{"team_id": "a", "callbacks": ["own"]}])
    made_for(provider, team_id="a")
    provider.shutdown()
    assert got(server) == {"/all": 1, "/own": 1}


def test_new_settings_replace_the_tenants(server: SinkServer, provider: TracerProvider) -> None:
    """What the old ones had is delivered; the new ones get the rest."""
    for name in ("own", "other"):
        configured(provider, server, default_team_settings=[{"team_id": "a", "callbacks": [name]}])
        made_for(provider, team_id="a")
    assert got(server) == {"/all": 2, "/own": 1, "/other": 1}


def test_the_same_settings_again_change_nothing(server: SinkServer, provider: TracerProvider) -> None:
    """No sink is made anew, and no call counts twice."""
    configured(provider, server, default_team_settings=[{**TEAM, "redaction": "none"}])
    before = processors.known(provider)
    configured(provider, server, default_team_settings=[{**TEAM, "redaction": "none"}])
    assert processors.known(provider) == before
    made_for(provider, team_id="a")
    assert got(server) == {"/all": 1, "/own": 1}


def test_a_call_may_name_its_sinks_among_its_tenants(server: SinkServer, provider: TracerProvider) -> None:
    """``context(sinks=[...])`` means a tenant's sink by the name that everybody calls it."""
    configured(provider, server, default_team_settings=[{"team_id": "a", "callbacks": ["own", "other"]}])
    made_for(provider, team_id="a", more={"callspan.sinks": ("own",)})
    assert got(server) == {"/own": 1}


def test_the_thread_that_makes_a_call_makes_no_sink(server: SinkServer, provider: TracerProvider) -> None:
    """A slow sink of one tenant holds up nobody: neither the call nor another tenant."""
    server.rule = lambda request: Answer(hang=request.path == "/own")
    configured(
        provider,
        server,
        default_team_settings=[{"team_id": "a", "callbacks": ["own"]}, {"team_id": "b", "callbacks": ["other"]}],
        shutdown_timeout_s=0.1,
    )
    made_for(provider, team_id="a")
    made_for(provider, team_id="b")
    callspan.flush(0.1)
    server.wait_for(3)
    assert {request.path for request in server.requests if request.status == 200} == {"/all", "/other"}


WRONG = [
    ({"callbacks": ["own"]}, "[0]: expected team_id, which says whose calls it is about"),
    ({"team_id": "a", "sucess_callback": ["own"]}, "[0].sucess_callback: unknown key; did you mean success_callback?"),
    (
        {"team_id": "a", "callback_vars": {"langfuse_secrt": "sk-lf-1"}},
        "langfuse_secrt: no such variable; did you mean",
    ),
    ({"team_id": "a", "callback_vars": {"endpoint": "sk-lf-1"}}, "settings of a sink go into callback_settings"),
    ({"team_id": "a", "callbacks": ["my.module"]}, "[0]: my.module: a tenant's sinks are named, not imported"),
    ({"team_id": "a", "redaction": "pii"}, "[0].redaction: unknown policy 'pii'"),
    ({"team_id": "a", "turn_off_message_logging": "maybe"}, "expected true or false, got 'maybe'"),
    ({"team_id": "a", "logging": [{"callback_type": "success"}]}, "logging[0].callback_name: expected the name of a"),
    ({"team_id": "a", "logging": [{"callback_name": "own", "callback_type": "x"}]}, "callback_type: expected one of"),
    ("sk-lf-1", "[0]: expected a mapping"),
]


@pytest.mark.parametrize(("entry", "said"), WRONG)
def test_a_wrong_entry_is_one_clear_error(entry: Any, said: str, server: SinkServer, provider: TracerProvider) -> None:
    """It names the entry and the key, and no secret."""
    with pytest.raises(callspan.ConfigurationError) as raised:
        configured(provider, server, default_team_settings=[entry])
    assert said in str(raised.value)
    assert "sk-lf" not in str(raised.value)


def test_a_key_is_named_by_its_hash(server: SinkServer, provider: TracerProvider) -> None:
    """Somebody who writes the key itself is told so; it is not repeated."""
    with pytest.raises(callspan.ConfigurationError, match="expected the SHA-256 of a key") as raised:
        configured(provider, server, default_key_settings=[{"key_hash": "sk-lf-1", "callbacks": ["own"]}])
    assert "sk-lf" not in str(raised.value)


def test_the_same_tenant_twice_is_an_error(server: SinkServer, provider: TracerProvider) -> None:
    """Which of the two counts would be a guess."""
    with pytest.raises(callspan.ConfigurationError, match="there is an entry for a already"):
        configured(provider, server, default_team_settings=[TEAM, TEAM])


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process is LiteLLM's proxy."""
    monkeypatch.setattr("sys.argv", ["litellm"])
    monkeypatch.setattr("sys.orig_argv", ["python", "litellm"], raising=False)
    assert litellm_proxy.running()
    yield
    stamped.learn(KEY_HASH)


@pytest.mark.usefixtures("gateway")
def test_a_gateway_says_where_a_keys_calls_go(server: SinkServer, provider: TracerProvider) -> None:
    """Its word counts before the settings; when it says nothing any more, they count again."""
    configured(provider, server, default_team_settings=[TEAM])
    stamped.learn(KEY_HASH, success_callback=["other", "not_ours"], failure_callback=[])
    made_for(provider, team_id="a", hash=KEY_HASH)
    assert got(server) == {"/all": 1, "/other": 1}
    stamped.learn(KEY_HASH)
    made_for(provider, team_id="a", hash=KEY_HASH)
    assert got(server) == {"/all": 2, "/other": 1, "/own": 1}


@pytest.mark.usefixtures("gateway")
def test_a_key_may_disable_sinks_of_its_team(server: SinkServer, provider: TracerProvider) -> None:
    """A gateway that says nothing but that leaves the rest to the settings."""
    configured(provider, server, default_team_settings=[{"team_id": "a", "callbacks": ["own", "other"]}])
    stamped.learn(KEY_HASH, disabled=["Own"])
    made_for(provider, team_id="a", hash=KEY_HASH)
    assert got(server) == {"/all": 1, "/other": 1}


@pytest.mark.usefixtures("gateway")
def test_new_credentials_of_a_key_count_at_once(server: SinkServer, provider: TracerProvider) -> None:
    """The old ones are not used any more; the same ones again are the same sink."""
    configured(provider, server)
    for secret in ("sk-1", "sk-1", "sk-2"):
        variables = {"langfuse_public_key": "pk", "langfuse_secret_key": secret, "langfuse_host": server.url}
        stamped.learn(KEY_HASH, success_callback=["langfuse"], variables=variables)
        made_for(provider, hash=KEY_HASH)
        callspan.flush(10)
    sent = [request.headers["authorization"] for request in server.requests if "otel" in request.path]
    assert (len(sent), len(set(sent))) == (3, 2)


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    "variables",
    [
        {"langfuse_host": "http://tenant.invalid"},
        {"langfuse_host": "os.environ/LANGFUSE_HOST", "langfuse_public_key": "pk", "langfuse_secret_key": "sk"},
        {"langfuse_host": "${LANGFUSE_HOST}", "langfuse_public_key": "pk", "langfuse_secret_key": "sk"},
    ],
    ids=["address without credentials", "variable", "variable inside"],
)
def test_a_key_cannot_use_what_is_the_operators(
    variables: dict[str, str], server: SinkServer, provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the process's credentials at an address of its own, nor the process's variables."""
    monkeypatch.setenv("LANGFUSE_HOST", server.url)
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-all")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-all")
    configured(provider, server)
    stamped.learn(KEY_HASH, success_callback=["langfuse"], variables=variables)
    made_for(provider, hash=KEY_HASH)
    report = callspan.flush(10)
    assert report[f"langfuse@{KEY_HASH}"].delivered == 0
    assert got(server) == {"/all": 1}


def test_who_names_sinks_for_teams_alone_has_no_local_file(server: SinkServer, provider: TracerProvider) -> None:
    """Other teams' calls are kept nowhere, as with LiteLLM."""
    configured(provider, server, callbacks=[], default_team_settings=[TEAM])
    made_for(provider, team_id="a")
    made_for(provider, team_id="b")
    assert got(server) == {"/own": 1}
    assert set(callspan.flush(10)) == {"own@a"}


def test_a_tenant_is_known_by_what_its_sinks_are_not_told(server: SinkServer, provider: TracerProvider) -> None:
    """``redact_user_api_key_info`` takes the team out of what is sent, not out of where it is sent."""
    configured(provider, server, redact_user_api_key_info=True, default_team_settings=[{**TEAM, "team_id": "team-7"}])
    made_for(provider, team_id="team-7")
    assert got(server) == {"/all": 1, "/own": 1}
    assert not [request for request in server.requests if b"team-7" in request.body]


def test_many_threads_and_many_tenants(server: SinkServer, provider: TracerProvider) -> None:
    """However sinks are made and closed meanwhile, each call comes once, to its own tenant."""
    entries = {f"t{number}": {"own": hook(server, f"/t{number}", flush_interval=0.01)} for number in range(5)}
    teams = [
        {"team_id": team, "callbacks": ["own"], "callback_settings": settings} for team, settings in entries.items()
    ]
    configured(provider, server, callbacks=[], default_team_settings=teams, max_tenant_sinks=3, tenant_idle_s=0.05)

    def work() -> None:
        for _ in range(5):
            for team in entries:
                made_for(provider, team_id=team)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    provider.shutdown()
    assert got(server) == {f"/{team}": 15 for team in entries}
    for request in server.requests:
        team = request.path.removeprefix("/")
        assert {each["metadata"]["user_api_key_team_id"] for each in json.loads(request.body)} == {team}
    report = callspan.flush(10)
    assert (sum(each.delivered for each in report.values()), report.ok) == (75, True)


@pytest.mark.process
def test_a_program_that_ends_at_once_loses_nothing(server: SinkServer, tmp_path: Path) -> None:
    """Zero code: the sink that the last call is for is made while the process ends."""
    (tmp_path / "config.yaml").write_text(
        f"""
        litellm_settings:
          default_team_settings: [{{team_id: a, success_callback: [own]}}]
        callback_settings:
          own: {{callback_type: generic_api, endpoint: "{server.url}/own"}}
        """
    )
    finished = run(
        "import json\n"
        "from opentelemetry import trace\n"
        "from tests.setup.spans import call\n"
        'metadata = json.dumps({"user_api_key_team_id": "a"})\n'
        'call(trace.get_tracer_provider(), {"callspan.metadata": metadata})\n',
        CALLSPAN_CONFIG=str(tmp_path / "config.yaml"),
    )
    assert (finished.code, finished.err) == (0, "")
    assert got(server) == {"/own": 1}


def test_one_wrong_entry_costs_one_team(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zero-code runs go on with the others, without content: what the entry says may be about privacy."""
    entries = [{"team_id": "a", "turn_off_mesage_logging": True, "callbacks": "own"}, {**TEAM, "team_id": "b"}]
    monkeypatch.setenv("CALLSPAN_DEFAULT_TEAM_SETTINGS", json.dumps(entries))
    loaded = load()
    assert [tenant.value for tenant in loaded.settings.default_team_settings] == ["b"]
    assert loaded.privacy_unclear
    (problem,) = loaded.problems
    assert str(problem).startswith("CALLSPAN_DEFAULT_TEAM_SETTINGS[0].turn_off_mesage_logging: unknown key; did you")


FORKS = """
import json, os, sys
import callspan
from opentelemetry import trace
from tests.setup.spans import call

def made_for(team):
    call(trace.get_tracer_provider(), {"callspan.metadata": json.dumps({"user_api_key_team_id": team})})

entry = {"callback_type": "generic_api", "endpoint": sys.argv[1]}
teams = [{"team_id": team, "callbacks": ["own"]} for team in "ab"]
callspan.configure(callback_settings={"own": entry}, default_team_settings=teams, instrument=False)
made_for("a")
callspan.flush(10)
made_for("a")
child = os.fork()
made_for("a")
made_for("b")
report = callspan.flush(10)
if child == 0:
    os._exit(0 if {name: each.delivered for name, each in report.items()} == {"own@a": 1, "own@b": 1} else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert {name: each.delivered for name, each in report.items()} == {"own@a": 3, "own@b": 1}
"""


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_tenants_of_its_own(server: SinkServer) -> None:
    """What the parent has queued is the parent's to send; the child's calls are the child's."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS, f"{server.url}/own"]
    subprocess.run(command, check=True, timeout=60, cwd=Path(__file__).parents[2])
    assert got(server) == {"/own": 6}


def test_metadata_names_neither_sinks_nor_credentials(server: SinkServer, provider: TracerProvider) -> None:
    """What LiteLLM keeps in a key's metadata is no more than metadata when it comes with a call."""
    configured(provider, server, default_team_settings=[TEAM])
    logging = [{"callback_name": "other", "callback_type": "success", "callback_vars": {}}]
    metadata = {
        "user_api_key_metadata": {"logging": logging},
        "user_api_key_team_metadata": {"logging": logging},
        "user_api_key_auth_metadata": {"logging": logging},
        "logging": logging,
        "success_callback": ["other"],
        "turn_off_message_logging": False,
    }
    call(provider, {"callspan.metadata": json.dumps(metadata)})
    assert got(server) == {"/all": 1}
