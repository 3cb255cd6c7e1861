"""Langtrace, over OTLP, with the attributes and events that it reads."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.util.types import AttributeValue

from callspan_exporters import call_facts
from callspan_exporters.addresses import parse_url
from callspan_exporters.delivery.classify import classify_http
from callspan_exporters.delivery.http import HTTPTransport
from callspan_exporters.environment import first_variable, required
from callspan_exporters.otlp_base import OTLPExporter
from callspan_exporters.otlp_spans import CONTENT, with_changes
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, Verdict
from callspan_semconv import StandardLoggingPayload, jsonio
from callspan_semconv import attributes as attr

LANGTRACE_HOST: Final = "https://app.langtrace.ai"
_PATH: Final = "/api/trace"
# The server tells OTLP from its own SDK's dialect by this word.
_USER_AGENT: Final = f"OTel-OTLP-Exporter-callspan/{version('callspan')}"


class LangtraceSpanExporter(OTLPExporter):
    """Spans to Langtrace.

    Source: ``app/api/trace/route.ts`` and ``lib`` of Scale3-Labs/langtrace. It reads protobuf that is not compressed,
    of each request only the first scope of the first resource, and answers 404 to whatever goes wrong.

    Args:
        api_key: default ``LANGTRACE_API_KEY``.
        host: default ``LANGTRACE_API_HOST``, else ``https://app.langtrace.ai``.
        timeout_s: how long one request may take, in seconds.
        name, batching, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: no key, or the host is no URL.
    """

    sink = "langtrace"

    def __init__(
        self,
        api_key: str | None = None,
        host: str | None = None,
        *,
        timeout_s: float = 10.0,
        name: str | None = None,
        batching: Batching | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        key = required(api_key, "LANGTRACE_API_KEY", sink=self.sink, keyword="api_key")
        super().__init__(
            endpoint=_endpoint(host),
            transport=HTTPTransport(),
            headers={"x-api-key": key, "user-agent": _USER_AGENT},
            gzip=False,
            name=name,
            batching=batching,
            export_timeout_s=export_timeout_s,
            request_timeout_s=timeout_s,
        )

    def spans(self, items: Sequence[Item]) -> list[ReadableSpan]:
        """LLM calls with Langtrace's attributes; other spans as they are."""
        return [_translated(item) for item in items]

    def encode(self, items: Sequence[Item]) -> Iterable[Request]:
        """At least one request per resource and scope."""
        groups: defaultdict[Any, list[Item]] = defaultdict(list)
        for item in items:
            groups[item.span.resource, item.span.instrumentation_scope].append(item)
        for group in groups.values():
            yield from super().encode(group)

    def send(self, request: Request, timeout_s: float) -> Response:
        """Perform one request; 404 is this server's word for its own failures."""
        response = super().send(request, timeout_s)
        return replace(response, status=500) if response.status == 404 else response

    def classify(self, response: Response) -> Outcome:
        """408, 429 and 5xx are retried, 413 is split, the rest is refused."""
        return Outcome(Verdict.DELIVERED) if 200 <= response.status < 300 else classify_http(response)


def _endpoint(host: str | None) -> str:
    source, url = ("host", host) if host else first_variable("LANGTRACE_API_HOST") or ("host", LANGTRACE_HOST)
    parts = parse_url(url, f"langtrace: {source}")
    path = parts.path.rstrip("/").removesuffix(_PATH) + _PATH
    return parts._replace(path=path).geturl()


def _translated(item: Item) -> ReadableSpan:
    payload = item.payload
    if payload is None:
        return item.span
    kept = {key: value for key, value in (item.span.attributes or {}).items() if key not in CONTENT}
    events = [*item.span.events, *_events(payload, item.span)]
    return with_changes(item.span, attributes={**kept, **_attributes(payload)}, events=events)


def _attributes(payload: StandardLoggingPayload) -> dict[str, AttributeValue]:
    """What Langtrace reads of a call: texts and integers alone, so other numbers go as text."""
    response: Mapping[str, Any] = payload["response"] if isinstance(payload["response"], Mapping) else {}
    costs = call_facts.costs(payload)
    found = {
        "langtrace.service.name": payload["custom_llm_provider"],
        "langtrace.service.type": "llm",
        attr.GEN_AI_OPERATION_NAME: "embed" if "embedding" in payload["call_type"] else "chat",
        attr.GEN_AI_REQUEST_MODEL: payload["model"] or None,
        attr.GEN_AI_RESPONSE_MODEL: response.get("model"),
        "gen_ai.response_id": response.get("id"),
        "gen_ai.usage.prompt_tokens": payload["prompt_tokens"],
        "gen_ai.usage.completion_tokens": payload["completion_tokens"],
        "llm.usage.total_tokens": payload["total_tokens"],
        "llm.user": call_facts.user(payload),
        "user_id": call_facts.user(payload),
        "session.id": payload["session_id"] or None,
        "litellm_call_id": payload["litellm_call_id"],
        "llm.cost.total": repr(costs["total"]) if "total" in costs else None,
        **{
            f"gen_ai.request.{key}": value if isinstance(value, (str, int)) else jsonio.dumps(value)
            for key, value in payload["model_parameters"].items()
            if key in {"temperature", "top_p", "max_tokens"}
        },
    }
    return {key: value for key, value in found.items() if value is not None}


def _events(payload: StandardLoggingPayload, span: ReadableSpan) -> Iterator[Event]:
    """Prompt and answer, where Langtrace looks for them."""
    if payload["messages"]:
        prompt = {"gen_ai.prompt": _text(payload["messages"])}
        yield Event("gen_ai.content.prompt", prompt, span.start_time)
    if said := call_facts.answer(payload["response"]):
        completion = {"gen_ai.completion": _text(said if isinstance(said, list) else [said])}
        yield Event("gen_ai.content.completion", completion, span.end_time)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else jsonio.dumps(value)
