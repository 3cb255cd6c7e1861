"""``redact_user_api_key_info``: no sink is told whose API key a call was made with, in whatever form it would be."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.langfuse import LangfuseSpanExporter
from callspan_exporters.local import LocalSpanExporter
from callspan_exporters.redaction import Policy, full, mask, none
from callspan_exporters.s3 import S3SpanExporter
from callspan_exporters.sink import SinkExporter
from callspan_semconv.payload_metadata import StandardLoggingUserAPIKeyMetadata
from tests.exporters.servers import SinkServer
from tests.exporters.sink_spans import llm_span
from tests.exporters.test_contract import SINKS as HTTP_SINKS

FIELDS = sorted(StandardLoggingUserAPIKeyMetadata.__annotations__)
WHO = re.compile(rb"who-[a-z_]+")

SINKS: dict[str, Callable[[str], SinkExporter]] = {
    **HTTP_SINKS,
    # What makes something of these fields beside sending metadata: tags, folders.
    "langfuse-tags": lambda url: LangfuseSpanExporter("pk", "sk", url, default_tags=[*FIELDS, "user_api_key"]),
    "s3-folders": lambda url: S3SpanExporter(
        "bucket",
        s3_endpoint_url=url,
        s3_aws_access_key_id="id",
        s3_aws_secret_access_key="key",
        s3_use_team_prefix=True,
        s3_use_key_prefix=True,
    ),
}


def call(*, failed: bool) -> ReadableSpan:
    """A call whose metadata names key, team and user at any depth, in texts, and in LiteLLM's attributes."""
    who = {field: f"who-{field}" for field in FIELDS}
    metadata = {
        **who,
        "user_api_key": "who-key",
        "user_api_key_metadata": {"x": "who-metadata"},
        "requester_metadata": {"user_api_key_alias": "who-requester", "kept": "stays"},
        "list": [{"deep": {"user_api_key_user_email": "who-deep"}}],
        "text": json.dumps({"user_api_key_alias": "who-text", "kept": "stays"}),
        "repr": str({"user_api_key_alias": "who-repr"}),
    }
    attributes = {
        "metadata.user_api_key_team_alias": "who-attribute",
        "metadata.requester_metadata": str({"user_api_key_alias": "who-attribute_repr"}),
        "litellm.metadata.user_api_key_alias": "who-litellm",
        "callspan.user": "the-end-user",  # without one, the billing sink refuses the call
    }
    return llm_span(attributes, metadata=metadata, error="it failed" if failed else None)


def told(name: str, policy: Policy, server: SinkServer) -> set[bytes]:
    """What a sink is told of who called."""
    exporter = SINKS[name](server.url)
    processor = DeliveryProcessor(exporter, policy=policy)
    processor.on_end(call(failed=name == "sentry"))
    processor.shutdown()
    assert processor.report().delivered == 1
    return {
        found
        for request in server.requests
        for part in (request.path.encode(), request.body, str(request.headers).encode())
        for found in WHO.findall(part)
    }


@pytest.mark.parametrize("policy", [full, mask, none])
@pytest.mark.parametrize("name", SINKS)
def test_no_sink_is_told_whose_key_it_was(name: str, policy: Callable[..., Policy], sink_server: SinkServer) -> None:
    """Nothing of it in any request: bodies, paths and headers, under any policy."""
    assert told(name, policy(redact_user_api_key_info=True), sink_server) == set()


@pytest.mark.parametrize("name", SINKS)
def test_without_the_setting_sinks_are_told(name: str, sink_server: SinkServer) -> None:
    """Which is what the other test would notice."""
    assert told(name, full(), sink_server)


@pytest.mark.parametrize("redacted", [True, False])
def test_the_local_file(redacted: bool, tmp_path: Path) -> None:
    """The file that `callspan ls` reads."""
    path = tmp_path / "calls.sqlite3"
    processor = DeliveryProcessor(LocalSpanExporter(path), policy=full(redact_user_api_key_info=redacted))
    processor.on_end(call(failed=False))
    processor.shutdown()
    found = {who for file in tmp_path.glob("calls.sqlite3*") for who in WHO.findall(file.read_bytes())}
    assert bool(found) is not redacted


def test_the_rest_of_metadata_stays(sink_server: SinkServer) -> None:
    """Only what is about the key goes, also from metadata within metadata."""
    told("generic_api", full(redact_user_api_key_info=True), sink_server)
    ((payload,),) = [json.loads(request.body) for request in sink_server.requests]
    own = payload["metadata"]["requester_metadata"]
    assert own["kept"] == "stays"
