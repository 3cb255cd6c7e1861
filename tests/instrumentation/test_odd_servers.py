"""What OpenAI-compatible servers send that OpenAI does not: absent beats wrong, and nothing fails."""

import gzip
import json
from typing import Any

import openai
import pytest

from callspan_semconv import attributes as attr
from tests.instrumentation.support import MODEL, Read, Spans, answering, httpx, user

USAGE = [name for name in vars(attr).values() if str(name).startswith("gen_ai.usage.")]


def ask(spans: Spans, how: str, **response: Any) -> Read:
    """Make a call that the server answers like this."""

    def answer(_request: Any) -> Any:
        return httpx.Response(200, **response)

    with openai.OpenAI(api_key="sk-local", http_client=answering(answer)) as client:
        completions: Any = client.chat.completions
        arguments: Any = {"model": MODEL, "messages": user("Hi")}
        if how == "raw":
            completions.with_raw_response.create(**arguments)
        elif how == "stream":
            list(completions.create(stream=True, **arguments))
        elif how == "raw stream":
            list(completions.with_raw_response.create(stream=True, **arguments).parse())
        else:
            completions.create(**arguments)
    return spans.take()


def choice(**message: Any) -> dict[str, Any]:
    return {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}


BODIES: Any = {
    "empty": {},
    "choices null": {"id": "1", "choices": None, "usage": None},
    "no choice": {"id": "1", "choices": []},
    "message null": {"id": "1", "choices": [{"index": 0, "message": None, "finish_reason": None}]},
    "content null": {"id": "1", "choices": [choice(content=None)]},
    "counts as text": {"id": "1", "usage": {"prompt_tokens": "12", "completion_tokens": 3.5}},
    "details null": {"id": "1", "usage": {"prompt_tokens_details": None, "completion_tokens_details": {"a": None}}},
    "usage is a list": {"id": "1", "usage": [1, 2]},
}


@pytest.mark.parametrize("how", ["plain", "raw"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_odd_answers(body: Any, how: str, spans: Spans) -> None:
    """An answer that lacks nearly everything is a call all the same, and no numbers are made up."""
    span = ask(spans, how, json=body)
    assert span.ok
    assert not set(USAGE) & set(span.attributes)
    assert span.get(attr.GEN_AI_RESPONSE_ID) == body.get("id")


@pytest.mark.parametrize("how", ["plain", "raw"])
def test_answer_that_is_no_json(how: str, spans: Spans) -> None:
    """A proxy's HTML page with status 200: the SDK gives the application a text, the span says nothing of an answer."""
    span = ask(spans, how, text="<html>", headers={"content-type": "text/html"})
    assert span.ok
    assert span.output is None


@pytest.mark.parametrize("how", ["plain", "raw"])
def test_fields_unknown_to_the_sdk(how: str, spans: Spans) -> None:
    """Token details that the SDK's types lack are read; thinking is, by either of its names."""
    details = {"cached_tokens": 4, "cache_write_tokens": 3, "image_tokens": 2}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": details}
    span = ask(spans, how, json={"id": "1", "choices": [choice(content="Hi", reasoning="Hm")], "usage": usage})
    assert span[attr.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS] == 3
    assert span[attr.GEN_AI_USAGE_IMAGE_INPUT_TOKENS] == 2
    assert [part["type"] for part in span.output[0]["parts"]] == ["reasoning", "text"]


@pytest.mark.parametrize("how", ["plain", "raw"])
def test_compressed_answer(how: str, spans: Spans) -> None:
    """Compression makes no difference."""
    body = gzip.compress(json.dumps({"id": "1", "choices": [choice(content="Hi")]}).encode())
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    assert ask(spans, how, content=body, headers=headers).text == "Hi"


def tool(index: int | None, call_id: str | None, arguments: str) -> dict[str, Any]:
    return {"index": index, "id": call_id, "function": {"name": call_id and f"f-{call_id}", "arguments": arguments}}


CALLS: Any = {
    "by index": [tool(0, "a", ""), tool(1, "b", ""), tool(0, None, "{}"), tool(1, None, "[]")],
    "without index": [tool(None, "a", "{}"), tool(None, "b", "[]")],
    "all of index 0": [tool(0, "a", "{}"), tool(0, "b", "[]")],
    "in pieces without index": [
        tool(None, "a", "{"),
        tool(None, None, "}"),
        tool(None, "b", "["),
        tool(None, None, "]"),
    ],
    "with the id in every piece": [tool(0, "a", "{"), tool(0, "a", "}"), tool(1, "b", "["), tool(1, "b", "]")],
}


@pytest.mark.parametrize("how", ["stream", "raw stream"])
@pytest.mark.parametrize("pieces", CALLS.values(), ids=CALLS.keys())
def test_streamed_tool_calls(pieces: Any, how: str, spans: Spans) -> None:
    """However a server numbers the pieces of its tool calls, they are put together in order."""
    chunks = [{"id": "1", "choices": [{"delta": {"tool_calls": [piece]}}]} for piece in pieces]
    events = [*map(json.dumps, chunks), json.dumps({"id": "1", "choices": [{"delta": None}]}), "[DONE]"]
    body = "".join(f"data: {event}\r\n\r\n" for event in events)
    span = ask(spans, how, text=f": a comment\n\n{body}", headers={"content-type": "text/event-stream"})
    parts = [(part["id"], part["name"], part["arguments"]) for part in span.output[0]["parts"]]
    assert parts == [("a", "f-a", {}), ("b", "f-b", [])]
    assert span.end == "exhausted"
