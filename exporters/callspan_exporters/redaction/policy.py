"""Redaction policies: data that says what leaves, and how the one for a call is chosen."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import reduce

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Status

from callspan_exporters.delivery.log import log_at_most_every
from callspan_exporters.memo import remember
from callspan_exporters.redaction.api_keys import without_user_api_keys
from callspan_exporters.redaction.masking import mask as masked
from callspan_exporters.redaction.parts import Parts, RedactedSpan, parts_of
from callspan_exporters.redaction.patterns import MaskPattern, patterns_from
from callspan_exporters.redaction.strip import strip
from callspan_semconv.attributes import CALLSPAN_REDACT, CALLSPAN_REDACTED, REDACTED

_logger = logging.getLogger(__name__)


class Strictness(IntEnum):
    """How much a policy takes away; more is tighter."""

    FULL = 0
    MASK = 1
    NONE = 2


@dataclass(frozen=True)
class Policy:
    """What leaves of a span. Made by `full`, `none` and `mask`; equal policies share their work per span.

    Attributes:
        name: what calls ask for, and what ``callspan.redacted`` says on the copy.
        strictness: whether content stays, is masked, or goes.
        patterns: what a mask replaces.
        callables: what a mask applies to each text, after the patterns.
        redact_user_api_key_info: also remove ``user_api_key_*`` (what a LiteLLM proxy knows of the caller's key).
        allow_opt_out: whether a call may ask for a policy that takes away less.
        masks: masks that a call may ask for by their names.
    """

    name: str
    strictness: Strictness
    patterns: tuple[MaskPattern, ...] = ()
    callables: tuple[Callable[[str], str], ...] = ()
    redact_user_api_key_info: bool = False
    allow_opt_out: bool = field(default=False, compare=False)
    masks: tuple[Policy, ...] = field(default=(), compare=False)

    @property
    def deferred(self) -> bool:
        """Whether `redact` is too slow for the caller's thread: masks are."""
        return self.strictness is Strictness.MASK

    def for_call(self, span: ReadableSpan) -> Policy:
        """Choose the policy for one call; this one is the sink's.

        The call may ask by name (attribute ``callspan.redact``, from ``callspan.context(redact=...)``): freely for a
        policy that takes away more (see `tighter`), and for one that takes away less only with ``allow_opt_out``.
        Names joined by ``+`` ask for all of them, a name that nobody knows for ``none``.

        Args:
            span: the call.

        Returns:
            The policy; if this one removes API key info, so does it.
        """
        attributes = span.attributes
        name = attributes.get(CALLSPAN_REDACT) if attributes else None
        if name is None or name == self.name:
            return self
        asked = _asked(name, self.masks)
        loosens = asked.strictness < self.strictness and self.allow_opt_out
        chosen = asked if loosens else tighter(self, asked)
        return replace(chosen, redact_user_api_key_info=True) if self.redact_user_api_key_info else chosen

    def redact(self, span: ReadableSpan) -> ReadableSpan:
        """Make the copy that may leave; the span itself where nothing is to be taken away. Never raises.

        If anything fails, the content goes and ``callspan.redacted`` ends in ``:failed``.
        """
        if self.strictness is Strictness.FULL and not self.redact_user_api_key_info:
            return span
        if isinstance(span, RedactedSpan) and span.policy == self:
            return span
        try:
            # None stands for the span itself, which must not hold on to itself.
            return remember(span, self, lambda: self._copy(span)) or span
        except Exception as error:  # noqa: BLE001 - the boundary to user callables and foreign spans: fail closed
            report_failure(f"policy {self.name}", error)
            return _last_resort(span, self)

    def _copy(self, span: ReadableSpan) -> ReadableSpan | None:
        parts = parts_of(span)
        try:
            redacted, mark = self._applied(parts), self.name
        except Exception as error:  # noqa: BLE001 - the boundary to user callables: without content it is safe
            report_failure(f"policy {self.name}", error)
            redacted, mark = self._cleared(strip(parts)), f"{self.name}:failed"
        if not (parts.about_llm and self.strictness) and redacted == parts:
            return None
        if self.strictness:
            redacted.attributes[CALLSPAN_REDACTED] = mark
        return RedactedSpan(span, redacted, self)

    def _applied(self, parts: Parts) -> Parts:
        if self.strictness is Strictness.NONE:
            return self._cleared(strip(parts))
        if self.strictness is Strictness.MASK:
            parts = masked(parts, (*(pattern.apply for pattern in self.patterns), *self.callables))
        return self._cleared(parts)

    def _cleared(self, parts: Parts) -> Parts:
        return without_user_api_keys(parts) if self.redact_user_api_key_info else parts


def full(*, redact_user_api_key_info: bool = False, masks: Iterable[Policy] = ()) -> Policy:
    """Everything leaves.

    Args:
        redact_user_api_key_info: except ``user_api_key_*``.
        masks: masks that a call may ask for by their names.
    """
    return Policy("full", Strictness.FULL, redact_user_api_key_info=redact_user_api_key_info, masks=tuple(masks))


def none(
    *, redact_user_api_key_info: bool = False, allow_opt_out: bool = False, masks: Iterable[Policy] = ()
) -> Policy:
    """No content leaves: what is not known to be harmless is removed or replaced.

    Args:
        redact_user_api_key_info: remove ``user_api_key_*`` as well.
        allow_opt_out: let a call ask for more to leave.
        masks: masks that a call may ask for by their names; with ``allow_opt_out``.
    """
    return Policy(
        "none",
        Strictness.NONE,
        redact_user_api_key_info=redact_user_api_key_info,
        allow_opt_out=allow_opt_out,
        masks=tuple(masks),
    )


def mask(
    patterns: Iterable[str | MaskPattern] | Mapping[str, str | tuple[str, str] | re.Pattern[str]] | None = None,
    callables: Iterable[Callable[[str], str]] = (),
    *,
    name: str = "mask",
    redact_user_api_key_info: bool = False,
    allow_opt_out: bool = False,
    masks: Iterable[Policy] = (),
) -> Policy:
    """Content leaves with what matches replaced.

    Example:
        ``mask(["email", "iban"])``, ``mask({"badge": (r"B-[0-9]{6}", "[BADGE]")})``, ``mask((), [my_function])``.

    Args:
        patterns: names of built-in patterns (email, credit_card, us_ssn, iban, ip_address, phone) and `MaskPattern`
            objects, or a mapping of name to regular expression or to (expression, replacement). None: all built in.
        callables: functions from text to text, applied after the patterns on the delivery worker. If one raises, or
            returns no string, the span loses its content as under `none`.
        name: what calls ask for.
        redact_user_api_key_info: remove ``user_api_key_*`` as well.
        allow_opt_out: let a call ask for ``full``.
        masks: other masks that a call may ask for by their names.

    Raises:
        ValueError: for an unknown pattern, a bad expression, or a name that another policy has.
        TypeError: for a callable that is none or that cannot be hashed.
    """
    if name in ("full", "none", ""):
        raise ValueError(f"a mask cannot be named {name!r}: that name has a meaning of its own")
    functions = tuple(callables)
    for function in functions:
        if not callable(function) or not isinstance(function, Hashable):
            raise TypeError(f"mask {name!r}: expected hashable callables, got {type(function).__name__}")
    return Policy(
        name,
        Strictness.MASK,
        patterns_from(patterns),
        functions,
        redact_user_api_key_info=redact_user_api_key_info,
        allow_opt_out=allow_opt_out,
        masks=tuple(masks),
    )


def from_litellm(
    *,
    turn_off_message_logging: bool | str | None = None,
    message_logging: bool | str | None = None,
    redact_user_api_key_info: bool | str | None = None,
    allow_opt_out: bool = False,
) -> Policy:
    """Read LiteLLM's settings; the tighter of the first two counts.

    Args:
        turn_off_message_logging: true: no content leaves. Strings count as what they say.
        message_logging: false: no content leaves; a sink's own setting (``callback_settings.<name>``).
        redact_user_api_key_info: true: ``user_api_key_*`` is removed.
        allow_opt_out: let a call ask for more to leave.

    Raises:
        ValueError: for a value that is neither true nor false, naming the setting.
    """
    off = _boolean("turn_off_message_logging", turn_off_message_logging, default=False)
    on = _boolean("message_logging", message_logging, default=True)
    keys = _boolean("redact_user_api_key_info", redact_user_api_key_info, default=False)
    if off or not on:
        return none(redact_user_api_key_info=keys, allow_opt_out=allow_opt_out)
    return full(redact_user_api_key_info=keys)


def named(name: object, masks: Iterable[Policy] = ()) -> Policy | None:
    """The policy of that name: one of ``masks``, or ``none``, ``full`` or ``mask`` (all built-in patterns), or None."""
    return next((policy for policy in (*masks, _NONE, _FULL, _MASK) if policy.name == name), None)


def tighter(one: Policy, other: Policy) -> Policy:
    """The policy of the two that takes away more; of two masks, one mask that does what both do."""
    if one.strictness is not other.strictness or one.strictness is not Strictness.MASK or one.name == other.name:
        return max(one, other, key=lambda policy: policy.strictness)
    return replace(
        one,
        name="+".join(dict.fromkeys((*one.name.split("+"), *other.name.split("+")))),
        patterns=tuple(dict.fromkeys((*one.patterns, *other.patterns))),
        callables=tuple(dict.fromkeys((*one.callables, *other.callables))),
    )


def _asked(name: object, masks: Iterable[Policy]) -> Policy:
    policy = named(name, masks)
    if policy is not None or not isinstance(name, str):
        return policy or _NONE
    return reduce(tighter, (named(part, masks) or _NONE for part in name.split("+")))


def report_failure(site: str, error: BaseException) -> None:
    """Say where redaction failed and with which type of error; an error's text may quote content."""
    kind = type(error).__name__
    log_at_most_every(
        3600.0, _logger, f"{site}:{kind}", "redaction failed at %s: %s; the content is withheld", site, kind
    )


_FULL = full()
_NONE = none()
_MASK = mask()


def _boolean(setting: str, value: bool | str | None, *, default: bool) -> bool:
    if value is None:
        return default
    word = str(value).strip().lower()
    if word not in ("true", "false"):
        raise ValueError(f"{setting}: expected true or false, got {value!r}")
    return word == "true"


def _last_resort(span: ReadableSpan, policy: Policy) -> ReadableSpan:
    """The bare fact that the span happened."""
    empty = Parts(True, REDACTED, {CALLSPAN_REDACTED: f"{policy.name}:failed"}, (), (), Status(span.status.status_code))
    return RedactedSpan(span, empty, policy)
