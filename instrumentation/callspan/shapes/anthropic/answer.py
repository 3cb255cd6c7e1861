"""Messages that the model answers with.

Source: https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callspan.core.call import Call
from callspan.core.view import field, fields
from callspan.shapes.anthropic.blocks import parts, plain_tree
from callspan.shapes.anthropic.usage import read_usage
from callspan.shapes.parts import set_json
from callspan_semconv import attributes as attr


def read_response(call: Call, message: Any) -> None:
    """Read a complete message."""
    read_identity(call, message)
    read_usage(call, getattr(message, "usage", None))
    write_outcome(call, fields(message), list(getattr(message, "content", None) or ()))


_IDENTITY = (
    ("id", attr.GEN_AI_RESPONSE_ID),
    ("model", attr.GEN_AI_RESPONSE_MODEL),
    ("_request_id", attr.CALLSPAN_PROVIDER_REQUEST_ID),
)


def read_identity(call: Call, message: Any) -> None:
    """The message's id and model, and the provider's id of the request."""
    known = fields(message)
    for name, attribute in _IDENTITY:
        if isinstance(value := known.get(name), str) and value:
            call.attributes[attribute] = value


# What a message says beside its content.
_BESIDE = ("stop_sequence", "stop_details", "container", "context_management")


def write_outcome(call: Call, known: Mapping[str, Any], blocks: list[Any]) -> None:
    """Write why the model stopped, and what it said.

    Args:
        call: the call.
        known: the fields of the message, or of its last delta.
        blocks: its content blocks.
    """
    reason = known.get("stop_reason")
    if reason is not None:
        call.attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS] = (reason,)
    if not call.captures_content:
        return
    message: dict[str, Any] = {"role": "assistant", "parts": parts(blocks)}
    if reason is not None:
        message["finish_reason"] = reason
    # Citations are no part of a text; they stand beside the answer, as other providers' annotations do.
    citations = [each.pop("citations", []) for each in message["parts"] if field(each, "type") == "text"]
    if message["parts"] or reason is not None:
        set_json(call, attr.GEN_AI_OUTPUT_MESSAGES, [message])
    beside = {name: plain_tree(value) for name in _BESIDE if (value := known.get(name)) is not None}
    if any(citations):
        beside["choices"] = [{"citations": citations}]
    set_json(call, attr.CALLSPAN_RESPONSE_CONTENT, beside)
