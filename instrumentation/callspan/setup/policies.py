"""Which redaction policy a pipeline gets."""

from __future__ import annotations

from dataclasses import replace

from callspan.setup import sinks
from callspan.setup.masks import policy_named
from callspan.setup.settings import Settings
from callspan.setup.sinks import SinkPlan
from callspan_exporters.redaction import Policy, from_litellm, tighter


def policy_for(settings: Settings, plan: SinkPlan | None = None) -> Policy:
    """The policy of a pipeline: what the process's settings say or what the sink's say, whichever takes away more.

    Args:
        settings: of the process.
        plan: the sink; None for a processor of the application's own.

    Raises:
        ConfigurationError: the sink's settings about redaction are wrong.
    """
    policy = tighter(
        policy_named(settings.redaction, "redaction", settings.masks),
        from_litellm(
            turn_off_message_logging=settings.turn_off_message_logging,
            message_logging=plan is None or sinks.keeps_content(plan),
        ),
    )
    own = sinks.redaction_of(plan) if plan is not None else None
    if own is not None:
        policy = tighter(policy_named(own.value, own.where, settings.masks), policy)
    return replace(
        policy,
        redact_user_api_key_info=settings.redact_user_api_key_info,
        allow_opt_out=settings.allow_redaction_opt_out,
        masks=tuple(settings.masks.values()),
    )
