"""``/v1/embeddings`` and ``/v1/moderations``."""

import base64
import struct

from callspan.cli.fake_openai.answers import pieces
from callspan.cli.fake_openai.wire import Json, Reply, Request, new_id, reply_json

_DIMENSIONS = {"text-embedding-3-large": 3072}
_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


def create(request: Request) -> Reply:
    """Answer with a vector for each input; they differ by position only."""
    inputs = request.json["input"]
    # One text, one list of token ids, or a list of either.
    if isinstance(inputs, str) or (inputs and isinstance(inputs[0], int)):
        inputs = [inputs]
    size = request.json.get("dimensions") or _DIMENSIONS.get(request.json["model"], 1536)
    as_base64 = request.json.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(index, size, as_base64)}
        for index in range(len(inputs))
    ]
    tokens = sum(len(pieces(text)) if isinstance(text, str) else len(text) for text in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return reply_json({"object": "list", "data": data, "model": request.json["model"], "usage": usage})


def _vector(index: int, size: int, as_base64: bool) -> list[float] | str:
    # Sixteenths and halves are exact as 32-bit floats, so that both encodings carry the same numbers.
    values = [(index % 16 + 1) / 16, *([0.5] * (size - 1))]
    return base64.b64encode(struct.pack(f"<{size}f", *values)).decode() if as_base64 else values


def moderate(request: Request) -> Reply:
    """Answer a moderation: what contains ``violence`` is flagged."""
    inputs = request.json["input"]
    texts = inputs if isinstance(inputs, list) else [inputs]
    results = [_moderation("violence" in str(text)) for text in texts]
    return reply_json({"id": new_id("modr-"), "model": "omni-moderation-2024-09-26", "results": results})


def _moderation(flagged: bool) -> Json:
    found = {name: flagged and name == "violence" for name in _CATEGORIES}
    return {
        "flagged": flagged,
        "categories": found,
        "category_scores": {name: 0.9 if hit else 0.0001 for name, hit in found.items()},
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }
