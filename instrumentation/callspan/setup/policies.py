"""Which redaction policy a pipeline gets."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan

from callspan.setup.settings import Settings
from callspan_exporters.redaction import Policy, full, none, resolve


def policy_for(settings: Settings, *, keeps_content: bool = True) -> Policy:
    """The policy of a pipeline: the process's, or a sink's own where that is tighter.

    Args:
        settings: of the process.
        keeps_content: whether the sink's own settings let it have content.
    """
    keys = settings.redact_user_api_key_info
    if settings.turn_off_message_logging or not keeps_content:
        return none(redact_user_api_key_info=keys, allow_opt_out=settings.allow_redaction_opt_out)
    return full(redact_user_api_key_info=keys)


class PerCall:
    """For delivery: a policy that each call may tighten, or loosen where the operator allows it.

    Args:
        default: the sink's policy.
    """

    def __init__(self, default: Policy) -> None:
        self.name = default.name
        self.deferred = default.deferred
        self._default = default

    def redact(self, span: ReadableSpan) -> ReadableSpan:
        """The copy that may leave."""
        return resolve(self._default, span).redact(span)
