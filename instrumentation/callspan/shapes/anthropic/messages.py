"""Messages: ``client.messages.create``, ``parse`` and ``stream``, and their beta twins.

Source: https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callspan.core.call import Call
from callspan.core.model import Operation, Parameters
from callspan.core.view import field, fields
from callspan.shapes.anthropic.answer import read_response
from callspan.shapes.anthropic.blocks import parts
from callspan.shapes.anthropic.stream import MessageAccumulator
from callspan.shapes.parts import plain, set_json
from callspan_semconv import attributes as attr
from callspan_semconv import secrets

_PARAMETERS = {
    "temperature": attr.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": attr.GEN_AI_REQUEST_TOP_P,
    "top_k": attr.GEN_AI_REQUEST_TOP_K,
    "max_tokens": attr.GEN_AI_REQUEST_MAX_TOKENS,
}
# Those, the ones that are read as content, and what concerns the transport and not the model.
_NAMED = frozenset(
    {
        *_PARAMETERS,
        *("model", "messages", "system", "tools", "stop_sequences", "stream", "metadata"),
        *("extra_headers", "extra_query", "extra_body", "timeout"),
    }
)


def read_request(call: Call, parameters: Parameters) -> None:
    """Read the parameters; ``extra_body`` may hold any of them, which is where later SDKs put the sampling ones."""
    if isinstance(extra := parameters.get("extra_body"), Mapping):
        parameters = {**parameters, **extra}
    _read_named(call, parameters)
    _read_metadata(call, parameters.get("metadata"))
    if call.captures_content:
        rest = {name: value for name, value in parameters.items() if name not in _NAMED}
        if servers := rest.get("mcp_servers"):
            rest["mcp_servers"] = [_without_token(server) for server in servers]
        set_json(call, attr.CALLSPAN_REQUEST_PARAMETERS, rest)
        _read_content(call, parameters)


def _read_named(call: Call, parameters: Parameters) -> None:
    attributes = call.attributes
    for name, attribute in _PARAMETERS.items():
        if (value := parameters.get(name)) is not None:
            attributes[attribute] = value
    if parameters.get("stream"):
        attributes[attr.GEN_AI_REQUEST_STREAM] = True
    if (stop := parameters.get("stop_sequences")) is not None:
        attributes[attr.GEN_AI_REQUEST_STOP_SEQUENCES] = tuple(stop)
    if (effort := field(parameters.get("output_config"), "effort")) is not None:
        attributes[attr.GEN_AI_REQUEST_REASONING_LEVEL] = effort
    if _wants_json(parameters):
        attributes[attr.GEN_AI_OUTPUT_TYPE] = "json"


def _wants_json(parameters: Parameters) -> bool:
    """Whether a schema is given: as a type to ``parse()`` and ``stream()``, or as it goes over the wire."""
    wanted = parameters.get("output_format")
    if wanted is not None and not isinstance(wanted, Mapping):
        return True
    formats = (wanted, field(parameters.get("output_config"), "format"))
    return any(field(each, "type") == "json_schema" for each in formats)


def _read_metadata(call: Call, metadata: Any) -> None:
    call.add_metadata(metadata)
    if (user := field(metadata, "user_id")) is not None:
        call.attributes.setdefault(attr.CALLSPAN_USER, str(user))


def _without_token(server: Any) -> Any:
    """An MCP server, without the credential that the provider is to show it."""
    known = dict(fields(plain(server)))
    if known.get("authorization_token") is not None:
        known["authorization_token"] = secrets.SECRET
    if isinstance(url := known.get("url"), str):
        known["url"] = secrets.strip_url(url)
    return known


def _read_content(call: Call, parameters: Parameters) -> None:
    set_json(call, attr.GEN_AI_SYSTEM_INSTRUCTIONS, parts(parameters.get("system")))
    messages = [
        {"role": field(message, "role"), "parts": parts(field(message, "content"))}
        for message in parameters.get("messages") or ()
    ]
    set_json(call, attr.GEN_AI_INPUT_MESSAGES, messages)
    set_json(call, attr.GEN_AI_TOOL_DEFINITIONS, [_tool(tool) for tool in parameters.get("tools") or ()])


def _tool(tool: Any) -> Any:
    """A tool definition: those of the application as the conventions have functions, the provider's as they are."""
    known = dict(fields(plain(tool)))
    if known.get("type") not in (None, "custom"):
        return known
    known["type"] = "function"
    if "input_schema" in known:
        known["parameters"] = known.pop("input_schema")
    return known


def _must_stream(error: BaseException) -> bool:
    """The package refuses requests whose answers may take long; frameworks make them again as streams.

    Source: https://platform.claude.com/docs/en/cli-sdks-libraries/sdks/python#long-requests
    """
    return isinstance(error, ValueError) and "Streaming is required" in str(error)


MESSAGES = Operation(
    name="chat",
    call_type="completion",
    request=read_request,
    response=read_response,
    stream=MessageAccumulator,
    unsent=_must_stream,
)
