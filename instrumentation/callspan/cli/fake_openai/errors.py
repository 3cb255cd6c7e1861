"""Errors in OpenAI's envelope."""

from collections.abc import Sequence

from callspan.cli.fake_openai.wire import EventStream, Json, Reply, Request, cut_by_error, frame, reply_json

# status: (type, code, message); https://platform.openai.com/docs/guides/error-codes
_ERRORS = {
    400: (
        "invalid_request_error",
        "invalid_value",
        "Invalid 'messages[0]'. The content is of a type that is not accepted.",
    ),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-fake*0000."),
    403: (
        "invalid_request_error",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    409: ("invalid_request_error", None, "The resource was changed by another request."),
    422: ("invalid_request_error", None, "The request was well formed but could not be followed."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests. Limit: 3 / min."),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    503: ("service_unavailable_error", None, "The engine is currently overloaded, please try again later."),
}


# What a request cannot do without, by route.
_REQUIRED = {
    "/chat/completions": "messages",
    "/completions": "prompt",
    "/embeddings": "input",
    "/moderations": "input",
    "/images/generations": "prompt",
    "/audio/speech": "input",
}


def envelope(status: int, message: str | None = None, param: str | None = None) -> Json:
    """Return the body of an error answer: ``{"error": {...}}``."""
    kind, code, text = _ERRORS.get(status, ("server_error", None, f"Error {status}."))
    return {"error": {"message": message or text, "type": kind, "param": param, "code": code}}


def reply(status: int, message: str | None = None, param: str | None = None) -> Reply:
    """Answer with an error."""
    body = reply_json(envelope(status, message, param)).body
    # Retries wait for as long as they are told to; a test has no time to wait.
    headers = {"retry-after-ms": "10"} if status in (429, 500, 503) else {}
    return Reply(body, status=status, headers=headers)


def event_stream(request: Request, frames: Sequence[bytes]) -> EventStream:
    """Answer with a stream, which an error event cuts short where the prompt asks for that."""
    return cut_by_error(frames, frame(envelope(500))) if "stream-error" in request.directives else EventStream(frames)


def refused(request: Request) -> Reply | None:
    """Return the error that the request is due or asks for, if any."""
    if not request.headers.get("authorization") and not request.headers.get("api-key"):
        return reply(401, "You didn't provide an API key.")
    if request.json.get("model") == "no-such-model":
        return reply(404, "The model `no-such-model` does not exist or you do not have access to it.")
    required = _REQUIRED.get(request.route)
    if required is not None and not request.json.get(required):
        return reply(400, f"Missing required parameter: '{required}'.", required)
    asked = request.directives.get("error")
    if asked is None and request.headers.get("x-stainless-retry-count", "0") == "0":
        asked = request.directives.get("flaky")
    return None if asked is None else reply(int(asked or 500), request.directives.get("say"))
