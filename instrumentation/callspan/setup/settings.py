"""Every setting of callspan, in one place: its name in code and file, its variable, its default, its meaning.

Precedence: code over environment over file over default. `configure`, the zero-code hooks and ``callspan doctor`` all
read `Settings`; the table in docs/configuration.md is made from it.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from typing import Any

from callspan.errors import ConfigurationError
from callspan.setup import configfile, kinds
from callspan.setup.configfile import Found
from callspan.setup.kinds import Kind, SinkSettings, expanded


def setting(default: Any, variable: str, kind: Kind, doc: str) -> Any:
    """Declare a setting: a dataclass field with its variable, kind and meaning in the metadata."""
    metadata = {"variable": variable, "kind": kind, "doc": doc}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a process; see the fields' metadata for variables and meanings."""

    callbacks: tuple[Any, ...] = setting(
        (), "CALLSPAN_CALLBACKS", kinds.SINKS, "Sinks that get every call. No sink named anywhere: `local`."
    )
    success_callback: tuple[Any, ...] = setting(
        (), "CALLSPAN_SUCCESS_CALLBACK", kinds.SINKS, "Sinks that get the calls that succeeded."
    )
    failure_callback: tuple[Any, ...] = setting(
        (), "CALLSPAN_FAILURE_CALLBACK", kinds.SINKS, "Sinks that get the calls that failed."
    )
    callback_settings: Mapping[str, SinkSettings] = setting(
        {},
        "CALLSPAN_CALLBACK_SETTINGS",
        kinds.MAPPINGS,
        "Settings per sink: `message_logging: false` drops content for this sink; `callback_type` names the kind of sink "
        "under a name of your own; every other key is an argument of the sink.",
    )
    turn_off_message_logging: bool = setting(
        False, "CALLSPAN_TURN_OFF_MESSAGE_LOGGING", kinds.BOOLEAN, "Drop prompts and answers before every sink."
    )
    redact_user_api_key_info: bool = setting(
        False, "CALLSPAN_REDACT_USER_API_KEY_INFO", kinds.BOOLEAN, "Drop metadata keys that begin with `user_api_key`."
    )
    allow_redaction_opt_out: bool = setting(
        False,
        "CALLSPAN_ALLOW_REDACTION_OPT_OUT",
        kinds.BOOLEAN,
        "Whether a single call may ask to keep its content although `turn_off_message_logging` is on.",
    )
    capture_message_content: bool = setting(
        True,
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        kinds.CAPTURE,
        "Whether prompts and answers are recorded on spans at all. `NO_CONTENT` and `EVENT_ONLY` record none.",
    )
    forward_traceparent_to_llm_provider: bool | tuple[str, ...] | None = setting(
        None,
        "CALLSPAN_FORWARD_TRACEPARENT_TO_LLM_PROVIDER",
        kinds.HOSTS,
        "Which hosts get a `traceparent` header: unset, private hosts only; a list, those hosts as well; true, all.",
    )
    langfuse_default_tags: tuple[str, ...] = setting(
        (), "CALLSPAN_LANGFUSE_DEFAULT_TAGS", kinds.NAMES, "Metadata keys that become `key:value` tags at Langfuse."
    )
    s3_callback_params: SinkSettings | None = setting(
        None,
        "CALLSPAN_S3_CALLBACK_PARAMS",
        kinds.MAPPING,
        "Settings of the sinks `s3` and `s3_v2`, by LiteLLM's names.",
    )
    record_unsampled: bool = setting(
        True,
        "CALLSPAN_RECORD_UNSAMPLED",
        kinds.BOOLEAN,
        "Whether payload sinks also get the calls that the trace sampler drops. They are not exported over OTLP.",
    )
    db: str | None = setting(None, "CALLSPAN_DB", kinds.TEXT, "File of the `local` sink.")
    spool_dir: str | None = setting(
        None,
        "CALLSPAN_SPOOL_DIR",
        kinds.TEXT,
        "Folder of `dead-letters.jsonl`, the calls that a sink refused for good.",
    )
    max_queue_bytes: int = setting(
        64 * 1024 * 1024,
        "CALLSPAN_MAX_QUEUE_BYTES",
        kinds.POSITIVE,
        "Memory for undelivered calls, per sink, in bytes.",
    )
    max_retry_age_s: float = setting(
        3600.0, "CALLSPAN_MAX_RETRY_AGE_S", kinds.SECONDS, "How long delivery of a call is tried, in seconds."
    )
    shutdown_timeout_s: float = setting(
        10.0, "CALLSPAN_SHUTDOWN_TIMEOUT_S", kinds.SECONDS, "How long delivery may take at exit, in seconds."
    )
    durability: str = setting(
        "memory", "CALLSPAN_DURABILITY", kinds.DURABILITY, "Where undelivered calls wait. `disk` is not available yet."
    )
    sigterm_flush_s: float = setting(
        8.0,
        "CALLSPAN_SIGTERM_FLUSH_S",
        kinds.SECONDS,
        "Zero-code runs: how long SIGTERM may wait for delivery. 0 leaves SIGTERM alone, as does a handler of your own.",
    )


FIELDS: Mapping[str, dataclasses.Field[Any]] = {each.name: each for each in fields(Settings)}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` found.

    Attributes:
        settings: the values; a setting with a problem has its default.
        where: for each setting that somebody set, where.
        problems: what is wrong, in the order found.
        file: the configuration file, None if there is none.
    """

    settings: Settings
    where: Mapping[str, str]
    problems: tuple[ConfigurationError, ...]
    file: str | None


def load(
    arguments: Mapping[str, object] | None = None,
    *,
    config_file: str | None = None,
    environ: MutableMapping[str, str] = os.environ,
) -> Loaded:
    """Read the settings from code, environment and file.

    Args:
        arguments: what code says, by setting; None counts as not said.
        config_file: the file; default: ``CALLSPAN_CONFIG``.
        environ: the environment. The file's ``environment_variables`` are added to it where it lacks them.
    """
    path = config_file or environ.get("CALLSPAN_CONFIG") or None
    file = configfile.read(path, tuple(FIELDS)) if path else configfile.ConfigFile()
    problems = list(file.problems)
    _export(file.environment, environ, problems)
    sources = (_from_code(arguments or {}), _from_environment(environ), file.found)
    values: dict[str, Any] = {"callback_settings": _sinks(file.sinks, problems)}
    where: dict[str, str] = {}
    for name in FIELDS:
        for source in reversed(sources):
            if name in source:
                _take(name, source[name], values, where, problems)
    return Loaded(Settings(**values), where, tuple(problems), path)


def _from_code(arguments: Mapping[str, object]) -> dict[str, Found]:
    return {name: Found(value, f"configure({name}=...)") for name, value in arguments.items() if value is not None}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Found]:
    # An empty variable counts as unset: OpenTelemetry specification, SDK environment variables, "Parsing empty value".
    return {
        name: Found(environ[variable], variable)
        for name, each in FIELDS.items()
        if environ.get(variable := each.metadata["variable"], "").strip()
    }


def _export(
    declared: Mapping[str, Found], environ: MutableMapping[str, str], problems: list[ConfigurationError]
) -> None:
    """Add the file's variables to the environment; what the environment says already stands."""
    for name, found in declared.items():
        if name in environ:
            continue
        try:
            environ[name] = str(expanded(found.value, found.where))
        except ConfigurationError as error:
            problems.append(error)


def _sinks(entries: Mapping[str, Found], problems: list[ConfigurationError]) -> dict[str, SinkSettings]:
    sinks: dict[str, SinkSettings] = {}
    for name, found in entries.items():
        try:
            sinks[name] = SinkSettings(kinds.MAPPING.read(found.value, found.where), found.where)
        except ConfigurationError as error:
            problems.append(error)
    return sinks


def _take(
    name: str, found: Found, values: dict[str, Any], where: dict[str, str], problems: list[ConfigurationError]
) -> None:
    """Read one setting from one source. The sources come in rising precedence, so the last one stays."""
    kind: Kind = FIELDS[name].metadata["kind"]
    try:
        # What belongs to one sink is resolved when that sink is built: a missing variable costs no other sink.
        if kind is kinds.MAPPINGS:
            entries = kind.read(found.value, found.where)
            located = {sink: Found(entry, f"{found.where}.{sink}") for sink, entry in entries.items()}
            values[name] = {**values[name], **_sinks(located, problems)}
        elif kind is kinds.MAPPING:
            values[name] = SinkSettings(kind.read(found.value, found.where), found.where)
        else:
            values[name] = kind.read(expanded(found.value, found.where), found.where)
    except ConfigurationError as error:
        problems.append(error)
    else:
        where[name] = found.where


_current: Settings | None = None


def current() -> Settings:
    """The settings in force: those last applied, else those of environment and file."""
    return _current if _current is not None else load().settings


def set_current(settings: Settings) -> None:
    """Put settings in force."""
    global _current  # noqa: PLW0603 - one process, one set of settings
    _current = settings
