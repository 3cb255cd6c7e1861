"""Lunary: each LLM call as a run, by two events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from callspan_exporters import addresses, call_facts
from callspan_exporters.delivery.classify import error_words
from callspan_exporters.environment import number, required
from callspan_exporters.http_sink import HTTPSinkExporter
from callspan_exporters.identifiers import as_uuid
from callspan_exporters.packing import packed
from callspan_exporters.shorten import SHORTENED, Shortening, fitted
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, Verdict
from callspan_semconv import StandardLoggingPayload, jsonio

CLOUD: Final = "https://api.lunary.ai"
_KEYS: Final = ("LUNARY_PUBLIC_KEY", "LUNARY_PRIVATE_KEY", "LUNARY_APP_ID")
# Lunary's server takes bodies up to 20 MiB. It stores event by event, so fewer calls keep a request short.
_MAX_CALLS: Final = 100
_MAX_BYTES: Final = 20_000_000
_PREFIX: Final = b'{"events":['
_SUFFIX: Final = b"]}"
# Metadata keys that say where the run goes.
_STEERING: Final = frozenset({"parent_run_id", "template_id"})
_THERE: Final = "already exists"  # what it says of a run that it has: a repeated request
_MIN_DURATION_S: Final = 0.001  # Lunary sorts events by their milliseconds


class LunarySpanExporter(HTTPSinkExporter):
    """Every LLM call, success or failure, as a Lunary run: a start and an end or error event, in one request.

    Metadata keys that steer, as with LiteLLM: ``parent_run_id``; also ``template_id``. The same call has the same run
    id, which Lunary stores once.

    Args:
        public_key: the project's key, public or private; default ``LUNARY_PUBLIC_KEY``, ``LUNARY_PRIVATE_KEY``,
            ``LUNARY_APP_ID``.
        api_url: default ``LUNARY_API_URL``, else ``https://api.lunary.ai``.
        batch_size: calls per request, at most 100.
        flush_interval: seconds after which fewer are sent.
        timeout_s: how long one request may take, in seconds.
        name, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: a setting is missing or malformed; names the variable and the argument.
    """

    sink = "lunary"

    def __init__(
        self,
        public_key: str | None = None,
        api_url: str | None = None,
        *,
        batch_size: int = _MAX_CALLS,
        flush_interval: float = 5.0,
        timeout_s: float = 20.0,
        name: str | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        size = int(number(batch_size, _MAX_CALLS, "lunary.batch_size", least=1, most=_MAX_CALLS))
        super().__init__(
            name=name,
            batching=Batching(max_items=size, interval_s=flush_interval),
            export_timeout_s=export_timeout_s,
            request_timeout_s=timeout_s,
        )
        key = required(public_key, *_KEYS, sink=self.name, keyword="public_key")
        where = addresses.base_url(api_url, CLOUD, "LUNARY_API_URL", sink=self.name, keyword="api_url")
        self._url = f"{where}/v1/runs/ingest"
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def encode(self, items: Sequence[Item]) -> Iterator[Request]:
        """Requests of at most 20 MB."""
        calls = [(item, _events(item, item.payload)) for item in items if item.payload is not None]
        for part, body in packed(calls, max_bytes=_MAX_BYTES, prefix=_PREFIX, suffix=_SUFFIX):
            yield Request(items=part, body=body, target=self._url, headers=self._headers)

    def send(self, request: Request, timeout_s: float) -> Response:
        """Post, and find out which calls the answer is about."""
        response = super().send(request, timeout_s)
        return _by_position(response, request) if 200 <= response.status < 300 else response

    def classify(self, response: Response) -> Outcome:
        """Lunary refuses single events with 200; the rest by the common table."""
        if not 200 <= response.status < 300:
            return super().classify(response)
        refused = response.parsed().get("refused") or {}
        return Outcome(Verdict.DELIVERED, refused={int(index): str(reason) for index, reason in refused.items()})


def _events(item: Item, payload: StandardLoggingPayload) -> bytes:
    def both(shorten: Shortening | None) -> bytes:
        start, end = _start(payload, item.metadata), _end(payload)
        if shorten:
            start |= {key: shorten(start[key]) for key in ("input", "params", "metadata") if key in start}
            start["tags"] = [*shorten(start.get("tags") or []), SHORTENED]
            end |= {key: shorten(end[key]) for key in ("output", "error") if key in end}
        return jsonio.dump_bytes(start) + b"," + jsonio.dump_bytes(end)

    return fitted(both, _MAX_BYTES - len(_PREFIX) - len(_SUFFIX))


def _common(payload: StandardLoggingPayload) -> dict[str, Any]:
    return {
        "type": "embed" if "embedding" in payload["call_type"] else "llm",
        "runId": _run_id(payload),
        "runtime": "callspan",
    }


def _start(payload: StandardLoggingPayload, metadata: Mapping[str, Any]) -> dict[str, Any]:
    asked = payload["messages"]
    event = {
        **_common(payload),
        "event": "start",
        "timestamp": call_facts.utc_text(payload["startTime"]),
        "name": payload["model"],
        "userId": call_facts.user(payload),
        "tags": payload["request_tags"],
        "input": asked[0] if isinstance(asked, list) and len(asked) == 1 else asked,
        "params": _params(payload),
        "metadata": _metadata(payload, metadata),
        "parentRunId": _text(metadata.get("parent_run_id")),
        "templateId": _text(metadata.get("template_id")),
    }
    return call_facts.present(event)


def _end(payload: StandardLoggingPayload) -> dict[str, Any]:
    event = {
        **_common(payload),
        "event": "end",
        "timestamp": call_facts.utc_text(max(payload["endTime"], payload["startTime"] + _MIN_DURATION_S)),
        "output": call_facts.answer(payload["response"]),
        "tokensUsage": _tokens(payload),
    }
    if payload["status"] == "failure":
        text = payload["error_str"] or ""
        error = {"message": text, "stack": payload["error_information"].get("traceback") or text}
        event |= {"event": "error", "error": error, "output": None}
    return call_facts.present(event)


def _params(payload: StandardLoggingPayload) -> dict[str, Any]:
    """Lunary shows tools as a list, and everything else as plain values."""
    plain = {key: call_facts.scalar(value) for key, value in call_facts.parameters(payload, "user").items()}
    tools = {key: value for key, value in payload["model_parameters"].items() if key in call_facts.TOOLS}
    return plain | tools


def _metadata(payload: StandardLoggingPayload, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Lunary keeps plain values and lists of them; it would drop anything else, which goes as JSON."""
    known = {
        "session_id": payload["session_id"] or None,
        "trace_id": payload["trace_id"],
        "response_cost": call_facts.costs(payload).get("total"),
        **call_facts.details(payload, metadata, _STEERING),
    }
    return {
        key: value if _is_plain_list(value) else call_facts.scalar(value)
        for key, value in call_facts.present(known).items()
    }


def _is_plain_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, (str, bool, int, float)) for entry in value)


def _tokens(payload: StandardLoggingPayload) -> dict[str, int] | None:
    if not call_facts.usage_known(payload):
        return None
    cached, _ = call_facts.cached_tokens(payload)
    found = {"prompt": payload["prompt_tokens"], "completion": payload["completion_tokens"]}
    return found | ({"promptCached": cached} if cached else {})


def _run_id(payload: StandardLoggingPayload) -> str:
    return str(as_uuid(call_facts.identity(payload)))


def _text(value: Any) -> str | None:
    return str(value) if value else None


def _by_position(response: Response, request: Request) -> Response:
    """Lunary names events by their run; what it has already, from a request whose answer was lost, is no error."""
    results = response.parsed().get("results")
    failed = {
        str(result.get("id")): error_words(str(result.get("error")))
        for result in (results if isinstance(results, list) else ())
        if isinstance(result, dict) and result.get("success") is False and _THERE not in str(result.get("error"))
    }
    ids = [_run_id(item.payload) if item.payload is not None else "" for item in request.items]
    refused = {str(index): f"event refused: {failed[run]}" for index, run in enumerate(ids) if run in failed}
    return replace(response, body=jsonio.dump_bytes({"refused": refused}))
