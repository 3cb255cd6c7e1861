"""Embeddings and rerank, versions 1 and 2.

Source: https://docs.cohere.com/v2/reference/embed and https://docs.cohere.com/v2/reference/rerank
"""

from __future__ import annotations

from typing import Any

from callspan.core.call import Call
from callspan.core.model import Operation, Parameters
from callspan.core.view import field, fields
from callspan.shapes.cohere.common import read_request, read_usage
from callspan.shapes.openai.common import content_parts
from callspan.shapes.openai.completions import text_messages
from callspan.shapes.parts import media_part, plain, set_json
from callspan_semconv import attributes as attr

_EMBED_CONTENT = frozenset({"texts", "images", "inputs", "embedding_types"})
_RERANK_CONTENT = frozenset({"query"})


def _embed_request(call: Call, parameters: Parameters) -> None:
    read_request(call, parameters, _EMBED_CONTENT)
    if kinds := parameters.get("embedding_types"):
        call.attributes[attr.GEN_AI_REQUEST_ENCODING_FORMATS] = tuple(kinds)
    if not call.captures_content:
        return
    messages = text_messages(list(parameters.get("texts") or ()))
    pictures = [[media_part("image", image)] for image in parameters.get("images") or ()]
    mixed = [content_parts(field(item, "content")) for item in parameters.get("inputs") or ()]
    messages += [{"role": "user", "parts": parts} for parts in pictures + mixed]
    set_json(call, attr.GEN_AI_INPUT_MESSAGES, messages)


def _embed_response(call: Call, response: Any) -> None:
    attributes = call.attributes
    if answer_id := field(response, "id"):
        attributes[attr.GEN_AI_RESPONSE_ID] = answer_id
    read_usage(call, field(response, "meta"))
    kind, vectors = _vectors(field(response, "embeddings"))
    attributes[attr.CALLSPAN_EMBEDDING_VECTORS] = len(vectors)
    if vectors and isinstance(vectors[0], (list, tuple)):
        measured = len(vectors[0]) * (8 if "binary" in kind else 1)  # a bit each
        attributes[attr.CALLSPAN_EMBEDDING_DIMENSIONS] = measured
        attributes.setdefault(attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT, measured)


def _vectors(embeddings: Any) -> tuple[str, Any]:
    """The vectors, and their type where each was asked for in several."""
    if isinstance(embeddings, (list, tuple)):
        return "float", embeddings
    return next(((kind, vectors) for kind, vectors in fields(embeddings).items() if vectors), ("float", ()))


def _rerank_request(call: Call, parameters: Parameters) -> None:
    read_request(call, parameters, _RERANK_CONTENT)
    set_json(call, attr.GEN_AI_INPUT_MESSAGES, text_messages(parameters.get("query")))


def _rerank_response(call: Call, response: Any) -> None:
    if answer_id := field(response, "id"):
        call.attributes[attr.GEN_AI_RESPONSE_ID] = answer_id
    read_usage(call, field(response, "meta"))
    results = [plain(result) for result in field(response, "results") or ()]
    set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, {"results": results} if results else None)


EMBED = Operation("embeddings", "embedding", _embed_request, _embed_response)
RERANK = Operation("rerank", "rerank", _rerank_request, _rerank_response)
