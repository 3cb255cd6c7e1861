"""A sink of your own: an encoder, a transport and a classification of answers; delivery does the rest.

AUDIT_URL=http://127.0.0.1:8080/audit python examples/own_sink.py
"""

import os
from collections.abc import Iterable, Sequence

from openai import OpenAI

import callspan
from callspan_exporters.delivery import HTTPTransport, classify_http
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, SinkExporter


class AuditSpanExporter(SinkExporter):
    """Sends calls as JSON lines to an audit service."""

    sink = "audit"
    default_batching = Batching(max_items=50, interval_s=2.0)

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._http = HTTPTransport()

    def encode(self, items: Sequence[Item]) -> Iterable[Request]:
        lines = b"\n".join(item.json for item in items)  # each a StandardLoggingPayload, redacted already
        yield Request(items, lines, self._url, {"Content-Type": "application/x-ndjson"})

    def send(self, request: Request, timeout_s: float) -> Response:
        return self._http.send(request, timeout_s)

    def classify(self, response: Response) -> Outcome:
        return classify_http(response)  # 408, 429 and 5xx again, 413 in halves, other 4xx never

    def shutdown(self) -> None:
        self._http.close()


callspan.configure(callbacks=[AuditSpanExporter(os.environ["AUDIT_URL"])])
OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Who pays?"}])
print(callspan.flush(timeout_s=10)["audit"].delivered, "delivered")
