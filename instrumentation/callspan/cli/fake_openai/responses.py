"""``/v1/responses``: plain, streamed, in the background, and read again by id."""

import time
from collections.abc import Sequence

from callspan.cli.fake_openai import errors
from callspan.cli.fake_openai.answers import Ask, compose, offered, pieces
from callspan.cli.fake_openai.response_events import events_of
from callspan.cli.fake_openai.response_items import output_items
from callspan.cli.fake_openai.wire import (
    EventStream,
    Json,
    Reply,
    Request,
    cut_by_error,
    dumps,
    frame,
    new_id,
    reply_json,
)

# What a response repeats of its request, with the API's defaults.
_ECHOED: Json = {
    "background": False,
    "frequency_penalty": 0.0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


class Responses:
    """The API and the responses that it keeps (``store``), each with the events of its stream."""

    def __init__(self) -> None:
        self._kept: dict[str, Sequence[Json]] = {}

    def create(self, request: Request) -> Reply | EventStream:
        """Answer ``POST /v1/responses``."""
        previous = request.json.get("previous_response_id")
        if previous is not None and previous not in self._kept:
            message = f"Previous response with id '{previous}' not found."
            return errors.reply(400, message, "previous_response_id")
        events = events_of(_response(request))
        final = events[-1]["response"]
        if final["store"]:
            self._kept[final["id"]] = events
        if request.streaming:
            return _stream(request, events)
        return reply_json(events[0]["response"] if final["background"] else final)

    def retrieve(self, request: Request) -> Reply | EventStream:
        """Answer ``GET /v1/responses/{id}``, where every run has come to its end."""
        response_id = request.route.rpartition("/")[2]
        events = self._kept.get(response_id)
        if events is None:
            return errors.reply(404, f"Response with id '{response_id}' not found.")
        if request.query.get("stream") != "true":
            return reply_json(events[-1]["response"])
        after = int(request.query.get("starting_after", -1))
        return _stream(request, [event for event in events if event["sequence_number"] > after])


def _stream(request: Request, events: Sequence[Json]) -> EventStream:
    frames = [frame(event, event["type"]) for event in events]
    asked = request.directives.get("stream-error")
    if asked is None:
        return EventStream(frames)
    error = errors.envelope(500)["error"]
    number = max(1, len(frames) // 2)
    # The reference documents a flat event; the service also sends the error nested, which the SDK raises.
    body = {"error": error} if asked == "nested" else {key: error[key] for key in ("code", "message", "param")}
    return cut_by_error(frames, frame({"type": "error", "sequence_number": number, **body}, "error"))


def _ask(request: Request) -> Ask:
    body = request.json
    given = body.get("input")
    answered = isinstance(given, list) and bool(given) and given[-1].get("type") == "function_call_output"
    wanted = (body.get("text") or {}).get("format") or {}
    return Ask(
        text=request.text,
        directives=request.directives,
        tools=[] if answered else offered(body.get("tools"), body.get("tool_choice")),
        parallel=body.get("parallel_tool_calls", True),
        schema=wanted.get("schema"),
        max_tokens=body.get("max_output_tokens"),
    )


def _response(request: Request) -> Json:
    """The response at its end."""
    answer = compose(_ask(request))
    body = request.json
    failed = "fail" in request.directives
    tier = body.get("service_tier") or "auto"
    created = int(time.time())
    response = {
        "id": new_id("resp_"),
        "object": "response",
        "created_at": created,
        "completed_at": None if failed or answer.truncated else created + 1,
        "status": "failed" if failed else "incomplete" if answer.truncated else "completed",
        "error": {"code": "server_error", "message": "The run failed."} if failed else None,
        "incomplete_details": {"reason": "max_output_tokens"} if answer.truncated else None,
        "model": request.model,
        "service_tier": "default" if tier == "auto" else tier,
        **{key: default if body.get(key) is None else body[key] for key, default in _ECHOED.items()},
        "output": [] if failed else output_items(request, answer),
        "usage": None,
    }
    if not failed and "no-usage" not in request.directives:
        response["usage"] = _usage(request, answer.output_tokens, answer.reasoning_tokens)
    return response


def _usage(request: Request, output: int, reasoning: int) -> Json:
    prompt = 3 + len(pieces(dumps(request.json.get("input")))) + len(pieces(dumps(request.json.get("instructions"))))
    cached = int(request.directives.get("cached") or 0)
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + output,
    }
