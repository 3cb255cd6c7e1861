"""Which redaction policy a pipeline gets."""

from __future__ import annotations

from callspan.setup.settings import Settings
from callspan_exporters.redaction import Policy, from_litellm


def policy_for(settings: Settings, *, keeps_content: bool = True) -> Policy:
    """The policy of a pipeline: the process's, or a sink's own where that takes away more.

    Args:
        settings: of the process.
        keeps_content: whether the sink's own settings let it have content.
    """
    return from_litellm(
        turn_off_message_logging=settings.turn_off_message_logging,
        message_logging=keeps_content,
        redact_user_api_key_info=settings.redact_user_api_key_info,
        allow_opt_out=settings.allow_redaction_opt_out,
    )
