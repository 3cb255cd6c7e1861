"""The output items of a response: thinking, tools that run at the provider, function calls, the message."""

from collections.abc import Sequence

from callspan.cli.fake_openai.answers import THOUGHT, Answer
from callspan.cli.fake_openai.directives import without
from callspan.cli.fake_openai.images import PNG
from callspan.cli.fake_openai.wire import Json, Request, new_id

_SOURCE = "https://example.com/paris"


def output_items(request: Request, answer: Answer) -> list[Json]:
    """Return what the response's ``output`` lists, in the API's order."""
    items = [_reasoning(request)] if answer.reasoning_tokens else []
    items += [item for tool in request.json.get("tools") or [] for item in _hosted(request, tool)]
    items += [_function_call(call.name, call.arguments, call.call_id) for call in answer.tool_calls]
    if answer.tokens or answer.refusal:
        items.append(_message(request, answer))
    return items


def _reasoning(request: Request) -> Json:
    item: Json = {"id": new_id("rs_"), "type": "reasoning", "summary": [{"type": "summary_text", "text": THOUGHT}]}
    if "reasoning.encrypted_content" in (request.json.get("include") or []):
        item["encrypted_content"] = "gAAAAABfake"
    return item


def _function_call(name: str, arguments: str, call_id: str) -> Json:
    item = {"id": new_id("fc_"), "type": "function_call", "status": "completed"}
    return {**item, "arguments": arguments, "call_id": call_id, "name": name}


def _message(request: Request, answer: Answer) -> Json:
    item: Json = {"id": new_id("msg_"), "type": "message", "status": "completed", "role": "assistant"}
    if answer.truncated:
        item["status"] = "incomplete"
    if answer.refusal:
        return {**item, "content": [{"type": "refusal", "refusal": "".join(answer.refusal)}]}
    part = {
        "type": "output_text",
        "annotations": _citations(request, answer.text),
        "logprobs": _logprobs(request, answer.tokens),
        "text": answer.text,
    }
    return {**item, "content": [part]}


def _citations(request: Request, text: str) -> list[Json]:
    if not any(tool["type"].startswith("web_search") for tool in request.json.get("tools") or []):
        return []
    span = {"start_index": 0, "end_index": len(text)}
    return [{"type": "url_citation", **span, "title": "Paris", "url": _SOURCE}]


def _logprobs(request: Request, tokens: Sequence[str]) -> list[Json]:
    if "message.output_text.logprobs" not in (request.json.get("include") or []):
        return []
    return [{"token": each, "logprob": -0.25, "bytes": list(each.encode()), "top_logprobs": []} for each in tokens]


# --- tools that run at the provider -----------------------------------------------------------------------------


def _hosted(request: Request, tool: Json) -> list[Json]:
    """The item of a tool that runs at the provider; none for a function."""
    if tool["type"].startswith("web_search"):
        return [_web_search(request)]
    if tool["type"] == "image_generation":
        return [_image_generation(request, tool)]
    if tool["type"] == "code_interpreter":
        return [_code_interpreter()]
    return []


def _web_search(request: Request) -> Json:
    query = without(request.text)
    action = {"type": "search", "query": query, "queries": [query]}
    return {"id": new_id("ws_"), "type": "web_search_call", "status": "completed", "action": action}


def _image_generation(request: Request, tool: Json) -> Json:
    return {
        "id": new_id("ig_"),
        "type": "image_generation_call",
        "status": "completed",
        "background": "opaque",
        "output_format": tool.get("output_format", "png"),
        "quality": tool.get("quality", "low"),
        "result": PNG,
        "revised_prompt": without(request.text),
        "size": tool.get("size", "1024x1024"),
    }


def _code_interpreter() -> Json:
    item = {"id": new_id("ci_"), "type": "code_interpreter_call", "status": "completed"}
    return {**item, "code": "print(6 * 7)", "container_id": new_id("cntr_"), "outputs": None}
