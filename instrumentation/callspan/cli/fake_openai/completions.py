"""``/v1/completions``, the API before chat."""

import time
from collections.abc import Iterator, Sequence

from callspan.cli.fake_openai import errors
from callspan.cli.fake_openai.answers import Answer, Ask, compose, pieces
from callspan.cli.fake_openai.wire import (
    DONE,
    EventStream,
    Json,
    Reply,
    Request,
    frame,
    new_id,
    reply_json,
)


def create(request: Request) -> Reply | EventStream:
    """Answer ``n`` choices for each prompt."""
    choices = range(request.json.get("n") or 1)
    answers = [_answer(request, prompt, choice) for prompt in _prompts(request) for choice in choices]
    head = {"id": new_id("cmpl-"), "object": "text_completion", "created": int(time.time()), "model": request.model}
    usage = {} if "no-usage" in request.directives else {"usage": _usage(request, answers)}
    if not request.streaming:
        texts = [
            _choice(index, answer.text, _finish(answer), _logprobs(request, answer.tokens))
            for index, answer in enumerate(answers)
        ]
        return reply_json({**head, "choices": texts, **usage}, **{"openai-model": request.model})
    frames = [frame({**head, "choices": [choice]}) for choice in _pieces(request, answers)]
    if (request.json.get("stream_options") or {}).get("include_usage") and usage:
        frames.append(frame({**head, "choices": [], **usage}))
    return errors.event_stream(request, [*frames, DONE])


def _prompts(request: Request) -> list[str]:
    prompt = request.json["prompt"]
    return prompt if isinstance(prompt, list) else [prompt]


def _answer(request: Request, prompt: str, choice: int) -> Answer:
    limit = request.json.get("max_tokens") or 16  # the API's default
    return compose(Ask(text=prompt, directives=request.directives, max_tokens=limit, choice=choice))


def _finish(answer: Answer) -> str:
    return "length" if answer.truncated else "stop"


def _choice(index: int, text: str, finish: str | None, logprobs: Json | None) -> Json:
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish}


def _pieces(request: Request, answers: Sequence[Answer]) -> Iterator[Json]:
    for index, answer in enumerate(answers):
        for token in answer.tokens:
            yield _choice(index, token, None, _logprobs(request, [token]))
        yield _choice(index, "", _finish(answer), None)


def _logprobs(request: Request, tokens: Sequence[str]) -> Json | None:
    if request.json.get("logprobs") is None:
        return None
    return {
        "tokens": list(tokens),
        "token_logprobs": [-0.25] * len(tokens),
        "top_logprobs": [{token: -0.25} for token in tokens],
        "text_offset": [0] * len(tokens),
    }


def _usage(request: Request, answers: Sequence[Answer]) -> Json:
    prompt = sum(len(pieces(each)) for each in _prompts(request))
    completion = sum(answer.output_tokens for answer in answers)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
