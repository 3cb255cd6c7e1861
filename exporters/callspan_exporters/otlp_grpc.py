"""OTLP over gRPC, in the terms of HTTP.

The bytes that `callspan_exporters.otlp_base` encodes are sent as they are. The official exporter is not used here
because it answers only success or failure, retries inside one `export`, and logs each failure; delivery does all
three for every sink, and needs the status.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from callspan_exporters.otlp_settings import grpc_target
from callspan_exporters.sink import Request, Response
from callspan_exporters.tls import NO_FILES, TLSFiles
from callspan_semconv import jsonio

_METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_TOO_LARGE: Final = "larger than max"  # gRPC's own words, on either side of the wire
# OTLP specification, "Failures" (gRPC): the first group is retryable. RESOURCE_EXHAUSTED is so only with a RetryInfo by
# the letter, but collectors that are short of memory send it without one.
_STATUS: Final = {
    grpc.StatusCode.CANCELLED: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.ABORTED: 503,
    grpc.StatusCode.OUT_OF_RANGE: 503,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 503,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.UNIMPLEMENTED: 404,
}
_REFUSED: Final = 409  # any other code: the specification forbids a retry, and no single span is to blame


class GRPCTransport:
    """Sends requests over one channel; safe to share among threads.

    The channel is opened at the first request and belongs to the process that opened it: a forked child opens its own.

    Args:
        endpoint: a URL or ``host:port``; see `callspan_exporters.otlp_settings.grpc_target`.
        headers: sent as metadata; names in lower case.
        gzip: whether messages are compressed.
        insecure: no TLS where the endpoint has no scheme.
        tls: certificate files, read when the channel is opened.

    Raises:
        ValueError: the endpoint is malformed.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        headers: Mapping[str, str],
        gzip: bool = True,
        insecure: bool = False,
        tls: TLSFiles = NO_FILES,
    ) -> None:
        self._target, self._secure = grpc_target(endpoint, "endpoint", insecure=insecure)
        self._metadata = tuple(headers.items())
        self._compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        self._tls = tls
        # By process id. A parent's channel stays referenced in the child: closing it there would hang.
        self._channels: dict[int, tuple[grpc.Channel, Callable[..., Any]]] = {}

    def send(self, request: Request, timeout_s: float) -> Response:
        """Perform one request; an RPC error becomes the HTTP status of the same meaning."""
        try:
            answer = self._export()(request.body, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            return _response(error)
        return Response(200, body=answer)

    def close(self) -> None:
        """Close this process's channel."""
        channel, _ = self._channels.pop(os.getpid(), (None, None))
        if channel is not None:
            channel.close()

    def _export(self) -> Callable[..., Any]:
        pid = os.getpid()
        if pid not in self._channels:
            channel = self._open()
            self._channels.setdefault(pid, (channel, channel.unary_unary(_METHOD)))
        return self._channels[pid][1]

    def _open(self) -> grpc.Channel:
        if not self._secure:
            return grpc.insecure_channel(self._target, compression=self._compression)
        credentials = grpc.ssl_channel_credentials(
            root_certificates=_read(self._tls.certificate),
            private_key=_read(self._tls.client_key),
            certificate_chain=_read(self._tls.client_certificate),
        )
        return grpc.secure_channel(self._target, credentials, compression=self._compression)


def _response(error: Any) -> Response:
    status = _STATUS.get(error.code(), _REFUSED)
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in (error.details() or ""):
        status = 413
    delay_s = _retry_delay_s(dict(error.trailing_metadata() or ()))
    headers = {} if delay_s is None else {"retry-after": str(delay_s)}
    return Response(status, headers, jsonio.dump_bytes({"code": error.code().name, "message": error.details()}))


def _retry_delay_s(metadata: Mapping[str, Any]) -> float | None:
    """The server's RetryInfo: in the standard status details, or alone as some servers send it."""
    info = RetryInfo()
    try:
        if details := metadata.get("grpc-status-details-bin"):
            for detail in Status.FromString(details).details:
                detail.Unpack(info)
        if alone := metadata.get("google.rpc.retryinfo-bin"):
            info.ParseFromString(alone)
    except DecodeError:
        return None
    return float(info.retry_delay.ToTimedelta().total_seconds()) if info.HasField("retry_delay") else None


def _read(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path else None
