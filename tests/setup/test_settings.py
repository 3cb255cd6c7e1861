"""Settings: where they come from, and what is said about wrong ones."""

import os
from pathlib import Path
from typing import Any

import pytest

from callspan.setup.settings import FIELDS, Settings, load


def write(folder: Path, text: str, name: str = "config.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_code_beats_environment_beats_file_beats_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same setting in three places: the nearest to the code counts."""
    path = write(tmp_path, "litellm_settings: {callbacks: [langfuse]}")
    assert load().settings.callbacks == ()
    assert load(config_file=path).settings.callbacks == ("langfuse",)
    monkeypatch.setenv("CALLSPAN_CALLBACKS", "s3, console")
    assert load(config_file=path).settings.callbacks == ("s3", "console")
    assert load({"callbacks": "local"}, config_file=path).settings.callbacks == ("local",)


def test_the_place_of_each_setting_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`callspan doctor` says where a value comes from."""
    monkeypatch.setenv("CALLSPAN_CALLBACKS", "local")
    path = write(tmp_path, "callspan_settings: {turn_off_message_logging: true}")
    where = load({"record_unsampled": False}, config_file=path).where
    assert where["callbacks"] == "CALLSPAN_CALLBACKS"
    assert where["turn_off_message_logging"] == f"{path}: callspan_settings.turn_off_message_logging"
    assert where["record_unsampled"] == "configure(record_unsampled=...)"


def test_litellms_file_works_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models, router and LiteLLM's other settings are nobody's concern here, not even their missing variables."""
    monkeypatch.setenv("WHERE", "https://hooks.example")
    path = write(
        tmp_path,
        """
        model_list:
          - {model_name: m, litellm_params: {model: openai/m, api_key: os.environ/NO_SUCH_KEY}}
        router_settings: {routing_strategy: simple-shuffle}
        general_settings: {master_key: os.environ/NO_SUCH_KEY}
        litellm_settings:
          drop_params: true
          service_callback: [datadog]
          input_callback: [x]
          cache_params: {password: os.environ/NO_SUCH_KEY}
          success_callback: my_hook
          langfuse_default_tags: [cache_hit, os.environ/WHERE]
          redact_user_api_key_info: true
        callback_settings:
          my_hook: {callback_type: generic_api, endpoint: "${WHERE}/log", headers: {A: "Bearer ${WHERE}"}}
        """,
    )
    loaded = load(config_file=path)
    assert loaded.problems == ()
    assert loaded.settings.success_callback == ("my_hook",)
    assert loaded.settings.langfuse_default_tags == ("cache_hit", "https://hooks.example")
    assert loaded.settings.redact_user_api_key_info is True


def test_the_files_variables_are_exported_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``environment_variables`` reach sinks and references; what the environment says already stands."""
    monkeypatch.setenv("GENERIC_LOGGER_ENDPOINT", "http://mine")
    path = write(
        tmp_path,
        """
        environment_variables:
          GENERIC_LOGGER_ENDPOINT: http://the-files
          LANGFUSE_HOST: os.environ/GENERIC_LOGGER_ENDPOINT
          OTEL_FLAG: true
          SINK: local
        callspan_settings: {callbacks: ["os.environ/SINK"]}
        """,
    )
    assert load(config_file=path).settings.callbacks == ("local",)
    assert os.environ["GENERIC_LOGGER_ENDPOINT"] == "http://mine"
    assert os.environ["LANGFUSE_HOST"] == "http://mine"
    assert os.environ["OTEL_FLAG"] == "true"


def test_included_files_are_read_and_overridden(tmp_path: Path) -> None:
    """An included file is found beside the one that includes it, which has the last word."""
    write(tmp_path, "litellm_settings: {callbacks: [s3], turn_off_message_logging: true}", "base.yaml")
    path = write(tmp_path, "include: [base.yaml]\ncallspan_settings: {callbacks: [local]}")
    settings = load(config_file=path).settings
    assert (settings.callbacks, settings.turn_off_message_logging) == (("local",), True)


@pytest.mark.parametrize(
    ("said", "recorded"),
    [("NO_CONTENT", False), ("event_only", False), ("SPAN_ONLY", True), ("span_and_event", True), ("true", True)],
)
def test_content_is_recorded_unless_said_otherwise(said: str, recorded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The conventions' switch knows its own values, and true and false."""
    assert load().settings.capture_message_content is True
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", said)
    assert load().settings.capture_message_content is recorded


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("litellm_settings: {calbacks: [local]}", "litellm_settings.calbacks: unknown key; did you mean callbacks?"),
        (
            "litellm_settings: {turn_of_message_logging: true}",
            "litellm_settings.turn_of_message_logging: unknown key; did you mean turn_off_message_logging?",
        ),
        (
            "callspan_settings: {drop_params: true}",
            ".drop_params: unknown key; expected one of callbacks",
        ),
        ("litelm_settings: {}", "litelm_settings: unknown section; did you mean litellm_settings?"),
        ("callspan_settings: [1]", "callspan_settings: expected a mapping, got list"),
        ("callspan_settings: {turn_off_message_logging: maybe}", "expected true or false, got 'maybe'"),
        ("callspan_settings: {callbacks: 3}", "callspan_settings.callbacks: expected a list of sink names"),
        ("callspan_settings: {callbacks: ['os.environ/NOT_SET']}", "callspan_settings.callbacks[0]: "),
        (
            "callspan_settings: {durability: disk}",
            "memory (disk is not available in this version), got 'disk'",
        ),
        ("callback_settings: {langfuse: [sk-lf-1]}", "callback_settings.langfuse: expected a mapping"),
        ("callback_settings: {lanfguse: {message_logging: false}}", "no such sink; did you mean langfuse?"),
        ("environment_variables: {A: os.environ/NOT_SET}", "environment_variables.A: environment variable NOT_SET"),
        ("include: [missing.yaml]", "missing.yaml: cannot read the configuration file"),
        ("include: [config.yaml]", "include: the file includes itself"),
        ("- a list", "expected a mapping of sections, got list"),
        ("a: [sk-lf-1", "config.yaml, line 1: expected YAML"),
    ],
)
def test_a_wrong_file_is_one_clear_error(text: str, said: str, tmp_path: Path) -> None:
    """The error names the file, the key, and what was expected; never a value that may be secret."""
    path = write(tmp_path, text)
    (problem,) = load(config_file=path).problems
    assert str(tmp_path) in str(problem)
    assert said in str(problem)
    assert "sk-lf" not in str(problem)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("CALLSPAN_RECORD_UNSAMPLED", "perhaps", "true or false"),
        ("CALLSPAN_MAX_QUEUE_BYTES", "-1", "a whole number above 0"),
        ("CALLSPAN_SIGTERM_FLUSH_S", "soon", "a number of seconds, 0 or more"),
        ("CALLSPAN_CALLBACK_SETTINGS", "{not json", "a mapping of sink names to mappings"),
        ("CALLSPAN_S3_CALLBACK_PARAMS", "[1]", "a mapping (in the environment: a JSON object)"),
    ],
)
def test_a_wrong_variable_is_one_clear_error(
    variable: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the variable and what was expected; the default stands."""
    monkeypatch.setenv(variable, value)
    loaded = load()
    (problem,) = loaded.problems
    assert str(problem).startswith(f"{variable}: expected {expected}")
    assert loaded.settings == Settings(**_files())


@pytest.mark.parametrize(
    ("text", "unclear"),
    [
        ("callspan_settings: {durability: disk}", False),
        ("callspan_settings: {callbacks: 3}", False),
        ("callspan_settings: {turn_off_message_logging: maybe}", True),
        ("callspan_settings: {turn_off_mesage_logging: true}", True),
        ("callback_settings: {lanfuse: {message_logging: false}}", True),
    ],
)
def test_it_is_known_whether_privacy_is_at_stake(text: str, unclear: bool, tmp_path: Path) -> None:
    """A wrong number costs the number; an error about redaction withholds content."""
    assert load(config_file=write(tmp_path, text)).privacy_unclear is unclear


def test_every_setting_has_a_variable_a_kind_and_a_meaning() -> None:
    """The reference page and `callspan doctor` are made from the settings."""
    variables = [each.metadata["variable"] for each in FIELDS.values()]
    assert len(set(variables)) == len(FIELDS)
    assert all(each.metadata["doc"].endswith(".") and each.metadata["kind"].expected for each in FIELDS.values())


def _files() -> dict[str, Any]:
    return {"db": os.environ["CALLSPAN_DB"], "spool_dir": os.environ["CALLSPAN_SPOOL_DIR"]}
