"""Generic webhooks: every call as JSON to a URL of yours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from callspan_exporters import webhook_settings as settings
from callspan_exporters.http_sink import HTTPSinkExporter
from callspan_exporters.sink import Batching, Item, Request
from callspan_exporters.webhook_settings import EVENT_TYPES
from callspan_semconv import StandardLoggingPayload, jsonio


class WebhookSpanExporter(HTTPSinkExporter):
    """Posts calls as ``StandardLoggingPayload`` objects to an HTTP endpoint.

    Settings are those of LiteLLM's "Generic API Callback". In every text ``os.environ/NAME``, ``${NAME}`` and
    ``{{environment_variables.NAME}}`` stand for environment variables.

    Args:
        endpoint: absolute URL; default: the preset's, else ``GENERIC_LOGGER_ENDPOINT``.
        headers: win over the preset's, and those over ``GENERIC_LOGGER_HEADERS`` (``Name=value,Name=value``;
            ``%2C`` for a comma in a value).
        event_types: of ``llm_api_success`` and ``llm_api_failure``; default: both.
        log_format: ``json_array`` (one request per batch), ``ndjson`` (one line per call, no newline at the end) or
            ``single`` (one request per call, several at a time).
        batch_size: calls per request at most.
        flush_interval: how long a call waits for others, in seconds.
        timeout_s: of one request, in seconds.
        preset: a name from `callspan_exporters.webhook_presets`; other settings win over it.
        name: the user's name for the sink.

    Raises:
        ValueError: a setting is missing or not understood; names the sink, the setting, and what was expected.
    """

    sink = "generic_api"
    preset: str | None = None

    def __init__(
        self,
        endpoint: str | None = None,
        headers: Mapping[str, str] | None = None,
        event_types: Sequence[str] | None = None,
        log_format: str | None = None,
        *,
        batch_size: int = 100,
        flush_interval: float = 60.0,
        timeout_s: float = 10.0,
        export_timeout_s: float = 30.0,
        preset: str | None = None,
        name: str | None = None,
    ) -> None:
        preset_name = preset or self.preset
        where = name or preset_name or self.sink
        base = settings.preset(preset_name, where)
        self.log_format = settings.log_format(log_format or base.log_format, where)
        self.concurrency = 8 if self.log_format == "single" else 1
        super().__init__(
            name=where,
            batching=Batching(
                max_items=int(settings.positive(batch_size, f"{where}.batch_size")),
                interval_s=settings.positive(flush_interval, f"{where}.flush_interval"),
            ),
            export_timeout_s=export_timeout_s,
            request_timeout_s=settings.positive(timeout_s, f"{where}.timeout_s"),
        )
        self.event_types = settings.event_types(event_types or base.event_types or EVENT_TYPES, where)
        self.endpoint = settings.endpoint(endpoint or base.endpoint, where)
        self.headers = settings.headers(self.log_format, base.headers, headers or {}, where)

    def accepts(self, span: ReadableSpan) -> bool:
        """LLM calls of the wanted outcome."""
        failed = span.status.status_code is StatusCode.ERROR
        return EVENT_TYPES[failed] in self.event_types and super().accepts(span)

    def encode(self, items: Sequence[Item]) -> Iterator[Request]:
        """One request for all, or one per call."""
        items = [item for item in items if item.payload is not None]
        if self.log_format == "single":
            yield from (self._request([item], item.json) for item in items)
        elif items and self.log_format == "ndjson":
            yield self._request(items, b"\n".join(item.json for item in items))
        elif items:
            yield self._request(items, b"[" + b",".join(item.json for item in items) + b"]")

    def _request(self, items: Sequence[Item], body: bytes) -> Request:
        return Request(items=items, body=body, target=self.endpoint, headers=self.headers)


class SampleCallbackSpanExporter(WebhookSpanExporter):
    """The preset ``sample_callback``."""

    preset = "sample_callback"


class RubrikSpanExporter(WebhookSpanExporter):
    """The preset ``rubrik``."""

    preset = "rubrik"


class SumoLogicSpanExporter(WebhookSpanExporter):
    """The preset ``sumologic``."""

    preset = "sumologic"


class QualifireEvalSpanExporter(WebhookSpanExporter):
    """The preset ``qualifire_eval``."""

    preset = "qualifire_eval"


class RampSpanExporter(WebhookSpanExporter):
    """The preset ``ramp``."""

    preset = "ramp"


class LegacyWebhookSpanExporter(WebhookSpanExporter):
    """Posts each call as ``{"data": {...}}`` with thirteen texts: LiteLLM's older ``generic`` callback.

    Shape and key order: LiteLLM, "Custom Callback APIs". Settings as in `WebhookSpanExporter`, where ``log_format`` can
    only be ``single``.
    """

    sink = "generic"

    def __init__(
        self,
        endpoint: str | None = None,
        headers: Mapping[str, str] | None = None,
        event_types: Sequence[str] | None = None,
        *,
        batch_size: int = 100,
        flush_interval: float = 60.0,
        timeout_s: float = 10.0,
        export_timeout_s: float = 30.0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            endpoint,
            headers,
            event_types,
            "single",
            batch_size=batch_size,
            flush_interval=flush_interval,
            timeout_s=timeout_s,
            export_timeout_s=export_timeout_s,
            name=name,
        )

    def encode(self, items: Sequence[Item]) -> Iterator[Request]:
        """One request per call."""
        for item in items:
            if item.payload is not None:
                yield self._request([item], jsonio.dump_bytes({"data": _legacy(item.payload)}))


def _legacy(payload: StandardLoggingPayload) -> dict[str, str]:
    """The thirteen texts: Python's `str` of each value, times without zone on the local clock."""
    values: Mapping[str, Any] = payload
    usage = {key: values.get(key) for key in ("completion_tokens", "prompt_tokens", "total_tokens")}
    parameters = values.get("model_parameters") or {}
    texts: dict[str, object] = {
        "id": values.get("id"),
        "call_type": values.get("call_type"),
        "cache_hit": values.get("cache_hit"),
        "startTime": _local_time(values.get("startTime")),
        "endTime": _local_time(values.get("endTime")),
        "model": values.get("model"),
        "user": values.get("end_user") or parameters.get("user") or "",
        "modelParameters": parameters,
        "messages": values.get("messages"),
        "response": values.get("response"),
        "usage": usage,
        "metadata": values.get("metadata"),
        "cost": values.get("response_cost"),
    }
    return {key: str(value) for key, value in texts.items()}


def _local_time(epoch_s: object) -> str:
    if not isinstance(epoch_s, (int, float)):
        return ""
    return datetime.fromtimestamp(epoch_s).strftime("%Y-%m-%d %H:%M:%S.%f")
