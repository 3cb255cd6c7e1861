"""``/v1/audio/speech``, ``/v1/audio/transcriptions`` and ``/v1/audio/translations``."""

from collections.abc import Iterator
from typing import Any

from callspan.cli.fake_openai import errors
from callspan.cli.fake_openai.answers import Ask, compose, pieces
from callspan.cli.fake_openai.wire import EventStream, Json, Reply, Request, frame, reply_json

_CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "aac": "audio/aac",
}
_SECONDS = 2.5


def speak(request: Request) -> Reply:
    """Answer with bytes that stand for sound."""
    kind = request.json.get("response_format", "mp3")
    return Reply(b"fake " * len(pieces(request.text)), content_type=_CONTENT_TYPES.get(kind, "audio/pcm"))


def transcribe(request: Request) -> Reply | EventStream:
    """Answer with a transcript; the form's ``prompt`` steers it."""
    text = compose(Ask(text=request.text or "a recording", directives=request.directives)).text
    if request.streaming:
        return errors.event_stream(request, [frame(event) for event in _events(request, text)])
    form = request.json.get("response_format", "json")
    if form == "text":
        return Reply(f"{text}\n".encode(), content_type="text/plain; charset=utf-8")
    return reply_json(_verbose(text) if form == "verbose_json" else {"text": text, "usage": _usage(request, text)})


def _usage(request: Request, text: str) -> Json:
    if str(request.json.get("model", "")).startswith("whisper"):  # billed by duration
        return {"type": "duration", "seconds": _SECONDS}
    output = len(pieces(text))
    return {
        "type": "tokens",
        "input_tokens": 25,
        "input_token_details": {"audio_tokens": 25, "text_tokens": 0},
        "output_tokens": output,
        "total_tokens": 25 + output,
    }


def _verbose(text: str) -> Json:
    segment: dict[str, Any] = {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": _SECONDS,
        "text": text,
        "tokens": [50364, 50400],
    }
    segment |= {"temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 0.8, "no_speech_prob": 0.01}
    usage = {"type": "duration", "seconds": _SECONDS}
    head = {"task": "transcribe", "language": "english", "duration": _SECONDS}
    return {**head, "text": text, "segments": [segment], "usage": usage}


def _events(request: Request, text: str) -> Iterator[Json]:
    for piece in pieces(text):
        yield {"type": "transcript.text.delta", "delta": piece}
    yield {"type": "transcript.text.done", "text": text, "usage": _usage(request, text)}
