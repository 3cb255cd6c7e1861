"""Every setting of callspan, in one place: its name in code and file, its variable, its default, its meaning.

Precedence: code over environment over file over default. `configure`, the zero-code hooks and ``callspan doctor`` all
read `Settings`; the table in docs/configuration.md is made from it.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from callspan.errors import ConfigurationError
from callspan.setup import configfile, kinds, litellm_proxy
from callspan.setup.configfile import Found
from callspan.setup.kinds import Kind, SinkSettings, expanded
from callspan.setup.tenants import KEY, TEAM, Tenant
from callspan.setup.tenants import read as read_tenant
from callspan_exporters import registry

if TYPE_CHECKING:  # loads the SDK, which reading settings without masks does not need
    from callspan_exporters.redaction import Policy


def _setting(default: Any, variable: str, kind: Kind, doc: str, *, privacy: bool = False) -> Any:
    """Declare a setting: a dataclass field whose metadata holds the rest.

    Args:
        default: its value unless somebody sets it.
        variable: its environment variable.
        kind: how it is read.
        doc: what it means, in Markdown.
        privacy: whether it decides about what is redacted.
    """
    metadata = {"variable": variable, "kind": kind, "doc": doc, "privacy": privacy}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a process; see the fields' metadata for variables and meanings."""

    callbacks: tuple[Any, ...] = _setting(
        (), "CALLSPAN_CALLBACKS", kinds.SINKS, "Sinks that get every call. No sink named anywhere: `local`."
    )
    success_callback: tuple[Any, ...] = _setting(
        (), "CALLSPAN_SUCCESS_CALLBACK", kinds.SINKS, "Sinks that get the calls that succeeded."
    )
    failure_callback: tuple[Any, ...] = _setting(
        (), "CALLSPAN_FAILURE_CALLBACK", kinds.SINKS, "Sinks that get the calls that failed."
    )
    input_callback: tuple[Any, ...] = _setting(
        (),
        "CALLSPAN_INPUT_CALLBACK",
        kinds.INPUT_CALLBACKS,
        "Functions `f(kwargs)` and loggers that are told of requests before they go out; [callbacks](callbacks.md).",
    )
    callback_settings: Mapping[str, SinkSettings] = _setting(
        {},
        "CALLSPAN_CALLBACK_SETTINGS",
        kinds.MAPPINGS,
        "Settings per sink: `redaction` is this sink's policy; `message_logging: false` drops content for this sink; "
        "`callback_type` names the kind of sink behind a name of your own; every other key is an argument of the sink.",
        privacy=True,
    )
    turn_off_message_logging: bool = _setting(
        False,
        "CALLSPAN_TURN_OFF_MESSAGE_LOGGING",
        kinds.BOOLEAN,
        "Drop prompts and answers before every sink.",
        privacy=True,
    )
    redaction: str = _setting(
        "full",
        "CALLSPAN_REDACTION",
        kinds.POLICY,
        "What leaves of every call: `full`, all of it; `none`, no content; a mask, all but what it replaces.",
        privacy=True,
    )
    masks: Mapping[str, Policy] = _setting(
        {},
        "CALLSPAN_MASKS",
        kinds.MASKS,
        "Masks by name: `builtin`, `patterns`, `callables`, `presidio`; see [redaction](redaction.md#masks).",
        privacy=True,
    )
    redact_user_api_key_info: bool = _setting(
        False,
        "CALLSPAN_REDACT_USER_API_KEY_INFO",
        kinds.BOOLEAN,
        "Drop metadata keys that begin with `user_api_key`.",
        privacy=True,
    )
    allow_redaction_opt_out: bool = _setting(
        False,
        "CALLSPAN_ALLOW_REDACTION_OPT_OUT",
        kinds.BOOLEAN,
        "Whether a single call may ask for a policy that takes away less than the sink's.",
        privacy=True,
    )
    capture_message_content: bool = _setting(
        True,
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        kinds.CAPTURE,
        "Whether prompts and answers are recorded on spans at all. `NO_CONTENT` and `EVENT_ONLY` record none.",
        privacy=True,
    )
    log_raw_request: bool = _setting(
        False,
        "CALLSPAN_LOG_RAW_REQUEST",
        kinds.BOOLEAN,
        "Keep each call's HTTP request as a curl command, its secrets masked; see [raw requests](raw-requests.md).",
    )
    allow_callback_disabling: bool = _setting(
        False,
        "CALLSPAN_ALLOW_CALLBACK_DISABLING",
        kinds.BOOLEAN,
        "Whether a request may name sinks that do not get its calls (`x-litellm-disable-callbacks`).",
    )
    global_disable_no_log_param: bool = _setting(
        False,
        "CALLSPAN_GLOBAL_DISABLE_NO_LOG_PARAM",
        kinds.BOOLEAN,
        "Record the calls of requests that say `no-log` as well.",
    )
    disable_add_user_agent_to_request_tags: bool = _setting(
        False,
        "CALLSPAN_DISABLE_ADD_USER_AGENT_TO_REQUEST_TAGS",
        kinds.BOOLEAN,
        "A request's user agent becomes no tags.",
    )
    forward_traceparent_to_llm_provider: bool | tuple[str, ...] | None = _setting(
        None,
        "CALLSPAN_FORWARD_TRACEPARENT_TO_LLM_PROVIDER",
        kinds.HOSTS,
        "Which hosts get a `traceparent` header: unset, private hosts only; a list, those hosts as well; true, all.",
    )
    langfuse_default_tags: tuple[str, ...] = _setting(
        (), "CALLSPAN_LANGFUSE_DEFAULT_TAGS", kinds.NAMES, "Metadata keys that become `key:value` tags at Langfuse."
    )
    s3_callback_params: SinkSettings | None = _setting(  # noqa: RUF009 - it returns a dataclasses.field
        None,
        "CALLSPAN_S3_CALLBACK_PARAMS",
        kinds.MAPPING,
        "Settings of `s3` and `s3_v2`, by LiteLLM's names.",
    )
    dynamodb_table_name: str | None = _setting(
        None, "CALLSPAN_DYNAMODB_TABLE_NAME", kinds.NAME, "The table of the `dynamodb` sink."
    )
    default_team_settings: tuple[Tenant, ...] = _setting(
        (),
        "CALLSPAN_DEFAULT_TEAM_SETTINGS",
        kinds.TENANTS,
        "Sinks, credentials and policy per team; see [keys and teams](tenants.md).",
        privacy=True,
    )
    default_key_settings: tuple[Tenant, ...] = _setting(
        (),
        "CALLSPAN_DEFAULT_KEY_SETTINGS",
        kinds.TENANTS,
        "The same per API key of a gateway; a key's settings count, its team's do not.",
        privacy=True,
    )
    max_tenant_sinks: int = _setting(
        256,
        "CALLSPAN_MAX_TENANT_SINKS",
        kinds.POSITIVE,
        "How many sinks of keys and teams are open at once; the one unused for longest delivers and closes.",
    )
    tenant_idle_s: float = _setting(
        300.0,
        "CALLSPAN_TENANT_IDLE_S",
        kinds.SECONDS,
        "After how many seconds without a call a sink of a key or team delivers and closes; 0: never.",
    )
    record_unsampled: bool = _setting(
        True,
        "CALLSPAN_RECORD_UNSAMPLED",
        kinds.BOOLEAN,
        "Whether payload sinks also get the calls that the trace sampler drops. They are not exported over OTLP.",
    )
    db: str | None = _setting(None, "CALLSPAN_DB", kinds.PATH, "File of the `local` sink.")
    spool_dir: str | None = _setting(
        None,
        "CALLSPAN_SPOOL_DIR",
        kinds.PATH,
        "Folder of `dead-letters.jsonl`: what sinks refused for good.",
    )
    max_queue_bytes: int = _setting(
        64 * 1024 * 1024,
        "CALLSPAN_MAX_QUEUE_BYTES",
        kinds.POSITIVE,
        "Memory for undelivered calls, per sink, bytes.",
    )
    max_retry_age_s: float = _setting(
        3600.0, "CALLSPAN_MAX_RETRY_AGE_S", kinds.SECONDS, "How long delivery of a call is tried, in seconds."
    )
    shutdown_timeout_s: float = _setting(
        10.0,
        "CALLSPAN_SHUTDOWN_TIMEOUT_S",
        kinds.SECONDS,
        "How long delivery may take at exit, in seconds; each further sink that hangs may add one.",
    )
    durability: str = _setting("memory", "CALLSPAN_DURABILITY", kinds.DURABILITY, "Where undelivered calls wait.")
    sigterm_flush_s: float = _setting(
        8.0,
        "CALLSPAN_SIGTERM_FLUSH_S",
        kinds.SECONDS,
        "Zero-code runs: how long SIGTERM waits for delivery. 0 leaves SIGTERM alone; a handler of your own wins.",
    )


FIELDS: Mapping[str, dataclasses.Field[Any]] = {each.name: each for each in fields(Settings)}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` found.

    Attributes:
        settings: the values; a setting with a problem has its default.
        where: for each setting that somebody set, where.
        problems: what is wrong, in the order found.
        privacy_unclear: whether one of the problems may be about what is to be redacted.
        file: the configuration file, None if there is none.
    """

    settings: Settings
    where: Mapping[str, str]
    problems: tuple[ConfigurationError, ...]
    privacy_unclear: bool
    file: str | None


def load(arguments: Mapping[str, object] | None = None, *, config_file: str | None = None) -> Loaded:
    """Read the settings from code, environment and file.

    The file's ``environment_variables`` are added to the environment where that lacks them.

    Args:
        arguments: what code says, by setting; None counts as not said.
        config_file: the file; default: ``CALLSPAN_CONFIG``, and in the LiteLLM proxy the proxy's own.
    """
    path = config_file or os.environ.get("CALLSPAN_CONFIG") or litellm_proxy.config_file()
    file = configfile.read(path, tuple(FIELDS)) if path else configfile.ConfigFile()
    if litellm_proxy.running():
        litellm_proxy.keep_what_is_ours(file)
    reading = _Reading(path, problems=list(file.problems), privacy_unclear=bool(file.problems))
    reading.export(file.environment)
    reading.take_sinks(file.sinks)
    # In rising precedence: what is taken last stays.
    for source in (file.found, _from_environment(), _from_code(arguments or {})):
        for name, found in source.items():
            reading.take(name, found)
    reading.check_sinks()
    reading.check_redaction()
    settings = Settings(**reading.values)
    return Loaded(settings, reading.where, tuple(reading.problems), reading.privacy_unclear, path)


def _from_code(arguments: Mapping[str, object]) -> dict[str, Found]:
    return {name: Found(value, f"configure({name}=...)") for name, value in arguments.items() if value is not None}


def _from_environment() -> dict[str, Found]:
    # An empty variable counts as unset: OpenTelemetry specification, SDK environment variables, "Parsing empty value".
    return {
        name: Found(os.environ[variable], variable)
        for name, each in FIELDS.items()
        if os.environ.get(variable := each.metadata["variable"], "").strip()
    }


@dataclass(slots=True)
class _Reading:
    """A reading in progress."""

    file: str | None
    problems: list[ConfigurationError]
    privacy_unclear: bool
    values: dict[str, Any] = field(default_factory=lambda: {"callback_settings": {}, "masks": {}})
    where: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def noting(self, *, privacy: bool) -> Iterator[None]:
        """Keep what is wrong, and go on."""
        try:
            yield
        except ConfigurationError as error:
            self.problems.append(error)
            self.privacy_unclear |= privacy

    def export(self, declared: Mapping[str, Found]) -> None:
        """Add the file's variables to the environment; what that says already stands."""
        for name, found in declared.items():
            with self.noting(privacy=False):
                if name not in os.environ:
                    os.environ[name] = str(expanded(found.value, found.where))

    def take(self, name: str, found: Found) -> None:
        """Take one setting from one source."""
        kind: Kind = FIELDS[name].metadata["kind"]
        with self.noting(privacy=FIELDS[name].metadata["privacy"]):
            # What belongs to one sink is resolved when that sink is built: a missing variable costs no other sink.
            if kind is kinds.MAPPINGS:
                entries = kind.read(found.value, found.where)
                self.take_sinks({sink: Found(entry, f"{found.where}.{sink}") for sink, entry in entries.items()})
            elif kind is kinds.MASKS:
                self.take_masks(kind.read(expanded(found.value, found.where), found.where), found.where)
            elif kind is kinds.TENANTS:
                self.take_tenants(name, kind.read(found.value, found.where), found.where)
            elif kind is kinds.MAPPING:
                self.values[name] = SinkSettings(kind.read(found.value, found.where), found.where)
            else:
                self.values[name] = kind.read(expanded(found.value, found.where), found.where)
            self.where[name] = found.where

    def take_sinks(self, entries: Mapping[str, Found]) -> None:
        """Take entries of ``callback_settings``; each replaces an earlier one of its name."""
        for name, found in entries.items():
            with self.noting(privacy=True):
                written = kinds.MAPPING.read(found.value, found.where)
                self.values["callback_settings"][name] = SinkSettings(written, found.where)
                self.where.setdefault("callback_settings", found.where)

    def take_masks(self, entries: Mapping[str, object], where: str) -> None:
        """Take masks; each replaces an earlier one of its name. A wrong one stands as ``none``."""
        from callspan.setup import masks  # noqa: PLC0415 - see `Policy` above
        from callspan_exporters.redaction import none  # noqa: PLC0415

        for name, written in entries.items():
            self.values["masks"][name] = none()
            with self.noting(privacy=True):
                self.values["masks"][name] = masks.read(name, written, f"{where}.{name}", self.file)

    def take_tenants(self, name: str, entries: Sequence[object], where: str) -> None:
        """Take the entries of a list of tenants; a wrong one costs that tenant."""
        tenants: dict[tuple[str, str], Tenant] = {}
        for number, entry in enumerate(entries):
            place = f"{where}[{number}]"
            with self.noting(privacy=True):
                tenant = read_tenant(entry, place, KEY if name == "default_key_settings" else TEAM)
                if tenant is None:
                    continue
                if (tenant.known_by, tenant.value) in tenants:
                    raise ConfigurationError(f"{place}: there is an entry for {tenant.value} already")
                tenants[tenant.known_by, tenant.value] = tenant
        self.values[name] = tuple(tenants.values())

    def tenants(self) -> Iterator[Tenant]:
        """All that were taken."""
        for name in ("default_key_settings", "default_team_settings"):
            yield from self.values.get(name, ())

    def check_redaction(self) -> None:
        """Refuse a policy that does not exist."""
        asked = [tenant.redaction for tenant in self.tenants() if tenant.redaction is not None]
        if "redaction" not in self.values and not asked:
            return
        from callspan.setup.masks import policy_named  # noqa: PLC0415 - see `Policy` above

        for found in asked:
            with self.noting(privacy=True):
                policy_named(found.value, found.where, self.values["masks"])
        if "redaction" not in self.values:
            return
        name = self.values.pop("redaction")
        with self.noting(privacy=True):
            policy_named(name, self.where["redaction"], self.values["masks"])
            self.values["redaction"] = name

    def check_sinks(self) -> None:
        """Refuse an entry whose name is a misspelt sink's: what it says would be lost without a word."""
        lists = (self.values.get(name, ()) for name in ("callbacks", "success_callback", "failure_callback"))
        known = registry.names() | {entry for entries in lists for entry in entries if isinstance(entry, str)}
        known |= {name for tenant in self.tenants() for name in tenant.events or ()}
        for name, entry in self.values["callback_settings"].items():
            if name in known or "callback_type" in entry.values:
                continue
            with self.noting(privacy=True):
                if meant := get_close_matches(name, known, n=1, cutoff=0.8):
                    raise ConfigurationError(f"{entry.where}: no such sink; did you mean {meant[0]}?")
