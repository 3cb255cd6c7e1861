"""OTLP: any collector or backend, and presets for Honeycomb and Traceloop."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from callspan_exporters import otlp_settings, tls
from callspan_exporters.delivery.http import HTTPTransport
from callspan_exporters.environment import required, variable
from callspan_exporters.otlp_base import OTLPExporter, Transport
from callspan_exporters.otlp_settings import OTLPSettings, parse_headers, preset_url
from callspan_exporters.sink import Batching

HONEYCOMB_ENDPOINT: Final = "https://api.honeycomb.io"
TRACELOOP_ENDPOINT: Final = "https://api.traceloop.com"


class OTLPSpanExporter(OTLPExporter):
    """Spans to an OpenTelemetry Collector, or to any backend that takes OTLP over HTTP (protobuf) or gRPC.

    Arguments win over the environment; `callspan_exporters.otlp_settings` lists the variables. Every sampled span is
    sent, with all of its attributes, whole.

    Args:
        protocol: ``"http"`` or ``"grpc"``; default: as the environment says, and ``"http"`` where it says nothing.
        endpoint: for HTTP a URL, to which ``/v1/traces`` is added unless it is there; for gRPC a URL or ``host:port``.
        headers: sent with every request; they replace those of the environment.
        gzip: whether to compress; default: true unless ``OTEL_EXPORTER_OTLP_COMPRESSION=none``.
        timeout_s: how long one request may take, in seconds; default 10.
        max_request_bytes: a larger batch is sent in several requests. The default is what a Collector's gRPC receiver
            takes.
        name, batching, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: a setting is malformed; the text names it and what was expected.
    """

    sink = "otel"

    def __init__(
        self,
        protocol: Literal["http", "grpc"] | None = None,
        endpoint: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        gzip: bool | None = None,
        timeout_s: float | None = None,
        max_request_bytes: int = 4_000_000,
        name: str | None = None,
        batching: Batching | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        settings = otlp_settings.resolve(protocol, endpoint)
        if settings.kind == "console":  # nothing says where: the specification's default
            settings = otlp_settings.resolve("http", endpoint)
        given: dict[str, Any] = {"headers": headers, "gzip": gzip, "timeout_s": timeout_s}
        settings = replace(settings, **{key: value for key, value in given.items() if value is not None})
        super().__init__(
            endpoint=settings.endpoint,
            transport=_transport(settings),
            headers=settings.headers,
            gzip=settings.gzip and settings.kind == "http",
            max_request_bytes=max_request_bytes,
            name=name,
            batching=batching,
            export_timeout_s=export_timeout_s,
            request_timeout_s=settings.timeout_s,
        )


class HoneycombSpanExporter(OTLPExporter):
    """Spans to Honeycomb over OTLP/HTTP.

    Source: Honeycomb, "Send Data with OpenTelemetry". Honeycomb takes strings up to 64 KB, 2,000 fields and 1 MB per
    span; callspan cuts nothing, so a longer prompt is up to Honeycomb.

    Args:
        api_key: an ingest key; default ``HONEYCOMB_API_KEY``.
        dataset: Honeycomb Classic only, elsewhere the service name is the dataset; default ``HONEYCOMB_DATASET``.
        endpoint: default ``HONEYCOMB_API_ENDPOINT``, else ``https://api.honeycomb.io``; Europe:
            ``https://api.eu1.honeycomb.io``.
        timeout_s: how long one request may take, in seconds.
        name, batching, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: no key, or the endpoint is no URL.
    """

    sink = "honeycomb"

    def __init__(
        self,
        api_key: str | None = None,
        dataset: str | None = None,
        endpoint: str | None = None,
        *,
        timeout_s: float = 10.0,
        name: str | None = None,
        batching: Batching | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        headers = {"x-honeycomb-team": required(api_key, "HONEYCOMB_API_KEY", sink=self.sink, keyword="api_key")}
        if chosen := dataset or variable("HONEYCOMB_DATASET"):
            headers["x-honeycomb-dataset"] = chosen
        super().__init__(
            endpoint=preset_url(endpoint, "HONEYCOMB_API_ENDPOINT", default=HONEYCOMB_ENDPOINT),
            transport=HTTPTransport(),
            headers=headers,
            name=name,
            batching=batching,
            export_timeout_s=export_timeout_s,
            request_timeout_s=timeout_s,
        )


class TraceloopSpanExporter(OTLPExporter):
    """Spans to Traceloop over OTLP/HTTP.

    Source: the variables of traceloop-sdk.

    Args:
        api_key: default ``TRACELOOP_API_KEY``; sent as ``Authorization: Bearer``.
        endpoint: default ``TRACELOOP_BASE_URL``, else ``https://api.traceloop.com``.
        headers: further headers; default ``TRACELOOP_HEADERS`` (``name=value,name2=value2``). Where they hold an
            ``authorization``, no key is needed.
        timeout_s: how long one request may take, in seconds.
        name, batching, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: no key, or a setting is malformed.
    """

    sink = "traceloop"

    def __init__(
        self,
        api_key: str | None = None,
        endpoint: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 10.0,
        name: str | None = None,
        batching: Batching | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        if headers is None:
            headers = parse_headers(variable("TRACELOOP_HEADERS") or "", "TRACELOOP_HEADERS")
        sent = {header.lower(): value for header, value in headers.items()}
        if "authorization" not in sent:
            key = required(api_key, "TRACELOOP_API_KEY", sink=self.sink, keyword="api_key")
            sent["authorization"] = f"Bearer {key}"
        super().__init__(
            endpoint=preset_url(endpoint, "TRACELOOP_BASE_URL", default=TRACELOOP_ENDPOINT),
            transport=HTTPTransport(),
            headers=sent,
            name=name,
            batching=batching,
            export_timeout_s=export_timeout_s,
            request_timeout_s=timeout_s,
        )


def from_environment() -> SpanExporter:
    """The exporter of the ``otel`` callback: console, HTTP or gRPC, as the environment says.

    Raises:
        ValueError: a variable is malformed; the text names it and what was expected.
    """
    if otlp_settings.resolve().kind == "console":
        return ConsoleSpanExporter()
    return OTLPSpanExporter()


def _transport(settings: OTLPSettings) -> Transport:
    if settings.kind == "http":
        return HTTPTransport(tls=tls.context(settings.tls))
    from callspan_exporters.otlp_grpc import GRPCTransport  # noqa: PLC0415 - loading gRPC takes longer than all else

    return GRPCTransport(
        settings.endpoint,
        headers=settings.headers,
        gzip=settings.gzip,
        insecure=settings.insecure,
        tls=settings.tls,
    )
