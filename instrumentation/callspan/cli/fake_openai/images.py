"""``/v1/images/generations``, ``/edits`` and ``/variations``."""

import time
from collections.abc import Iterator

from callspan.cli.fake_openai import errors
from callspan.cli.fake_openai.answers import pieces
from callspan.cli.fake_openai.wire import EventStream, Json, Reply, Request, frame, reply_json

# One transparent pixel.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_OUTPUT_TOKENS = 272  # what one low-quality square image counts


def create(request: Request) -> Reply | EventStream:
    """Answer with images: inline for GPT image models, as URLs for DALL-E unless it is asked for base64."""
    if request.streaming:
        return errors.event_stream(request, [frame(event, event["type"]) for event in _events(request)])
    count = int(request.json.get("n") or 1)
    gpt = _is_gpt(request)
    inline = gpt or request.json.get("response_format") == "b64_json"
    image = {"b64_json": PNG} if inline else {"url": "https://example.com/image.png?sig=secret"}
    body: Json = {"created": int(time.time()), "data": [dict(image) for _ in range(count)]}
    if gpt:
        body |= {**_shape(request), "usage": _usage(request, count)}
    return reply_json(body)


def _is_gpt(request: Request) -> bool:
    return str(request.json.get("model", "")).startswith("gpt-image")


def _shape(request: Request) -> Json:
    size, quality = request.json.get("size", "1024x1024"), request.json.get("quality", "low")
    return {"background": "opaque", "output_format": "png", "quality": quality, "size": size}


def _usage(request: Request, count: int) -> Json:
    text, image = len(pieces(request.text)), 0 if request.route.endswith("generations") else 194
    output = count * _OUTPUT_TOKENS
    return {
        "input_tokens": text + image,
        "input_tokens_details": {"image_tokens": image, "text_tokens": text},
        "output_tokens": output,
        "output_tokens_details": {"image_tokens": output, "text_tokens": 0},
        "total_tokens": text + image + output,
    }


def _events(request: Request) -> Iterator[Json]:
    kind = "image_generation" if request.route.endswith("generations") else "image_edit"
    image = {"b64_json": PNG, "created_at": int(time.time()), **_shape(request)}
    for number in range(int(request.json.get("partial_images") or 0)):
        yield {"type": f"{kind}.partial_image", "partial_image_index": number, **image}
    yield {"type": f"{kind}.completed", **image, "usage": _usage(request, 1)}
