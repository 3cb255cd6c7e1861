"""OpenTelemetry's instrumentation of botocore records every AWS call, and model calls as such."""

import importlib.metadata

import pytest

from tests.coexistence.support import outcome_of
from tests.instrumentation.bedrock import CREDENTIALS, fake_bedrock

pytestmark = pytest.mark.process

ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 4, "outputTokens": 3, "totalTokens": 7},
    "metrics": {"latencyMs": 1},
}
CALLS = """
import botocore.session

session = botocore.session.get_session()
runtime, queues = (
    session.create_client(service, endpoint_url=URL, **CREDENTIALS) for service in ("bedrock-runtime", "sqs")
)
said = [{"role": "user", "content": [{"text": "Hi"}]}]
runtime.converse(modelId="anthropic.claude-3-haiku-20240307-v1:0", messages=said)
queues.list_queues()
"""


def test_one_span_each() -> None:
    """A model call is callspan's alone; other AWS calls are the other's as ever."""
    try:
        importlib.metadata.version("opentelemetry-instrumentation-botocore")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("opentelemetry-instrumentation-botocore is absent: it has a CI lane of its own")
    with fake_bedrock() as server:
        server.says(ANSWER)
        server.says({})
        outcome = outcome_of(f"URL, CREDENTIALS = {server.url!r}, {CREDENTIALS!r}\n{CALLS}")
    assert [(span["name"].partition(" ")[0], span["scope"]) for span in outcome.spans] == [
        ("chat", "callspan"),
        ("SQS.ListQueues", "opentelemetry.instrumentation.botocore.sqs"),
    ]
