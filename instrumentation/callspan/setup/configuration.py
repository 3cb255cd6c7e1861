"""`configure`: code's way to what environment and file say, and the one place where settings take effect."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from typing_extensions import Never

from callspan.callbacks.targets import Callback
from callspan.core import state
from callspan.directives import Leave
from callspan.errors import ConfigurationError, raise_all
from callspan.setup import sdk
from callspan.setup.installation import Standing, install, installed, lock
from callspan.setup.settings import FIELDS, Settings, load
from callspan_exporters import delivery
from callspan_exporters.delivery import DeliveryReport

# A sink's name, an exporter, or a callback.
Sink: TypeAlias = str | SpanExporter | Callback


def configure(
    *,
    callbacks: Sink | Sequence[Sink] | None = None,
    success_callback: Sink | Sequence[Sink] | None = None,
    failure_callback: Sink | Sequence[Sink] | None = None,
    input_callback: Sink | Sequence[Sink] | None = None,
    callback_settings: Mapping[str, Mapping[str, Any]] | None = None,
    turn_off_message_logging: bool | None = None,
    redaction: str | None = None,
    masks: Mapping[str, Mapping[str, Any]] | None = None,
    redact_user_api_key_info: bool | None = None,
    allow_redaction_opt_out: bool | None = None,
    capture_message_content: bool | str | None = None,
    forward_traceparent_to_llm_provider: bool | Sequence[str] | None = None,
    langfuse_default_tags: Sequence[str] | None = None,
    s3_callback_params: Mapping[str, Any] | None = None,
    dynamodb_table_name: str | None = None,
    log_raw_request: bool | None = None,
    allow_callback_disabling: bool | None = None,
    global_disable_no_log_param: bool | None = None,
    disable_add_user_agent_to_request_tags: bool | None = None,
    default_team_settings: Sequence[Mapping[str, Any]] | None = None,
    default_key_settings: Sequence[Mapping[str, Any]] | None = None,
    max_tenant_sinks: int | None = None,
    tenant_idle_s: float | None = None,
    record_unsampled: bool | None = None,
    db: str | os.PathLike[str] | None = None,
    spool_dir: str | os.PathLike[str] | None = None,
    max_queue_bytes: int | None = None,
    max_retry_age_s: float | None = None,
    shutdown_timeout_s: float | None = None,
    durability: str | None = None,
    config_file: str | os.PathLike[str] | None = None,
    tracer_provider: TracerProvider | None = None,
    instrument: bool = True,
    **unknown: Never,
) -> None:
    """Send every LLM call to the sinks named here, in the environment, or in the file.

    What is not said here is read from the environment, then from the file; docs/configuration.md describes each
    setting. With no sink named anywhere, calls go to ``local``. Calling it again with the same result changes nothing;
    with another result, the new settings replace the old ones, and what was queued is delivered first.

    Args:
        callbacks: sink names, exporters, `CustomLogger` instances or functions that get every call.
        success_callback: those that get only the calls that succeeded.
        failure_callback: those that get only the calls that failed.
        input_callback: functions ``f(kwargs)`` and loggers that are told of requests before they go out.
        callback_settings: settings by sink name.
        turn_off_message_logging: drop prompts and answers before every sink.
        redaction: what leaves of every call: ``full``, ``none``, ``mask``, or the name of one of ``masks``.
        masks: what each replaces, by its name: ``builtin``, ``patterns``, ``callables``, ``presidio``.
        redact_user_api_key_info: drop metadata keys that begin with ``user_api_key``.
        allow_redaction_opt_out: whether a single call may ask for a policy that takes away less.
        capture_message_content: false: record no prompts and answers at all.
        forward_traceparent_to_llm_provider: which hosts get a ``traceparent``: true for all, or a list.
        langfuse_default_tags: metadata keys that become tags at Langfuse.
        s3_callback_params: settings of ``s3`` by LiteLLM's names.
        dynamodb_table_name: the table of ``dynamodb``.
        log_raw_request: keep each call's HTTP request as a curl command, its secrets masked.
        allow_callback_disabling: whether a request may name sinks that do not get its calls.
        global_disable_no_log_param: requests may not ask to leave their calls unrecorded.
        disable_add_user_agent_to_request_tags: a request's user agent becomes no tags.
        default_team_settings: sinks, credentials and policy per team.
        default_key_settings: the same per API key of a gateway.
        max_tenant_sinks: how many sinks of keys and teams are open at once.
        tenant_idle_s: after how many seconds without a call one of them is closed.
        record_unsampled: false: payload sinks get only the calls that the trace sampler keeps.
        db: file of the ``local`` sink.
        spool_dir: folder of the dead letters.
        max_queue_bytes: memory for undelivered calls, per sink, in bytes.
        max_retry_age_s: how long delivery of a call is tried, in seconds.
        shutdown_timeout_s: how long delivery may take at exit, in seconds.
        durability: where undelivered calls wait: ``memory``.
        config_file: the YAML file; default ``CALLSPAN_CONFIG``.
        tracer_provider: carries the pipelines; default: the process's, which is made if there is none.
        instrument: whether to instrument the installed LLM clients as well.
        unknown: nothing.

    Raises:
        ConfigurationError: a setting is wrong; nothing is changed then. Names every problem, one per line.
    """
    # The settings among the arguments have the names of their fields.
    arguments = {name: value for name, value in locals().items() if name in FIELDS}
    if unknown:
        raise ConfigurationError(f"configure(): unknown argument {', '.join(unknown)}; expected {', '.join(FIELDS)}")
    loaded = load(arguments, config_file=None if config_file is None else os.fspath(config_file))
    raise_all(loaded.problems)
    if sdk.disabled():
        return
    with lock:
        provider, standing = _provider(tracer_provider, loaded.settings)
        now = installed()
        if now is None or (now.provider, now.settings) != (provider, loaded.settings):
            install(loaded, provider, standing, strict=True)
    if instrument:
        activate_clients(loaded.settings, tracer_provider=provider)


def activate_clients(
    settings: Settings, *, clients: Sequence[str] | None = None, tracer_provider: TracerProvider | None = None
) -> None:
    """Instrument LLM clients as the settings say.

    Args:
        settings: what is recorded, and which hosts get a ``traceparent``.
        clients: which; default: all. An empty list only sets the options for those that follow.
        tracer_provider: makes the spans; default: the global one.
    """
    from callspan.instrumentors import activate  # noqa: PLC0415 - setting up sinks alone needs no clients

    activate(
        clients,
        tracer_provider=tracer_provider,
        capture_content=settings.capture_message_content,
        log_raw_request=settings.log_raw_request,
        leave=Leave(
            disable_callbacks=settings.allow_callback_disabling,
            no_log=not settings.global_disable_no_log_param,
            user_agent_tags=not settings.disable_add_user_agent_to_request_tags,
        ),
        forward_traceparent=settings.forward_traceparent_to_llm_provider,
    )


def flush(timeout_s: float = 30.0) -> DeliveryReport:
    """Deliver what is queued for every sink.

    Args:
        timeout_s: how long to wait in all, in seconds.

    Returns:
        The numbers of each sink since the process began; true if every call was delivered.
    """
    return delivery.flush(timeout_s)


def _provider(given: TracerProvider | None, settings: Settings) -> tuple[TracerProvider, Standing]:
    """The provider that carries the pipelines, and what OpenTelemetry's configuration asks of it."""
    now = installed()
    provider = given if given is not None else trace.get_tracer_provider()
    if now is not None and provider is now.provider:
        return now.provider, now.standing
    if given is None and not sdk.has_provider():
        new = TracerProvider()
        standing, problems = sdk.standing(new, settings)
        raise_all(problems)
        trace.set_tracer_provider(new)
        state.own_provider = new
        return new, standing
    if not isinstance(provider, TracerProvider):
        where = "tracer_provider=" if given is not None else "the global tracer provider"
        kind = f"{type(provider).__module__}.{type(provider).__name__}"
        raise ConfigurationError(f"configure(): {where} is a {kind}; expected one of the OpenTelemetry SDK")
    return provider, Standing()
