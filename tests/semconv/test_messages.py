"""Message parts as chat messages and responses."""

from typing import Any

import pytest

from callspan_semconv import attributes as names
from tests.semconv.spans import CHAT, chat_payload, messages, payload_of, text

IMAGE = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBORw0="}
SIGNED = "https://b.s3.amazonaws.com/a.png?X-Amz-Signature=abc&w=1"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "user", "parts": [text("hi")]}, {"role": "user", "content": "hi"}),
        ({"role": "user", "parts": []}, {"role": "user", "content": None}),
        ({"role": "user", "parts": [text("hi")], "name": "ann"}, {"role": "user", "content": "hi", "name": "ann"}),
        (
            {"role": "user", "parts": [text("a"), IMAGE]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}},
                ],
            },
        ),
        (
            {"role": "user", "parts": [IMAGE | {"content": "A" * 4096}]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "image_url",
                        "image_url": {"url": "data:image/png;base64,[base64_data truncated: 3072 bytes]"},
                    }
                ],
            },
        ),
        (
            {"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": SIGNED}]},
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "https://b.s3.amazonaws.com/a.png?w=1"}}],
            },
        ),
        (
            {"role": "user", "parts": [{"type": "uri", "modality": "document", "uri": "https://x/a.pdf"}]},
            {"role": "user", "content": [{"type": "file", "file": {"file_url": "https://x/a.pdf"}}]},
        ),
        (
            {"role": "user", "parts": [{"type": "file", "modality": "document", "file_id": "file-1"}]},
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
        ),
        (
            {
                "role": "user",
                "parts": [{"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "UklG"}],
            },
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}]},
        ),
        (
            {"role": "user", "parts": [IMAGE | {"modality": "document", "mime_type": "application/pdf"}]},
            {
                "role": "user",
                "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,iVBORw0="}}],
            },
        ),
        (
            {"role": "user", "parts": [IMAGE | {"content": "", "omitted_bytes": 9}]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "image_url",
                        "image_url": {"url": "data:image/png;base64,[base64_data truncated: 9 bytes]"},
                    }
                ],
            },
        ),
        (
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "hm"},
                    text("ok"),
                    {"type": "tool_call", "id": "c1", "name": "f", "arguments": '{"broken'},
                ],
            },
            {
                "content": "ok",
                "role": "assistant",
                "tool_calls": [{"function": {"arguments": '{"broken', "name": "f"}, "id": "c1", "type": "function"}],
                "reasoning_content": "hm",
            },
        ),
        (
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "20 C"}]},
            {"role": "tool", "tool_call_id": "c1", "content": "20 C"},
        ),
        (
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "result": {"t": 20}}]},
            {"role": "tool", "tool_call_id": "c1", "content": '{"t":20}'},
        ),
        (
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": [text("20 C")]}]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "20 C"}]},
        ),
        (
            {"role": "user", "parts": [{"type": "hologram", "depth": 3}]},
            {"role": "user", "content": [{"type": "hologram", "depth": 3}]},
        ),
    ],
)
def test_a_prompt_message_has_openais_shape(message: dict[str, Any], expected: dict[str, Any]) -> None:
    """What the application sent is what the log shows."""
    assert chat_payload(GEN_AI_INPUT_MESSAGES=messages(message))["messages"] == [expected]


def test_structured_attributes_read_like_json_ones() -> None:
    """Libraries that write structures instead of JSON text lose nothing."""
    part = {"type": "tool_call_response", "id": "c1", "response": {"t": 20}}
    structured = ({"role": "tool", "parts": (part,)},)
    as_json = chat_payload(GEN_AI_INPUT_MESSAGES=messages({"role": "tool", "parts": [part]}))
    assert chat_payload(GEN_AI_INPUT_MESSAGES=structured)["messages"] == as_json["messages"]


def test_several_tool_results_in_one_message_become_one_message_each() -> None:
    """Anthropic's way of answering tools is shown in OpenAI's."""
    parts = [{"type": "tool_call_response", "id": f"c{i}", "response": str(i)} for i in (1, 2)]
    payload = chat_payload(GEN_AI_INPUT_MESSAGES=messages({"role": "user", "parts": [*parts, text("and?")]}))
    assert payload["messages"] == [
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
        {"role": "user", "content": "and?"},
    ]


def test_system_instructions_come_first() -> None:
    """Instructions that the API takes apart are a system message."""
    payload = chat_payload(
        GEN_AI_SYSTEM_INSTRUCTIONS=messages(text("be terse")),
        GEN_AI_INPUT_MESSAGES=messages({"role": "user", "parts": [text("hi")]}),
    )
    assert payload["messages"] == [{"role": "system", "content": "be terse"}, {"role": "user", "content": "hi"}]


def test_cut_json_is_kept_as_text() -> None:
    """A length limit on attributes cuts JSON; what is left is shown, not dropped."""
    payload = chat_payload(GEN_AI_INPUT_MESSAGES='[{"role":"user","parts":[{"type":"te')
    assert payload["messages"] == [{"role": "user", "content": '[{"role":"user","parts":[{"type":"te'}]


def test_every_choice_has_its_own_extras() -> None:
    """Log probabilities belong to the choice, annotations to its message."""
    response: Any = chat_payload(
        GEN_AI_OUTPUT_MESSAGES=messages(
            {"role": "assistant", "parts": [text("a")], "finish_reason": "stop"},
            {"role": "assistant", "parts": [{"type": "refusal", "content": "no"}], "finish_reason": None},
        ),
        GEN_AI_RESPONSE_FINISH_REASONS=("stop", "error"),
        CALLSPAN_RESPONSE_CONTENT='{"choices":[{"logprobs":{"content":[]},"annotations":[1]},{}],"citations":["u"]}',
    )["response"]
    first, second = response["choices"]
    assert first["logprobs"] == {"content": []}
    assert first["message"]["annotations"] == [1]
    assert second["message"]["refusal"] == "no"
    assert second["message"]["content"] is None
    assert second["finish_reason"] is None
    assert response["citations"] == ["u"]


def test_spoken_answers_show_their_transcript() -> None:
    """Audio is too large for a log; what was said is not."""
    audio = {"type": "blob", "modality": "audio", "content": "A" * 400, "transcript": "hello", "id": "audio_1"}
    response: Any = chat_payload(GEN_AI_OUTPUT_MESSAGES=messages({"role": "assistant", "parts": [audio]}))["response"]
    assert response["choices"][0]["message"]["audio"] == {
        "id": "audio_1",
        "transcript": "hello",
        "data": "[base64_data truncated: 300 bytes]",
    }


@pytest.mark.parametrize(
    ("operation", "output", "expected"),
    [
        (
            "text_completion",
            {"role": "assistant", "parts": [text("hi")], "finish_reason": "length"},
            {"choices": [{"finish_reason": "length", "index": 0, "text": "hi", "logprobs": None}]},
        ),
        (
            "image_generation",
            {"role": "assistant", "parts": [{"type": "uri", "modality": "image", "uri": SIGNED}, text("a cat")]},
            {"data": [{"b64_json": None, "revised_prompt": "a cat", "url": "https://b.s3.amazonaws.com/a.png?w=1"}]},
        ),
        (
            "image_generation",
            {"role": "assistant", "parts": [IMAGE]},
            {"data": [{"b64_json": "iVBORw0=", "revised_prompt": None, "url": None}]},
        ),
        ("transcription", {"role": "assistant", "parts": [text("hello")]}, {"text": "hello"}),
    ],
)
def test_other_operations_have_their_own_shapes(
    operation: str, output: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Completions, images and transcripts look as their APIs answer."""
    attributes = CHAT | {names.GEN_AI_OPERATION_NAME: operation, names.GEN_AI_OUTPUT_MESSAGES: messages(output)}
    payload = payload_of(attributes)
    response: Any = payload["response"]
    assert payload["call_type"] == operation
    assert {key: response[key] for key in expected} == expected


def test_moderation_shows_its_results() -> None:
    """What has no message part is merged into the response."""
    attributes = CHAT | {
        names.GEN_AI_OPERATION_NAME: "moderation",
        names.GEN_AI_REQUEST_MODEL: "omni-moderation-latest",
        names.CALLSPAN_RESPONSE_CONTENT: '{"results":[{"flagged":true}]}',
    }
    payload = payload_of(attributes)
    response: Any = payload["response"]
    assert response["results"] == [{"flagged": True}]
    assert payload["response_cost"] == 0.0
    assert payload["response_cost_failure_debug_info"] is None
