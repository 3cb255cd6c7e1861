"""Every operation beside chat and responses: embeddings, completions, images, audio, moderations."""

import io
from pathlib import Path
from typing import Any

import openai
import pytest

from callspan_semconv import attributes as attr
from tests.instrumentation import ways
from tests.instrumentation.support import OPENAI_MAJOR, Spans, collect, settle

PICTURE = ("a.png", b"PNG", "image/png")
SOUND = ("a.wav", b"RIFF")
INPUT = attr.GEN_AI_USAGE_INPUT_TOKENS
OUTPUT = attr.GEN_AI_USAGE_OUTPUT_TOKENS


async def embed(client: Any, **arguments: Any) -> Any:
    return await settle(client.embeddings.create(**{"model": "text-embedding-3-small", **arguments}))


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
async def test_embeddings(encoding: str | None, spans: Spans, either: Any) -> None:
    """Vectors counted and measured, whatever their encoding; the application's default stays decoded floats."""
    arguments = {} if encoding is None else {"encoding_format": encoding}
    result = await embed(either, input=["one", "two words"], dimensions=8, **arguments)
    span = spans.one()
    assert isinstance(result.data[0].embedding, str if encoding == "base64" else list)
    assert span.span.name == "embeddings text-embedding-3-small"
    assert (span[attr.CALLSPAN_EMBEDDING_VECTORS], span[attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT]) == (2, 8)
    assert span.get(attr.GEN_AI_REQUEST_ENCODING_FORMATS) == (None if encoding is None else (encoding,))
    assert span[INPUT] == result.usage.prompt_tokens
    assert OUTPUT not in span.attributes
    assert [message["parts"][0]["content"] for message in span.input] == ["one", "two words"]
    assert span[attr.CALLSPAN_CALL_TYPE] == ("aembedding" if isinstance(either, openai.AsyncOpenAI) else "embedding")


@pytest.mark.parametrize(("tokens", "counts"), [([1, 2, 3], [3]), ([[1, 2], [3]], [2, 1])])
async def test_embeddings_of_token_ids(tokens: Any, counts: list[int], spans: Spans, either: Any) -> None:
    """Token ids are no text: the span says how many there were."""
    await embed(either, input=tokens)
    assert [message["parts"][0]["count"] for message in spans.one().input] == counts


async def test_raw_embeddings(spans: Spans, either: Any) -> None:
    """Through a raw response the vectors are measured in the JSON, where the SDK asks for base64."""
    response = await settle(either.embeddings.with_raw_response.create(model="m", input="x"))
    assert len(response.parse().data[0].embedding) == 1536
    assert spans.one()[attr.GEN_AI_EMBEDDINGS_DIMENSION_COUNT] == 1536


@pytest.mark.parametrize("stream", [False, True])
async def test_completions(stream: bool, spans: Spans, either: Any) -> None:
    """Legacy completions: every choice of every prompt."""
    arguments: Any = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    result = await settle(
        either.completions.create(model="gpt-3.5-turbo-instruct", prompt=["a b", "c"], n=2, stop=["\n"], **arguments)
    )
    if stream:
        await collect(result)
    span = spans.one()
    assert span.span.name == "text_completion gpt-3.5-turbo-instruct"
    assert [message["parts"][0]["content"] for message in span.input] == ["a b", "c"]
    texts = [message["parts"][0]["content"] for message in span.output]
    assert texts == ["You said: a b", "You said: a b (2)", "You said: c", "You said: c (2)"]
    assert span[attr.GEN_AI_RESPONSE_FINISH_REASONS] == ("stop",) * 4
    assert span[attr.GEN_AI_REQUEST_STOP_SEQUENCES] == ("\n",)
    assert span[attr.GEN_AI_REQUEST_CHOICE_COUNT] == 2
    assert (span[INPUT], span[OUTPUT]) > (0, 0)
    assert span.end == ("exhausted" if stream else None)


async def test_completion_logprobs(spans: Spans, either: Any) -> None:
    """Log probabilities stand beside the text."""
    await settle(either.completions.create(model="m", prompt="a b", logprobs=1))
    (choice,) = spans.one().json(attr.CALLSPAN_RESPONSE_CONTENT)["choices"]
    assert choice["logprobs"]["tokens"]


IMAGES: dict[str, Any] = {
    "image_generation": lambda images, **more: images.generate(prompt="A cat", **more),
    "image_edit": lambda images, **more: images.edit(prompt="A cat", image=[PICTURE, PICTURE], **more),
    "image_variation": lambda images, **more: images.create_variation(image=PICTURE, **more),
}


@pytest.mark.parametrize("operation", IMAGES)
async def test_images(operation: str, spans: Spans, either: Any) -> None:
    """Images by URL, without the URL's signature."""
    await settle(IMAGES[operation](either.images, model="dall-e-2", n=2))
    span = spans.one()
    assert span.span.name == f"{operation} dall-e-2"
    assert span[attr.GEN_AI_OUTPUT_TYPE] == "image"
    assert span[attr.GEN_AI_REQUEST_CHOICE_COUNT] == 2
    assert len(span.output) == 2
    part = span.output[0]["parts"][0]
    assert part["type"] == "uri"
    assert part["uri"].startswith("https://example.com/image.png")
    assert "secret" not in str(span.attributes)
    uploads = [part for part in (span.input or [{"parts": []}])[0]["parts"] if part["type"] == "upload"]
    assert len(uploads) == {"image_generation": 0, "image_edit": 2, "image_variation": 1}[operation]
    assert all(part["name"] == "a.png" for part in uploads)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("operation", ["image_generation", "image_edit"])
async def test_inline_images(operation: str, stream: bool, spans: Spans, either: Any) -> None:
    """Images in the answer, with the tokens they took; partial images of a stream are not kept."""
    arguments: Any = {"stream": True, "partial_images": 2} if stream else {}
    result = await settle(IMAGES[operation](either.images, model="gpt-image-1", **arguments))
    if stream:
        assert len(await collect(result)) == 3
    span = spans.one()
    ((part,),) = (message["parts"] for message in span.output)
    assert (part["type"], part["modality"], part["mime_type"]) == ("blob", "image", "image/png")
    assert span[attr.GEN_AI_USAGE_IMAGE_OUTPUT_TOKENS] == span[OUTPUT] == 272
    assert span[attr.GEN_AI_USAGE_TEXT_INPUT_TOKENS] > 0


@pytest.mark.parametrize("how", ["plain", "raw", "streaming"])
async def test_speech(how: str, spans: Spans, either: Any, tmp_path: Path) -> None:
    """Speech is bytes for the application; the span has the text and nothing of the sound."""
    speech: Any = either.audio.speech
    arguments: Any = {"model": "tts-1", "voice": "alloy", "input": "Hello there"}
    if how == "streaming":
        manager = speech.with_streaming_response.create(**arguments)
        response = await ways.enter(manager)
        await settle(response.stream_to_file(tmp_path / "sound"))
        await ways.leaving(manager)()
        sound = (tmp_path / "sound").read_bytes()
    else:
        response = await settle((speech.with_raw_response if how == "raw" else speech).create(**arguments))
        sound = response.content
    assert sound.startswith(b"fake ")
    span = spans.one()
    assert (span.span.name, span.ok) == ("speech tts-1", True)
    assert span[attr.GEN_AI_OUTPUT_TYPE] == "speech"
    assert span.input == [{"role": "user", "parts": [{"type": "text", "content": "Hello there"}]}]
    assert span.parameters == {"voice": "alloy"}
    assert span.output is None


# openai 3 deprecates translations.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")


@pytest.mark.parametrize("form", ["json", "text", "verbose_json"])
@pytest.mark.parametrize("operation", ["transcription", "translation"])
async def test_transcripts(operation: str, form: str, spans: Spans, either: Any) -> None:
    """The transcript in every form that OpenAI offers."""
    resource = getattr(either.audio, f"{operation}s")
    result = await settle(
        resource.create(model="whisper-1", file=SOUND, response_format=form, prompt="!say Hello", temperature=0.5)
    )
    assert isinstance(result, str) == (form == "text")
    span = spans.one()
    assert span.span.name == f"{operation} whisper-1"
    assert span.text.strip() == "Hello"
    assert span[attr.GEN_AI_REQUEST_TEMPERATURE] == 0.5
    assert span.parameters["response_format"] == form
    assert {"type": "upload", "modality": "audio", "parameter": "file", "name": "a.wav"} in span.input[0]["parts"]
    assert bool((span.json(attr.CALLSPAN_RESPONSE_CONTENT) or {}).get("segments")) == (form == "verbose_json")
    assert INPUT not in span.attributes  # billed by duration


@pytest.mark.parametrize("stream", [False, True])
async def test_transcript_tokens(stream: bool, spans: Spans, either: Any) -> None:
    """Models billed by tokens say how many; a stream is put together."""
    result = await settle(
        either.audio.transcriptions.create(model="gpt-4o-transcribe", file=SOUND, stream=stream, prompt="!say a b c")
    )
    if stream:
        await collect(result)
    span = spans.one()
    assert span.text == "a b c"
    assert (span[INPUT], span[attr.GEN_AI_USAGE_AUDIO_INPUT_TOKENS]) == (25, 25)
    assert span[OUTPUT] > 0


async def test_transcript_stream_left_early(spans: Spans, either: Any) -> None:
    """The beginning of a transcript."""
    stream = await settle(
        either.audio.transcriptions.create(model="gpt-4o-transcribe", file=SOUND, stream=True, prompt="!say a b c")
    )
    await collect(stream, 2)
    await settle(stream.close())
    assert (spans.one().text, spans.one().end) == ("a b", "closed")


@pytest.mark.parametrize("kind", ["open file", "path", "bytes io"])
async def test_files_are_uploaded_whole(kind: str, spans: Spans, either: Any, fake_openai: Any, tmp_path: Path) -> None:
    """A file reaches the provider as it is: an open file is no list of lines."""
    path = tmp_path / "sound.wav"
    path.write_bytes(b"line\n" * 100)
    with path.open("rb") as opened:
        files = {"open file": opened, "path": path, "bytes io": ("sound.wav", io.BytesIO(path.read_bytes()))}
        await settle(either.audio.transcriptions.create(model="whisper-1", file=files[kind]))
    assert fake_openai.requests[0].json["file"] == {"filename": "sound.wav", "size": 500}
    (upload,) = (part for part in spans.one().input[0]["parts"] if part["type"] == "upload")
    assert Path(upload["name"]).name == "sound.wav"


async def test_moderations(spans: Spans, either: Any) -> None:
    """The verdict on each input."""
    await settle(either.moderations.create(model="omni-moderation-latest", input=["violence", "peace"]))
    span = spans.one()
    assert span.span.name == "moderation omni-moderation-latest"
    assert span[attr.GEN_AI_RESPONSE_MODEL] == "omni-moderation-2024-09-26"
    results = span.json(attr.CALLSPAN_RESPONSE_CONTENT)["results"]
    assert [result["flagged"] for result in results] == [True, False]


@pytest.mark.skipif(OPENAI_MAJOR < 3, reason="openai 2 has no beta.responses")
async def test_beta_responses(spans: Spans, either: Any) -> None:
    """The beta resource is instrumented like the other."""
    await settle(either.beta.responses.create(model="gpt-4o-mini", input="!say Hi"))
    assert spans.one().text == "Hi"


ERRORS: dict[str, Any] = {
    "embeddings": lambda client: client.embeddings.create(model="no-such-model", input="x"),
    "completions": lambda client: client.completions.create(model="no-such-model", prompt="x"),
    "images": lambda client: client.images.generate(model="no-such-model", prompt="x"),
    "speech": lambda client: client.audio.speech.create(model="no-such-model", input="x", voice="alloy"),
    "transcription": lambda client: client.audio.transcriptions.create(model="no-such-model", file=SOUND),
    "moderation": lambda client: client.moderations.create(model="no-such-model", input="x"),
}


@pytest.mark.parametrize("call", ERRORS.values(), ids=ERRORS.keys())
async def test_refused(call: Any, spans: Spans, either: Any) -> None:
    """Every operation reports a refusal alike."""
    with pytest.raises(openai.NotFoundError):
        await settle(call(either))
    span = spans.one()
    assert (span[attr.ERROR_TYPE], span[attr.HTTP_RESPONSE_STATUS_CODE]) == ("openai.NotFoundError", 404)
