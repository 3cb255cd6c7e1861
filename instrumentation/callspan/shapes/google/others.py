"""Embeddings and images. The conventions define no operations for images, so these carry names of their own.

Source: https://ai.google.dev/api/embeddings, https://ai.google.dev/gemini-api/docs/imagen
"""

from __future__ import annotations

from typing import Any

from callspan.core.call import Call
from callspan.core.model import Operation, Parameters
from callspan.shapes.google.common import options, read_options, read_usage
from callspan.shapes.google.content import get, messages
from callspan.shapes.parts import binary, media_part, set_json
from callspan_semconv import attributes as attr

_EMBEDDING_NAMES = {"output_dimensionality": attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT}
_IMAGE_NAMES = {"number_of_images": attr.GEN_AI_REQUEST_CHOICE_COUNT, "seed": attr.GEN_AI_REQUEST_SEED}


def _embed(call: Call, parameters: Parameters) -> None:
    read_options(call, options(parameters.get("config")), _EMBEDDING_NAMES, frozenset())
    contents = parameters.get("contents")
    # Each gets a vector of its own.
    texts = contents if isinstance(contents, list) else [contents]
    set_json(call, attr.GEN_AI_INPUT_MESSAGES, [message for text in texts for message in messages(text)])


def _vectors(call: Call, response: Any) -> None:
    read_usage(call, getattr(response, "usage_metadata", None))
    vectors = response.embeddings or ()
    call.attributes[attr.CALLSPAN_EMBEDDING_VECTORS] = len(vectors)
    if vectors and (values := vectors[0].values):
        call.attributes[attr.CALLSPAN_EMBEDDING_DIMENSIONS] = len(values)
        call.attributes.setdefault(attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT, len(values))
    # Vertex AI counts for each vector, as a float.
    counts = [int(count) for vector in vectors if (count := get(get(vector, "statistics"), "token_count")) is not None]
    if counts:
        call.attributes.setdefault(attr.GEN_AI_USAGE_INPUT_TOKENS, sum(counts))


def _draw(call: Call, parameters: Parameters) -> None:
    given = options(parameters.get("config"))
    if (factor := parameters.get("upscale_factor")) is not None:
        given["upscale_factor"] = factor
    read_options(call, given, _IMAGE_NAMES, frozenset())
    if call.attributes.get(attr.GEN_AI_REQUEST_CHOICE_COUNT) == 1:
        del call.attributes[attr.GEN_AI_REQUEST_CHOICE_COUNT]
    call.attributes[attr.GEN_AI_OUTPUT_TYPE] = "image"
    if call.captures_content:
        prompt = parameters.get("prompt")
        parts = [{"type": "text", "content": prompt}] if isinstance(prompt, str) else []
        references = parameters.get("reference_images") or ()
        images = [get(each, "reference_image") for each in references] + [parameters.get("image")]
        parts += [made for image in images for made in _image(image)]
        set_json(call, attr.GEN_AI_INPUT_MESSAGES, [{"role": "user", "parts": parts}] if parts else None)


def _image(image: Any) -> list[dict[str, Any]]:
    if (uri := get(image, "gcs_uri")) is not None:
        return [media_part("image", uri)]
    data = get(image, "image_bytes")
    return [binary("image", get(image, "mime_type"), data)] if isinstance(data, bytes) else []


def _images(call: Call, response: Any) -> None:
    drawn = response.generated_images or ()
    filtered = [reason for each in drawn if (reason := get(each, "rai_filtered_reason"))]
    if call.captures_content:
        outputs = [{"role": "model", "parts": _image(each.image) + _revised(each)} for each in drawn]
        set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, outputs)
        set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, {"rai_filtered_reasons": filtered} if filtered else None)


def _revised(drawn: Any) -> list[dict[str, Any]]:
    prompt = get(drawn, "enhanced_prompt")
    return [{"type": "text", "content": prompt}] if prompt else []


def _drawing(name: str) -> Operation:
    return Operation(name=name, call_type=name, request=_draw, response=_images)


EMBEDDINGS = Operation(name="embeddings", call_type="embedding", request=_embed, response=_vectors)
IMAGE_GENERATION = _drawing("image_generation")
IMAGE_EDIT = _drawing("image_edit")
