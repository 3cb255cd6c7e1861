"""The operations of Bedrock's runtime as botocore and aiobotocore make them.

Every call of every AWS service passes through one method of theirs: most of them are none of callspan's business.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from opentelemetry.context import get_current

from callspan.core import guard, state
from callspan.core.call import Call
from callspan.core.endpoints import EndpointCache, at
from callspan.core.held import metadata
from callspan.core.model import Accumulator, Client, Endpoint, Hook, Operation, Parameters, Target
from callspan.core.propagation import inject
from callspan.core.quiet import CALL_KEY, sending
from callspan.shapes.bedrock import converse, invoke
from callspan_semconv import attributes as attr
from callspan_semconv import prices

_SERVICE = "bedrock-runtime"
_PROVIDER = "aws.bedrock"


def _request(read: Callable[[Call, Parameters], None], streams: bool, call: Call, given: Parameters) -> None:
    if streams:
        call.attributes[attr.GEN_AI_REQUEST_STREAM] = True
    read(call, given)


# Counts that come with every whole answer of InvokeModel, also of models whose bodies have none.
_COUNTS = {
    "x-amzn-bedrock-input-token-count": attr.GEN_AI_USAGE_INPUT_TOKENS,
    "x-amzn-bedrock-output-token-count": attr.GEN_AI_USAGE_OUTPUT_TOKENS,
}


def _around(call: Call, result: Any) -> None:
    known = metadata(result)
    headers = known.get("HTTPHeaders") or {}
    call.read_headers(headers)
    if request_id := known.get("RequestId"):
        call.attributes[attr.CALLSPAN_PROVIDER_REQUEST_ID] = request_id
    for name, attribute in _COUNTS.items():
        if (count := headers.get(name)) is not None:
            call.attributes[attribute] = int(count)


def _operation(
    name: str,
    call_type: str,
    read: Any,
    respond: Any,
    *,
    held: str | None = None,
    stream: Callable[[Call], Accumulator] | None = None,
) -> Operation:
    return Operation(
        name=name,
        call_type=call_type,
        request=partial(_request, read, stream is not None),
        response=respond,
        stream=stream,
        positional=("operation_name", "api_params"),
        within="api_params",
        model="modelId",
        held=held,
        around=_around,
    )


_CONVERSE = {
    "Converse": _operation("chat", "completion", converse.read_request, converse.read_response),
    "ConverseStream": _operation(
        "chat",
        "completion",
        converse.read_request,
        converse.read_response,
        held="stream",
        stream=converse.Events,
    ),
}
_INVOKE_STREAMS = {"InvokeModel": None, "InvokeModelWithResponseStream": invoke.Chunks}
_CALL_TYPES = {
    "chat": "completion",
    "text_completion": "text_completion",
    "embeddings": "embedding",
    "image_generation": "image_generation",
    "rerank": "rerank",
}
_INVOKE = {
    (operation, kind): _operation(
        kind, call_type, invoke.read_request, invoke.read_response, held="body", stream=stream
    )
    for operation, stream in _INVOKE_STREAMS.items()
    for kind, call_type in _CALL_TYPES.items()
}
_OPERATIONS = frozenset({*_CONVERSE, *_INVOKE_STREAMS})
# What models do, by what is in their ids; all others speak.
_KINDS = (
    ("embed", "embeddings"),
    ("rerank", "rerank"),
    ("image", "image_generation"),
    ("canvas", "image_generation"),
    ("stability.", "image_generation"),
)


def _choose(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation | None:
    """The operation of a call, None for those of other services."""
    name = args[0] if args else kwargs.get("operation_name")
    if name not in _OPERATIONS or client.meta.service_model.service_name != _SERVICE:
        return None
    given = args[1] if len(args) > 1 else kwargs.get("api_params", {})
    return _CONVERSE.get(name) or _INVOKE[name, _kind(given)]


def _kind(given: Parameters) -> str:
    model = str(given.get("modelId"))
    if (kind := next((kind for mark, kind in _KINDS if mark in model), None)) is not None:
        return kind
    body = given.get("body")
    text = body.encode() if isinstance(body, str) else body
    talks = isinstance(text, (bytes, bytearray)) and (b'"messages"' in text or b'"message"' in text)
    return "chat" if talks else "text_completion"


def _resolve(client: Any) -> Endpoint:
    # Once per client object. The header is added after signing, which an additional one must not break.
    client.meta.events.register(f"before-send.{_SERVICE}", _send, unique_id="callspan")
    return at(client.meta.endpoint_url, _PROVIDER)


def _send(request: Any, **_event: Any) -> None:
    """Add the trace context to a request that belongs to a call, where that is allowed."""
    try:
        context, telemetry = get_current(), state.telemetry
        if telemetry is None or not context.get(CALL_KEY) or "traceparent" in request.headers:
            return
        if telemetry.propagation.allows(at(request.url, _PROVIDER).address):
            for name, value in inject(context).items():
                request.headers[name] = value
    except Exception as error:  # noqa: BLE001 - the boundary: the application's request goes out without us
        guard.report(f"{_SERVICE}.send", error)


def _create(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A client is made: load what its calls need, and only for those that call models."""
    try:
        if _SERVICE in (args[0] if args else None, kwargs.get("service_name")):
            prices.preload()
    except Exception as error:  # noqa: BLE001 - the boundary: the application's client
        guard.report(f"{_SERVICE}.preload", error)
    return wrapped(*args, **kwargs)


def client(name: str, class_prefix: str, *, is_async: bool) -> Client:
    """The table of botocore, or of aiobotocore, whose classes have the same names with a prefix."""
    module = f"{name}.client"
    return Client(
        name=name,
        targets=(Target(module, f"{class_prefix}BaseClient._make_api_call", _choose, is_async=is_async),),
        endpoint=EndpointCache(lambda sdk_client: sdk_client.meta.endpoint_url, _resolve),
        hooks=(
            Hook(module, f"{class_prefix}ClientCreator.create_client", _create),
            *sending(module, f"{class_prefix}BaseClient._make_request"),
        ),
        package=None,
        newest=3 if is_async else 1,
    )
