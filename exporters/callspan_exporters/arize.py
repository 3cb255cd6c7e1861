"""Arize AX and Arize Phoenix, over OTLP, with OpenInference's attributes."""

from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from callspan_exporters.delivery.http import HTTPTransport
from callspan_exporters.environment import first_variable, required, variable
from callspan_exporters.openinference import PROJECT, translated
from callspan_exporters.otlp_base import OTLPExporter, Transport
from callspan_exporters.otlp_settings import parse_headers, preset_url, traces_url
from callspan_exporters.otlp_spans import with_changes
from callspan_exporters.sink import Batching, Item

ARIZE_ENDPOINT: Final = "https://otlp.arize.com/v1"
PHOENIX_ENDPOINT: Final = "http://localhost:6006"


class _OpenInferenceExporter(OTLPExporter):
    """Base of both: LLM calls in OpenInference's words, all spans in one project."""

    project: str = "default"

    def spans(self, items: Sequence[Item]) -> list[ReadableSpan]:
        """Each span in its project."""
        return [self._placed(item) for item in items]

    def _placed(self, item: Item) -> ReadableSpan:
        project = Resource({PROJECT: self.project, "model_id": self.project})
        span = translated(item)
        return with_changes(span, resource=span.resource.merge(project))


class ArizeSpanExporter(_OpenInferenceExporter):
    """Spans to Arize AX over OTLP/HTTP, or over gRPC where ``ARIZE_ENDPOINT`` or ``grpc_endpoint`` says so.

    Source: arize-otel (headers, variables), LiteLLM's ``arize`` callback (variables).

    Args:
        space_id: default ``ARIZE_SPACE_ID``, ``ARIZE_SPACE_KEY``.
        api_key: default ``ARIZE_API_KEY``.
        project: default ``ARIZE_PROJECT_NAME``, else the service's name.
        endpoint: over HTTP; default ``ARIZE_HTTP_ENDPOINT``, ``ARIZE_COLLECTOR_ENDPOINT``, else
            ``https://otlp.arize.com/v1``; Europe: ``https://otlp.eu-west-1a.arize.com/v1``.
        grpc_endpoint: over gRPC, in place of ``endpoint``; default ``ARIZE_ENDPOINT``.
        timeout_s: how long one request may take, in seconds.
        name, batching, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: no space or key, or an endpoint is no URL.
    """

    sink = "arize"

    def __init__(
        self,
        space_id: str | None = None,
        api_key: str | None = None,
        project: str | None = None,
        endpoint: str | None = None,
        *,
        grpc_endpoint: str | None = None,
        timeout_s: float = 10.0,
        name: str | None = None,
        batching: Batching | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        space = required(space_id, "ARIZE_SPACE_ID", "ARIZE_SPACE_KEY", sink=self.sink, keyword="space_id")
        key = required(api_key, "ARIZE_API_KEY", sink=self.sink, keyword="api_key")
        # The first two are Arize's names of today, the others those that older servers read.
        headers = {"authorization": key, "arize-space-id": space, "api_key": key, "space_id": space}
        grpc = None if endpoint else grpc_endpoint or variable("ARIZE_ENDPOINT")
        http = preset_url(endpoint, "ARIZE_HTTP_ENDPOINT", "ARIZE_COLLECTOR_ENDPOINT", default=ARIZE_ENDPOINT)
        self.project = project or variable("ARIZE_PROJECT_NAME") or variable("OTEL_SERVICE_NAME") or "default"
        super().__init__(
            endpoint=grpc or http,
            transport=_grpc(grpc, headers) if grpc else HTTPTransport(),
            headers=headers,
            gzip=grpc is None,
            name=name,
            batching=batching,
            export_timeout_s=export_timeout_s,
            request_timeout_s=timeout_s,
        )


class PhoenixSpanExporter(_OpenInferenceExporter):
    """Spans to Arize Phoenix over OTLP/HTTP, or over gRPC where the endpoint says so.

    Source: phoenix-otel (variables), LiteLLM's ``arize_phoenix`` callback (which endpoints mean gRPC).

    Args:
        endpoint: default ``PHOENIX_COLLECTOR_HTTP_ENDPOINT``, ``PHOENIX_COLLECTOR_ENDPOINT``, else
            ``http://localhost:6006``; ``grpc://host:port``, or the port 4317, means gRPC.
        api_key: default ``PHOENIX_API_KEY``; not every Phoenix asks for one.
        project: default ``PHOENIX_PROJECT``, ``PHOENIX_PROJECT_NAME``, else ``default``. A call's metadata
            ``phoenix_project_name`` wins.
        headers: further headers; default ``PHOENIX_CLIENT_HEADERS`` (``name=value,name2=value2``).
        timeout_s: how long one request may take, in seconds.
        name, batching, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: a setting is malformed; names it.
    """

    sink = "arize_phoenix"

    def __init__(
        self,
        endpoint: str | None = None,
        api_key: str | None = None,
        project: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 10.0,
        name: str | None = None,
        batching: Batching | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        found = first_variable("PHOENIX_COLLECTOR_HTTP_ENDPOINT", "PHOENIX_COLLECTOR_ENDPOINT")
        source, url = ("endpoint", endpoint) if endpoint else found or ("endpoint", PHOENIX_ENDPOINT)
        if headers is None:
            headers = parse_headers(variable("PHOENIX_CLIENT_HEADERS") or "", "PHOENIX_CLIENT_HEADERS")
        sent = {header.lower(): value for header, value in headers.items()}
        if key := api_key or variable("PHOENIX_API_KEY"):
            sent.setdefault("authorization", f"Bearer {key}")
        self.project = project or variable("PHOENIX_PROJECT", "PHOENIX_PROJECT_NAME") or "default"
        over_grpc = url.startswith("grpc://") or url.rstrip("/").endswith(":4317")
        target = url.replace("grpc://", "http://") if over_grpc else traces_url(url, source)
        super().__init__(
            endpoint=target,
            transport=_grpc(target, sent) if over_grpc else HTTPTransport(),
            headers=sent,
            gzip=not over_grpc,
            name=name,
            batching=batching,
            export_timeout_s=export_timeout_s,
            request_timeout_s=timeout_s,
        )

    def _placed(self, item: Item) -> ReadableSpan:
        span = super()._placed(item)
        wanted = item.metadata.get("phoenix_project_name")
        if not isinstance(wanted, str) or not wanted:
            return span
        return with_changes(span, resource=span.resource.merge(Resource({PROJECT: wanted, "model_id": wanted})))


def _grpc(endpoint: str, headers: Mapping[str, str]) -> Transport:
    from callspan_exporters.otlp_grpc import GRPCTransport  # noqa: PLC0415 - loading gRPC takes longer than all else

    return GRPCTransport(endpoint, headers=headers)
