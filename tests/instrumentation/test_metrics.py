"""The client metrics of the GenAI conventions."""

from typing import Any

import openai
import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from callspan_semconv import attributes as attr
from tests.instrumentation.support import MODEL, Spans, collect, settle, user

DURATION = "gen_ai.client.operation.duration"
FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
TOKENS = "gen_ai.client.token.usage"


def points(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    """Data points by metric."""
    data = reader.get_metrics_data()
    metrics = [metric for r in data.resource_metrics for s in r.scope_metrics for metric in s.metrics] if data else []
    return {metric.name: list(metric.data.data_points) for metric in metrics}


@pytest.mark.parametrize("stream", [False, True])
async def test_metrics_of_a_call(stream: bool, metrics: InMemoryMetricReader, exported: Spans, either: Any) -> None:
    """Duration, tokens and the time to the first chunk, with the attributes of the conventions and no others."""
    result = await settle(either.responses.create(model=MODEL, input="Hi", stream=stream))
    if stream:
        await collect(result)
    span = exported.one()
    labels = {
        name: span[name]
        for name in (
            attr.GEN_AI_OPERATION_NAME,
            attr.GEN_AI_PROVIDER_NAME,
            attr.GEN_AI_REQUEST_MODEL,
            attr.GEN_AI_RESPONSE_MODEL,
            attr.SERVER_ADDRESS,
            attr.SERVER_PORT,
        )
    }
    found = points(metrics)
    assert set(found) == ({DURATION, TOKENS, FIRST_CHUNK} if stream else {DURATION, TOKENS})
    (duration,) = found[DURATION]
    assert dict(duration.attributes) == labels
    assert duration.count == 1
    assert 0 < duration.sum < 10
    counts = {point.attributes[attr.GEN_AI_TOKEN_TYPE]: point.sum for point in found[TOKENS]}
    assert counts == {"input": span[attr.GEN_AI_USAGE_INPUT_TOKENS], "output": span[attr.GEN_AI_USAGE_OUTPUT_TOKENS]}
    if stream:
        assert 0 < found[FIRST_CHUNK][0].sum <= duration.sum


async def test_metrics_of_an_error(metrics: InMemoryMetricReader, either: Any) -> None:
    """A refused call counts in the duration, by its error; it has no tokens."""
    with pytest.raises(openai.RateLimitError):
        await settle(either.chat.completions.create(model=MODEL, messages=user("!error 429")))
    found = points(metrics)
    assert set(found) == {DURATION}
    assert found[DURATION][0].attributes[attr.ERROR_TYPE] == "openai.RateLimitError"
