"""Datadog: each LLM call as a log, or as a span of LLM Observability."""

import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version as installed_version
from typing import Final

from callspan_exporters import call_facts
from callspan_exporters.datadog_llmobs import as_agent_event, llmobs_span
from callspan_exporters.datadog_settings import SHORTENED_TAG, Origin, apm_ids, call_tags, intake
from callspan_exporters.delivery.http import gzipped
from callspan_exporters.environment import number
from callspan_exporters.http_sink import HTTPSinkExporter
from callspan_exporters.packing import packed
from callspan_exporters.shorten import Shortening, fitted
from callspan_exporters.sink import Batching, Item, Request
from callspan_semconv import StandardLoggingPayload, jsonio

# Datadog, "Send logs": 5 MB uncompressed and 1000 entries per request; a log over 1 MB is cut, with a 2xx.
_MAX_ENTRIES: Final = 1000
_MAX_REQUEST_BYTES: Final = 5_000_000
_MAX_LOG_BYTES: Final = 1_000_000
# Datadog refuses logs from before 18 hours ago. One that is nearly as old gets the time of its arrival.
_MAX_LOG_AGE_S: Final = 17 * 3600
# No limit is published for spans; Datadog's tracer keeps its events below 5 MB and its requests below 5 MiB.
_MAX_SPAN_BYTES: Final = 4_900_000


class DatadogLogsSpanExporter(HTTPSinkExporter):
    """Every LLM call, success or failure, as a log whose message is the ``StandardLoggingPayload``.

    Requests keep Datadog's limits. A log that exceeds 1 MB, which Datadog would cut without a word, is shortened by its
    structure instead: long texts in the middle, then long lists; each gap says so, and so does the tag
    ``callspan_shortened:true``.

    Args:
        api_key: default ``DD_API_KEY``; not needed with an Agent.
        site: default ``DD_SITE``.
        base_url: replaces ``https://http-intake.logs.{site}``; default ``DD_BASE_URL``.
        agent_host: an Agent's log listener, by HTTP; default ``LITELLM_DD_AGENT_HOST``.
        agent_port: default ``LITELLM_DD_AGENT_PORT``, else 10518.
        service: default ``DD_SERVICE``, else ``litellm-server``.
        env: default ``DD_ENV``, else ``unknown``.
        version: default ``DD_VERSION``, else ``unknown``.
        source: default ``DD_SOURCE``, else ``litellm``.
        hostname: default ``HOSTNAME``.
        batch_size: logs per request, at most 1000; default ``DD_BATCH_SIZE``, else 1000.
        flush_interval: seconds after which fewer are sent.
        timeout_s: how long one request may take, in seconds.
        name, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: a setting is missing or malformed; names the variable and the argument.
    """

    sink = "datadog"

    def __init__(
        self,
        api_key: str | None = None,
        site: str | None = None,
        *,
        base_url: str | None = None,
        agent_host: str | None = None,
        agent_port: int | None = None,
        service: str | None = None,
        env: str | None = None,
        version: str | None = None,
        source: str | None = None,
        hostname: str | None = None,
        batch_size: int | None = None,
        flush_interval: float = 5.0,
        timeout_s: float = 10.0,
        name: str | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        where = intake(
            name or self.sink,
            "http-intake.logs",
            api_key=api_key,
            site=site,
            base_url=base_url,
            agent_host=agent_host,
            agent_port=agent_port,
            default_port=10518,
            port_variable="LITELLM_DD_AGENT_PORT",
        )
        size = int(number(batch_size, _MAX_ENTRIES, "DD_BATCH_SIZE", least=1))
        super().__init__(
            name=name,
            batching=Batching(max_items=min(size, _MAX_ENTRIES), interval_s=flush_interval),
            export_timeout_s=export_timeout_s,
            request_timeout_s=timeout_s,
        )
        self._url, self._headers = f"{where.url}/api/v2/logs", where.headers
        self._origin = Origin.read(service, env, version, source, hostname)

    def encode(self, items: Sequence[Item]) -> Iterator[Request]:
        """Requests of at most 5 MB, compressed."""
        logs = ((item, self._log(item, item.payload)) for item in items if item.payload is not None)
        for part, body in packed(logs, max_bytes=_MAX_REQUEST_BYTES):
            yield gzipped(Request(items=part, body=body, target=self._url, headers=self._headers))

    def _log(self, item: Item, payload: StandardLoggingPayload) -> bytes:
        def entry(shorten: Shortening | None) -> bytes:
            tags = [*self._origin.tags, *call_tags(payload), *([SHORTENED_TAG] if shorten else [])]
            message = jsonio.dumps(shorten(payload)) if shorten else item.json.decode()
            log: dict[str, str] = {
                "ddsource": self._origin.source,
                "ddtags": ",".join(tags),
                "hostname": self._origin.hostname,
                "message": message,
                "service": self._origin.service,
                "status": "error" if payload["status"] == "failure" else "info",
                **_timestamp(payload["endTime"]),
            }
            if ids := apm_ids(item.span):
                log["dd.trace_id"], log["dd.span_id"] = ids
            return jsonio.dump_bytes(log)

        return fitted(entry, _MAX_LOG_BYTES)


class DatadogLLMObsSpanExporter(HTTPSinkExporter):
    """Every LLM call, success or failure, as an LLM span of Datadog's LLM (Agent) Observability.

    Metadata of a call that steers it, as with LiteLLM: ``name``, ``span_id``, ``parent_id``, ``trace_id``,
    ``session_id``; docs/sinks/datadog.md says what each does.

    Args:
        api_key: default ``DD_API_KEY``; not needed with an Agent.
        site: default ``DD_SITE``.
        base_url: replaces ``https://api.{site}``; default ``DD_BASE_URL``.
        agent_host: a Datadog Agent, whose proxy for this product is used; default ``LITELLM_DD_AGENT_HOST``.
        agent_port: default ``LITELLM_DD_LLM_OBS_PORT``, else 8126.
        service: also the name of the application (``ml_app``); default ``DD_SERVICE``, else ``litellm-server``.
        env: default ``DD_ENV``, else ``unknown``.
        version: default ``DD_VERSION``, else ``unknown``.
        hostname: default ``HOSTNAME``.
        batch_size: spans per request, at most 1000.
        flush_interval: seconds after which fewer are sent.
        timeout_s: how long one request may take, in seconds.
        name, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: a setting is missing or malformed; names the variable and the argument.
    """

    sink = "datadog_llm_observability"

    def __init__(
        self,
        api_key: str | None = None,
        site: str | None = None,
        *,
        base_url: str | None = None,
        agent_host: str | None = None,
        agent_port: int | None = None,
        service: str | None = None,
        env: str | None = None,
        version: str | None = None,
        hostname: str | None = None,
        batch_size: int = 512,
        flush_interval: float = 5.0,
        timeout_s: float = 10.0,
        name: str | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        where = intake(
            name or self.sink,
            "api",
            api_key=api_key,
            site=site,
            base_url=base_url,
            agent_host=agent_host,
            agent_port=agent_port,
            default_port=8126,
            port_variable="LITELLM_DD_LLM_OBS_PORT",
        )
        size = int(number(batch_size, 512, "batch_size", least=1, most=_MAX_ENTRIES))
        super().__init__(
            name=name,
            batching=Batching(max_items=size, interval_s=flush_interval),
            export_timeout_s=export_timeout_s,
            request_timeout_s=timeout_s,
        )
        self._origin = Origin.read(service, env, version, None, hostname)
        self._is_agent = where.is_agent
        self._headers = dict(where.headers)
        if where.is_agent:
            # The Agent passes on what comes here; LiteLLM's path for Agents is none that an Agent has.
            self._url = f"{where.url}/evp_proxy/v4/api/v2/llmobs"
            self._headers["x-datadog-evp-subdomain"] = "llmobs-intake"
            self._prefix, self._suffix = b"[", b"]"
        else:
            self._url = f"{where.url}/api/intake/llm-obs/v1/trace/spans"
            attributes = {"ml_app": self._origin.service, "tags": self._origin.tags, "spans": []}
            whole = jsonio.dump_bytes({"data": {"type": "span", "attributes": attributes}})
            self._suffix = b"]}}}"
            self._prefix = whole.removesuffix(self._suffix)

    def encode(self, items: Sequence[Item]) -> Iterator[Request]:
        """Requests of at most 5 MB."""
        spans = ((item, self._span(item, item.payload)) for item in items if item.payload is not None)
        for part, body in packed(spans, max_bytes=_MAX_REQUEST_BYTES, prefix=self._prefix, suffix=self._suffix):
            yield Request(items=part, body=body, target=self._url, headers=self._headers)

    def _span(self, item: Item, payload: StandardLoggingPayload) -> bytes:
        def entry(shorten: Shortening | None) -> bytes:
            span = llmobs_span(item, payload, self._origin.tags)
            if shorten:
                span["meta"] = {key: shorten(value) for key, value in span["meta"].items()}
                span["tags"] = [*shorten(span["tags"]), SHORTENED_TAG]
            if self._is_agent:
                span = as_agent_event(span, item, self._origin.service, installed_version("callspan"))
            return jsonio.dump_bytes(span)

        return fitted(entry, _MAX_SPAN_BYTES)


def _timestamp(end_s: float) -> dict[str, str]:
    """When the call ended: a log that was delivered late still stands where it belongs."""
    if time.time() - end_s > _MAX_LOG_AGE_S:
        return {}
    return {"timestamp": call_facts.utc_text(end_s, "milliseconds")}
