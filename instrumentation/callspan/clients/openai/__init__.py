"""The openai package, 2.x and 3.x: every method that makes a model work, and Azure's and Bedrock's classes."""

from __future__ import annotations

from typing import Any

from callspan.clients.openai.chat import CHAT
from callspan.clients.openai.completions import TEXT_COMPLETION
from callspan.clients.openai.embeddings import EMBEDDINGS
from callspan.clients.openai.media import (
    IMAGE_EDIT,
    IMAGE_GENERATION,
    IMAGE_VARIATION,
    MODERATION,
    SPEECH,
    TRANSCRIPTION,
    TRANSLATION,
)
from callspan.clients.openai.responses import RESPONSES, RETRIEVE
from callspan.core.endpoints import EndpointCache
from callspan.core.model import Client, Endpoint, endpoint, methods
from callspan_semconv import attributes as attr
from callspan_semconv.providers import OPENAI_COMPATIBLE, provider_from_host

_BY_CLASS = {
    "AzureOpenAI": "azure.ai.openai",
    "AsyncAzureOpenAI": "azure.ai.openai",
    "BedrockOpenAI": "aws.bedrock",
    "AsyncBedrockOpenAI": "aws.bedrock",
}
_AZURE = {attr.AZURE_RESOURCE_PROVIDER_NAMESPACE: "Microsoft.CognitiveServices"}


def _provider(sdk_client: Any, host: str) -> str:
    for kind in type(sdk_client).__mro__:  # applications subclass the clients
        if (provider := _BY_CLASS.get(kind.__name__)) is not None:
            return provider
    return provider_from_host(host) or OPENAI_COMPATIBLE


def _resolve(sdk_client: Any) -> Endpoint:
    url = sdk_client.base_url
    provider = _provider(sdk_client, url.host)
    port = url.port or {"https": 443, "http": 80}.get(url.scheme)
    return endpoint(provider, url.host, port, **(_AZURE if provider == "azure.ai.openai" else {}))


# The public property builds the URL anew for some clients; what it is built from serves as the mark of a change.
_endpoint = EndpointCache(lambda sdk_client: vars(sdk_client).get("_base_url"), _resolve)


def _raw_response(result: Any) -> Any:
    """The HTTP response inside the results of ``with_raw_response`` and ``with_streaming_response``."""
    # Looked up in the object's own dict: a miss by attribute is slow on pydantic models.
    state = getattr(result, "__dict__", None)
    return state.get("http_response") if state else None


_RESOURCES = "openai.resources"

OPENAI = Client(
    name="openai",
    targets=(
        *methods(f"{_RESOURCES}.chat.completions.completions", "Completions", {"create": CHAT, "parse": CHAT}),
        *methods(
            f"{_RESOURCES}.responses.responses",
            "Responses",
            {"create": RESPONSES, "parse": RESPONSES, "retrieve": RETRIEVE},
        ),
        *methods(f"{_RESOURCES}.beta.responses.responses", "Responses", {"create": RESPONSES, "retrieve": RETRIEVE}),
        *methods(f"{_RESOURCES}.embeddings", "Embeddings", {"create": EMBEDDINGS}),
        *methods(f"{_RESOURCES}.completions", "Completions", {"create": TEXT_COMPLETION}),
        *methods(
            f"{_RESOURCES}.images",
            "Images",
            {"generate": IMAGE_GENERATION, "edit": IMAGE_EDIT, "create_variation": IMAGE_VARIATION},
        ),
        *methods(f"{_RESOURCES}.audio.speech", "Speech", {"create": SPEECH}),
        *methods(f"{_RESOURCES}.audio.transcriptions", "Transcriptions", {"create": TRANSCRIPTION}),
        *methods(f"{_RESOURCES}.audio.translations", "Translations", {"create": TRANSLATION}),
        *methods(f"{_RESOURCES}.moderations", "Moderations", {"create": MODERATION}),
    ),
    endpoint=lambda resource: _endpoint(resource._client),  # noqa: SLF001 - resources name their client no other way
    raw_response=_raw_response,
    headers_parameter="extra_headers",
)
