"""Zero code: an application that knows nothing of callspan, and four real sinks."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import sinks
from tests.exporters.servers import Answer, SinkServer
from tests.servers.collector import Collector
from tests.servers.moto import Moto
from tests.setup.processes import run

pytestmark = [pytest.mark.process, pytest.mark.collector]

FIVE_CALLS = Path(__file__).parent / "apps" / "five_calls.py"
CALLS = 6  # the tool call takes two: one that asks for the tool, one with its result


@pytest.mark.parametrize("protocol", [None, "http/protobuf"])
def test_every_sink_has_every_call(
    protocol: str | None, collector: Collector, recorder: SinkServer, moto: Moto, webhook: SinkServer
) -> None:
    """Collector (gRPC unless told otherwise), Langfuse, S3 and an unwilling webhook agree on ids, tokens and cost."""
    webhook.script = [Answer(503), Answer(429, {"retry-after": "1"})]
    http = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    otlp = http if protocol else {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.grpc_endpoint}
    elsewhere = {**sinks.langfuse_at(recorder.url), **sinks.s3_at(moto), **sinks.webhook_at(webhook.url)}
    finished = run(FIVE_CALLS, **{**sinks.FOUR, **sinks.KEYS, **otlp, **elsewhere})
    assert finished.code == 0
    assert finished.err in {"", "generic_api: not delivered yet, will be sent again: 503\n"}
    spans = collector.spans(count=CALLS)
    calls = sinks.seen_in_spans(spans)
    assert len(spans) == len(calls) == CALLS
    assert sinks.seen_in_langfuse(recorder) == calls
    assert sinks.seen_in_payloads(map(json.loads, moto.objects().values())) == calls
    assert sinks.seen_in_payloads(sinks.hooked(webhook)) == calls
    assert [request.status for request in webhook.requests] == [503, 429, 200]
    _tell_what_happened(spans)


def _tell_what_happened(spans: list[dict[str, Any]]) -> None:
    chat, stream, response, asking, told, failed = sorted(spans, key=lambda span: int(span["startTimeUnixNano"]))
    for span in (chat, stream, response, asking, told):
        attributes = span["attributes"]
        assert "Why is the sky blue?" in attributes["gen_ai.input.messages"]
        assert min(attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) > 0
        assert attributes["callspan.cost.total"] > 0
    for span in (chat, stream, response, told):
        assert "You said: Why is the sky blue?" in span["attributes"]["gen_ai.output.messages"]
    assert stream["attributes"]["callspan.stream.end"] == "exhausted"
    assert "look_up" in asking["attributes"]["gen_ai.output.messages"]
    assert failed["status"]["code"] == 2
    assert failed["attributes"]["error.type"] == "openai.BadRequestError"
    assert "callspan.cost.total" not in failed["attributes"]
