"""The huggingface_hub package from 1.0 on: the methods of its inference clients that make a model generate or embed.

``client.chat.completions.create`` is `chat_completion` itself, so it needs nothing more.

Source: https://huggingface.co/docs/huggingface_hub/package_reference/inference_client
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from callspan.core.call import Call
from callspan.core.endpoints import at
from callspan.core.model import Client, Endpoint, Operation, Parameters, Target, endpoint
from callspan.core.view import field
from callspan.shapes.huggingface.generation import TEXT_GENERATION
from callspan.shapes.openai.chat import CHAT
from callspan.shapes.openai.embeddings import EMBEDDINGS
from callspan.shapes.openai.media import IMAGE_EDIT, IMAGE_GENERATION, SPEECH, TRANSCRIPTION
from callspan.shapes.parts import set_json
from callspan_semconv import attributes as attr

_ROUTER = "https://router.huggingface.co"
_HUGGING_FACE = "huggingface"
_ANY = (None, "auto")  # providers

# The package's names of parameters -> OpenAI's, whose readers read them.
_NAMES = {"text": "input", "audio": "file"}
_FILES = ("file", "image")


def _reading(request: Callable[[Call, Parameters], None]) -> Callable[[Call, Parameters], None]:
    """OpenAI's reader of a request, for the package's."""

    def read(call: Call, parameters: Parameters) -> None:
        given = {_NAMES.get(name, name): value for name, value in parameters.items()}
        given.update((name, _named(given[name])) for name in _FILES if isinstance(given.get(name), str))
        request(call, given)
        call.attributes.pop(attr.OPENAI_API_TYPE, None)
        if field(given.get("response_format"), "type") == "json":
            call.attributes[attr.GEN_AI_OUTPUT_TYPE] = "json"

    return read


def _named(place: str) -> PurePath:
    """A file that is given by its path or URL; a URL's query may be its signature."""
    return PurePath(urlsplit(place).path)


def _vectors(call: Call, array: Any) -> None:
    """Embeddings: an array of numpy, a vector a row; a model may return one for each token."""
    *rows, dimensions = array.shape
    count = 1
    for length in rows:
        count *= length
    call.attributes[attr.CALLSPAN_EMBEDDING_VECTORS] = count
    call.attributes[attr.CALLSPAN_EMBEDDING_DIMENSIONS] = dimensions
    call.attributes.setdefault(attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT, dimensions)


def _picture(call: Call, image: Any) -> None:
    """An image of Pillow's: decoded already, so that only its measures are told."""
    part = {"type": "image", "width": image.width, "height": image.height}
    if image.format:
        part["mime_type"] = f"image/{image.format.lower()}"
    set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, [{"role": "assistant", "parts": [part]}])


def _taking(first: str, operation: Operation, response: Callable[[Call, Any], None] | None = None) -> Operation:
    """OpenAI's operation for a method of the package, which takes ``first`` by position."""
    return replace(
        operation,
        request=_reading(operation.request),
        response=response or operation.response,
        positional=(first,),
    )


_OPERATIONS = {
    "chat_completion": _taking("messages", CHAT),
    "text_generation": TEXT_GENERATION,
    "feature_extraction": _taking("text", EMBEDDINGS, _vectors),
    "text_to_image": replace(_taking("prompt", IMAGE_GENERATION, _picture), stream=None),
    "image_to_image": replace(_taking("image", IMAGE_EDIT, _picture), stream=None),
    "text_to_speech": _taking("text", SPEECH),
    "automatic_speech_recognition": replace(_taking("audio", TRANSCRIPTION), stream=None),
}


_at_url = lru_cache(at)


def _is_url(model: Any) -> bool:
    return isinstance(model, str) and model.startswith(("http://", "https://"))


def _direct(client: Any) -> bool:
    """Whether requests go to the provider itself: its own keys do, Hugging Face's tokens go by the router."""
    return client.token is not None and not client.token.startswith("hf_")


@lru_cache
def _endpoint_of(provider: str | None, *, direct: bool) -> Endpoint:
    """Where a provider is reached, through the router or directly."""
    if not direct or provider == "hf-inference":
        return at(_ROUTER, _HUGGING_FACE)
    if provider in _ANY:  # which one serves the model is asked of the Hub, call by call
        return endpoint(_HUGGING_FACE)
    name = str(provider).replace("-", "_")
    base_url = _base_url(provider)
    return endpoint(name) if base_url is None else at(base_url, name)


def _base_url(provider: str | None) -> str | None:
    """The base URL of a provider, as the package has it."""
    known = getattr(sys.modules.get("huggingface_hub.inference._providers"), "PROVIDERS", {}).get(provider)
    return next((helper.base_url for helper in known.values()), None) if isinstance(known, Mapping) else None


def _by_call(usual: Endpoint, client: Any, parameters: Parameters) -> tuple[Endpoint, Parameters]:
    """A call's model, else the client's; either may be a URL, where one model is served that has no name."""
    asked = parameters.get("model")
    models = (client.model, asked) if "messages" in parameters else (asked, client.model)
    target = next((model for model in models if model), None)
    name = next((model for model in (asked, client.model) if model and not _is_url(model)), None)
    given = {key: value for key, value in parameters.items() if key != "model"}
    if name is not None:
        given["model"] = name
    if _is_url(target):
        return _at_url(target, _HUGGING_FACE), given
    if client.provider not in _ANY:
        given["provider"] = client.provider
    return usual, given


_CLASSES = (
    ("huggingface_hub.inference._client", "InferenceClient", False),
    ("huggingface_hub.inference._generated._async_client", "AsyncInferenceClient", True),
)

CLIENT = Client(
    name="huggingface_hub",
    targets=tuple(
        Target(module, f"{kind}.{method}", operation, is_async=is_async)
        for module, kind, is_async in _CLASSES
        for method, operation in _OPERATIONS.items()
    ),
    endpoint=lambda client: _endpoint_of(client.provider, direct=_direct(client)),
    by_call=_by_call,
    # Many packages import huggingface_hub, and few of them its inference clients.
    package="huggingface_hub.inference._common",
    newest=2,
)
