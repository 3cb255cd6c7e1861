"""Sentry: failed calls as errors, grouped and scrubbed."""

from collections.abc import Iterable, Sequence
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from callspan_exporters.delivery.classify import classify_http
from callspan_exporters.delivery.http import HTTPTransport, gzipped
from callspan_exporters.environment import flag, number, required, variable
from callspan_exporters.extras import require
from callspan_exporters.sampling import sampled
from callspan_exporters.sentry_event import event
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, SinkExporter
from callspan_semconv import jsonio

_APPLICATION: Final = "the application's sentry-sdk"


class SentrySpanExporter(SinkExporter):
    """Every LLM call that failed, as an error event; calls that succeeded are not Sentry's business.

    Where the application has called ``sentry_sdk.init``, events go through its client: with its environment, release,
    hooks, scrubbing, sampling and transport. Elsewhere sentry-sdk makes the envelope, and callspan delivers it.

    Args:
        dsn: the project's; default: the application's client if it has one, else ``SENTRY_DSN``.
        environment: default ``SENTRY_ENVIRONMENT``, else ``production``.
        sample_rate: share of traces whose failures are sent, 0 to 1; default ``SENTRY_API_SAMPLE_RATE``, else 1.
        send_default_pii: whether the user's id may be sent; default ``SENTRY_SEND_DEFAULT_PII``, else false.
        batching, name, export_timeout_s, request_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: there is neither a DSN nor a client of the application, or a setting is malformed.
        ImportError: sentry-sdk is not installed; says what to install.
    """

    sink = "sentry"
    default_batching = Batching(max_items=100, interval_s=1.0)
    concurrency = 4

    def __init__(
        self,
        dsn: str | None = None,
        environment: str | None = None,
        *,
        sample_rate: float | None = None,
        send_default_pii: bool | None = None,
        batching: Batching | None = None,
        name: str | None = None,
        export_timeout_s: float = 30.0,
        request_timeout_s: float = 10.0,
    ) -> None:
        super().__init__(
            name=name, batching=batching, export_timeout_s=export_timeout_s, request_timeout_s=request_timeout_s
        )
        require("sentry_sdk", sink=self.sink, extra=self.sink)
        from callspan_exporters import sentry_client  # noqa: PLC0415 - an extra's library

        self._sdk = sentry_client
        self._sample_rate = number(sample_rate, 1.0, "SENTRY_API_SAMPLE_RATE", least=0, most=1)
        personal = variable("SENTRY_SEND_DEFAULT_PII") or "false" if send_default_pii is None else send_default_pii
        self._personal = flag(personal, "sentry: send_default_pii (SENTRY_SEND_DEFAULT_PII)")
        self._is_own = dsn is not None  # a DSN in code or file is for callspan alone
        self._maker = None
        if dsn or variable("SENTRY_DSN") or not sentry_client.application_is_configured():
            self._maker = sentry_client.EnvelopeMaker(
                required(dsn, "SENTRY_DSN", sink=self.sink, keyword="dsn"),
                environment or variable("SENTRY_ENVIRONMENT") or "production",
                personal=self._personal,
            )
        self._transport = HTTPTransport(max_connections=self.concurrency)

    def accepts(self, span: ReadableSpan) -> bool:
        """LLM calls that failed, of the sampled share of traces."""
        context = span.get_span_context()
        failed = span.status.status_code is StatusCode.ERROR and super().accepts(span)
        return failed and context is not None and sampled(context.trace_id, self._sample_rate)

    def encode(self, items: Sequence[Item]) -> Iterable[Request]:
        """One event per call. The application may configure its client after callspan, so it is asked for each time."""
        maker = self._maker if self._is_own or not self._sdk.application_is_configured() else None
        for item in items:
            if item.payload is None:
                continue
            made = event(item.span, item.payload, personal=self._personal)
            if maker is None:
                yield Request(items=[item], body=jsonio.dump_bytes(made), target=_APPLICATION)
            else:
                yield gzipped(Request(items=[item], body=maker.make(made), target=maker.url, headers=maker.headers))

    def send(self, request: Request, timeout_s: float) -> Response:
        """Post an envelope, or hand the event to the application's client, which delivers in its own time."""
        if request.target != _APPLICATION:
            return self._transport.send(request, timeout_s)
        self._sdk.hand_over(jsonio.loads(request.body))
        return Response(202)

    def classify(self, response: Response) -> Outcome:
        """The common table; Sentry says how long to wait with 429."""
        return classify_http(response)

    def shutdown(self) -> None:
        """Close connections; the application's client stays the application's."""
        self._transport.close()
