"""A response as the events of its stream, in the API's order.

Source: https://platform.openai.com/docs/api-reference/responses-streaming and recorded streams.
"""

from collections.abc import Iterator, Sequence

from callspan.cli.fake_openai.answers import pieces
from callspan.cli.fake_openai.wire import Json

_ENDINGS = {"completed": "response.completed", "incomplete": "response.incomplete", "failed": "response.failed"}
_PADDING = "fAkEpAdDiNg"  # the API pads its deltas against traffic analysis


def events_of(response: Json) -> list[Json]:
    """Return the events that lead to ``response``, numbered."""
    return [{**event, "sequence_number": number} for number, event in enumerate(_events(response))]


def _events(response: Json) -> Iterator[Json]:
    running = {**response, "status": "in_progress", "output": [], "usage": None, "completed_at": None}
    running |= {"error": None, "incomplete_details": None, "service_tier": "auto"}
    if response["background"]:
        queued = {**running, "status": "queued"}
        yield {"type": "response.created", "response": queued}
        yield {"type": "response.queued", "response": queued}
    else:
        yield {"type": "response.created", "response": running}
    yield {"type": "response.in_progress", "response": running}
    for index, item in enumerate(response["output"]):
        yield {"type": "response.output_item.added", "output_index": index, "item": _opening(item)}
        place = {"item_id": item["id"], "output_index": index}
        yield from ({**event, **place} for event in _inside(item, response))
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": _ENDINGS[response["status"]], "response": response}


def _opening(item: Json) -> Json:
    """The item as it is first announced: nothing in it yet."""
    blank: Json = {"status": "in_progress", "content": [], "summary": [], "arguments": "", "code": "", "result": None}
    return {**item, **{key: value for key, value in blank.items() if key in item}}


def _inside(item: Json, response: Json) -> Iterator[Json]:
    kind = item["type"]
    if kind == "message":
        for index, part in enumerate(item["content"]):
            yield from ({**event, "content_index": index} for event in _content_part(part))
    elif kind == "reasoning":
        for index, part in enumerate(item["summary"]):
            yield from ({**event, "summary_index": index} for event in _summary_part(part))
    elif kind == "function_call":
        yield from _text("response.function_call_arguments", "arguments", item["arguments"])
    else:
        yield from _hosted(item, response)


def _text(event: str, key: str, text: str) -> Iterator[Json]:
    """The deltas of a text and the text as a whole."""
    for piece in pieces(text):
        yield {"type": f"{event}.delta", "delta": piece, "obfuscation": _PADDING}
    yield {"type": f"{event}.done", key: text}


def _content_part(part: Json) -> Iterator[Json]:
    if part["type"] == "refusal":
        yield {"type": "response.content_part.added", "part": {**part, "refusal": ""}}
        yield from _text("response.refusal", "refusal", part["refusal"])
    else:
        yield {"type": "response.content_part.added", "part": {**part, "text": "", "annotations": [], "logprobs": []}}
        yield from _output_text(part)
    yield {"type": "response.content_part.done", "part": part}


def _output_text(part: Json) -> Iterator[Json]:
    logprobs: Sequence[Json] = part["logprobs"]
    for index, event in enumerate(_text("response.output_text", "text", part["text"])):
        if event["type"] == "response.output_text.done":
            for number, annotation in enumerate(part["annotations"]):
                added = "response.output_text.annotation.added"
                yield {"type": added, "annotation_index": number, "annotation": annotation}
            yield {**event, "logprobs": logprobs}
        else:
            yield {**event, "logprobs": logprobs[index : index + 1]}


def _summary_part(part: Json) -> Iterator[Json]:
    yield {"type": "response.reasoning_summary_part.added", "part": {**part, "text": ""}}
    yield from _text("response.reasoning_summary_text", "text", part["text"])
    yield {"type": "response.reasoning_summary_part.done", "part": part}


def _hosted(item: Json, response: Json) -> Iterator[Json]:
    """The progress of a tool that runs at the provider."""
    name = f"response.{item['type']}"
    yield {"type": f"{name}.in_progress"}
    if item["type"] == "web_search_call":
        yield {"type": f"{name}.searching"}
    elif item["type"] == "image_generation_call":
        yield {"type": f"{name}.generating"}
        yield from _partial_images(item, response["tools"])
    else:
        yield from _text(f"{name}_code", "code", item["code"])
        yield {"type": f"{name}.interpreting"}
    yield {"type": f"{name}.completed"}


def _partial_images(item: Json, tools: Sequence[Json]) -> Iterator[Json]:
    wanted = next(tool.get("partial_images", 0) for tool in tools if tool["type"] == "image_generation")
    shape = {key: item[key] for key in ("background", "output_format", "quality", "size")}
    for number in range(wanted):
        partial = {"partial_image_b64": item["result"], "partial_image_index": number}
        yield {"type": "response.image_generation_call.partial_image", **partial, **shape}
