"""The message-part model of the GenAI semantic conventions.

Source: ``model/gen-ai/gen-ai-input-messages.json`` and its siblings in ``semantic-conventions-genai``. On spans these
are written as JSON strings. A part with a type that is not listed here is carried as it is (a generic part).
"""

from typing import Any, Literal

from typing_extensions import NotRequired, TypedDict


class TextPart(TypedDict):
    """Plain text."""

    type: Literal["text"]
    content: str


class ReasoningPart(TypedDict):
    """Thinking that the model showed."""

    type: Literal["reasoning"]
    content: str


class ToolCallPart(TypedDict):
    """The model asks for a function call; ``arguments`` is parsed JSON, or the raw text where it does not parse."""

    type: Literal["tool_call"]
    name: str
    id: NotRequired[str]
    arguments: NotRequired[Any]


class ToolCallResponsePart(TypedDict):
    """What the application answers to a tool call."""

    type: Literal["tool_call_response"]
    response: Any
    id: NotRequired[str]


class ServerToolCallPart(TypedDict):
    """A tool that ran at the provider: web search, code interpreter, file search, MCP."""

    type: Literal["server_tool_call"]
    name: str
    server_tool_call: dict[str, Any]
    id: NotRequired[str]


class ServerToolCallResponsePart(TypedDict):
    """The result of a tool that ran at the provider."""

    type: Literal["server_tool_call_response"]
    server_tool_call_response: dict[str, Any]
    id: NotRequired[str]


class BlobPart(TypedDict):
    """Inline data, base64."""

    type: Literal["blob"]
    modality: str
    content: str
    mime_type: NotRequired[str]


class FilePart(TypedDict):
    """A file that was uploaded to the provider before."""

    type: Literal["file"]
    modality: str
    file_id: str
    mime_type: NotRequired[str]


class UriPart(TypedDict):
    """Data elsewhere; never a ``data:`` URL (that is a blob)."""

    type: Literal["uri"]
    modality: str
    uri: str
    mime_type: NotRequired[str]


Part = (
    TextPart
    | ReasoningPart
    | ToolCallPart
    | ToolCallResponsePart
    | ServerToolCallPart
    | ServerToolCallResponsePart
    | BlobPart
    | FilePart
    | UriPart
    | dict[str, Any]
)


class InputMessage(TypedDict):
    """One message of the prompt; ``role`` as the provider names it."""

    role: str
    parts: list[Part]
    name: NotRequired[str]


class OutputMessage(TypedDict):
    """One choice of the answer."""

    role: str
    parts: list[Part]
    finish_reason: NotRequired[str]
