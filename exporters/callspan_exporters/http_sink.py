"""What sinks that post over HTTP have in common."""

from typing import Any

from callspan_exporters.delivery.classify import classify_http
from callspan_exporters.delivery.http import HTTPTransport
from callspan_exporters.sink import Outcome, Request, Response, SinkExporter


class HTTPSinkExporter(SinkExporter):
    """Sends with the HTTP client and judges answers by the common table.

    Args:
        transport: the client; default: one with as many connections as the sink has requests in flight.
        options: see `callspan_exporters.sink.SinkExporter`.
    """

    def __init__(self, *, transport: HTTPTransport | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._transport = transport or HTTPTransport(max_connections=self.concurrency)

    def send(self, request: Request, timeout_s: float) -> Response:
        """Perform one request."""
        return self._transport.send(request, timeout_s)

    def classify(self, response: Response) -> Outcome:
        """The common table: 408, 429 and 5xx are retried, 413 is split, other refusals are final."""
        return classify_http(response)

    def shutdown(self) -> None:
        """Close connections."""
        self._transport.close()
