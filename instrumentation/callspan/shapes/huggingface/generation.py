"""Text generation: ``client.text_generation``.

Source: https://huggingface.co/docs/text-generation-inference/reference/api_reference
"""

from __future__ import annotations

from typing import Any

from callspan.core.call import Call
from callspan.core.model import Operation, Parameters
from callspan.core.view import field, fields
from callspan.shapes.openai.common import read_parameters
from callspan.shapes.openai.completions import text_messages
from callspan.shapes.parts import set_json
from callspan_semconv import attributes as attr

_NAMES = {
    "temperature": attr.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": attr.GEN_AI_REQUEST_TOP_P,
    "top_k": attr.GEN_AI_REQUEST_TOP_K,
    "frequency_penalty": attr.GEN_AI_REQUEST_FREQUENCY_PENALTY,
    "max_new_tokens": attr.GEN_AI_REQUEST_MAX_TOKENS,
    "seed": attr.GEN_AI_REQUEST_SEED,
}
_READ_HERE = frozenset({"model", "prompt", "stop", "stop_sequences", "stream"})
_BESIDE = ("prefill", "tokens", "top_tokens", "best_of_sequences")


def _request(call: Call, parameters: Parameters) -> None:
    read_parameters(call, parameters, _NAMES, _READ_HERE)
    if parameters.get("stream"):
        call.attributes[attr.GEN_AI_REQUEST_STREAM] = True
    if stop := parameters.get("stop") or parameters.get("stop_sequences"):
        call.attributes[attr.GEN_AI_REQUEST_STOP_SEQUENCES] = tuple(stop)
    if parameters.get("grammar"):  # a JSON schema, or a regular expression
        kind = field(parameters["grammar"], "type")
        call.attributes[attr.GEN_AI_OUTPUT_TYPE] = "json" if kind == "json" else "text"
    set_json(call, attr.GEN_AI_INPUT_MESSAGES, text_messages(parameters.get("prompt")))


def _response(call: Call, response: Any) -> None:
    """The text alone, or with details."""
    if isinstance(response, str):
        _write(call, response, None)
    else:
        _write(call, field(response, "generated_text"), field(response, "details"))


def _write(call: Call, text: str | None, details: Any) -> None:
    attributes, known = call.attributes, fields(details)
    if (count := known.get("generated_tokens")) is not None:
        attributes[attr.GEN_AI_USAGE_OUTPUT_TOKENS] = count
    prompt = known.get("input_length") or len(known.get("prefill") or ())
    if prompt:
        attributes[attr.GEN_AI_USAGE_INPUT_TOKENS] = prompt
    output: dict[str, Any] = {"role": "assistant", "parts": [{"type": "text", "content": text}] if text else []}
    if reason := known.get("finish_reason"):
        attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = (reason,)
        output["finish_reason"] = reason
    set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, [output])
    set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, {name: found for name in _BESIDE if (found := known.get(name))})


class _Accumulator:
    """Collects texts, or tokens with details on the last one."""

    def __init__(self, _call: Call) -> None:
        self._texts: list[str] = []
        self._last: Any = None

    def feed(self, chunk: Any) -> None:
        """Take a token."""
        self._last = chunk
        if isinstance(chunk, str):
            self._texts.append(chunk)
        elif not field(token := field(chunk, "token"), "special"):
            self._texts.append(field(token, "text"))

    def finish(self, call: Call) -> None:
        """Write what came; the end of a stream brings the whole text."""
        known = {} if isinstance(self._last, str) else fields(self._last)
        if self._last is not None:
            _write(call, known.get("generated_text") or "".join(self._texts), known.get("details"))


TEXT_GENERATION = Operation(
    "text_completion", "text_completion", _request, _response, _Accumulator, positional=("prompt",)
)
