"""Every ``config.yaml`` of LiteLLM's logging pages, as it stands there: it loads, and its sinks get the calls.

``files/`` has one file per block, with the pages' keys and values. Only addresses are replaced, by those of a recorder.
"""

import logging
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

import callspan
from callspan.setup import sinks
from callspan.setup.settings import load
from tests.exporters.servers import SinkServer
from tests.setup.spans import call

FILES = Path(__file__).parent / "files"
ALL = sorted(path.stem for path in FILES.glob("*.yaml"))

# What each file's sinks get of one call that succeeds and one that fails.
BOTH, SUCCESS, FAILURE = 2, 1, 1
DELIVERED = {
    "webhook-quick-start": {"custom_api_name": BOTH},
    "webhook-preconfigured": {"rubrik": SUCCESS},  # the service takes no failures
    "redact-user-api-key-info": {"langfuse": BOTH},
    "turn-off-message-logging": {"langfuse": SUCCESS},
    "langfuse": {"langfuse": SUCCESS},
    "langfuse-default-tags": {"langfuse": SUCCESS},
    "otel": {"otel": BOTH},
    "otel-message-logging": {"otel": BOTH},
    "forward-traceparent": {"local": BOTH},  # it names no sink
    "gcs": {"gcs_bucket": BOTH},
    "s3": {"s3": SUCCESS},
    "s3-team-prefix": {"s3": BOTH},
    "azure": {"azure_storage": BOTH},
    "datadog": {"datadog": BOTH},
    "datadog-llm": {"datadog_llm_observability": BOTH},
    "lunary": {"lunary": BOTH},
    "mlflow": {"mlflow": BOTH},
    "generic": {"generic": SUCCESS},
    "langsmith": {"langsmith": SUCCESS},
    "arize": {"arize": BOTH},
    "langtrace": {"langtrace": BOTH},
    "galileo": {"galileo": SUCCESS},
    "openmeter": {"openmeter": SUCCESS},
    "dynamodb": {"dynamodb": SUCCESS},
    "sentry": {"sentry": FAILURE},
    "athina": {"athina": SUCCESS},
}
# Blocks that only describe a sink: what they are put to use by is a list of callbacks.
ONLY_SETTINGS = {
    "webhook-basic-setup": "<callback_name>",
    "webhook-batch": "my_api",
    "webhook-json-array": "my_api",
    "webhook-ndjson": "my_api",
    "webhook-single": "my_api",
}
# Its sink is a class of the reader's, in a file beside it: tests/callbacks has those.
ITS_OWN_CLASS = {"custom-callback"}

PLANNED = {"custom-callback": {"custom_callbacks.proxy_handler_instance"}, "forward-traceparent": set()}

_ADDRESSES = (
    "https://your-endpoint.com",
    "https://s3.amazonaws.com",
    "https://api.smith.langchain.com",
    "https://otlp.arize.com",
)


def test_every_file_has_its_test() -> None:
    """A file that is added here is delivered here."""
    assert sorted({*DELIVERED, *ONLY_SETTINGS, *ITS_OWN_CLASS}) == ALL


@pytest.mark.parametrize("name", ALL)
@pytest.mark.usefixtures("credentials")
def test_it_loads_as_it_is(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not a byte changed: no error, no warning, and the sinks it names are planned."""
    caplog.set_level(logging.DEBUG, "callspan")
    loaded = load(config_file=str(FILES / f"{name}.yaml"))
    assert loaded.problems == ()
    assert not loaded.privacy_unclear
    planned = {plan.name for plan in sinks.plans(loaded.settings)}
    assert planned == PLANNED.get(name, set(DELIVERED.get(name, ())))
    assert caplog.records == []


@pytest.mark.parametrize("name", DELIVERED)
@pytest.mark.usefixtures("credentials")
def test_its_sinks_get_the_calls(
    name: str, server: SinkServer, provider: TracerProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call that succeeds, one that fails: each sink gets what its list is about."""
    if name.startswith("otel"):
        monkeypatch.setenv("OTEL_EXPORTER", "otlp_http")
        monkeypatch.setenv("OTEL_ENDPOINT", server.url)
        monkeypatch.setenv("OTEL_HEADERS", "x-honeycomb-team=<your-api-key>")
    callspan.configure(
        callback_settings={"azure_storage": {"endpoint": server.url}},  # the one address that no variable holds
        config_file=local(name, server, tmp_path),
        tracer_provider=provider,
        instrument=False,
    )
    assert _made_and_delivered(provider) == DELIVERED[name]


@pytest.mark.parametrize("name", ONLY_SETTINGS)
@pytest.mark.usefixtures("credentials")
def test_settings_of_a_webhook_are_used(
    name: str, server: SinkServer, provider: TracerProvider, tmp_path: Path
) -> None:
    """The name is the reader's own; headers, events, batches and format are optional."""
    sink = ONLY_SETTINGS[name]
    callspan.configure(
        callbacks=[sink], config_file=local(name, server, tmp_path), tracer_provider=provider, instrument=False
    )
    assert _made_and_delivered(provider) == {sink: BOTH}


def local(name: str, server: SinkServer, folder: Path) -> Path:
    """The file with the recorder's address in place of every other."""
    text = (FILES / f"{name}.yaml").read_text(encoding="utf-8")
    for address in _ADDRESSES:
        text = text.replace(address, server.url)
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _made_and_delivered(provider: TracerProvider) -> dict[str, int]:
    user = {"callspan.user": "ishaan-app"}  # whom OpenMeter bills
    call(provider, user)
    call(provider, user, fails=True)
    report = callspan.flush(10)
    assert report.ok
    return {name: report[name].delivered for name in report}


@pytest.mark.parametrize(
    ("exporter", "endpoint", "headers", "url"),
    [
        ("console", None, None, None),
        ("otlp_http", "https://api.honeycomb.io/v1/traces", "x-honeycomb-team=<your-api-key>", None),
        (
            "otlp_http",
            "https://api.traceloop.com",
            "Authorization=Bearer%20<your-api-key>",
            "https://api.traceloop.com/v1/traces",
        ),
        ("otlp_http", "http://0.0.0.0:4317", None, "http://0.0.0.0:4317/v1/traces"),
        ("otlp_grpc", "http://0.0.0.0:4317", None, "http://0.0.0.0:4317"),
    ],
)
def test_variables_of_the_otel_pages(
    exporter: str, endpoint: str | None, headers: str | None, url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``files/otel.yaml`` with what each page exports: the console, Honeycomb, Traceloop, a Collector either way."""
    for name, value in (("OTEL_EXPORTER", exporter), ("OTEL_ENDPOINT", endpoint), ("OTEL_HEADERS", headers)):
        if value is not None:
            monkeypatch.setenv(name, value)
    (plan,) = sinks.plans(load(config_file=str(FILES / "otel.yaml")).settings)
    made = sinks.build(plan, None)
    assert getattr(made, "endpoint", None) == (url or endpoint)
    made.shutdown()


@pytest.mark.parametrize("exporter", ["otlp_http", "otlp_grpc"])
def test_the_pages_slip_of_the_pen(exporter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of theirs lacks a slash: no URL, but what was meant is said."""
    monkeypatch.setenv("OTEL_EXPORTER", exporter)
    monkeypatch.setenv("OTEL_ENDPOINT", "http:/0.0.0.0:4317")
    (plan,) = sinks.plans(load(config_file=str(FILES / "otel.yaml")).settings)
    with pytest.raises(callspan.ConfigurationError, match=r"OTEL_ENDPOINT: .*did you mean 'http://0.0.0.0:4317'\?"):
        sinks.build(plan, None)
