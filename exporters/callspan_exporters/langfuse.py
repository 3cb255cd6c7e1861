"""Langfuse: each LLM call as a generation, over OTLP.

Langfuse's older ingestion API was removed from Langfuse Cloud on 2026-11-16; its OTLP intake is the one that stays.
"""

import base64
import os
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind, Status, StatusCode

from callspan_exporters.delivery.classify import classify_http
from callspan_exporters.delivery.http import HTTPTransport
from callspan_exporters.environment import first_variable, number, required, variable
from callspan_exporters.langfuse_call import LangfuseCall
from callspan_exporters.langfuse_place import place
from callspan_exporters.otlp_base import OTLPExporter, classify_otlp
from callspan_exporters.otlp_spans import with_changes
from callspan_exporters.own_calls import is_call
from callspan_exporters.sampling import sampled
from callspan_exporters.sink import Batching, Item, Outcome, Response, span_metadata
from callspan_semconv import attributes as names

CLOUD: Final = "https://cloud.langfuse.com"
_HOSTS: Final = ("LANGFUSE_OTEL_HOST", "LANGFUSE_HOST", "LANGFUSE_BASE_URL")
_PATH: Final = "/api/public/otel/v1/traces"
_INGESTION_VERSION: Final = "4"  # written at once; without it data shows minutes later
_ENVIRONMENT: Final = re.compile(r"(?!langfuse)[a-z0-9_-]{1,40}")
_COMMITS: Final = ("LANGFUSE_RELEASE", "GITHUB_SHA", "CI_COMMIT_SHA", "RENDER_GIT_COMMIT")
_USAGE: Final = "gen_ai.usage."
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
# Langfuse stores every attribute of a span, except from its own SDK's scope: so the scope is ours, and only what
# it has a field for is sent.
_SCOPE: Final = InstrumentationScope("callspan", version("callspan"))


class LangfuseSpanExporter(OTLPExporter):
    """Every LLM call, success or failure, as a Langfuse generation (an embedding as an embedding).

    The request's metadata steers it as with LiteLLM: ``generation_name``, ``generation_id``, ``trace_id``,
    ``existing_trace_id``, ``parent_observation_id``, ``trace_name``, ``trace_user_id``, ``session_id``, ``tags``,
    ``version``, ``trace_version``, ``trace_release``, ``trace_metadata``, ``trace_public``, ``mask_input``,
    ``mask_output``, ``prompt``, ``debug_langfuse``, ``update_trace_keys``; docs/sinks/langfuse.md says what each does.
    The same call always has the same ids, so a repeated request changes nothing.

    Args:
        public_key: default ``LANGFUSE_PUBLIC_KEY``.
        secret_key: default ``LANGFUSE_SECRET_KEY``.
        host: default ``LANGFUSE_OTEL_HOST``, ``LANGFUSE_HOST``, ``LANGFUSE_BASE_URL``, else Langfuse Cloud (EU).
            Without a scheme: HTTPS, or HTTP for this machine.
        environment: lower-case letters, digits, ``-`` and ``_``, at most 40, not beginning with ``langfuse``; default
            ``LANGFUSE_TRACING_ENVIRONMENT``.
        release: default ``LANGFUSE_RELEASE``, else the commit that the build system names.
        default_tags: LiteLLM's ``langfuse_default_tags``: ``cache_hit``, ``cache_key``, ``proxy_base_url``, or any
            metadata key, as tags ``key:value``.
        flush_at: calls per request; default ``LANGFUSE_FLUSH_AT``, else 512.
        flush_interval: seconds after which fewer are sent; default ``LANGFUSE_FLUSH_INTERVAL``, else 1.
        sample_rate: share of traces to send, 0 to 1; default ``LANGFUSE_SAMPLE_RATE``, else 1.
        timeout_s: how long one request may take, in seconds; default ``LANGFUSE_TIMEOUT``, else 20.
        span_scope: ``llm_only``, or ``full`` to send all other sampled spans too.
        name, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: a key is missing or a setting is malformed; names the variable and the argument.
    """

    sink = "langfuse"

    def __init__(
        self,
        public_key: str | None = None,
        secret_key: str | None = None,
        host: str | None = None,
        environment: str | None = None,
        release: str | None = None,
        *,
        default_tags: Sequence[str] = (),
        flush_at: int | None = None,
        flush_interval: float | None = None,
        sample_rate: float | None = None,
        timeout_s: float | None = None,
        span_scope: Literal["llm_only", "full"] = "llm_only",
        name: str | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        super().__init__(
            endpoint=_endpoint(host),
            transport=HTTPTransport(),
            headers=_headers(public_key, secret_key),
            name=name,
            batching=Batching(
                max_items=int(number(flush_at, 512, "LANGFUSE_FLUSH_AT", least=1)),
                max_bytes=4_000_000,
                interval_s=number(flush_interval, 1.0, "LANGFUSE_FLUSH_INTERVAL", least=0),
            ),
            export_timeout_s=export_timeout_s,
            request_timeout_s=number(timeout_s, 20.0, "LANGFUSE_TIMEOUT", least=0.001),
        )
        self._environment = _environment(environment)
        self._release = release or variable(*_COMMITS)
        self._default_tags = tuple(default_tags)
        self._proxy_base_url = variable("PROXY_BASE_URL")
        self._sample_rate = number(sample_rate, 1.0, "LANGFUSE_SAMPLE_RATE", least=0, most=1)
        self._full = _full(span_scope)
        self._enabled = (variable("LANGFUSE_TRACING_ENABLED") or "true").lower() != "false"

    def accepts(self, span: ReadableSpan) -> bool:
        """Every LLM call of a sampled share of traces; with ``span_scope="full"`` the other sampled spans too."""
        if not self._enabled or not (is_call(span) or (self._full and super().accepts(span))):
            return False
        return self._sample_rate >= 1 or sampled(place(span, span_metadata(span)).context.trace_id, self._sample_rate)

    def spans(self, items: Sequence[Item]) -> list[ReadableSpan]:
        """Each call as an observation; other spans with the environment added."""
        return [self._observation(item) for item in items]

    def classify(self, response: Response) -> Outcome:
        """408, 429 and 5xx are retried, 413 is split, the rest is refused."""
        return classify_otlp(response) if 200 <= response.status < 300 else classify_http(response)

    def _observation(self, item: Item) -> ReadableSpan:
        span, payload = item.span, item.payload
        common = {"langfuse.environment": self._environment} if self._environment else {}
        if payload is None:
            return with_changes(span, attributes={**_uncounted(span.attributes or {}), **common})
        attributes = span.attributes or {}
        metadata = item.metadata
        call = LangfuseCall(
            payload=payload,
            metadata=metadata,
            prompt_name=attributes.get(names.GEN_AI_PROMPT_NAME),
            prompt_version=attributes.get(names.GEN_AI_PROMPT_VERSION),
            default_tags=self._default_tags,
            proxy_base_url=self._proxy_base_url,
            release=self._release,
        )
        where = place(span, metadata)
        # Two spellings: which one counts depends on the server's version.
        root = {"langfuse.internal.is_app_root": True, "langfuse.internal.as_root": True}
        error = call.error()
        return with_changes(
            span,
            name=call.name(span.name),
            context=where.context,
            parent=where.parent,
            attributes={**call.attributes(), **common, **(root if where.is_app_root and not self._full else {})},
            events=(),
            links=(),
            kind=SpanKind.CLIENT,
            status=Status(StatusCode.ERROR, error) if error is not None else Status(),
            instrumentation_scope=_SCOPE,
        )


def _uncounted(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a framework's span around calls, what makes no generation of it: those calls bring their tokens themselves."""
    if names.CALLSPAN_ENCLOSES_CALLS not in attributes:
        return attributes
    left = {name: value for name, value in attributes.items() if not name.startswith(_USAGE)}
    return {**left, "langfuse.observation.type": "span"}


def _endpoint(host: str | None) -> str:
    source, given = ("host", host) if host else first_variable(*_HOSTS) or ("host", CLOUD)
    url = given.strip().rstrip("/")
    if "://" not in url:
        local = urlsplit(f"//{url}").hostname in _LOOPBACK
        url = f"{'http' if local else 'https'}://{url}"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = f"langfuse: {source} is {given!r}; expected https://host or http://host:port"
        raise ValueError(message)
    path = os.environ.get("LANGFUSE_OTEL_TRACES_EXPORT_PATH", "").strip().strip("/")
    base = parts._replace(path=parts.path.removesuffix("/v1/traces").removesuffix("/api/public/otel")).geturl()
    return f"{base}/{path}" if path else base + _PATH


def _headers(public_key: str | None, secret_key: str | None) -> dict[str, str]:
    public = required(public_key, "LANGFUSE_PUBLIC_KEY", sink="langfuse", keyword="public_key")
    secret = required(secret_key, "LANGFUSE_SECRET_KEY", sink="langfuse", keyword="secret_key")
    credentials = base64.b64encode(f"{public}:{secret}".encode()).decode()
    return {"authorization": f"Basic {credentials}", "x-langfuse-ingestion-version": _INGESTION_VERSION}


def _environment(given: str | None) -> str | None:
    found = given or variable("LANGFUSE_TRACING_ENVIRONMENT")
    if found and not _ENVIRONMENT.fullmatch(found):
        message = (
            f"langfuse: environment (LANGFUSE_TRACING_ENVIRONMENT) is {found!r}; expected at most 40 lower-case "
            "letters, digits, '-' and '_', not beginning with 'langfuse'"
        )
        raise ValueError(message)
    return found


def _full(span_scope: str) -> bool:
    if span_scope not in {"llm_only", "full"}:
        message = f"langfuse: span_scope is {span_scope!r}; expected 'llm_only' or 'full'"
        raise ValueError(message)
    return span_scope == "full"
