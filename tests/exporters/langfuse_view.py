"""What Langfuse would show for a span: its intake's mapping of attributes to fields, and its published schema.

The mapping is that of ``packages/shared/src/server/otel`` in langfuse/langfuse: the first attribute that is there wins.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import MessageToDict
from openapi_schema_validator import OAS30Validator
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.exporters.otlp_recorder import DecodedSpan

SPEC = Path(__file__).parents[3] / "shared" / "openapi" / "langfuse-api-openapi.yml"
_OTLP = "/api/public/otel/v1/traces"


def observation(span: DecodedSpan) -> dict[str, Any]:
    """The observation that Langfuse makes of a span."""
    a = span.attributes
    return {
        "type": a["langfuse.observation.type"].upper(),
        "name": a.get("gen_ai.tool.name", span.name),
        "traceId": span.trace_id,
        "id": span.span_id,
        "parentObservationId": span.parent_span_id or None,
        "level": a.get("langfuse.observation.level", "ERROR" if span.status[0] == 2 else "DEFAULT"),
        "statusMessage": a.get("langfuse.observation.status_message"),
        "input": _parsed(_first(a, "langfuse.observation.input", "gen_ai.input.messages")),
        "output": _parsed(_first(a, "langfuse.observation.output", "gen_ai.output.messages")),
        "model": _first(a, "langfuse.observation.model.name", "gen_ai.response.model", "gen_ai.request.model"),
        "modelParameters": _parsed(a.get("langfuse.observation.model.parameters")),
        "usageDetails": _parsed(a.get("langfuse.observation.usage_details")),
        "costDetails": _parsed(a.get("langfuse.observation.cost_details")),
        "completionStartTime": a.get("langfuse.observation.completion_start_time"),
        "promptName": _first(a, "langfuse.observation.prompt.name", "langfuse.prompt.name"),
        "promptVersion": _first(a, "langfuse.observation.prompt.version", "langfuse.prompt.version"),
        "metadata": _prefixed(a, "langfuse.observation.metadata."),
        "environment": _first({**span.resource, **a}, "langfuse.environment", "deployment.environment.name")
        or "default",
        "version": a.get("langfuse.version", span.resource.get("service.version")),
    }


def trace(span: DecodedSpan) -> dict[str, Any]:
    """What a span says about its trace."""
    a = span.attributes
    root = not span.parent_span_id or str(a.get("langfuse.internal.as_root")).lower() == "true"
    return {
        "id": span.trace_id,
        "name": a.get("langfuse.trace.name", span.name if root else None),
        "userId": _first(a, "langfuse.user.id", "user.id"),
        "sessionId": _first(a, "langfuse.session.id", "session.id", "gen_ai.conversation.id"),
        "tags": a.get("langfuse.trace.tags"),
        "public": a.get("langfuse.trace.public"),
        "release": a.get("langfuse.release", span.resource.get("langfuse.release")),
        "version": a.get("langfuse.version", span.resource.get("service.version")),
        "input": _parsed(a.get("langfuse.trace.input")),
        "output": _parsed(a.get("langfuse.trace.output")),
        "metadata": _prefixed(a, "langfuse.trace.metadata."),
    }


def schema_errors(body: Mapping[str, Any]) -> list[str]:
    """What Langfuse's OpenAPI file objects to in a JSON body of the OTLP route."""
    if not SPEC.exists():
        pytest.skip("the vendor's OpenAPI file is not here")
    return [error.message for error in _otlp_validator().iter_errors(body)]


@cache
def _otlp_validator() -> OAS30Validator:
    spec = yaml.load(SPEC.read_text(encoding="utf-8"), yaml.CSafeLoader)
    schema = spec["paths"][_OTLP]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return OAS30Validator({**schema, "components": {"schemas": _pruned(spec["components"]["schemas"])}})


def otlp_json(message: ExportTraceServiceRequest) -> dict[str, Any]:
    """A request as OTLP/JSON, with enumerations as numbers."""
    body: dict[str, Any] = MessageToDict(message, use_integers_for_enums=True)
    return body


def _pruned(node: Any) -> Any:
    """``nullable`` without ``type`` makes validators drop a schema: leave it out."""
    if isinstance(node, dict):
        kept = {key: _pruned(value) for key, value in node.items()}
        return {key: value for key, value in kept.items() if key != "nullable" or "type" in kept}
    return [_pruned(entry) for entry in node] if isinstance(node, list) else node


def _first(attributes: Mapping[str, Any], *keys: str) -> Any:
    return next((attributes[key] for key in keys if attributes.get(key) is not None), None)


def _prefixed(attributes: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {key.removeprefix(prefix): _parsed(value) for key, value in attributes.items() if key.startswith(prefix)}


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
