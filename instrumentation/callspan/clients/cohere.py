"""The cohere package: the clients of versions 1 and 2 of the API, and those for AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from callspan.core.call import Call
from callspan.core.endpoints import EndpointCache, at
from callspan.core.model import Client, Endpoint, Operation, Target, endpoint, methods
from callspan.core.propagation import merged_into
from callspan.core.stainless import by_class
from callspan.shapes.cohere.chat import CHAT, CHAT_STREAM
from callspan.shapes.cohere.chat_v1 import CHAT_STREAM_V1, CHAT_V1
from callspan.shapes.cohere.retrieval import EMBED, RERANK

_BY_CLASS = {
    "BedrockClient": "aws.bedrock",
    "BedrockClientV2": "aws.bedrock",
    "SagemakerClient": "sagemaker",
    "SagemakerClientV2": "sagemaker",
    "OciClient": "oci",
    "OciClientV2": "oci",
}
_OF_A_PLATFORM = "n/a"  # the name that the package gives clients for platforms
_V1, _V2 = "cohere.base_client", "cohere.v2.client"
_RAW_V1, _RAW_V2 = "cohere.raw_base_client", "cohere.v2.raw_client"


def _wrapper(client: Any) -> Any:
    """What knows the base URL; ``client.v2`` has it in its raw client only."""
    own = getattr(client, "_client_wrapper", None)
    return own if own is not None else client._raw_client._client_wrapper  # noqa: SLF001 - there is no public way


def _resolve(client: Any) -> Endpoint:
    platform, wrapper = by_class(_BY_CLASS, client), _wrapper(client)
    # Their base URL is Cohere's; each request is signed and sent to the platform instead. Their ``v2`` and
    # ``with_raw_response`` do not know the platform's name.
    if platform is not None or getattr(wrapper, "_client_name", None) == _OF_A_PLATFORM:
        return replace(endpoint(platform or "cohere"), forwards=False)
    found = at(wrapper.get_base_url(), "cohere")
    return replace(found, forwards=found.provider == "cohere")


_merged = merged_into("additional_headers")


def _with_headers(kwargs: dict[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    return {**kwargs, "request_options": _merged(dict(kwargs.get("request_options") or {}), headers)}


def _raw(operation: Operation) -> Operation:
    """The operation for ``with_raw_response``, whose results hold the answer beside the HTTP headers."""

    def response(call: Call, result: Any) -> None:
        call.read_headers(result.headers)
        operation.response(call, result.data)

    return replace(operation, response=response)


CLIENT = Client(
    name="cohere",
    targets=(
        *methods(_V1, "BaseCohere", {"chat": CHAT_V1, "rerank": RERANK}),
        *methods(_V2, "V2Client", {"chat": CHAT, "embed": EMBED, "rerank": RERANK}),
        # Above the base's method, which runs once for each batch of texts, in threads.
        *methods("cohere.client", "Client", {"embed": EMBED}),
        # What the methods above go through, and ``with_raw_response`` is. Not ``embed`` of version 1, for its threads.
        *methods(_RAW_V1, "RawBaseCohere", {"chat": _raw(CHAT_V1), "rerank": _raw(RERANK)}),
        *methods(_RAW_V2, "RawV2Client", {"chat": _raw(CHAT), "embed": _raw(EMBED), "rerank": _raw(RERANK)}),
        Target(_V1, "BaseCohere.chat_stream", CHAT_STREAM_V1, is_async=False),
        Target(_V1, "AsyncBaseCohere.chat_stream", CHAT_STREAM_V1, is_async=True, generates=True),
        Target(_V2, "V2Client.chat_stream", CHAT_STREAM, is_async=False),
        Target(_V2, "AsyncV2Client.chat_stream", CHAT_STREAM, is_async=True, generates=True),
    ),
    endpoint=EndpointCache(lambda client: vars(_wrapper(client)).get("_base_url"), _resolve),
    with_headers=_with_headers,
    newest=7,
)
