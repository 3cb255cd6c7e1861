"""A callback as a sink: a batch of calls is "sent" by running its hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, cast

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from callspan.callbacks.arguments import is_async, occasion
from callspan.callbacks.running import Job, run_all
from callspan.callbacks.targets import FAILURE, SUCCESS, Hook, Moment, Subscription, Target
from callspan.core.listeners import Listener
from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, SinkExporter, Verdict
from callspan_semconv import attributes as attr
from callspan_semconv import is_llm_span, jsonio

# As long as LiteLLM gives the callbacks of a call (LOGGING_WORKER_MAX_TIME_PER_COROUTINE).
TIMEOUT_S: Final = 20.0

# Where the span of a moment says which moment it is: policies leave scopes alone.
_SCOPE: Final = "callspan.callbacks."

# Who hears of a call, told by its span.
Subscriptions = Callable[[ReadableSpan], Sequence[Subscription]]


def scope_of(moment: Moment) -> str:
    """The name of the instrumentation scope of a moment's span."""
    return _SCOPE + moment


def moment_of(span: ReadableSpan) -> Moment:
    """The moment that a span is about: a call's end, unless its scope says otherwise."""
    scope = span.instrumentation_scope
    if scope is not None and scope.name.startswith(_SCOPE):
        return cast("Moment", scope.name.removeprefix(_SCOPE))
    failed = span.status.status_code is StatusCode.ERROR or attr.ERROR_TYPE in (span.attributes or {})
    return FAILURE if failed else SUCCESS


class CallbackExporter(SinkExporter):
    """Runs hooks. One that raises, or takes too long, refuses the call: it is never run again for the same one.

    Args:
        subscriptions: who hears of a call.
        name: of the sink, in reports.
        sink: what `callspan.context(sinks=...)` calls it besides; default: ``callback``.
        early: whether anybody may have a hook for what comes before a call's end.

    Attributes:
        subscriptions: who hears of a call.
        allows: which calls they are to hear of at all; None: every one.
        callback: what the user registered, for all calls, and for which moments; None where that depends on the call.
        before: the pipeline of what must be settled first, the earlier moments of the same calls; None if nobody hears
            of those. Likewise ``listener``, which feeds it.
    """

    sink = "callback"
    default_batching = Batching(max_items=100, interval_s=0.0)

    def __init__(
        self,
        subscriptions: Subscriptions,
        *,
        name: str,
        sink: str | None = None,
        early: bool = True,
    ) -> None:
        super().__init__(name=name, request_timeout_s=TIMEOUT_S)
        self.sink = sink or self.sink
        self.early = early
        self.allows: Callable[[ReadableSpan], bool] | None = None
        self.subscriptions = subscriptions
        self.callback: tuple[object, frozenset[Moment]] | None = None
        self.before: DeliveryProcessor | None = None
        self.listener: Listener | None = None

    def accepts(self, span: ReadableSpan) -> bool:
        """Whether the span is an LLM call, and somebody has a hook for it."""
        allowed = is_llm_span(span) and (self.allows is None or self.allows(span))
        return allowed and next(self.hooks(span), None) is not None

    def hooks(self, span: ReadableSpan) -> Iterator[tuple[Target, Hook]]:
        """What is to run for a span."""
        moment, awaited = moment_of(span), is_async(span)
        for subscription in self.subscriptions(span):
            if (hook := subscription.hook(moment, awaited)) is not None:
                yield subscription.target, hook

    def encode(self, items: Sequence[Item]) -> Iterable[Request]:
        """All at once; arguments are made where the hooks are run."""
        return [Request(items=items, body=b"", target="")]

    def send(self, request: Request, timeout_s: float) -> Response:
        """Run the hooks; the answer says which items failed, and why."""
        if self.before is not None:
            self.before.force_flush(int(timeout_s * 1000))
        failed: dict[int, str] = {}
        jobs: list[tuple[int, Job]] = []
        for index, item in enumerate(request.items):
            try:
                jobs += [(index, job) for job in self.jobs(item)]
            except Exception as error:  # noqa: BLE001, PERF203 - the boundary to odd spans: never sent again
                failed[index] = type(error).__name__
        outcomes = run_all([job for _, job in jobs], timeout_s)
        for (index, _), outcome in zip(jobs, outcomes, strict=True):
            if outcome is not None:
                failed.setdefault(index, outcome)
        return Response(200, body=jsonio.dump_bytes(failed))

    def jobs(self, item: Item) -> list[Job]:
        """The hooks of one item, each with arguments of its own."""
        moment = moment_of(item.span)
        return [Job(target, hook, occasion(item, moment)) for target, hook in self.hooks(item.span)]

    def classify(self, response: Response) -> Outcome:
        """Delivered, but for the items that failed."""
        refused = {int(index): reason for index, reason in response.parsed().items()}
        return Outcome(Verdict.DELIVERED, refused=refused)

    def shutdown(self) -> None:
        """Settle the moments that are left."""
        if self.before is not None:
            self.before.shutdown()
