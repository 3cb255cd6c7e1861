"""The google-genai package, 1.x to 3.x: the Gemini API and Vertex AI.

``generate_content`` makes a request, and another one after each round of function calls that the SDK answers itself
(automatic function calling). Each request is a call of its own, with its prompt, its usage and its cost, and the
application gets the last answer only. So it is the method beneath that is wrapped, which makes one request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callspan.core.deferred import async_deferred, deferred
from callspan.core.endpoints import EndpointCache, at
from callspan.core.model import Client, Endpoint, Hook, methods
from callspan.core.quiet import leading
from callspan.shapes.google.content import get
from callspan.shapes.google.generate import GENERATE, GENERATE_STREAM
from callspan.shapes.google.others import EMBEDDINGS, IMAGE_EDIT, IMAGE_GENERATION

_NAME = "google_genai"


def _resolve(api_client: Any) -> Endpoint:
    return at(_base_url(api_client) or "", "gcp.vertex_ai" if api_client.vertexai else "gcp.gemini")


def _base_url(api_client: Any) -> str | None:
    url: str | None = get(api_client._http_options, "base_url")  # noqa: SLF001 - the SDK tells it no other way
    return url


_endpoints = EndpointCache(_base_url, _resolve)


def _with_headers(kwargs: dict[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """Add headers to ``config.http_options.headers``, on copies.

    A ``traceparent`` that the application set itself stays; a call that goes to a server of its own gets none.
    """
    config = kwargs.get("config")
    options = get(config, "http_options")
    own = get(options, "headers") or {}
    if get(options, "base_url") or any(name.lower() == "traceparent" for name in own):
        return kwargs
    return {**kwargs, "config": _updated(config, "http_options", _updated(options, "headers", {**own, **headers}))}


def _updated(value: Any, name: str, item: Any) -> Any:
    """A copy of a dict or an SDK object, or a new dict, with one field set."""
    if value is None or isinstance(value, dict):
        others = {key: each for key, each in (value or {}).items() if key != "httpOptions"}
        return {**others, name: item}
    return value.model_copy(update={name: _as_model(value, name, item)})


def _as_model(owner: Any, name: str, item: Any) -> Any:
    """``item`` as its owner has it: configs hold ``HttpOptions``, which hold a plain dict."""
    return item if name == "headers" or not isinstance(item, dict) else type(owner)(http_options=item).http_options


CLIENT = Client(
    name=_NAME,
    targets=methods(
        "google.genai.models",
        "Models",
        {
            "_generate_content": GENERATE,
            "_generate_content_stream": GENERATE_STREAM,
            "embed_content": EMBEDDINGS,
            "generate_images": IMAGE_GENERATION,
            "edit_image": IMAGE_EDIT,
            "upscale_image": IMAGE_EDIT,
        },
    ),
    endpoint=lambda models: _endpoints(models._api_client),  # noqa: SLF001 - the SDK tells it no other way
    raw_response=lambda _result: None,
    package="google.genai",  # "google" is shared with protobuf and others
    with_headers=_with_headers,
    hooks=(
        *leading("google.genai.models", "Models.generate_content", "AsyncModels.generate_content"),
        Hook("google.genai.models", "Models.generate_content_stream", deferred(_NAME)),
        Hook("google.genai.models", "AsyncModels.generate_content_stream", async_deferred(_NAME)),
        Hook("google.genai.chats", "Chat.send_message_stream", deferred(_NAME)),
        Hook("google.genai.chats", "AsyncChat.send_message_stream", async_deferred(_NAME)),
    ),
    newest=3,
)
