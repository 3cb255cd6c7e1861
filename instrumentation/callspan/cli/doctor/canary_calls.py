"""The marked calls: fake personal data in every place that a call has for content."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from callspan_semconv import jsonio

if TYPE_CHECKING:  # a client library; the command line works without it
    import openai
    from openai.types.chat.chat_completion_message_function_tool_call_param import Function

_MODEL: Final = "gpt-4o-mini"
# What the content of every mark consists of.
PIECES: Final = ("name", "ssn", "key")


@dataclass(frozen=True, slots=True)
class Mark:
    """What one call is marked with; each call has its own, so that it is known by it wherever it turns up.

    Attributes:
        path: where the call carries it: ``prompt``, ``stream``, ...
        content: pieces of fake content by name, which the sink's policy decides about.
        secrets: what no policy lets through.
        trace_id: of the call's span.
    """

    path: str
    content: Mapping[str, str]
    secrets: Mapping[str, str]
    trace_id: int

    @property
    def text(self) -> str:
        """A sentence with all of the content."""
        return "I am {name}, my number is {ssn}, my password is {key}.".format(**self.content)


def marks() -> list[Mark]:
    """New marks, one for each path."""
    return [_mark(path, number) for number, path in enumerate(PATHS)]


def make_call(mark: Mark, base_url: str) -> None:
    """Make the call of a mark.

    Args:
        mark: which.
        base_url: of a local server.
    """
    import openai  # noqa: PLC0415 - see above

    # As a child of a sampled trace, whose id is small where samplers look: most samplers keep such calls.
    sampled = TraceFlags(TraceFlags.SAMPLED)
    parent = SpanContext(mark.trace_id, secrets.randbits(63) | 1, is_remote=True, trace_flags=sampled)
    with (
        openai.OpenAI(base_url=base_url, api_key=mark.secrets["API key"], max_retries=0) as client,
        trace.use_span(NonRecordingSpan(parent)),
    ):
        PATHS[mark.path](client, mark)


def _prompt(client: openai.OpenAI, mark: Mark) -> None:
    client.chat.completions.create(
        model=_MODEL,
        messages=[{"role": "system", "content": mark.text}, {"role": "user", "content": f"!say {mark.text}"}],
    )


def _stream(client: openai.OpenAI, mark: Mark) -> None:
    for _ in client.chat.completions.create(
        model=_MODEL, messages=[{"role": "user", "content": f"!say {mark.text}"}], stream=True
    ):
        pass


def _tool(client: openai.OpenAI, mark: Mark) -> None:
    called: Function = {"name": "look_up", "arguments": jsonio.dumps({"who": mark.text})}
    schema: dict[str, Any] = {"type": "object", "properties": {"who": {"type": "string", "enum": [mark.text]}}}
    client.chat.completions.create(
        model=_MODEL,
        messages=[
            {"role": "user", "content": "Look it up."},
            {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": called}]},
            {"role": "tool", "tool_call_id": "call_1", "content": mark.text},
        ],
        tools=[{"type": "function", "function": {"name": "look_up", "description": mark.text, "parameters": schema}}],
    )


def _error(client: openai.OpenAI, mark: Mark) -> None:
    import openai  # noqa: PLC0415 - see above

    try:
        client.chat.completions.create(model=_MODEL, messages=[{"role": "user", "content": f"{mark.text} !error 400"}])
    except openai.BadRequestError:
        return
    raise AssertionError("the local server did not refuse the call")


def _image(client: openai.OpenAI, mark: Mark) -> None:
    who = mark.content["name"].replace(" ", "-")
    url = f"https://images.invalid/{who}/{mark.content['ssn']}.png?X-Amz-Signature={mark.secrets['URL signature']}"
    client.chat.completions.create(
        model=_MODEL,
        messages=[
            {
                "role": "user",
                "content": [{"type": "text", "text": mark.text}, {"type": "image_url", "image_url": {"url": url}}],
            }
        ],
    )


def _responses(client: openai.OpenAI, mark: Mark) -> None:
    client.responses.create(model=_MODEL, instructions=mark.text, input=f"!say {mark.text}")


PATHS: Final[Mapping[str, Callable[[openai.OpenAI, Mark], None]]] = {
    "prompt": _prompt,
    "stream": _stream,
    "tool": _tool,
    "error": _error,
    "image": _image,
    "responses": _responses,
}


def _mark(path: str, number: int) -> Mark:
    token = secrets.token_hex(6)
    return Mark(
        path=path,
        content={
            "name": f"Canary {token.translate(_LETTERS).title()}",
            # Next to the most misused number of all, which was printed on a specimen card in 1938.
            "ssn": f"078-05-11{20 + number}",
            "key": f"sk-canary-{token}-{secrets.token_hex(8)}",
        },
        secrets={"API key": f"sk-canary-header-{secrets.token_hex(12)}", "URL signature": secrets.token_hex(32)},
        trace_id=secrets.randbits(63) << 64 | number + 1,
    )


# Hexadecimal digits as letters: a name has no digits.
_LETTERS: Final = str.maketrans("0123456789", "ghijklmnop")
