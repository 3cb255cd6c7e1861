"""The ways to make one call with the openai client, driven alike whether the client is sync or async."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from callspan_semconv import attributes as attr
from tests.instrumentation.support import MODEL, settle, user

SAID = "one two three four five six seven eight nine ten"
Client = Any


@dataclass(frozen=True)
class Api:
    """Chat Completions or Responses.

    Attributes:
        name: the test's id.
        resource: the resource of a client.
        arguments: the arguments of a call that says this to the server.
        usage: the further arguments that make the server report usage in a stream.
        finish: the finish reason of an answer that came to its end.
    """

    name: str
    resource: Callable[[Client], Any]
    arguments: Callable[[str], dict[str, Any]]
    usage: dict[str, Any]
    api_type: str


CHAT = Api(
    "chat",
    lambda client: client.chat.completions,
    lambda text: {"model": MODEL, "messages": user(text)},
    {"stream_options": {"include_usage": True}},
    "chat_completions",
)
RESPONSES = Api(
    "responses", lambda client: client.responses, lambda text: {"model": MODEL, "input": text}, {}, "responses"
)
APIS = [CHAT, RESPONSES]


@dataclass
class Opened:
    """A stream that the application holds.

    Attributes:
        items: what it loops over.
        close: how it closes it.
        leave: how it leaves the ``with`` block of it.
        holds: objects that it keeps beside.
    """

    items: Any
    close: Callable[[], Any]
    leave: Callable[[], Awaitable[None]]
    holds: Any = None


async def enter(manager: Any) -> Any:
    return await manager.__aenter__() if hasattr(manager, "__aenter__") else manager.__enter__()


def leaving(manager: Any) -> Callable[[], Awaitable[None]]:
    async def leave() -> None:
        if hasattr(manager, "__aexit__"):
            await manager.__aexit__(None, None, None)
        else:
            manager.__exit__(None, None, None)

    return leave


# --- whole answers ------------------------------------------------------------------------------------------------


async def create(resource: Any, arguments: dict[str, Any]) -> Any:
    return await settle(resource.create(**arguments))


async def parse(resource: Any, arguments: dict[str, Any]) -> Any:
    return await settle(resource.parse(**arguments))


async def raw(resource: Any, arguments: dict[str, Any]) -> Any:
    response = await settle(resource.with_raw_response.create(**arguments))
    return await settle(response.parse())


async def raw_parse(resource: Any, arguments: dict[str, Any]) -> Any:
    response = await settle(resource.with_raw_response.parse(**arguments))
    return await settle(response.parse())


async def streaming_response(resource: Any, arguments: dict[str, Any]) -> Any:
    manager = resource.with_streaming_response.create(**arguments)
    response = await enter(manager)
    result = await settle(response.parse())
    await leaving(manager)()
    return result


WHOLE = [create, parse, raw, raw_parse, streaming_response]


# --- streams ------------------------------------------------------------------------------------------------------


async def stream(resource: Any, arguments: dict[str, Any]) -> Opened:
    opened = await settle(resource.create(stream=True, **arguments))
    return Opened(await enter(opened), opened.close, leaving(opened))


async def raw_stream(resource: Any, arguments: dict[str, Any]) -> Opened:
    response = await settle(resource.with_raw_response.create(stream=True, **arguments))
    opened = await settle(response.parse())
    return Opened(await enter(opened), opened.close, leaving(opened), response)


async def streaming_response_stream(resource: Any, arguments: dict[str, Any]) -> Opened:
    manager = resource.with_streaming_response.create(stream=True, **arguments)
    response = await enter(manager)
    return Opened(await settle(response.parse()), response.close, leaving(manager), response)


async def streaming_response_lines(resource: Any, arguments: dict[str, Any]) -> Opened:
    manager = resource.with_streaming_response.create(stream=True, **arguments)
    response = await enter(manager)
    return Opened(response.iter_lines(), response.close, leaving(manager), response)


async def helper(resource: Any, arguments: dict[str, Any]) -> Opened:
    manager = resource.stream(**arguments)
    opened = await enter(manager)
    return Opened(opened, opened.close, leaving(manager), manager)


STREAMS = [stream, raw_stream, streaming_response_stream, streaming_response_lines, helper]
# Those in which the application holds a proxy of ours; in the others it holds the SDK's object over bytes that we see.
PROXIED = {stream, helper}

USAGE = (attr.GEN_AI_USAGE_INPUT_TOKENS, attr.GEN_AI_USAGE_OUTPUT_TOKENS)


def name(value: Any) -> str | None:
    """The test's id of a way or an API."""
    return value if isinstance(value, str) else getattr(value, "__name__", None) or getattr(value, "name", None)
