"""Embeddings: ``client.embeddings.create``.

Source: https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

from typing import Any

from callspan.core.call import Call
from callspan.core.model import Operation, Parameters
from callspan.core.view import field
from callspan.shapes.openai.common import read_identity, read_parameters, read_usage
from callspan.shapes.openai.completions import text_messages
from callspan.shapes.parts import set_json
from callspan_semconv import attributes as attr

_PARAMETERS = {"dimensions": attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT}
_READ_HERE = frozenset({"model", "input", "encoding_format", "metadata"})


def _request(call: Call, parameters: Parameters) -> None:
    read_parameters(call, parameters, _PARAMETERS, _READ_HERE)
    if encoding := parameters.get("encoding_format"):
        call.attributes[attr.GEN_AI_REQUEST_ENCODING_FORMATS] = (encoding,)
    if call.captures_content:
        set_json(call, attr.GEN_AI_INPUT_MESSAGES, text_messages(parameters.get("input")))


def _response(call: Call, response: Any) -> None:
    read_identity(call, response)
    read_usage(call, getattr(response, "usage", None))
    vectors = getattr(response, "data", None) or ()
    call.attributes[attr.CALLSPAN_EMBEDDING_VECTORS] = len(vectors)
    if vectors:
        measured = _length(field(vectors[0], "embedding"))
        call.attributes[attr.CALLSPAN_EMBEDDING_DIMENSIONS] = measured
        call.attributes.setdefault(attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT, measured)


def _length(vector: Any) -> int:
    """Dimensions of a vector: a list of numbers, or base64 of 4-byte floats."""
    if isinstance(vector, str):
        return (len(vector) * 3 // 4 - vector[-2:].count("=")) // 4
    return len(vector)


EMBEDDINGS = Operation(name="embeddings", call_type="embedding", request=_request, response=_response)
