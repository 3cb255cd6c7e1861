"""Where OTLP goes: the standard variables first, LiteLLM's where the standard ones are absent.

Sources: the OpenTelemetry specification, "OpenTelemetry Protocol Exporter" (names, precedence, header format), and
LiteLLM's ``otel`` callback (``OTEL_EXPORTER``, ``OTEL_ENDPOINT``, ``OTEL_HEADERS``). Two differences from the latter,
both on purpose: header values are percent-decoded (``Bearer%20key``), and an unknown exporter name is an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

from callspan_exporters.addresses import parse_url
from callspan_exporters.environment import first_variable, number, variable
from callspan_exporters.tls import NO_FILES, TLSFiles

Kind = Literal["console", "http", "grpc"]

_KINDS: dict[str, Kind] = {
    "console": "console",
    "http": "http",
    "otlp_http": "http",
    "http/protobuf": "http",
    "otlp_grpc": "grpc",
    "grpc": "grpc",
}
_KIND_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER")
_ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_ENDPOINT")
_HEADER_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_HEADERS")
_DEFAULT_ENDPOINTS: dict[str, str] = {"http": "http://localhost:4318", "grpc": "http://localhost:4317"}
# Paths that are whole already: Splunk's and Langtrace's intake know no /v1/traces.
_WHOLE_PATHS = ("/v1/traces", "/v2/trace/otlp", "/api/trace")
_FILES = ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE")
_OTHER_SIGNALS = ("/v1/metrics", "/v1/logs")


@dataclass(frozen=True, slots=True)
class OTLPSettings:
    """Where and how spans are sent.

    Attributes:
        kind: the transport.
        endpoint: for ``http`` the whole URL, for ``grpc`` a URL or ``host:port``; empty for ``console``.
        headers: sent with every request; names in lower case.
        gzip: whether bodies are compressed.
        timeout_s: how long one request may take, in seconds.
        insecure: gRPC only: no TLS where the endpoint has no scheme.
        tls: certificate files.
    """

    kind: Kind
    endpoint: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    gzip: bool = True
    timeout_s: float = 10.0
    insecure: bool = False
    tls: TLSFiles = NO_FILES


def parse_headers(text: str, source: str) -> dict[str, str]:
    """Read ``name=value,name2=value2``; names become lower case, values are percent-decoded.

    Args:
        text: the list; empty entries are skipped.
        source: the variable or argument that it came from, for the error.

    Raises:
        ValueError: an entry is no ``name=value``, or holds a control character. The text names the entry's position,
            never its value, which is likely a secret.
    """
    headers: dict[str, str] = {}
    for position, entry in enumerate(text.split(","), start=1):
        if not entry.strip():
            continue
        raw_name, separator, raw_value = entry.partition("=")
        name, value = unquote(raw_name).strip().lower(), unquote(raw_value).strip()
        if not separator or not name or not (name + value).isprintable():
            message = f"{source}: entry {position} is malformed; expected name=value,name2=value2 (percent-encoded)"
            raise ValueError(message)
        headers[name] = value
    return headers


def traces_url(endpoint: str, source: str) -> str:
    """Complete an OTLP/HTTP endpoint: ``/v1/traces`` is added unless the path has it already.

    Another signal's path is swapped, and intakes that are known to have a path of their own are left alone.

    Raises:
        ValueError: see `callspan_exporters.addresses.parse_url`.
    """
    parts = parse_url(endpoint, source)
    path = parts.path.rstrip("/")
    for suffix in _OTHER_SIGNALS:
        path = path.removesuffix(suffix)
    if not path.endswith(_WHOLE_PATHS):
        path = path.removesuffix("/v1") + "/v1/traces"
    return parts._replace(path=path).geturl()


def preset_url(endpoint: str | None, *variables: str, default: str) -> str:
    """The traces' URL of a service: from code or file, else from the first variable that is set, else the default.

    Raises:
        ValueError: see `parse_url`.
    """
    found = first_variable(*variables)
    if endpoint:
        return traces_url(endpoint, "endpoint")
    return traces_url(found[1], found[0]) if found else traces_url(default, "endpoint")


def grpc_target(endpoint: str, source: str, *, insecure: bool = False) -> tuple[str, bool]:
    """Read a gRPC endpoint: ``http://`` is plain text, ``https://`` is TLS, ``host:port`` is TLS unless ``insecure``.

    Returns:
        ``host:port``, and whether to use TLS.

    Raises:
        ValueError: the endpoint has another scheme or no host.
    """
    if "://" not in endpoint and not endpoint.startswith(("http:", "https:")):
        return endpoint, not insecure
    parts = parse_url(endpoint, source)
    return parts.netloc, parts.scheme == "https"


def resolve(protocol: str | None = None, endpoint: str | None = None) -> OTLPSettings:
    """Complete what code says by the environment.

    With no protocol and no endpoint anywhere, spans go to the console, as LiteLLM's ``otel`` does; with an endpoint
    only, over HTTP.

    Args:
        protocol: one of the names that ``OTEL_EXPORTER_OTLP_PROTOCOL`` or ``OTEL_EXPORTER`` take.
        endpoint: a base URL, the whole URL of the traces, or for gRPC ``host:port``.

    Raises:
        ValueError: an argument or a variable holds what is no protocol, URL, header list or number; names it.
    """
    place = ("endpoint", endpoint) if endpoint else first_variable(*_ENDPOINT_VARIABLES)
    kind = _kind(("protocol", protocol) if protocol else first_variable(*_KIND_VARIABLES), bool(place))
    if kind == "console":
        return OTLPSettings(kind)
    return OTLPSettings(
        kind=kind,
        endpoint=_endpoint(kind, *(place or ("endpoint", _DEFAULT_ENDPOINTS[kind]))),
        headers=_headers(),
        gzip=_gzip(),
        timeout_s=number(None, 10.0, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT", least=0.001),
        insecure=(variable("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE") or "").lower()
        == "true",
        tls=TLSFiles(*(variable(f"OTEL_EXPORTER_OTLP_TRACES_{file}", f"OTEL_EXPORTER_OTLP_{file}") for file in _FILES)),
    )


def _kind(found: tuple[str, str] | None, has_endpoint: bool) -> Kind:
    source, value = found or ("protocol", "console")
    if value.lower() not in _KINDS:
        message = f"{source}: {value!r} is no exporter; expected one of {', '.join(sorted(_KINDS))}"
        raise ValueError(message)
    kind = _KINDS[value.lower()]
    return "http" if kind == "console" and has_endpoint else kind


def _endpoint(kind: Kind, source: str, value: str) -> str:
    if kind == "grpc":
        grpc_target(value, source)
        return value
    if source == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT":  # the specification: the per-signal URL is used as it is
        return parse_url(value, source).geturl()
    return traces_url(value, source)


def _headers() -> dict[str, str]:
    found = first_variable(*_HEADER_VARIABLES)
    return parse_headers(found[1], found[0]) if found else {}


def _gzip() -> bool:
    found = first_variable("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION")
    if found is None:
        return True
    name, value = found
    if value.lower() not in {"gzip", "none"}:
        message = f"{name}: {value!r} is no compression; expected gzip or none"
        raise ValueError(message)
    return value.lower() == "gzip"


def _insecure() -> bool:
    return (variable("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE") or "").lower() == "true"
