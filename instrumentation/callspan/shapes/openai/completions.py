"""Legacy text completions: ``client.completions.create``.

Source: https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from callspan.core.call import Call
from callspan.core.model import Operation, Parameters
from callspan.shapes.openai.chat import PARAMETERS, READ_HERE, read_common
from callspan.shapes.openai.common import read_error, read_identity, read_parameters, read_usage
from callspan.shapes.parts import plain, set_json
from callspan_semconv import attributes as attr


def _request(call: Call, parameters: Parameters) -> None:
    read_parameters(call, parameters, PARAMETERS, READ_HERE | {"prompt"})
    read_common(call, parameters)
    set_json(call, attr.GEN_AI_INPUT_MESSAGES, text_messages(parameters.get("prompt")))


def text_messages(value: Any) -> list[dict[str, Any]]:
    """Prompts as user messages: a text, a list of texts, or token ids (kept as a count: they are no text)."""
    if isinstance(value, str):
        return [{"role": "user", "parts": [{"type": "text", "content": value}]}]
    if not isinstance(value, Sequence):
        return []
    if value and isinstance(value[0], int):
        return [{"role": "user", "parts": [{"type": "token_ids", "count": len(value)}]}]
    return [message for item in value for message in text_messages(item)]


def _response(call: Call, response: Any) -> None:
    read_identity(call, response)
    read_usage(call, getattr(response, "usage", None))
    choices = getattr(response, "choices", None) or ()
    _write(call, [(choice.text, choice.finish_reason, getattr(choice, "logprobs", None)) for choice in choices])


def _write(call: Call, choices: list[tuple[str, str | None, Any]]) -> None:
    """Write choices: text, finish reason, log probabilities."""
    if not choices:
        return
    if any(reason for _, reason, _ in choices):
        call.attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = tuple(reason or "error" for _, reason, _ in choices)
    messages = [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": text}],
            **({"finish_reason": reason} if reason else {}),
        }
        for text, reason, _ in choices
    ]
    set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, messages)
    if any(logprobs is not None for _, _, logprobs in choices):
        beside = [{"logprobs": plain(logprobs)} if logprobs is not None else {} for _, _, logprobs in choices]
        set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, {"choices": beside})


class _Accumulator:
    """Collects a stream of ``text_completion`` chunks."""

    def __init__(self, _call: Call) -> None:
        self._texts: dict[int, list[str]] = {}
        self._reasons: dict[int, str] = {}
        self._chunk: Any = None
        self._usage: Any = None

    def feed(self, chunk: Any) -> None:
        """Take a chunk."""
        self._chunk = chunk
        for choice in getattr(chunk, "choices", None) or ():
            # Compatible servers leave out what does not change, and end with a choice that has neither index nor text.
            index = choice.index or 0
            self._texts.setdefault(index, []).append(choice.text or "")
            if reason := getattr(choice, "finish_reason", None):
                self._reasons[index] = reason
        if usage := getattr(chunk, "usage", None):
            self._usage = usage

    def finish(self, call: Call) -> None:
        """Write what came."""
        if self._chunk is None:
            return
        read_identity(call, self._chunk)
        read_usage(call, self._usage)
        read_error(call, getattr(self._chunk, "error", None))
        _write(call, [("".join(self._texts[index]), self._reasons.get(index), None) for index in sorted(self._texts)])


TEXT_COMPLETION = Operation(
    name="text_completion", call_type="text_completion", request=_request, response=_response, stream=_Accumulator
)
