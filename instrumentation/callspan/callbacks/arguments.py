"""What hooks are called with: LiteLLM's ``kwargs``, rebuilt from a redacted span and its payload.

Nothing comes from the request itself, so there is no provider key in them, and nothing that the callback's policy
withholds. ``docs/callbacks.md`` lists the keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from callspan.callbacks.answers import Answer, wrapped
from callspan.callbacks.targets import FAILURE, POST, PRE, STREAM, SUCCESS, Moment
from callspan_exporters.sink import Item, span_metadata
from callspan_semconv import REDACTED, StandardLoggingPayload, jsonio
from callspan_semconv import attributes as attr
from callspan_semconv.secrets import SECRET, scrub

# A chunk of a stream on the span of its moment: JSON. Policies do not know it, so the strict ones remove it.
CHUNK: Final = "callspan.callback.chunk"

_EVENT_TYPES: Final[Mapping[Moment, str]] = {
    PRE: "pre_api_call",
    POST: "post_api_call",
    STREAM: "post_api_call",
    SUCCESS: "successful_api_call",
    FAILURE: "failed_api_call",
}
# Under which name the provider gets what was said, where it is not ``messages``.
_INPUTS: Final = {
    "embedding": "input",
    "moderation": "input",
    "responses": "input",
    "speech": "input",
    "text_completion": "prompt",
    "image_generation": "prompt",
    "image_edit": "prompt",
}
# The inputs that are plain texts.
_TEXTS: Final = frozenset(_INPUTS) - {"responses"}
_SECRET_HEADER: Final = re.compile(r"authorization|api[-_]?key|token|secret|cookie|credential|passw", re.IGNORECASE)


class CallError(Exception):
    """How a call failed; of a subclass with the name of the exception that the application saw.

    Attributes:
        message: its text, redacted and without secrets.
        status_code: of the provider's answer; None if there was none.
        llm_provider: LiteLLM's name of the provider.
        model: the model that was asked.
    """

    def __init__(self, message: str, status_code: int | None, llm_provider: str, model: str) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.llm_provider = llm_provider
        self.model = model

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies and pickles: the class is made for the occasion and can be found nowhere.
        return _call_error, (type(self).__name__, self.message, self.status_code, self.llm_provider, self.model)


def _call_error(name: str, *arguments: Any) -> CallError:
    kind: type[CallError] = type(name if name.isidentifier() else CallError.__name__, (CallError,), {})
    return kind(*arguments)


@dataclass(slots=True)
class Occasion:
    """One moment of one call, with the arguments of one callback.

    Attributes:
        moment: which.
        kwargs: the callback's own; see ``docs/callbacks.md``.
        response: the answer, a chunk, or None.
        start: when the call began: local time without a zone, as LiteLLM has it.
        end: when it ended, or the chunk came; None if neither.
    """

    moment: Moment
    kwargs: dict[str, Any]
    response: Any
    start: datetime
    end: datetime | None


def is_async(span: ReadableSpan) -> bool | None:
    """Whether the application awaits the call; None if nobody knows, as with other people's spans.

    LiteLLM's names of async operations begin with an ``a``.
    """
    call_type = (span.attributes or {}).get(attr.CALLSPAN_CALL_TYPE)
    return call_type.lstrip("_").startswith("a") if isinstance(call_type, str) else None


def occasion(item: Item, moment: Moment) -> Occasion:
    """The arguments for a moment of a call.

    Args:
        item: the call, redacted; before its end, what is known of it.
        moment: which.

    Raises:
        ValueError: the span is no LLM call.
    """
    if item.payload is None:
        raise ValueError("not an LLM call")
    payload = _fresh(item)
    kwargs = _request(payload, item)
    kwargs["log_event_type"] = _EVENT_TYPES[moment]
    response: Any = None
    end = _local(payload["endTime"]) if item.span.end_time else None
    if moment == STREAM:
        response = _chunk(item.span, payload)
        end = _local(item.span.events[-1].timestamp / 1e9)
    elif moment == POST:
        kwargs["original_response"] = jsonio.dumps(payload["response"]) if _is_complete(payload) else None
    elif moment in {SUCCESS, FAILURE}:
        kwargs.update(_end(payload, item))
        if moment == FAILURE:
            kwargs.update(_failure(payload))
        else:
            response = wrapped(payload["response"])
            kwargs.update(_assembled(payload))
    return Occasion(moment, kwargs, response, kwargs["start_time"], end)


def _request(payload: StandardLoggingPayload, item: Item) -> dict[str, Any]:
    parameters = payload["model_parameters"]
    start = _local(payload["startTime"])
    return {
        **parameters,
        "model": payload["model"],
        "messages": payload["messages"],
        "input": _input(payload),
        "user": parameters.get("user") or payload["end_user"],
        "stream": parameters.get("stream") is True,
        "stream_options": parameters.get("stream_options"),
        "call_type": payload["call_type"],
        "litellm_call_id": payload["litellm_call_id"],
        "litellm_trace_id": payload["trace_id"],
        "start_time": start,
        "api_call_start_time": start,
        "custom_llm_provider": payload["custom_llm_provider"],
        "model_id": payload["model_id"],
        "applied_guardrails": payload["metadata"]["applied_guardrails"],
        "standard_callback_dynamic_params": {},
        "optional_params": _fresh(item)["model_parameters"],
        "litellm_params": _litellm_params(payload, item),
        "additional_args": {
            "complete_input_dict": _body(_fresh(item)),
            "api_base": payload["api_base"],
            "headers": {},
        },
    }


def _input(payload: StandardLoggingPayload) -> Any:
    """What was said, as the operation takes it: texts, or messages."""
    messages = payload["messages"]
    if _operation(payload) not in _TEXTS or not isinstance(messages, list):
        return messages
    return [message.get("content") for message in messages if isinstance(message, dict)]


def _body(payload: StandardLoggingPayload) -> dict[str, Any]:
    """The request's body, as far as callspan recorded it."""
    return {
        "model": payload["model"],
        _INPUTS.get(_operation(payload), "messages"): _input(payload),
        **payload["model_parameters"],
    }


def _operation(payload: StandardLoggingPayload) -> str:
    return payload["call_type"].removeprefix("a")


def _litellm_params(payload: StandardLoggingPayload, item: Item) -> dict[str, Any]:
    metadata = dict(span_metadata(item.span))  # parsed anew each time
    if payload["request_tags"]:
        metadata.setdefault("tags", list(payload["request_tags"]))
    if isinstance(metadata.get("user_api_key"), str):
        metadata["user_api_key"] = scrub(metadata["user_api_key"])
    request = metadata.get("proxy_server_request")
    for holder in (metadata, request):
        if isinstance(holder, dict) and isinstance(holder.get("headers"), Mapping):
            holder["headers"] = _without_secrets(holder["headers"])
    return {
        "metadata": metadata,
        "model_info": metadata.get("model_info"),
        "proxy_server_request": request,
        "api_base": payload["api_base"],
        "custom_llm_provider": payload["custom_llm_provider"],
        "litellm_call_id": payload["litellm_call_id"],
        "acompletion": payload["call_type"] == "acompletion",
        "no-log": False,
    }


def _without_secrets(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: SECRET if _SECRET_HEADER.search(name) else scrub(value) if isinstance(value, str) else value
        for name, value in headers.items()
    }


def _end(payload: StandardLoggingPayload, item: Item) -> dict[str, Any]:
    """What is known once the call has ended."""
    cost = payload["hidden_params"]["response_cost"]
    return {
        "end_time": _local(payload["endTime"]),
        "completion_start_time": _local(payload["completionStartTime"]),
        "response_cost": cost,
        "response_cost_failure_debug_information": payload["response_cost_failure_debug_info"],
        "cache_hit": payload["cache_hit"],
        "zero_cost_diagnostic": payload["zero_cost_diagnostic"],
        "standard_logging_object": _fresh(item),
    }


def _failure(payload: StandardLoggingPayload) -> dict[str, Any]:
    found = payload["error_information"]
    code = found["error_code"]
    error = _call_error(
        found["error_class"],
        payload["error_str"] or "",
        int(code) if code.isdigit() else None,
        found["llm_provider"],
        payload["model"],
    )
    return {"exception": error, "traceback_exception": found["traceback"]}


def _assembled(payload: StandardLoggingPayload) -> dict[str, Any]:
    """The whole answer of a stream, under the names that LiteLLM has for it."""
    if not payload["stream"]:
        return {}
    names = (
        ("async_complete_streaming_response",)
        if payload["call_type"].startswith("a")
        else ("complete_streaming_response", "complete_response")
    )
    return {name: wrapped(payload["response"]) for name in names}


def _is_complete(payload: StandardLoggingPayload) -> bool:
    return bool(payload["response"]) and not payload["stream"]


def _chunk(span: ReadableSpan, payload: StandardLoggingPayload) -> Answer:
    """The chunk as the client got it; where content is withheld, its shape.

    A mask cannot see what is spread over two chunks, so with one in force chunks have no content either.
    """
    attributes = span.attributes or {}
    chunk = attributes.get(CHUNK)
    if isinstance(chunk, str) and attr.CALLSPAN_REDACTED not in attributes:
        found = jsonio.loads(chunk)
        return Answer(found if isinstance(found, dict) else {"chunk": found})
    delta = {"role": "assistant", "content": REDACTED}
    return Answer(
        {
            "id": attributes.get(attr.GEN_AI_RESPONSE_ID),
            "object": "chat.completion.chunk",
            "model": payload["model"],
            "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
        }
    )


def _fresh(item: Item) -> StandardLoggingPayload:
    """A copy of the payload that nobody else has. It is JSON, so this is several times faster than `copy.deepcopy`."""
    payload: StandardLoggingPayload = jsonio.loads(item.json)
    return payload


def _local(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds)  # without a zone, as LiteLLM has it
