"""One LLM call as a Galileo trace that holds one LLM span.

Source: the schemas ``Trace`` and ``LlmSpan`` of Galileo's OpenAPI file.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from callspan_exporters import call_facts
from callspan_exporters.flat_messages import Message, from_chat, from_response
from callspan_exporters.identifiers import as_uuid4, hashed_uuid
from callspan_semconv import StandardLoggingPayload, jsonio

_ROLES: Final = frozenset({"agent", "assistant", "developer", "function", "system", "tool", "user"})
_OTHER_ROLES: Final = {"model": "assistant"}
_FAILED: Final = 500  # of a failure that has no status: Galileo tells failures by this number alone


def trace(payload: StandardLoggingPayload, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The trace, complete; the same call has the same ids.

    Args:
        payload: the call.
        metadata: what the application said about it.
    """
    call_id = str(payload["litellm_call_id"])
    trace_id = str(as_uuid4(call_facts.identity(payload)))
    asked, said = list(_asked(payload)), _said(payload)
    common = {
        "trace_id": trace_id,
        "name": payload["call_type"],
        "created_at": call_facts.utc_text(payload["startTime"]),
        "status_code": _status(payload),
        "metrics": _metrics(payload),
        "tags": [str(tag) for tag in payload["request_tags"]],
        "user_metadata": _user_metadata(payload, metadata),
        "external_id": call_id,
    }
    span = {
        **common,
        "type": "llm",
        "id": str(hashed_uuid(f"span of {call_id}")),
        "parent_id": trace_id,
        "input": asked,
        "output": said,
        "model": payload["model"],
        **_request_and_reason(payload),
    }
    return {
        **common,
        "type": "trace",
        "id": trace_id,
        "input": _question(asked),
        "output": said["content"] if not said.get("tool_calls") else jsonio.dumps(said),
        "spans": [span],
    }


def _request_and_reason(payload: StandardLoggingPayload) -> dict[str, Any]:
    temperature = payload["model_parameters"].get("temperature")
    tools = payload["model_parameters"].get("tools")
    found = {
        "temperature": temperature if isinstance(temperature, (int, float)) else None,
        "tools": [dict(tool) for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, list) else None,
        "finish_reason": _finish_reason(payload["response"]),
        "events": [
            {"type": "reasoning", "content": message["reasoning_content"]}
            for message in from_response(payload["response"])
            if message.get("reasoning_content")
        ],
    }
    return call_facts.present(found)


def _asked(payload: StandardLoggingPayload) -> Iterator[dict[str, Any]]:
    for message in from_chat(payload["messages"]):
        yield from _messages(message, "user")


def _said(payload: StandardLoggingPayload) -> dict[str, Any]:
    """The answer as one message: its choices or items together; of a failure the error."""
    if payload["status"] == "failure":
        return {"role": "assistant", "content": payload["error_str"] or ""}
    parts = [part for message in from_response(payload["response"]) for part in _messages(message, "assistant")]
    said: dict[str, Any] = {
        "role": "assistant",
        "content": "\n".join(part["content"] for part in parts if part["content"]),
    }
    calls = [call for part in parts for call in part.get("tool_calls") or ()]
    return {**said, "tool_calls": calls} if calls else said


def _messages(message: Message, default_role: str) -> Iterator[dict[str, Any]]:
    """A message in Galileo's form; each result of a tool is a message of its own."""
    for result in message.get("tool_results") or ():
        yield {"role": "tool", "content": result["result"], "tool_call_id": result["tool_id"]}
    if message.get("tool_results") and not message["content"]:
        return
    role = _OTHER_ROLES.get(message["role"], message["role"])
    found: dict[str, Any] = {"role": role if role in _ROLES else default_role, "content": message["content"]}
    if calls := message.get("tool_calls"):
        found["tool_calls"] = [_tool_call(call) for call in calls]
    yield found


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = call["arguments"]
    text = arguments if isinstance(arguments, str) else jsonio.dumps(arguments)
    return {"id": call["tool_id"], "function": {"name": call["name"], "arguments": text}}


def _question(asked: list[dict[str, Any]]) -> str:
    """What the list of traces shows: the last message of the user, else the last of all."""
    from_user = [message for message in asked if message["role"] == "user"] or asked
    return str(from_user[-1]["content"]) if from_user else ""


def _status(payload: StandardLoggingPayload) -> int:
    if payload["status"] != "failure":
        return 200
    error = payload["error_information"]
    for text in (error.get("error_code"), (error.get("normalized_error") or "").partition("_")[0]):
        if text and text.isdecimal():
            return int(text)
    return _FAILED


def _metrics(payload: StandardLoggingPayload) -> dict[str, Any]:
    found: dict[str, Any] = {"duration_ns": _nanoseconds(payload["endTime"] - payload["startTime"])}
    if call_facts.usage_known(payload):
        found |= {
            "num_input_tokens": payload["prompt_tokens"],
            "num_output_tokens": payload["completion_tokens"],
            "num_total_tokens": payload["total_tokens"],
        }
    if payload["stream"]:
        found["time_to_first_token_ns"] = _nanoseconds(payload["completionStartTime"] - payload["startTime"])
    cost = call_facts.costs(payload).get("total")
    return found if cost is None else {**found, "cost": cost}


def _nanoseconds(seconds: float) -> int:
    return max(0, round(seconds * 1e6)) * 1000  # a time since the epoch holds no more than microseconds as a float


def _user_metadata(payload: StandardLoggingPayload, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Galileo takes texts here, and nothing else."""
    known = {
        **call_facts.details(payload, metadata),
        "user": call_facts.user(payload),
        "session_id": payload["session_id"],
    }
    said = call_facts.present(known).items()
    return {str(key): value if isinstance(value, str) else jsonio.dumps(value) for key, value in said}


def _finish_reason(response: Any) -> str | None:
    choices = response.get("choices") if isinstance(response, Mapping) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    reason = first.get("finish_reason") if isinstance(first, Mapping) else None
    return str(reason) if reason else None
