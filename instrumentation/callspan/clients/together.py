"""The together package from 2.0 on, in OpenAI's shapes: chat, completions, embeddings, rerank, images and audio."""

from __future__ import annotations

from callspan.core.model import Client, methods
from callspan.core.propagation import merged_into
from callspan.core.stainless import by_host, endpoints, raw_response, requests
from callspan.shapes.openai.chat import CHAT
from callspan.shapes.openai.completions import TEXT_COMPLETION
from callspan.shapes.openai.embeddings import EMBEDDINGS
from callspan.shapes.openai.media import IMAGE_GENERATION, SPEECH, TRANSCRIPTION, TRANSLATION
from callspan.shapes.openai.rerank import RERANK

_RESOURCES = "together.resources"

CLIENT = Client(
    name="together",
    targets=(
        *methods(f"{_RESOURCES}.chat.completions", "CompletionsResource", {"create": CHAT}),
        *methods(f"{_RESOURCES}.completions", "CompletionsResource", {"create": TEXT_COMPLETION}),
        *methods(f"{_RESOURCES}.embeddings", "EmbeddingsResource", {"create": EMBEDDINGS}),
        *methods(f"{_RESOURCES}.rerank", "RerankResource", {"create": RERANK}),
        *methods(f"{_RESOURCES}.images", "ImagesResource", {"generate": IMAGE_GENERATION}),
        *methods(f"{_RESOURCES}.audio.speech", "SpeechResource", {"create": SPEECH}),
        *methods(f"{_RESOURCES}.audio.transcriptions", "TranscriptionsResource", {"create": TRANSCRIPTION}),
        *methods(f"{_RESOURCES}.audio.translations", "TranslationsResource", {"create": TRANSLATION}),
    ),
    endpoint=endpoints(by_host("together_ai")),
    raw_response=raw_response,
    with_headers=merged_into("extra_headers"),
    hooks=requests("together"),
    newest=3,
)
