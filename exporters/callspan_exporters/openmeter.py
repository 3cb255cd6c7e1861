"""OpenMeter: what each LLM call used, as a CloudEvent, to bill customers by."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, Final

from callspan_exporters import addresses, call_facts
from callspan_exporters.environment import flag, number, required, variable
from callspan_exporters.http_sink import HTTPSinkExporter
from callspan_exporters.packing import packed
from callspan_exporters.sink import Batching, CannotEncodeError, Item, Request
from callspan_semconv import StandardLoggingPayload, jsonio

CLOUD: Final = "https://openmeter.cloud"
_TRUST: Final = "OPENMETER_TRUST_REQUEST_USER"
_MAX_EVENTS: Final = 100
_MAX_BYTES: Final = 1_000_000


class OpenMeterSpanExporter(HTTPSinkExporter):
    """Every LLM call, success or failure, as one CloudEvent with its tokens and its cost; no content.

    The subject is who is billed: the request's user, else the gateway's user of the key, else ``default_subject``. A
    call that has none of them is not sent, for it would be billed to nobody: it becomes a dead letter that says so.
    The same call has the same event id, so OpenMeter counts it once.

    Args:
        api_key: default ``OPENMETER_API_KEY``.
        endpoint: default ``OPENMETER_API_ENDPOINT``, else ``https://openmeter.cloud``.
        event_type: default ``OPENMETER_EVENT_TYPE``, else ``litellm_tokens``.
        trust_request_user: whether the user that a request names counts; default ``OPENMETER_TRUST_REQUEST_USER``, else
            true. False where callers are not to choose whom they are billed as.
        default_subject: for calls without a user.
        source: the events' ``source``; with the id it is what OpenMeter knows a duplicate by.
        batch_size: events per request, at most 100.
        flush_interval: seconds after which fewer are sent.
        timeout_s: how long one request may take, in seconds.
        name, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: a setting is missing or malformed; names the variable and the argument.
    """

    sink = "openmeter"

    def __init__(
        self,
        api_key: str | None = None,
        endpoint: str | None = None,
        *,
        event_type: str | None = None,
        trust_request_user: bool | None = None,
        default_subject: str | None = None,
        source: str = "callspan",
        batch_size: int = _MAX_EVENTS,
        flush_interval: float = 5.0,
        timeout_s: float = 10.0,
        name: str | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        size = int(number(batch_size, _MAX_EVENTS, "openmeter.batch_size", least=1, most=_MAX_EVENTS))
        super().__init__(
            name=name,
            batching=Batching(max_items=size, interval_s=flush_interval),
            export_timeout_s=export_timeout_s,
            request_timeout_s=timeout_s,
        )
        key = required(api_key, "OPENMETER_API_KEY", sink=self.name, keyword="api_key")
        where = addresses.base_url(endpoint, CLOUD, "OPENMETER_API_ENDPOINT", sink=self.name, keyword="endpoint")
        self._url = f"{where}/api/v1/events"
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/cloudevents-batch+json"}
        self._event_type = event_type or variable("OPENMETER_EVENT_TYPE") or "litellm_tokens"
        trusted = trust_request_user if trust_request_user is not None else variable(_TRUST) or True
        self._trust_request_user = flag(trusted, f"{self.name}: trust_request_user ({_TRUST})")
        self._default_subject = default_subject
        self._source = source

    def encode(self, items: Sequence[Item]) -> Iterator[Request]:
        """One batch of events, or several where it would exceed 1 MB.

        Raises:
            CannotEncodeError: a call has no subject.
        """
        events = [(item, jsonio.dump_bytes(self._event(item.payload))) for item in items if item.payload is not None]
        for part, body in packed(events, max_bytes=_MAX_BYTES):
            yield Request(items=part, body=body, target=self._url, headers=self._headers)

    def _event(self, payload: StandardLoggingPayload) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "type": self._event_type,
            # Not the response's id: some servers draw theirs from a thousand, and a duplicate would not be billed.
            "id": call_facts.identity(payload),
            "time": datetime.fromtimestamp(payload["endTime"], timezone.utc).isoformat(),
            "subject": self._subject(payload),
            "source": self._source,
            "data": _data(payload),
        }

    def _subject(self, payload: StandardLoggingPayload) -> str:
        user = payload["end_user"] or payload["model_parameters"].get("user") if self._trust_request_user else None
        subject = user or payload["metadata"].get("user_api_key_user_id") or self._default_subject
        if not subject:
            raise CannotEncodeError("no user to bill: name one with the call, or set default_subject")
        return str(subject)


def _data(payload: StandardLoggingPayload) -> dict[str, Any]:
    found: dict[str, Any] = {
        "model": payload["model"],
        "cost": payload["response_cost"],
        "prompt_tokens": payload["prompt_tokens"],
        "completion_tokens": payload["completion_tokens"],
        "total_tokens": payload["total_tokens"],
        "provider": payload["custom_llm_provider"],
        "status": payload["status"],
        "response_id": payload["id"],
    }
    if payload["response_cost_failure_debug_info"] is not None:
        del found["cost"]  # there is no price: a 0 would say that the call was free
    return found
