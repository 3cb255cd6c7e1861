"""Athina: each LLM call as an inference log."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from callspan_exporters import addresses, call_facts
from callspan_exporters.environment import required
from callspan_exporters.http_sink import HTTPSinkExporter
from callspan_exporters.sink import Batching, Item, Request
from callspan_semconv import StandardLoggingPayload, jsonio

CLOUD: Final = "https://log.athina.ai"
# The keys of a call's metadata that Athina has fields for (athina-logger's inference log, LiteLLM's Athina callback).
# Nothing else of the metadata is sent, and nothing of the request but prompt, tools and parameters.
_FROM_METADATA: Final = (
    *("environment", "prompt_slug", "customer_id", "customer_user_id", "session_id", "external_reference_id"),
    *("context", "expected_response", "user_query", "tags", "user_feedback", "model_options"),
    *("custom_attributes", "custom_eval_metrics"),
)


class AthinaSpanExporter(HTTPSinkExporter):
    """Every LLM call, success or failure, as an inference log; one request per call, eight at a time.

    Metadata of a call becomes Athina's field of the same name: ``environment``, ``prompt_slug``, ``customer_id``,
    ``customer_user_id``, ``session_id``, ``external_reference_id``, ``context``, ``expected_response``, ``user_query``,
    ``tags``, ``user_feedback``, ``model_options``, ``custom_attributes``, ``custom_eval_metrics``.

    Args:
        api_key: default ``ATHINA_API_KEY``.
        base_url: default ``ATHINA_BASE_URL``, else ``https://log.athina.ai``.
        environment: for calls whose metadata names none; default: Athina's.
        flush_interval: how long a call waits for others, in seconds.
        timeout_s: how long one request may take, in seconds.
        name, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: a setting is missing or malformed; names the variable and the argument.
    """

    sink = "athina"
    concurrency = 8

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        environment: str | None = None,
        *,
        flush_interval: float = 1.0,
        timeout_s: float = 10.0,
        name: str | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        super().__init__(
            name=name,
            batching=Batching(max_items=100, interval_s=flush_interval),
            export_timeout_s=export_timeout_s,
            request_timeout_s=timeout_s,
        )
        key = required(api_key, "ATHINA_API_KEY", sink=self.name, keyword="api_key")
        where = addresses.base_url(base_url, CLOUD, "ATHINA_BASE_URL", sink=self.name, keyword="base_url")
        self._url = f"{where}/api/v1/log/inference"
        self._headers = {"athina-api-key": key, "content-type": "application/json"}
        self._environment = environment

    def encode(self, items: Sequence[Item]) -> Iterator[Request]:
        """One request per call."""
        for item in items:
            if item.payload is not None:
                body = jsonio.dump_bytes(self._log(item.payload, item.metadata))
                yield Request(items=[item], body=body, target=self._url, headers=self._headers)

    def _log(self, payload: StandardLoggingPayload, metadata: Mapping[str, Any]) -> dict[str, Any]:
        parameters = payload["model_parameters"]
        log: dict[str, Any] = {
            "language_model_id": payload["model"],
            "prompt": payload["messages"],
            "response": _response(payload),
            "response_time": round((payload["endTime"] - payload["startTime"]) * 1000),
            "tools": parameters.get("tools"),
            "functions": parameters.get("functions"),
            **_usage(payload),
            "environment": self._environment,
            "customer_user_id": payload["end_user"],
            "session_id": payload["session_id"],
            "external_reference_id": payload["litellm_call_id"],
            "tags": payload["request_tags"],
            "model_options": call_facts.parameters(payload, "user"),
        }
        log |= {key: metadata[key] for key in _FROM_METADATA if metadata.get(key)}
        return call_facts.present(log)


def _response(payload: StandardLoggingPayload) -> Any:
    """What came back; of a failure the error, in the shape that OpenAI's API gives it."""
    if payload["status"] != "failure":
        return payload["response"]
    error = payload["error_information"] or {}
    return {
        "error": {
            "message": payload["error_str"],
            "type": error.get("error_class"),
            "code": error.get("error_code"),
        }
    }


def _usage(payload: StandardLoggingPayload) -> dict[str, float]:
    """Tokens, and the cost in USD, as far as they are known."""
    found: dict[str, float] = {}
    if call_facts.usage_known(payload):
        found |= {
            "prompt_tokens": payload["prompt_tokens"],
            "completion_tokens": payload["completion_tokens"],
            "total_tokens": payload["total_tokens"],
        }
        if payload["response_cost_failure_debug_info"] is None:
            found["cost"] = payload["response_cost"]
    return found
