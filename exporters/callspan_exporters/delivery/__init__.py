"""The delivery core: queue, retry, batching and accounting for every sink."""

from callspan_exporters.delivery.classify import classify_http
from callspan_exporters.delivery.engine import Report, deliver
from callspan_exporters.delivery.http import HTTPTransport, gzipped
from callspan_exporters.delivery.live import flush, reports
from callspan_exporters.delivery.processor import DeliveryProcessor
from callspan_exporters.delivery.report import DeliveryReport, SinkReport

__all__ = [
    "DeliveryProcessor",
    "DeliveryReport",
    "HTTPTransport",
    "Report",
    "SinkReport",
    "classify_http",
    "deliver",
    "flush",
    "gzipped",
    "reports",
]
