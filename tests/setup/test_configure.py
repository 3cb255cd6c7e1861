"""`callspan.configure`: sinks, events, redaction, errors, and calling it again."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import callspan
from callspan.setup import processors
from callspan.setup.pipelines import Foreign
from tests.exporters.servers import SinkServer
from tests.setup.spans import SECRET, call


def payloads(server: SinkServer, path: str) -> list[dict[str, Any]]:
    """The calls that a webhook got."""
    return [entry for request in server.requests if request.path == path for entry in json.loads(request.body)]


def hook(server: SinkServer, path: str, **more: Any) -> dict[str, Any]:
    return {"callback_type": "generic_api", "endpoint": server.url + path, **more}


def test_each_list_gets_its_events(server: SinkServer, provider: TracerProvider) -> None:
    """``success_callback`` sinks get what succeeded, ``failure_callback`` what failed, ``callbacks`` both."""
    callspan.configure(
        callbacks=["all"],
        success_callback=["good", "both"],
        failure_callback=["bad", "both"],
        callback_settings={name: hook(server, f"/{name}") for name in ("all", "good", "bad", "both")},
        tracer_provider=provider,
        instrument=False,
    )
    call(provider)
    call(provider, fails=True)
    report = callspan.flush(10)
    assert {name: report[name].delivered for name in report} == {"all": 2, "good": 1, "bad": 1, "both": 2}
    assert [entry["status"] for entry in payloads(server, "/good")] == ["success"]
    assert [entry["status"] for entry in payloads(server, "/bad")] == ["failure"]


def test_one_sinks_policy_is_its_own(server: SinkServer, provider: TracerProvider) -> None:
    """``message_logging: false`` costs one sink its content, and no other."""
    callspan.configure(
        callbacks=["open", "closed"],
        callback_settings={"open": hook(server, "/open"), "closed": hook(server, "/closed", message_logging=False)},
        tracer_provider=provider,
        instrument=False,
    )
    call(provider)
    callspan.flush(10)
    assert SECRET in json.dumps(payloads(server, "/open"))
    assert SECRET not in json.dumps(payloads(server, "/closed"))


def test_exporters_may_be_passed(provider: TracerProvider) -> None:
    """An exporter object in ``callbacks`` is a sink, and is not shut down when the settings change."""
    exporter = InMemorySpanExporter()
    callspan.configure(callbacks=[exporter], tracer_provider=provider, instrument=False)
    call(provider)
    callspan.configure(callbacks=[exporter, "local"], tracer_provider=provider, instrument=False)
    call(provider)
    callspan.flush(10)
    assert len(exporter.get_finished_spans()) == 2


def test_a_callback_of_ones_own_is_imported_from_beside_the_file(tmp_path: Path, provider: TracerProvider) -> None:
    """``module.instance`` means a module in the file's folder."""
    (tmp_path / "my_sinks.py").write_text(
        "from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter\n"
        "memory = InMemorySpanExporter()\n"
    )
    (tmp_path / "config.yaml").write_text("litellm_settings: {callbacks: my_sinks.memory}")
    callspan.configure(config_file=tmp_path / "config.yaml", tracer_provider=provider, instrument=False)
    call(provider)
    assert callspan.flush(10)["my_sinks.memory"].delivered == 1


def test_without_a_sink_calls_go_to_the_local_file(provider: TracerProvider, tmp_path: Path) -> None:
    """``configure()`` alone is enough to see calls."""
    callspan.configure(tracer_provider=provider, instrument=False, db=tmp_path / "mine.sqlite3")
    call(provider)
    assert callspan.flush(10)["local"].ok
    assert (tmp_path / "mine.sqlite3").exists()


def test_calling_it_again_with_the_same_arguments_changes_nothing(provider: TracerProvider) -> None:
    """No second pipeline, so no call counts twice."""
    exporter = InMemorySpanExporter()
    callspan.configure(callbacks=[exporter], tracer_provider=provider, instrument=False)
    before = processors.known(provider)
    callspan.configure(callbacks=[exporter], tracer_provider=provider, instrument=False)
    assert processors.known(provider) == before
    call(provider)
    callspan.flush(10)
    assert len(exporter.get_finished_spans()) == 1


def test_calling_it_again_with_other_arguments_replaces_the_sinks(server: SinkServer, provider: TracerProvider) -> None:
    """What the old sink had queued is delivered; the new one gets the rest."""
    for name in ("old", "new"):
        callspan.configure(
            callbacks=[name],
            callback_settings={name: hook(server, f"/{name}")},
            tracer_provider=provider,
            instrument=False,
        )
        call(provider)
    callspan.flush(10)
    assert (len(payloads(server, "/old")), len(payloads(server, "/new"))) == (1, 1)


@pytest.mark.parametrize("later", [False, True])
def test_the_applications_processors_are_redacted_as_well(later: bool, provider: TracerProvider) -> None:
    """Whether they were added before or after, they export at once and get no content."""
    exporter = InMemorySpanExporter()
    if not later:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    callspan.configure(turn_off_message_logging=True, tracer_provider=provider, instrument=False)
    if later:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    call(provider)
    (span,) = exporter.get_finished_spans()
    assert SECRET not in span.to_json()


def test_one_call_may_ask_for_redaction_everywhere(provider: TracerProvider) -> None:
    """``context(redact="none")`` also holds for the exporters that the application has set up itself."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    callspan.configure(tracer_provider=provider, instrument=False)
    call(provider, {"callspan.redact": "none"})
    call(provider)
    assert [SECRET in span.to_json() for span in exporter.get_finished_spans()] == [False, True]


def test_the_applications_processors_stay_what_they_are(provider: TracerProvider) -> None:
    """In code, callspan takes no exporter over: another configuration lets go of them as they were."""
    mine = BatchSpanProcessor(InMemorySpanExporter())
    provider.add_span_processor(mine)
    callspan.configure(callbacks=["local"], tracer_provider=provider, instrument=False)
    callspan.configure(callbacks=["console"], tracer_provider=provider, instrument=False)
    foreign = [each for each in processors.known(provider) if isinstance(each, Foreign)]
    assert [each.plain for each in foreign] == [mine]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"callbacks": ["lanfuse"]}, "unknown sink 'lanfuse'; did you mean 'langfuse'?"),
        (
            {"callbacks": 3},
            "configure(callbacks=...): expected a list of sink names (in code also exporters, "
            "functions and instances of CustomLogger), got 3",
        ),
        ({"calbacks": ["local"]}, "unknown argument calbacks; expected callbacks, "),
        ({"tracer_provider": object()}, "tracer_provider= is a builtins.object; expected one of the OpenTelemetry SDK"),
        ({"callbacks": ["nowhere.handler"]}, "nowhere.handler: cannot import it: ModuleNotFoundError"),
        (
            {"callbacks": ["json.__name__"]},
            "expected an instance of CustomLogger, a function or a SpanExporter instance, got str",
        ),
        (
            {"callbacks": ["x"], "callback_settings": {"x": {"callback_type": "generic_ap"}}},
            "configure(callback_settings=...).x.callback_type: unknown sink 'generic_ap'; did you mean 'generic_api'?",
        ),
        (
            {"callbacks": ["generic_api"], "callback_settings": {"generic_api": {"endpont": "http://x"}}},
            "configure(callback_settings=...).generic_api.endpont: unknown setting; expected one of batch_size, ",
        ),
        (
            {"callbacks": ["generic_api"], "callback_settings": {"generic_api": {"endpoint": "${NOT_SET}"}}},
            "generic_api.endpoint: environment variable NOT_SET is not set",
        ),
        (
            {"callbacks": ["local"], "callback_settings": {"local": {"message_logging": "perhaps"}}},
            "local.message_logging: expected true or false, got 'perhaps'",
        ),
        ({"config_file": "/no/such/file.yaml"}, "/no/such/file.yaml: cannot read the configuration file"),
    ],
)
def test_a_wrong_argument_is_an_error_and_changes_nothing(
    arguments: dict[str, Any], said: str, provider: TracerProvider
) -> None:
    """The error names the argument; no sink of the call is left behind."""
    with pytest.raises(callspan.ConfigurationError) as raised:
        callspan.configure(**{"tracer_provider": provider, "instrument": False, **arguments})
    assert said in str(raised.value)
    assert processors.known(provider) == ()


def test_settings_reach_the_exporters(server: SinkServer, provider: TracerProvider) -> None:
    """LiteLLM's names for S3 and Langfuse end up where they belong."""
    callspan.configure(
        callbacks=["s3", "langfuse"],
        s3_callback_params={
            "s3_bucket_name": "logs",
            "s3_endpoint_url": server.url,
            "s3_aws_access_key_id": "a",
            "s3_aws_secret_access_key": "b",
        },
        langfuse_default_tags=["cache_hit"],
        callback_settings={"langfuse": {"public_key": "pk", "secret_key": "sk", "host": server.url}},
        tracer_provider=provider,
        instrument=False,
    )
    call(provider)
    assert callspan.flush(10).ok
    assert sorted(request.path.split("/")[1] for request in server.requests) == ["api", "logs"]


def test_disabling_the_sdk_disables_callspan(provider: TracerProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """``OTEL_SDK_DISABLED`` turns off everything, wrong settings excepted."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    callspan.configure(callbacks=["local"], tracer_provider=provider, instrument=False)
    assert processors.known(provider) == ()


def test_importing_callspan_is_cheap() -> None:
    """A program that only imports callspan does not pay for sinks, clients or the SDK."""
    heavy = "('httpx2', 'openai', 'obstore', 'yaml', 'orjson', 'opentelemetry.sdk', 'genai_prices', 'pydantic')"
    script = f"import sys, callspan; callspan.__doc__; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"


def test_price_sheets_are_loaded_with_the_client() -> None:
    """A process without a client does not pay for them, and with one it is not the first call that does."""
    script = (
        "import sys, callspan, callspan_semconv\n"
        "callspan.instrument()\n"
        "before = 'genai_prices' in sys.modules\n"
        "import openai\n"
        "print(before, 'genai_prices.data' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "False True"


def test_every_public_name_is_there() -> None:
    """What the API page lists can be imported; anything else is an AttributeError."""
    assert all(getattr(callspan, name) is not None for name in callspan.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        callspan.nothing  # noqa: B018
