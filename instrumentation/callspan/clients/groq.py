"""The groq package: chat, embeddings and audio, in the shapes of OpenAI."""

from __future__ import annotations

from callspan.core.model import Client, methods
from callspan.core.propagation import merged_into
from callspan.core.stainless import by_host, endpoints, raw_response, requests
from callspan.shapes.openai.chat import CHAT
from callspan.shapes.openai.embeddings import EMBEDDINGS
from callspan.shapes.openai.media import SPEECH, TRANSCRIPTION, TRANSLATION

_RESOURCES = "groq.resources"

CLIENT = Client(
    name="groq",
    targets=(
        *methods(f"{_RESOURCES}.chat.completions", "Completions", {"create": CHAT}),
        *methods(f"{_RESOURCES}.embeddings", "Embeddings", {"create": EMBEDDINGS}),
        *methods(f"{_RESOURCES}.audio.speech", "Speech", {"create": SPEECH}),
        *methods(f"{_RESOURCES}.audio.transcriptions", "Transcriptions", {"create": TRANSCRIPTION}),
        *methods(f"{_RESOURCES}.audio.translations", "Translations", {"create": TRANSLATION}),
    ),
    endpoint=endpoints(by_host("groq")),
    raw_response=raw_response,
    with_headers=merged_into("extra_headers"),
    hooks=requests("groq"),
    newest=1,
)
