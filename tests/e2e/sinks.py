"""The four sinks of the end-to-end tests: the variables that name them, and what each has received."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.exporters.langfuse_view import observation
from tests.exporters.otlp_recorder import DecodedSpan, decoded, message
from tests.exporters.servers import Received, SinkServer
from tests.servers.moto import BUCKET, Moto

FOUR = {"OTEL_TRACES_EXPORTER": "otlp,langfuse,s3,generic_api"}
KEYS = {
    "LANGFUSE_PUBLIC_KEY": "pk-lf-public",
    "LANGFUSE_SECRET_KEY": "sk-lf-secret",
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "aws-secret",
    "S3_BUCKET_NAME": BUCKET,
}
PATHS = {"otel": "/v1/traces", "langfuse": "/api/public/otel/v1/traces", "s3": f"/{BUCKET}/", "generic_api": "/hook"}


def all_at(url: str) -> dict[str, str]:
    """Variables that send all four sinks to one server, told apart by `PATHS`."""
    return {**FOUR, **KEYS, **otlp_at(url), **langfuse_at(url), **webhook_at(url), "AWS_ENDPOINT_URL_S3": url}


def otlp_at(url: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}


def langfuse_at(url: str) -> dict[str, str]:
    return {"LANGFUSE_HOST": url}


def webhook_at(url: str) -> dict[str, str]:
    return {"GENERIC_LOGGER_ENDPOINT": f"{url}{PATHS['generic_api']}"}


def s3_at(moto: Moto) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_S3": moto.url,
        "AWS_ACCESS_KEY_ID": moto.access_key_id,
        "AWS_SECRET_ACCESS_KEY": moto.secret_access_key,
    }


@dataclass(frozen=True, order=True)
class Seen:
    """What every sink must say alike about a call; None: it says nothing."""

    call_id: str
    trace_id: str
    model: str
    failed: bool
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None


def seen_in_spans(spans: Iterable[Mapping[str, Any]]) -> list[Seen]:
    """The calls among a Collector's spans."""
    return sorted(
        Seen(
            call_id=attributes["callspan.call_id"],
            trace_id=span["traceId"],
            model=attributes["gen_ai.request.model"],
            failed=span["status"].get("code") == 2,
            input_tokens=attributes.get("gen_ai.usage.input_tokens"),
            output_tokens=attributes.get("gen_ai.usage.output_tokens"),
            cost=attributes.get("callspan.cost.total"),
        )
        for span in spans
        if "callspan.call_id" in (attributes := span["attributes"])
    )


def seen_in_payloads(payloads: Iterable[Mapping[str, Any]]) -> list[Seen]:
    """The calls in ``StandardLoggingPayload`` objects, which say 0 where something is unknown."""
    return sorted(
        Seen(
            call_id=payload["litellm_call_id"],
            trace_id=payload["trace_id"],
            model=payload["model"],
            failed=payload["status"] == "failure",
            input_tokens=payload["prompt_tokens"] or None,
            output_tokens=payload["completion_tokens"] or None,
            cost=payload["response_cost"] or None,
        )
        for payload in payloads
    )


def seen_in_langfuse(server: SinkServer) -> list[Seen]:
    """The calls as Langfuse shows them."""
    return sorted(_shown(observation(span)) for span in accepted_spans(server, "langfuse"))


def _shown(shown: Mapping[str, Any]) -> Seen:
    usage, cost = shown["usageDetails"] or {}, shown["costDetails"] or {}
    return Seen(
        call_id=shown["metadata"]["litellm_call_id"],
        trace_id=shown["traceId"],
        model=shown["model"],
        failed=shown["level"] == "ERROR",
        input_tokens=usage.get("input"),
        output_tokens=usage.get("output"),
        cost=cost.get("total"),
    )


def accepted_spans(server: SinkServer, sink: str) -> list[DecodedSpan]:
    """The spans in the requests of one sink that were answered with 2xx."""
    return [span for request in _accepted(server, sink) for span in decoded(message(request))]


def hooked(server: SinkServer) -> list[dict[str, Any]]:
    """The payloads that the webhook took."""
    return [payload for request in _accepted(server, "generic_api") for payload in json.loads(request.body)]


def call_texts(server: SinkServer, sink: str) -> list[str]:
    """What a sink has of each call."""
    if sink == "generic_api":
        return [json.dumps(payload) for payload in hooked(server)]
    if sink == "s3":
        return [request.body.decode() for request in _accepted(server, sink)]
    return [str(span) for span in accepted_spans(server, sink)]


def received(server: SinkServer, sink: str) -> bytes:
    """Every byte that a sink was sent, decompressed: request lines, headers, bodies."""
    return b"\n".join(
        f"{request.path} {dict(request.headers)} ".encode() + request.body
        for request in server.requests
        if request.path.startswith(PATHS[sink])
    )


def _accepted(server: SinkServer, sink: str) -> list[Received]:
    return [each for each in server.requests if each.status < 300 and each.path.startswith(PATHS[sink])]
