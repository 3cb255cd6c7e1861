"""MLflow Tracking, over OTLP, with MLflow's own attributes."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.util.types import AttributeValue

from callspan_exporters import call_facts
from callspan_exporters.addresses import parse_url
from callspan_exporters.delivery.classify import classify_http
from callspan_exporters.delivery.http import HTTPTransport
from callspan_exporters.environment import required, variable
from callspan_exporters.otlp_base import OTLPExporter, classify_otlp
from callspan_exporters.otlp_settings import traces_url
from callspan_exporters.otlp_spans import CONTENT, with_changes
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, Verdict
from callspan_semconv import StandardLoggingPayload, jsonio

_EXPERIMENT: Final = "x-mlflow-experiment-id"
_TYPES: Final = (("embedding", "EMBEDDING"), ("rerank", "RERANKER"), ("text_completion", "LLM"))  # else CHAT_MODEL
_MAX_TAG_CHARS: Final = 250
_DEFAULT_EXPERIMENT: Final = "0"


class MlflowSpanExporter(OTLPExporter):
    """Spans to an MLflow Tracking server (3.6 or later, with a database as its store).

    Source: MLflow's OTLP endpoint (``mlflow/server/otel_api.py``) and what its translators read.

    Args:
        tracking_uri: the server's URL; default ``MLFLOW_TRACKING_URI``.
        experiment_id: default ``MLFLOW_EXPERIMENT_ID``, else 0, MLflow's default experiment.
        experiment_name: in place of the id, looked up at the first request; default ``MLFLOW_EXPERIMENT_NAME``.
        username, password: default ``MLFLOW_TRACKING_USERNAME``, ``MLFLOW_TRACKING_PASSWORD``.
        token: in place of them; default ``MLFLOW_TRACKING_TOKEN``.
        timeout_s: how long one request may take, in seconds.
        name, batching, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: there is no server, or its URL is none.
    """

    sink = "mlflow"

    def __init__(
        self,
        tracking_uri: str | None = None,
        experiment_id: str | int | None = None,
        experiment_name: str | None = None,
        *,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        timeout_s: float = 30.0,
        name: str | None = None,
        batching: Batching | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        uri = required(tracking_uri, "MLFLOW_TRACKING_URI", sink=self.sink, keyword="tracking_uri")
        self._base = parse_url(uri, "mlflow: tracking_uri").geturl().rstrip("/")
        found_id = str(experiment_id) if experiment_id is not None else variable("MLFLOW_EXPERIMENT_ID")
        self._experiment_name = None if found_id else experiment_name or variable("MLFLOW_EXPERIMENT_NAME")
        self._experiment_id = found_id or (None if self._experiment_name else _DEFAULT_EXPERIMENT)
        self._authorization = _authorization(username, password, token)
        super().__init__(
            endpoint=traces_url(self._base, "mlflow: tracking_uri"),
            transport=HTTPTransport(),
            headers=self._authorization,
            name=name,
            batching=batching,
            export_timeout_s=export_timeout_s,
            request_timeout_s=timeout_s,
        )

    def spans(self, items: Sequence[Item]) -> list[ReadableSpan]:
        """LLM calls with MLflow's attributes; other spans as they are."""
        return [_translated(item) for item in items]

    def send(self, request: Request, timeout_s: float) -> Response:
        """Perform one request, to the experiment."""
        if self._experiment_id is None:
            answer = self._look_up(timeout_s)
            if self._experiment_id is None:
                return answer
        headers = {**request.headers, _EXPERIMENT: self._experiment_id}
        return super().send(replace(request, headers=headers), timeout_s)

    def classify(self, response: Response) -> Outcome:
        """408, 429 and 5xx but 501 (a store that takes no spans) are retried, 413 is split, the rest is refused."""
        if 200 <= response.status < 300:
            return classify_otlp(response)
        outcome = classify_http(response)
        return Outcome(Verdict.REFUSED, outcome.reason) if response.status == 501 else outcome

    def _look_up(self, timeout_s: float) -> Response:
        """Ask for the id of the experiment; asking twice does no harm."""
        query = urlencode({"experiment_name": self._experiment_name})
        target = f"{self._base}/api/2.0/mlflow/experiments/get-by-name?{query}"
        request = Request(items=(), body=b"", target=target, headers=self._authorization, method="GET")
        answer = super().send(request, timeout_s)
        if answer.status == 200:
            self._experiment_id = str(jsonio.loads(answer.body)["experiment"]["experiment_id"])
        return answer


def _authorization(username: str | None, password: str | None, token: str | None) -> dict[str, str]:
    user = username or variable("MLFLOW_TRACKING_USERNAME")
    secret = password or variable("MLFLOW_TRACKING_PASSWORD")
    if user and secret:
        return {"authorization": f"Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}"}
    bearer = token or variable("MLFLOW_TRACKING_TOKEN")
    return {"authorization": f"Bearer {bearer}"} if bearer else {}


def _translated(item: Item) -> ReadableSpan:
    payload = item.payload
    if payload is None:
        return item.span
    kept = {key: value for key, value in (item.span.attributes or {}).items() if key not in CONTENT}
    return with_changes(item.span, attributes={**kept, **_attributes(payload)})


def _attributes(payload: StandardLoggingPayload) -> dict[str, AttributeValue]:
    """MLflow's own attributes: JSON, but for what OpenTelemetry has too."""
    tokens = {
        "input_tokens": payload["prompt_tokens"],
        "output_tokens": payload["completion_tokens"],
        "total_tokens": payload["total_tokens"],
    }
    tools = payload["model_parameters"].get("tools")
    parameters = {key: value for key, value in payload["model_parameters"].items() if key != "user"}
    found = {
        "mlflow.spanType": next((kind for word, kind in _TYPES if word in payload["call_type"]), "CHAT_MODEL"),
        "mlflow.spanInputs": None if payload["messages"] is None else {"messages": payload["messages"], **parameters},
        "mlflow.spanOutputs": payload["response"] or None,
        "mlflow.message.format": "openai",
        "mlflow.chat.tokenUsage": tokens if payload["total_tokens"] else None,
        "mlflow.chat.tools": tools,
        "mlflow.llm.model": payload["model"] or None,
        "mlflow.llm.provider": payload["custom_llm_provider"],
        "mlflow.llm.cost": {f"{side}_cost": cost for side, cost in call_facts.costs(payload).items()} or None,
    }
    plain = {
        "user.id": call_facts.user(payload),
        "session.id": payload["session_id"] or None,
        "litellm_call_id": payload["litellm_call_id"],
        "call_type": payload["call_type"],
        "api_base": payload["api_base"] or None,
        "cache_hit": payload["cache_hit"],
        "request_tags": payload["request_tags"] or None,
        **_tags(payload["request_tags"]),
    }
    return {
        **{key: jsonio.dumps(value) for key, value in found.items() if value is not None},
        **{key: value for key, value in plain.items() if value is not None},
    }


def _tags(tags: Sequence[str]) -> dict[str, str]:
    """``key:value`` as a tag of the trace; a tag without a colon has no value."""
    split = (tag.partition(":") for tag in tags)
    return {f"mlflow.traceTag.{key[:_MAX_TAG_CHARS]}": value for key, _, value in split}
