"""What the anthropic package sends and gets, as parts of messages; and its classes, as providers."""

import base64
import json
import struct
from binascii import crc32
from collections.abc import Callable
from typing import Any

import anthropic
import botocore.auth
import httpx2
import pytest

from callspan.instrumentors import activate
from callspan.shapes.parts import MAX_BLOB_CHARS
from callspan_semconv import attributes as attr
from callspan_semconv import to_payload
from tests.instrumentation.anthropic_server import MODEL, events, frames, message, text
from tests.instrumentation.support import Spans, user

WEB = {"type": "web_search_result", "url": "https://a.example", "title": "A", "encrypted_content": "x" * 99}
CITATION = {"type": "char_location", "cited_text": "It rains", "document_index": 0, "start_char_index": 0}

# Blocks of an answer, and their parts.
ANSWERED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "thinking": (
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "reasoning", "content": "Hm."},
    ),
    "redacted thinking": (
        {"type": "redacted_thinking", "data": "ZW5jcnlwdGVk"},
        {"type": "reasoning", "content": "", "redacted": True},
    ),
    "tool": (
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo", "days": [1, 2]}},
        {"type": "tool_call", "id": "toolu_1", "name": "weather", "arguments": {"city": "Oslo", "days": [1, 2]}},
    ),
    "server tool": (
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rain"}},
        {
            "type": "server_tool_call",
            "id": "srvtoolu_1",
            "name": "web_search",
            "server_tool_call": {"type": "web_search", "input": {"query": "rain"}},
        },
    ),
    "web search result": (
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [WEB]},
        {
            "type": "server_tool_call_response",
            "id": "srvtoolu_1",
            "server_tool_call_response": {
                "type": "web_search_tool_result",
                "content": [{"type": "web_search_result", "url": "https://a.example", "title": "A"}],
            },
        },
    ),
    "code execution result": (
        {
            "type": "bash_code_execution_tool_result",
            "tool_use_id": "srvtoolu_2",
            "content": {
                "type": "bash_code_execution_result",
                "stdout": "4\n",
                "stderr": "",
                "return_code": 0,
                "content": [],
            },
        },
        {
            "type": "server_tool_call_response",
            "id": "srvtoolu_2",
            "server_tool_call_response": {
                "type": "bash_code_execution_tool_result",
                "content": {
                    "type": "bash_code_execution_result",
                    "stdout": "4\n",
                    "stderr": "",
                    "return_code": 0,
                    "content": [],
                },
            },
        },
    ),
    "MCP call": (
        {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "srv", "input": {"a": 1}},
        {
            "type": "server_tool_call",
            "id": "mcptoolu_1",
            "name": "echo",
            "server_tool_call": {"type": "mcp_tool_use", "input": {"a": 1}, "server_name": "srv"},
        },
    ),
    "MCP result": (
        {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": True, "content": [text("no")]},
        {
            "type": "server_tool_call_response",
            "id": "mcptoolu_1",
            "server_tool_call_response": {"type": "mcp_tool_result", "content": [text("no")], "is_error": True},
        },
    ),
    "upload": (
        {"type": "container_upload", "file_id": "file_1"},
        {"type": "file", "modality": "document", "file_id": "file_1"},
    ),
    "compaction": ({"type": "compaction", "content": "So far."}, {"type": "compaction", "content": "So far."}),
    "unknown": ({"type": "novelty", "data": {"a": 1}}, {"type": "novelty", "data": {"a": 1}}),
}


def source(kind: str, **more: Any) -> dict[str, Any]:
    return {"source": {"type": kind, **more}}


# Blocks that only prompts have, and their parts.
ASKED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "image": (
        {"type": "image", **source("base64", media_type="image/png", data="aGk=")},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGk="},
    ),
    "large image": (
        {"type": "image", **source("base64", media_type="image/png", data="A" * (MAX_BLOB_CHARS + 4))},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "", "omitted_bytes": 49155},
    ),
    "image by URL": (
        {"type": "image", **source("url", url="https://a.example/i.png?sig=secret&v=1")},
        {"type": "uri", "modality": "image", "uri": "https://a.example/i.png?v=1"},
    ),
    "file": (
        {"type": "document", "title": "T", **source("file", file_id="file_1")},
        {"type": "file", "modality": "document", "file_id": "file_1", "title": "T"},
    ),
    "PDF": (
        {"type": "document", "title": "T", **source("base64", media_type="application/pdf", data="aGk=")},
        {"type": "blob", "modality": "document", "mime_type": "application/pdf", "content": "aGk="},
    ),
    "text document": (
        {"type": "document", "title": "T", **source("text", media_type="text/plain", data="It rains")},
        {"type": "text", "content": "It rains", "title": "T"},
    ),
    "document of blocks": (
        {"type": "document", **source("content", content=[text("It rains")])},
        {"type": "document", "content": [{"type": "text", "content": "It rains"}]},
    ),
    "tool result": (
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "12 degrees"},
        {"type": "tool_call_response", "id": "toolu_1", "response": "12 degrees"},
    ),
    "failed tool": (
        {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": [text("no")]},
        {
            "type": "tool_call_response",
            "id": "toolu_1",
            "response": [{"type": "text", "content": "no"}],
            "is_error": True,
        },
    ),
}

BOTH = {**ASKED, **ANSWERED}


def answering(whole: dict[str, Any]) -> Callable[[Any], Any]:
    """A server that gives this answer, plain or streamed."""

    def answer(request: Any) -> Any:
        if b'"stream":true' not in request.content:
            return httpx2.Response(200, json=whole)
        kind = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=kind, content=b"".join(frames(events(whole))))

    return answer


def client(answer: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="x", http_client=httpx2.Client(transport=httpx2.MockTransport(answer)))


def create(resource: Any, **asked: Any) -> Any:
    return resource.create(**{"model": MODEL, "max_tokens": 64, "messages": user("Hi"), **asked})


def create_streamed(resource: Any, **asked: Any) -> Any:
    return list(create(resource, stream=True, **asked))


def create_raw(resource: Any, **asked: Any) -> Any:
    return create(resource.with_raw_response, **asked)


def stream(messages: Any) -> Any:
    with messages.stream(model=MODEL, max_tokens=64, messages=user("Hi")) as opened:
        return opened.get_final_message()


@pytest.mark.parametrize("way", [create, create_streamed, create_raw, stream])
@pytest.mark.parametrize(("block", "part"), ANSWERED.values(), ids=ANSWERED)
def test_answered(block: dict[str, Any], part: dict[str, Any], way: Any, spans: Spans) -> None:
    """Every kind of block has its part, in order, however the answer came."""
    beta = block["type"] in ("compaction", "mcp_tool_use", "mcp_tool_result")
    anthropic_client = client(answering(message(block, text("Done."))))
    way(anthropic_client.beta.messages if beta else anthropic_client.messages)
    assert spans.one().output[0]["parts"] == [part, {"type": "text", "content": "Done."}]


@pytest.mark.parametrize(("block", "part"), BOTH.values(), ids=BOTH)
def test_asked(block: dict[str, Any], part: dict[str, Any], spans: Spans) -> None:
    """The same in prompts, and the media that they bring."""
    create(client(answering(message(text("Hello")))).messages, messages=user([block]))
    assert spans.one().input == [{"role": "user", "parts": [part]}]


@pytest.mark.parametrize("way", [create, create_streamed, create_raw])
def test_citations(way: Any, spans: Spans) -> None:
    """Citations stand beside the texts that they belong to."""
    way(client(answering(message(text("So: "), {**text("it rains"), "citations": [CITATION]}))).messages)
    span = spans.one()
    assert [part["content"] for part in span.output[0]["parts"]] == ["So: ", "it rains"]
    (cited,) = span.json(attr.CALLSPAN_RESPONSE_CONTENT)["choices"][0]["citations"][1]
    assert {name: value for name, value in cited.items() if name in CITATION} == CITATION


def test_an_answer_goes_on_in_the_next_prompt(spans: Spans) -> None:
    """The SDK's own blocks in a prompt are read like dicts."""
    block, part = ANSWERED["tool"]
    anthropic_client = client(answering(message(block, stop_reason="tool_use")))
    answer = create(anthropic_client.messages)
    spans.exporter.clear()
    create(anthropic_client.messages, messages=[{"role": "assistant", "content": answer.content}])
    assert spans.one().input == [{"role": "assistant", "parts": [part]}]


def test_parameters(spans: Spans) -> None:
    """Each is on the span, by its name in the conventions or its own; an MCP server's token is not."""
    servers = [
        {"type": "url", "name": "srv", "url": "https://mcp.example?key=k", "authorization_token": "secret-token"}
    ]
    create(
        client(answering(message(text("Hello")))).beta.messages,
        thinking={"type": "enabled", "budget_tokens": 1024},
        output_config={"effort": "high", "format": {"type": "json_schema", "schema": {}}},
        tools=[
            {"name": "weather", "input_schema": {"type": "object"}},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
        tool_choice={"type": "auto"},
        betas=["mcp-client-2025-11-20"],
        mcp_servers=servers,
        extra_body={"temperature": 0.0, "top_k": 3, "top_p": 0.9},
    )
    span = spans.one()
    assert span[attr.GEN_AI_REQUEST_MAX_TOKENS] == 64
    assert (span[attr.GEN_AI_REQUEST_TEMPERATURE], span[attr.GEN_AI_REQUEST_TOP_P]) == (0.0, 0.9)
    assert span[attr.GEN_AI_REQUEST_TOP_K] == 3
    assert (span[attr.GEN_AI_REQUEST_REASONING_LEVEL], span[attr.GEN_AI_OUTPUT_TYPE]) == ("high", "json")
    assert set(span.parameters) == {"thinking", "output_config", "tool_choice", "betas", "mcp_servers"}
    assert span.json(attr.GEN_AI_TOOL_DEFINITIONS) == [
        {"name": "weather", "type": "function", "parameters": {"type": "object"}},
        {"type": "web_search_20250305", "name": "web_search"},
    ]
    assert "secret-token" not in span.span.to_json()
    assert "key=k" not in span.span.to_json()


def test_payload(spans: Spans) -> None:
    """The payload of LiteLLM's users: totals, cost with its cached parts, tool calls."""
    create(client(answering(message(ANSWERED["tool"][0], stop_reason="tool_use"))).messages)
    payload = to_payload(spans.one().span)
    assert payload is not None
    assert (payload["prompt_tokens"], payload["completion_tokens"], payload["total_tokens"]) == (19, 10, 29)
    assert payload["custom_llm_provider"] == "anthropic"
    assert payload["response_cost"] == pytest.approx((11 + 5 * 0.1 + 3 * 1.25 + 10 * 5) / 1e6)
    response: Any = payload["response"]
    assert response["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "weather"


def test_cache_kept_for_an_hour_costs_more(spans: Spans) -> None:
    """What was written to the cache for an hour is billed at its own price."""
    written = {"ephemeral_1h_input_tokens": 3, "ephemeral_5m_input_tokens": 0}
    create(client(answering(message(text("Hello"), cache_creation=written))).messages)
    assert spans.one()[attr.CALLSPAN_COST_TOTAL] == pytest.approx((11 + 5 * 0.1 + 3 * 2 + 10 * 5) / 1e6)


KEYS: dict[str, Any] = {"aws_access_key": "a", "aws_secret_key": "b", "aws_region": "us-east-1"}
PLATFORMS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "Anthropic": ("Anthropic", {"api_key": "x"}, "anthropic", "api.anthropic.com"),
    "gateway": ("Anthropic", {"api_key": "x", "base_url": "http://llm.internal"}, "anthropic", "llm.internal"),
    "another vendor": (
        "Anthropic",
        {"api_key": "x", "base_url": "https://api.deepseek.com/anthropic"},
        "deepseek",
        "api.deepseek.com",
    ),
    "Bedrock": ("AnthropicBedrock", KEYS, "aws.bedrock", "bedrock-runtime.us-east-1.amazonaws.com"),
    "Mantle": ("AnthropicBedrockMantle", KEYS, "aws.bedrock", "bedrock-mantle.us-east-1.api.aws"),
    "Vertex": (
        "AnthropicVertex",
        {"access_token": "t", "project_id": "p", "region": "us-east5"},
        "gcp.vertex_ai",
        "us-east5-aiplatform.googleapis.com",
    ),
    "Foundry": ("AnthropicFoundry", {"api_key": "x", "resource": "r"}, "azure.ai.inference", "r.services.ai.azure.com"),
    "AWS": (
        "AnthropicAWS",
        {"api_key": "x", "aws_region": "us-east-1", "workspace_id": "w"},
        "anthropic",
        "aws-external-anthropic.us-east-1.api.aws",
    ),
    "Google Cloud": (
        "AnthropicGoogleCloud",
        {"skip_auth": True, "project": "p", "location": "global", "workspace_id": "w"},
        "anthropic",
        "claude.googleapis.com",
    ),
}


@pytest.mark.parametrize("beta", [False, True])
@pytest.mark.parametrize(("kind", "options", "provider", "host"), PLATFORMS.values(), ids=PLATFORMS)
def test_platforms(kind: str, options: Any, provider: str, host: str, beta: bool, spans: Spans) -> None:
    """Every class of the package, its messages and its beta messages, under the provider that serves it."""
    http = httpx2.Client(transport=httpx2.MockTransport(answering(message(text("Hello")))))
    platform = getattr(anthropic, kind)(http_client=http, **options)
    create(platform.beta.messages if beta else platform.messages)
    span = spans.one()
    assert (span[attr.GEN_AI_PROVIDER_NAME], span[attr.SERVER_ADDRESS]) == (provider, host)
    assert (span[attr.GEN_AI_REQUEST_MODEL], span.text) == (MODEL, "Hello")


def aws_frame(payload: dict[str, Any], **headers: str) -> bytes:
    """One frame of an AWS event stream."""
    head = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(head) + len(body), len(head))
    whole = prelude + struct.pack(">I", crc32(prelude)) + head + body
    return whole + struct.pack(">I", crc32(whole))


def bedrock_frames(found: list[dict[str, Any]]) -> list[bytes]:
    kinds = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return [
        aws_frame({"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abc"}, **kinds)
        for event in found
    ]


def raw_bytes(messages: Any) -> None:
    with messages.with_streaming_response.create(
        model=MODEL, max_tokens=9, messages=user("Hi"), stream=True
    ) as response:
        list(response.iter_bytes())


@pytest.mark.parametrize("way", [create_streamed, stream, raw_bytes])
@pytest.mark.parametrize("fails", [False, True])
def test_bedrock_streams(way: Any, fails: bool, spans: Spans) -> None:
    """Bedrock's binary streams are read to the end, and to the exception that the service put into one."""
    sent = bedrock_frames(events(message(text("one two"), ANSWERED["tool"][0], stop_reason="tool_use")))
    if fails:
        kinds = {":exception-type": "throttlingException", ":message-type": "exception"}
        sent = [*sent[:5], aws_frame({"message": "Too many"}, **kinds)]
    headers = {"content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": "r1"}
    body = lambda _: httpx2.Response(200, headers=headers, content=b"".join(sent))  # noqa: E731
    bedrock = anthropic.AnthropicBedrock(http_client=httpx2.Client(transport=httpx2.MockTransport(body)), **KEYS)
    if fails and way is not raw_bytes:
        with pytest.raises((anthropic.APIStatusError, ValueError), match="Too many"):  # the latter: anthropic 1
            way(bedrock.messages)
    else:
        way(bedrock.messages)
    span = spans.one()
    assert span.ok is not fails
    assert span[attr.GEN_AI_PROVIDER_NAME] == "aws.bedrock"
    assert span[attr.CALLSPAN_PROVIDER_REQUEST_ID] == "r1"
    assert span.text == "one two"
    if not fails:
        assert span.output[0]["parts"][1] == ANSWERED["tool"][1]
        assert span[attr.GEN_AI_USAGE_OUTPUT_TOKENS] == 10


def test_bedrock_signs_no_trace_header(spans: Spans) -> None:
    """The header goes out where asked, and AWS's signature does not cover it, so that whatever replaces it may.

    A botocore that would sign it keeps it from going out.
    """
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        seen.append(request.headers)
        return httpx2.Response(200, json=message(text("Hello")))

    activate(forward_traceparent=True)
    bedrock = anthropic.AnthropicBedrock(http_client=httpx2.Client(transport=httpx2.MockTransport(answer)), **KEYS)
    create(bedrock.messages)
    (headers,) = seen
    assert ("traceparent" in headers) is ("traceparent" in botocore.auth.SIGNED_HEADERS_BLACKLIST)
    assert "traceparent" not in headers["authorization"]
