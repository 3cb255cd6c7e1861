"""``/v1/chat/completions``, plain and streamed, as OpenAI and as Azure OpenAI answer it."""

import base64
import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from callspan.cli.fake_openai import errors
from callspan.cli.fake_openai.answers import THOUGHT, Answer, Ask, ToolCall, compose, offered, pieces
from callspan.cli.fake_openai.wire import (
    DONE,
    EventStream,
    Json,
    Reply,
    Request,
    dumps,
    frame,
    new_id,
    reply_json,
)

_SAFE = {kind: {"filtered": False, "severity": "safe"} for kind in ("hate", "self_harm", "sexual", "violence")}
_AUDIO = b"RIFF fake audio"


def create(request: Request) -> Reply | EventStream:
    """Answer a chat completion."""
    answers = [compose(_ask(request, choice)) for choice in range(request.json.get("n") or 1)]
    if not request.streaming:
        return reply_json(_completion(request, answers))
    return errors.event_stream(request, [*map(frame, _chunks(request, answers)), DONE])


def _ask(request: Request, choice: int) -> Ask:
    body = request.json
    wanted = body.get("response_format") or {}
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    return Ask(
        text=request.text,
        directives=request.directives,
        tools=[] if body["messages"][-1].get("role") == "tool" else offered(body.get("tools"), body.get("tool_choice")),
        parallel=body.get("parallel_tool_calls", True),
        schema=wanted["json_schema"]["schema"] if wanted.get("type") == "json_schema" else None,
        max_tokens=limit,
        choice=choice,
    )


def _head(request: Request, kind: str) -> Json:
    tier = request.json.get("service_tier") or "auto"
    return {
        "id": new_id("chatcmpl-"),
        "object": kind,
        "created": int(time.time()),
        "model": request.model,
        "service_tier": "default" if tier == "auto" else tier,
        "system_fingerprint": "fp_fa4e000001",
    }


def _usage(request: Request, answers: Sequence[Answer]) -> Json:
    prompt = sum(3 + len(pieces(dumps(message.get("content")))) for message in request.json["messages"])
    completion = sum(answer.output_tokens for answer in answers)
    audio = len(answers[0].tokens) if _wants_audio(request) else 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": int(request.directives.get("cached") or 0), "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(answer.reasoning_tokens for answer in answers),
            "audio_tokens": audio,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _wants_audio(request: Request) -> bool:
    return "audio" in (request.json.get("modalities") or [])


def _finish(answer: Answer) -> str:
    if answer.tool_calls:
        return "tool_calls"
    return "length" if answer.truncated else "stop"


def _logprobs(request: Request, tokens: Sequence[str]) -> Json | None:
    if not request.json.get("logprobs") or not tokens:
        return None
    return {"content": [_logprob(token, request.json.get("top_logprobs") or 0) for token in tokens], "refusal": None}


def _logprob(token: str, alternatives: int) -> Json:
    found: Json = {"token": token, "logprob": -0.25, "bytes": list(token.encode())}
    return {**found, "top_logprobs": [dict(found) for _ in range(alternatives)]}


# --- plain ------------------------------------------------------------------------------------------------------


def _completion(request: Request, answers: Sequence[Answer]) -> Json:
    body = _head(request, "chat.completion")
    body["choices"] = [_choice(request, index, answer) for index, answer in enumerate(answers)]
    if "no-usage" not in request.directives:
        body["usage"] = _usage(request, answers)
    if request.azure:
        body["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": _SAFE}]
    return body


def _choice(request: Request, index: int, answer: Answer) -> Json:
    choice: Json = {
        "index": index,
        "message": _message(request, answer),
        "logprobs": _logprobs(request, answer.tokens),
        "finish_reason": _finish(answer),
    }
    return {**choice, "content_filter_results": _SAFE} if request.azure else choice


def _message(request: Request, answer: Answer) -> Json:
    message: Json = {
        "role": "assistant",
        "content": answer.text if answer.tokens else None,
        "refusal": "".join(answer.refusal) or None,
        "annotations": [],
    }
    if answer.tool_calls:
        message["tool_calls"] = [_tool_call(call) for call in answer.tool_calls]
    if "reasoning-content" in request.directives:
        message["reasoning_content"] = THOUGHT
    if _wants_audio(request):
        message |= {"content": None, "audio": {"id": new_id("audio_"), **_audio(answer)}}
    return message


def _tool_call(call: ToolCall) -> Json:
    return {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _audio(answer: Answer) -> Json:
    return {
        "data": base64.b64encode(_AUDIO).decode(),
        "expires_at": int(time.time()) + 3600,
        "transcript": answer.text,
    }


# --- streamed ---------------------------------------------------------------------------------------------------


def _chunks(request: Request, answers: Sequence[Answer]) -> Iterator[Json]:
    head = _head(request, "chat.completion.chunk")
    include_usage = bool((request.json.get("stream_options") or {}).get("include_usage"))
    if include_usage:
        head["usage"] = None
    if request.azure:  # the prompt's filter results come first, in a chunk without choices and without an id
        filters = [{"prompt_index": 0, "content_filter_results": _SAFE}]
        yield {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": filters}
    # Choices arrive interleaved: the first chunk of each, then the second of each.
    for row in zip_longest(*(_deltas(request, index, answer) for index, answer in enumerate(answers))):
        yield from ({**head, "choices": [choice]} for choice in row if choice is not None)
    if include_usage and "no-usage" not in request.directives:
        yield {**head, "choices": [], "usage": _usage(request, answers)}


def _deltas(request: Request, index: int, answer: Answer) -> Iterator[Json]:
    def choice(delta: Json, finish: str | None = None, logprobs: Any = None) -> Json:
        return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}

    opening = None if answer.tool_calls or answer.refusal else ""
    yield choice({"role": "assistant", "content": opening, "refusal": None})
    if "reasoning-content" in request.directives:
        yield from (choice({"reasoning_content": piece}) for piece in pieces(THOUGHT))
    if _wants_audio(request):
        yield from (choice({"audio": part}) for part in _audio_parts(answer))
    else:
        yield from (choice({"content": token}, None, _logprobs(request, [token])) for token in answer.tokens)
    yield from (choice({"refusal": piece}) for piece in answer.refusal)
    for position, call in enumerate(answer.tool_calls):
        yield from (choice({"tool_calls": [part]}) for part in _tool_call_parts(position, call))
    yield choice({}, _finish(answer))


def _audio_parts(answer: Answer) -> Iterator[Json]:
    audio_id = new_id("audio_")
    audio = _audio(answer)
    yield {"id": audio_id, "transcript": ""}
    yield from ({"id": audio_id, "transcript": token} for token in answer.tokens)
    yield {"id": audio_id, "data": audio["data"]}
    yield {"id": audio_id, "expires_at": audio["expires_at"]}


def _tool_call_parts(position: int, call: ToolCall) -> Iterator[Json]:
    opening = {"name": call.name, "arguments": ""}
    yield {"index": position, "id": call.call_id, "type": "function", "function": opening}
    yield from ({"index": position, "function": {"arguments": piece}} for piece in pieces(call.arguments))
