"""The openai package, 2.x and 3.x: every method that makes a model work, and Azure's and Bedrock's classes."""

from __future__ import annotations

from typing import Any

from callspan.core.model import Client, methods
from callspan.core.propagation import merged_into
from callspan.core.stainless import by_class, endpoints, raw_response, requests
from callspan.shapes.openai.chat import CHAT
from callspan.shapes.openai.completions import TEXT_COMPLETION
from callspan.shapes.openai.embeddings import EMBEDDINGS
from callspan.shapes.openai.media import (
    IMAGE_EDIT,
    IMAGE_GENERATION,
    IMAGE_VARIATION,
    MODERATION,
    SPEECH,
    TRANSCRIPTION,
    TRANSLATION,
)
from callspan.shapes.openai.responses import RESPONSES, RETRIEVE
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
    return by_class(_BY_CLASS, sdk_client) or provider_from_host(host) or OPENAI_COMPATIBLE


_RESOURCES = "openai.resources"

CLIENT = Client(
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
    endpoint=endpoints(_provider, lambda _client, provider: _AZURE if provider == "azure.ai.openai" else {}),
    raw_response=raw_response,
    with_headers=merged_into("extra_headers"),
    hooks=requests("openai"),
    newest=3,
)
