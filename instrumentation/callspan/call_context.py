"""What the application says about the calls it makes: metadata, tags, user, session, redaction, sinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from opentelemetry.context import Context, get_current
from opentelemetry.trace import Span, get_current_span, set_span_in_context

from callspan.callbacks.targets import Callback, is_callback
from callspan.core.listeners import Listener
from callspan.directives import Leave, from_baggage, from_call, tightest
from callspan_semconv import attributes as attr
from callspan_semconv import jsonio


@dataclass(frozen=True, slots=True)
class CallContext:
    """The merged values of all `context` blocks around a call."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    no_log: bool = False
    log_raw_request: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)  # ready for the span
    listeners: tuple[Listener, ...] = ()
    caller: Span | None = None  # of the web request, on another machine: the parent of calls where no span is current


EMPTY = CallContext()
_current: ContextVar[CallContext] = ContextVar("callspan_context", default=EMPTY)

current_context = _current.get
enter = _current.set
leave = _current.reset


def here() -> Context:
    """What is current in OpenTelemetry, with the web request's caller where no span is."""
    context, caller = get_current(), _current.get().caller
    if caller is None or get_current_span(context).get_span_context().is_valid:
        return context
    return set_span_in_context(caller, context)


def said_of(
    said: CallContext, entries: Mapping[str, object], parameters: Mapping[str, Any], leave: Leave
) -> CallContext:
    """What is said about one call: by the blocks around it, by its request's baggage, and by its own parameters.

    Args:
        said: by the blocks.
        entries: of the baggage; a block's session counts before theirs.
        parameters: of the call.
        leave: what they may decide.
    """
    asked = from_baggage(entries) if entries else {}
    if attr.GEN_AI_CONVERSATION_ID in said.attributes:
        asked.pop("session_id", None)
    if said.metadata or "extra_body" in parameters or "metadata" in parameters:
        own = from_call(parameters, said.metadata, leave)
        if "redact" in asked:
            own["redact"] = tightest(asked["redact"], own.get("redact"))
        asked |= own
    return context(**asked).merged(said) if asked else said


class context:  # noqa: N801 - used as a verb: ``with callspan.context(...)``
    """Say something about every LLM call made inside the block, across awaits and tasks.

    Usable as ``with`` and as ``async with``; blocks nest: metadata is merged, tags are added, the rest is overridden.

    Args:
        metadata: free key/values, kept on the span as ``callspan.metadata`` and in the payload; the keys of LiteLLM's
            Langfuse integration (``trace_id``, ``generation_name``, ...) mean the same here, and ``no-log``,
            ``turn_off_message_logging`` and ``log_raw_request`` what they mean in a request.
        tags: labels of the call.
        user: the end user on whose behalf the call is made.
        session_id: the conversation (``gen_ai.conversation.id``).
        trace_name: metadata key ``trace_name``.
        generation_name: metadata key ``generation_name``.
        no_log: true: the calls are not recorded at all.
        redact: name of the redaction policy for these calls: ``"none"`` drops content, ``"full"`` keeps it (only where
            the operator allowed opting out of redaction), or the name of a mask. Of nested blocks that ask for
            different ones, the tightest counts.
        sinks: only these sinks get the calls.
        disabled_sinks: these sinks do not get the calls, whatever ``sinks`` says; nested blocks add up.
        log_raw_request: true: the HTTP request is kept as a curl command, its secrets masked.
        callbacks: functions and `CustomLogger` instances that hear of these calls, beside those of the process.
        success_callback: those that hear only of the calls that succeed.
        failure_callback: those that hear only of the calls that fail.

    Raises:
        TypeError: if ``metadata`` is no mapping; if ``tags``, ``sinks`` or ``disabled_sinks`` is a single string; if a
            callback is none.
    """

    def __init__(
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] | None = None,
        user: str | None = None,
        session_id: str | None = None,
        trace_name: str | None = None,
        generation_name: str | None = None,
        no_log: bool | None = None,
        redact: str | None = None,
        sinks: Sequence[str] | None = None,
        disabled_sinks: Sequence[str] | None = None,
        log_raw_request: bool | None = None,
        callbacks: Sequence[Callback] | None = None,
        success_callback: Sequence[Callback] | None = None,
        failure_callback: Sequence[Callback] | None = None,
    ) -> None:
        if metadata is not None and not isinstance(metadata, Mapping):
            raise TypeError(f"callspan.context(metadata=...) takes a mapping, not {type(metadata).__name__}")
        for name, value in (("tags", tags), ("sinks", sinks), ("disabled_sinks", disabled_sinks)):
            if isinstance(value, str):
                raise TypeError(f"callspan.context({name}=...) takes a sequence of strings, not one string")
        self._metadata = {
            **(metadata or {}),
            **{
                key: value
                for key, value in (("trace_name", trace_name), ("generation_name", generation_name))
                if value is not None
            },
        }
        self._lists = {attr.CALLSPAN_TAGS: tuple(tags or ()), attr.CALLSPAN_DISABLED_SINKS: tuple(disabled_sinks or ())}
        self._no_log = no_log
        self._log_raw_request = log_raw_request
        self._redact = redact
        self._attributes = {
            key: value
            for key, value in (
                (attr.CALLSPAN_USER, user),
                (attr.GEN_AI_CONVERSATION_ID, session_id),
                (attr.CALLSPAN_SINKS, None if sinks is None else tuple(sinks)),
            )
            if value is not None
        }
        lists = {"callbacks": callbacks, "success_callback": success_callback, "failure_callback": failure_callback}
        self._callbacks = {name: tuple(given) for name, given in lists.items() if given}
        for name, callback in ((name, each) for name, given in self._callbacks.items() for each in given):
            if not is_callback(callback):
                raise TypeError(
                    f"callspan.context({name}=...) takes functions and instances of CustomLogger, "
                    f"not {type(callback).__name__}"
                )
        self._tokens: list[Token[CallContext]] = []

    def merged(self, outer: CallContext) -> CallContext:
        """What is said inside the block, where ``outer`` is said around it."""
        metadata = {**outer.metadata, **self._metadata}
        merged = {**outer.attributes, **self._attributes}
        if metadata:
            merged[attr.CALLSPAN_METADATA] = jsonio.dumps(metadata)
        for name, added in self._lists.items():
            if added:
                merged[name] = tuple(dict.fromkeys((*outer.attributes.get(name, ()), *added)))
        if self._redact is not None:
            merged[attr.CALLSPAN_REDACT] = tightest(outer.attributes.get(attr.CALLSPAN_REDACT), self._redact)
        return replace(
            outer,
            metadata=metadata,
            no_log=outer.no_log if self._no_log is None else self._no_log,
            log_raw_request=outer.log_raw_request if self._log_raw_request is None else self._log_raw_request,
            attributes=merged,
            listeners=self._listeners(outer.listeners),
        )

    def _listeners(self, outer: tuple[Listener, ...]) -> tuple[Listener, ...]:
        if not self._callbacks:
            return outer
        from callspan.callbacks.per_call import PerCall  # noqa: PLC0415 - loads the SDK, which most contexts do not need

        return (PerCall(self._callbacks, outer),)

    def __enter__(self) -> context:
        self._tokens.append(_current.set(self.merged(_current.get())))
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _current.reset(self._tokens.pop())

    async def __aenter__(self) -> context:
        return self.__enter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(exc_type, exc, traceback)
