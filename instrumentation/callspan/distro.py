"""Zero-code runs: the hook that ``opentelemetry-instrument`` calls."""

from __future__ import annotations

import logging
from dataclasses import replace

from callspan.core import guard

_logger = logging.getLogger("callspan")


def pre_instrument() -> None:
    """Set up the process, before any instrumentation is loaded. Never raises: the application runs in any case.

    The SDK is configured first, unless a distribution has done so. Then callspan's pipelines take the place of the
    exporters that are there, so that redaction and delivery cover them too, and the sinks of the settings are added.
    """
    try:
        _set_up()
    except Exception as error:  # noqa: BLE001 - the boundary to the application that is about to start
        guard.report("pre_instrument", error)


def _set_up() -> None:
    # Imported here: a process that disables the SDK pays for nothing.
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    from callspan import rivals  # noqa: PLC0415
    from callspan.setup import litellm_proxy, litellm_tenants, sdk, sinks  # noqa: PLC0415
    from callspan.setup.configuration import activate_clients  # noqa: PLC0415
    from callspan.setup.installation import install  # noqa: PLC0415
    from callspan.setup.settings import load  # noqa: PLC0415
    from callspan.setup.sigterm import flush_on_sigterm  # noqa: PLC0415

    if sdk.disabled():
        return
    loaded = load()
    problems = list(loaded.problems)
    if loaded.privacy_unclear:
        _logger.error("callspan: prompts and answers are withheld until the settings can be read")
        closed = replace(loaded.settings, turn_off_message_logging=True, allow_redaction_opt_out=False)
        loaded = replace(loaded, settings=closed)
    litellm_proxy.name_service()
    sdk.forget_distribution_default()
    if not sdk.has_provider():
        problems += sdk.configure_sdk()
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        standing, wrong = sdk.standing(provider, loaded.settings)
        problems += [*wrong, *install(loaded, provider, standing, strict=False)]
        litellm_proxy.take_over([plan.name for plan in sinks.plans(loaded.settings)])
        litellm_tenants.take_over(loaded.settings)
    else:
        kind = type(provider)
        _logger.error("callspan: the tracer provider is %s.%s, not the SDK's: no sinks", kind.__module__, kind.__name__)
    # Before other instrumentations are loaded, so that callspan knows of them.
    activate_clients(loaded.settings, clients=rivals.switched_on())
    if loaded.settings.sigterm_flush_s:
        flush_on_sigterm(loaded.settings.sigterm_flush_s)
    for problem in problems:
        _logger.error("callspan: %s", problem)
