"""What the fake model says, before an API gives it its shape."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from callspan.cli.fake_openai.directives import Directives, without
from callspan.cli.fake_openai.wire import Json, dumps, new_id

REFUSAL = "I'm sorry, I can't help with that."
THOUGHT = "The question is simple. Answer it in one sentence."
_PIECE = re.compile(r"\s*\S{1,12}|\s+")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, as far as it decides what is said.

    Attributes:
        text: what the user said last.
        directives: what the prompt asks of the server.
        tools: the functions offered, each with the JSON schema of its parameters.
        parallel: whether several tools may be called at once.
        schema: the JSON schema of a structured answer.
        max_tokens: where the answer is cut off.
        choice: which of several answers to the same request; each says something else.
    """

    text: str
    directives: Directives
    tools: Sequence[tuple[str, Json]] = ()
    parallel: bool = True
    schema: Json | None = None
    max_tokens: int | None = None
    choice: int = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One function call."""

    name: str
    arguments: str
    call_id: str = field(default_factory=lambda: new_id("call_")[:29])


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says; `tokens` are the pieces in which it is streamed."""

    tokens: Sequence[str] = ()
    refusal: Sequence[str] = ()
    tool_calls: Sequence[ToolCall] = ()
    truncated: bool = False
    reasoning_tokens: int = 0

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.tokens)

    @property
    def output_tokens(self) -> int:
        """How many tokens it took, thinking included."""
        arguments = sum(len(pieces(call.arguments)) + 1 for call in self.tool_calls)
        return len(self.tokens) + len(self.refusal) + arguments + self.reasoning_tokens


def compose(ask: Ask) -> Answer:
    """Decide what is said."""
    reasoning = ask.directives.get("reasoning")
    thought = 0 if reasoning is None else int(reasoning or 64)
    if "refuse" in ask.directives:
        return Answer(refusal=pieces(REFUSAL), reasoning_tokens=thought)
    if ask.tools:
        return Answer(tool_calls=_calls(ask), reasoning_tokens=thought)
    tokens = _tokens(ask)
    if ask.max_tokens is not None and len(tokens) > ask.max_tokens:
        return Answer(tokens=tokens[: ask.max_tokens], truncated=True, reasoning_tokens=thought)
    return Answer(tokens=tokens, reasoning_tokens=thought)


def offered(tools: Sequence[Json] | None, choice: object) -> list[tuple[str, Json]]:
    """Return the functions that ``tool_choice`` leaves open, for `Ask.tools`.

    The chat API wraps a function, in a tool and in a choice, in one more object than the Responses API does.
    """
    if choice == "none":
        return []
    only = choice.get("function", choice).get("name") if isinstance(choice, dict) else None
    functions = [tool.get("function", tool) for tool in tools or [] if tool["type"] == "function"]
    return [(each["name"], each.get("parameters") or {}) for each in functions if only in (None, each["name"])]


def pieces(text: str) -> list[str]:
    """Split a text into what passes for tokens."""
    return _PIECE.findall(text)


def _tokens(ask: Ask) -> list[str]:
    if ask.schema is not None:
        return pieces(dumps(sample(ask.schema)))
    if "chunks" in ask.directives:
        return [f" {number}" for number in range(int(ask.directives["chunks"] or 100))]
    said = ask.directives.get("say") or f"You said: {without(ask.text)}"
    return pieces(f"{said} ({ask.choice + 1})" if ask.choice else said)


def _calls(ask: Ask) -> list[ToolCall]:
    wanted = int(ask.directives.get("tools") or len(ask.tools)) if "tools" in ask.directives else 1
    chosen = [ask.tools[index % len(ask.tools)] for index in range(wanted if ask.parallel else 1)]
    calls = []
    for name, schema in chosen:
        arguments = dumps(sample(schema))
        calls.append(ToolCall(name, arguments[:-1] if "bad-arguments" in ask.directives else arguments))
    return calls


def sample(schema: Json) -> Any:
    """Make up a value that a JSON schema accepts; definitions are looked up in the schema's ``$defs``."""
    return _sample(schema, schema.get("$defs", {}))


def _sample(schema: Json, definitions: Mapping[str, Json]) -> Any:
    if "$ref" in schema:
        return _sample(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for key in ("enum", "anyOf", "allOf", "oneOf"):
        if key in schema:
            first = schema[key][0]
            return first if key == "enum" else _sample(first, definitions)
    if "const" in schema:
        return schema["const"]
    if "properties" in schema:
        return {name: _sample(value, definitions) for name, value in schema["properties"].items()}
    kind = schema.get("type")
    if kind == "array":
        return [_sample(schema.get("items", {}), definitions)]
    kind = kind[0] if isinstance(kind, list) else kind
    return {"string": "Paris", "integer": 7, "number": 0.5, "boolean": True, "object": {}}.get(str(kind))
