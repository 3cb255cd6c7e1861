"""Zero-code runs: real processes under ``opentelemetry-instrument``."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.exporters.otlp_recorder import DecodedSpan, decoded
from tests.exporters.servers import SinkServer
from tests.setup.processes import CALLS, Finished, run, start, terminate
from tests.setup.spans import SECRET

pytestmark = pytest.mark.process


@pytest.fixture(scope="session")
def distro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``opentelemetry-distro`` in it."""
    folder = tmp_path_factory.mktemp("distro")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
    done = subprocess.run([*pip, "opentelemetry-distro>=0.66b0"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("opentelemetry-distro cannot be installed here")
    return folder


def traces(server: SinkServer) -> list[DecodedSpan]:
    """The spans that arrived over OTLP."""
    bodies = [request.body for request in server.requests if request.path == "/v1/traces"]
    return [span for body in bodies for span in decoded(ExportTraceServiceRequest.FromString(body))]


def payloads(server: SinkServer) -> list[dict[str, Any]]:
    """The calls that arrived at the webhook."""
    bodies = [request.body for request in server.requests if request.path == "/hook"]
    return [entry for body in bodies for entry in json.loads(body)]


def everywhere(server: SinkServer) -> dict[str, str]:
    """Variables that send traces to the server's OTLP, and calls to its webhook."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "GENERIC_LOGGER_ENDPOINT": f"{server.url}/hook",
    }


def config(folder: Path, text: str, name: str = "config.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def local_calls(folder: Path) -> int:
    """How many calls the local sink has."""
    with closing(sqlite3.connect(folder / "calls.sqlite3")) as database:
        (count,) = database.execute("SELECT count(*) FROM calls").fetchone()
    return int(count)


def ran_well(finished: Finished) -> None:
    assert (finished.code, finished.out, finished.err) == (0, "done\n", "")


def test_with_nothing_set_calls_go_to_the_local_file(tmp_path: Path) -> None:
    """`opentelemetry-instrument python app.py` is enough to see calls."""
    ran_well(run(CALLS))
    assert local_calls(tmp_path) == 2


@pytest.mark.parametrize("beside_distro", [False, True])
def test_three_exporters_with_one_of_them_redacted(
    beside_distro: bool, server: SinkServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """OTLP gets all spans, the sinks get the calls, and only the webhook gets no content; each call comes once."""
    path = [request.getfixturevalue("distro")] if beside_distro else []
    file = config(tmp_path, "callback_settings: {generic_api: {message_logging: false}}")
    environment = everywhere(server) | {"OTEL_TRACES_EXPORTER": "otlp,generic_api,local", "CALLSPAN_CONFIG": file}
    ran_well(run(CALLS, *path, **environment))
    assert sorted(span.name for span in traces(server)) == ["chat gpt-5-mini", "chat gpt-5-mini", "request"]
    assert SECRET in str(traces(server))
    assert len(payloads(server)) == 2
    assert SECRET not in json.dumps(payloads(server))
    assert local_calls(tmp_path) == 2


@pytest.mark.parametrize("beside_distro", [False, True])
def test_a_global_policy_covers_otlp_as_well(
    beside_distro: bool, server: SinkServer, request: pytest.FixtureRequest
) -> None:
    """With ``turn_off_message_logging`` no exporter gets content, also not the one that the distribution set up."""
    path = [request.getfixturevalue("distro")] if beside_distro else []
    ran_well(run(CALLS, *path, CALLSPAN_TURN_OFF_MESSAGE_LOGGING="true", **everywhere(server)))
    assert len(traces(server)) == 3
    assert SECRET not in str(traces(server))


def test_a_mask_covers_everything(server: SinkServer) -> None:
    """``CALLSPAN_REDACTION`` names a mask of one's own: OTLP and the webhook get each call with matches replaced."""
    masks = json.dumps({"plans": {"patterns": {"plan": "the secret [a-z]+"}}})
    environment = everywhere(server) | {"OTEL_TRACES_EXPORTER": "otlp,generic_api"}
    ran_well(run(CALLS, CALLSPAN_REDACTION="plans", CALLSPAN_MASKS=masks, **environment))
    assert (len(traces(server)), len(payloads(server))) == (3, 2)
    everything = str(traces(server)) + json.dumps(payloads(server))
    assert (SECRET in everything, everything.count("[PLAN]")) == (False, 4)


def test_a_sink_named_twice_gets_each_call_once(server: SinkServer, distro: Path) -> None:
    """In ``OTEL_TRACES_EXPORTER`` and in ``callbacks``, beside the distribution that builds it as well."""
    environment = everywhere(server) | {"OTEL_TRACES_EXPORTER": "generic_api,otlp"}
    ran_well(run(CALLS, distro, CALLSPAN_CALLBACKS="generic_api,otel", **environment))
    assert (len(payloads(server)), len(traces(server))) == (2, 3)


def test_sinks_get_their_settings_from_the_file_beside_a_distribution(
    server: SinkServer, distro: Path, tmp_path: Path
) -> None:
    """The SDK builds exporters without arguments; what the file says counts all the same."""
    file = config(tmp_path, f"callback_settings: {{generic_api: {{endpoint: '{server.url}/hook', batch_size: 1}}}}")
    environment = {"GENERIC_LOGGER_ENDPOINT": f"{server.url}/wrong", "OTEL_TRACES_EXPORTER": "generic_api"}
    ran_well(run(CALLS, distro, CALLSPAN_CONFIG=file, **(everywhere(server) | environment)))
    assert [request.path for request in server.requests] == ["/hook", "/hook"]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "otlp,nosuch"}, "OTEL_TRACES_EXPORTER: unknown exporter 'nosuch'; expected one of"),
        ({"CALLSPAN_CALLBACKS": "generic_api,lanfuse"}, "unknown sink 'lanfuse'; did you mean 'langfuse'?"),
        ({"CALLSPAN_CALLBACKS": "langfuse"}, "langfuse: public_key is missing; set the environment variable"),
        ({"CALLSPAN_DURABILITY": "disk"}, "CALLSPAN_DURABILITY: expected memory (disk is not available"),
        ({"OTEL_METRICS_EXPORTER": "nosuch"}, "OTEL_*: the OpenTelemetry SDK cannot be configured: "),
    ],
)
def test_one_error_costs_one_thing(environment: dict[str, str], said: str, server: SinkServer) -> None:
    """The application runs, one line says what is wrong, and traces arrive with their content."""
    finished = run(CALLS, **(everywhere(server) | environment))
    assert (finished.code, finished.out) == (0, "done\n")
    assert said in finished.err
    assert len(finished.err.splitlines()) == 1
    assert len(traces(server)) == 3
    assert SECRET in str(traces(server))


def test_a_sink_whose_policy_is_wrong_gets_nothing(server: SinkServer) -> None:
    """Nobody knows what it may see; the others work as before."""
    environment = everywhere(server) | {"OTEL_TRACES_EXPORTER": "otlp,generic_api"}
    finished = run(CALLS, CALLSPAN_CALLBACK_SETTINGS='{"generic_api": {"redaction": "pi"}}', **environment)
    assert (finished.code, finished.out) == (0, "done\n")
    assert "CALLSPAN_CALLBACK_SETTINGS.generic_api.redaction: unknown policy 'pi'; expected one of" in finished.err
    assert (len(traces(server)), payloads(server)) == (3, [])
    assert SECRET in str(traces(server))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("litellm_settings: {calbacks: [local]}", "litellm_settings.calbacks: unknown key; did you mean callbacks?"),
        ("litellm_settings: {turn_off_message_logging: maybe}", "expected true or false, got 'maybe'"),
        ("litellm_settings: [", "line 1: expected YAML"),
        (
            "callspan_settings: {redaction: nome}",
            "callspan_settings.redaction: unknown policy 'nome'; did you mean none?",
        ),
        ("callspan_settings: {masks: {pii: {patterns: {a: '('}}}, redaction: pii}", "pii.patterns: mask pattern 'a': "),
        (
            "callspan_settings: {masks: {pii: {callables: [no.such]}}}",
            "callables: no.such: cannot import it: ModuleNot",
        ),
    ],
)
def test_an_unreadable_file_withholds_content(text: str, said: str, server: SinkServer, tmp_path: Path) -> None:
    """What cannot be read may have been about privacy: the application runs, spans arrive, prompts do not."""
    file = config(tmp_path, text)
    finished = run(CALLS, CALLSPAN_CONFIG=file, **everywhere(server))
    assert (finished.code, finished.out) == (0, "done\n")
    assert said in finished.err
    assert file in finished.err
    assert len(traces(server)) == 3
    assert SECRET not in str(traces(server))


@pytest.mark.parametrize("redacted", [False, True])
def test_a_declarative_configuration_names_a_sink(redacted: bool, server: SinkServer, tmp_path: Path) -> None:
    """``OTEL_CONFIG_FILE``: the keys under the sink's name are its settings, and callspan's policies cover it all."""
    pytest.importorskip("opentelemetry.configuration", reason="callspan[file-configuration] is not installed")
    file = config(
        tmp_path,
        f"""
        file_format: "1.1"
        tracer_provider:
          processors:
            - batch: {{exporter: {{generic_api: {{endpoint: "{server.url}/hook", batch_size: 1}}}}}}
            - simple: {{exporter: {{otlp_http: {{endpoint: "{server.url}/v1/traces"}}}}}}
        """,
        "otel.yaml",
    )
    environment = {"CALLSPAN_TURN_OFF_MESSAGE_LOGGING": "true"} if redacted else {}
    ran_well(run(CALLS, OTEL_CONFIG_FILE=file, **environment))
    assert [len(json.loads(request.body)) for request in server.requests if request.path == "/hook"] == [1, 1]
    assert len(traces(server)) == 3
    assert (SECRET in json.dumps(payloads(server)), SECRET in str(traces(server))) == (not redacted, not redacted)


def test_a_broken_declarative_configuration_leaves_the_sinks(tmp_path: Path) -> None:
    """The error names the file; calls still go to the local file."""
    finished = run(CALLS, OTEL_CONFIG_FILE="/no/such/otel.yaml")
    assert (finished.code, finished.out) == (0, "done\n")
    assert "OTEL_CONFIG_FILE=/no/such/otel.yaml: the OpenTelemetry SDK cannot be configured" in finished.err
    assert local_calls(tmp_path) == 2


def test_sampling_is_for_traces(server: SinkServer) -> None:
    """With a sampler that drops everything, the webhook has every call, and OTLP nothing."""
    environment = {"OTEL_TRACES_SAMPLER": "always_off", "CALLSPAN_CALLBACKS": "generic_api"}
    ran_well(run(CALLS, **everywhere(server), **environment))
    assert (len(payloads(server)), traces(server)) == (2, [])


@pytest.mark.parametrize(
    ("environment", "callbacks"), [({"OTEL_EXPORTER": "otlp_http"}, "otel"), ({}, "otel"), ({}, "")]
)
@pytest.mark.parametrize("beside_distro", [False, True])
def test_litellms_variables_say_where_traces_go(
    environment: dict[str, str],
    callbacks: str,
    beside_distro: bool,
    server: SinkServer,
    request: pytest.FixtureRequest,
) -> None:
    """``OTEL_ENDPOINT`` and ``OTEL_HEADERS`` count where the standard variables are absent."""
    path = [request.getfixturevalue("distro")] if beside_distro else []
    variables = {"OTEL_ENDPOINT": server.url, "OTEL_HEADERS": "x-key=a%20b", "CALLSPAN_CALLBACKS": callbacks}
    none = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    ran_well(run(CALLS, *path, **variables, **none, **environment))
    assert len(traces(server)) == 3
    assert server.requests[0].headers["x-key"] == "a b"


def test_the_console_callback_of_litellm_prints(tmp_path: Path) -> None:
    """``OTEL_EXPORTER=console`` with ``callbacks: [otel]``, as in LiteLLM's guide."""
    finished = run(CALLS, OTEL_EXPORTER="console", CALLSPAN_CALLBACKS="otel")
    assert finished.out.count('"trace_id"') == 3
    assert not (tmp_path / "calls.sqlite3").exists()


def test_no_exporter_means_no_file(tmp_path: Path) -> None:
    """``OTEL_TRACES_EXPORTER=none`` is a wish."""
    ran_well(run(CALLS, OTEL_TRACES_EXPORTER="none"))
    assert not (tmp_path / "calls.sqlite3").exists()


def test_a_disabled_sdk_is_left_alone(tmp_path: Path) -> None:
    """``OTEL_SDK_DISABLED`` turns callspan off as well, also where its settings are wrong."""
    application = "from opentelemetry import trace; print(type(trace.get_tracer_provider()).__name__)"
    finished = run(application, OTEL_SDK_DISABLED="true", CALLSPAN_CONFIG="/no/such/file.yaml")
    assert (finished.code, finished.out, finished.err) == (0, "ProxyTracerProvider\n", "")
    assert not (tmp_path / "calls.sqlite3").exists()


def test_exporters_that_the_application_adds_are_redacted(server: SinkServer) -> None:
    """Redaction also covers what the application sets up after callspan."""
    application = """
from opentelemetry import trace
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
"""
    finished = run(application + CALLS, CALLSPAN_TURN_OFF_MESSAGE_LOGGING="true", **everywhere(server))
    assert finished.code == 0
    assert finished.out.count('"trace_id"') == 3
    assert SECRET not in finished.out


def test_the_application_may_configure_on_top(server: SinkServer) -> None:
    """``configure`` in the code beats the environment, and what OpenTelemetry's variables name stays."""
    application = "import callspan; callspan.configure(callbacks=['generic_api'], turn_off_message_logging=True)"
    environment = everywhere(server) | {"CALLSPAN_CALLBACKS": "console"}
    ran_well(run(application + CALLS, **environment))
    assert (len(traces(server)), len(payloads(server))) == (3, 2)
    assert SECRET not in str(traces(server)) + json.dumps(payloads(server))


def test_configure_alone_sets_a_provider_up(server: SinkServer) -> None:
    """Without ``opentelemetry-instrument``: one call in the code, and OpenTelemetry's variables count as there."""
    application = "import callspan; callspan.configure(callbacks=['generic_api'])" + CALLS
    ran_well(run(application, under=(sys.executable,), **everywhere(server)))
    assert (len(traces(server)), len(payloads(server))) == (3, 2)


WAITS = CALLS.replace('print("done")', 'print("done", flush=True)') + "import signal\nsignal.pause()\n"


def test_sigterm_delivers_first(server: SinkServer) -> None:
    """An orchestrator's SIGTERM costs no call, and the process dies of it as before."""
    finished = terminate(start(WAITS, CALLSPAN_CALLBACKS="generic_api", **everywhere(server)))
    assert (finished.code, finished.err) == (-15, "")
    assert (len(payloads(server)), len(traces(server))) == (2, 3)


@pytest.mark.parametrize("variables", [{"CALLSPAN_SIGTERM_FLUSH_S": "0"}, {}])
def test_sigterm_stays_the_applications(variables: dict[str, str], server: SinkServer) -> None:
    """The switch leaves it alone; a handler of the application's own replaces callspan's."""
    own = "" if variables else "import os, signal\nsignal.signal(signal.SIGTERM, lambda *_: os._exit(7))\n"
    finished = terminate(start(own + WAITS, CALLSPAN_CALLBACKS="generic_api", **everywhere(server), **variables))
    assert finished.code == (-15 if variables else 7)
    assert server.requests == []


def test_a_dead_sink_bounds_what_sigterm_waits(server: SinkServer) -> None:
    """SIGTERM waits no longer than it was told to."""
    variables = {"CALLSPAN_SIGTERM_FLUSH_S": "0.2", "CALLSPAN_CALLBACKS": "generic_api"}
    hook = {"GENERIC_LOGGER_ENDPOINT": "http://127.0.0.1:1/hook"}
    process = start(WAITS, **variables, **hook)
    assert terminate(process).code == -15
