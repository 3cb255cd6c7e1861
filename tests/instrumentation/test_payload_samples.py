"""LiteLLM's own payloads, beside those of the same request and response through the openai client.

Every field is equal but for the table below, which docs/payload.md repeats with its reasons.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import callspan
from callspan_exporters.redaction import full, none
from callspan_semconv import to_payload
from tests.instrumentation.payload_differences import EVERYWHERE, Json, unexpected
from tests.instrumentation.support import Spans, collect, httpx, settle

SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "litellm-payloads"
pytestmark = [
    pytest.mark.recordings,
    pytest.mark.skipif(not SAMPLES.is_dir(), reason="LiteLLM's payloads are not in this checkout"),
]

FAILURES = {
    "id": "the call id, as there was no answer",
    "error_str": "the client's own exception, not LiteLLM's",
    "error_information.*": "likewise; error_code is the HTTP status",
    "model_map_information.model_map_key": "known for failures too",
    "hidden_params.response_cost": "nothing was used, and nothing is claimed",
}
EMBEDDINGS = {
    "id": "the call id, as embeddings have no id",
    "response.data": "vectors are not recorded, their number and length are",
    "response.vector_count": "likewise",
    "response.dimensions": "likewise",
    "*usage*": "LiteLLM's mock counts no total",
    "total_tokens": "likewise",
}
IMAGES = {
    "id": "the call id, as images have no id",
    "*usage*": "by Chat Completions' names",
    "response.*": "only what is on the span",
    "response_cost_failure_debug_info*": "our own words",
    "model_map_information.model_map_key": "known without a price too",
    "zero_cost_diagnostic": "said for every call without a price",
}
RESPONSES = {
    "custom_llm_provider": "LiteLLM's mock has none",
    "response.*": "ids and statuses of items, and parameters that were not sent, are not on a span",
    "*usage*": "details that were not reported are absent",
    "messages": "instructions first, as a system message",
    "model_parameters.instructions": "they are among the messages",
}
TEXTS = {
    "custom_llm_provider": "one provider, one name",
    "response.object": "the API's own shape, not LiteLLM's mock of a chat",
    "response.system_fingerprint": "likewise",
    "response.choices*": "likewise",
}
UNMAPPED = {
    "response_cost_failure_debug_info.*": "our own words, no traceback",
    "zero_cost_diagnostic": "said for every call without a price",
}
# Of a server that nobody knows LiteLLM's caller says the provider; the openai client cannot.
LOCAL = {
    "custom_llm_provider": "custom_openai",
    "error_information.llm_provider": "custom_openai",
    "model_map_information.model_map_key": "the model that was priced",
    "response.system_fingerprint": "LiteLLM's streams lose some chunks' fields",
}

# With redaction on, what is not known to be harmless goes.
STRIPPED = {
    "model_parameters.stream_options": "parameters that the conventions do not name go",
    "model_parameters.tool_choice": "likewise",
    "model_parameters.tools.*.function.*": "a tool's description and schema are content",
}

CASES: dict[str, Json] = {
    "01": {},
    "02": {},
    "03": {},
    "04_": FAILURES,
    "05": EMBEDDINGS,
    "06": {},
    "07": {"trace_id": "the trace id"},
    "08": FAILURES,
    "09": {},
    "10": {},
    "13": {},
    "14b": {},
    "17": TEXTS,
    "18": IMAGES,
    "19": RESPONSES,
    "21": {},
    "22": UNMAPPED,
    "30": {},
    "31": {},
    "32": FAILURES,
    "33": FAILURES,
    "34": {},
    "50": LOCAL,
    "51": LOCAL,
    "52": LOCAL,
    "53": FAILURES | LOCAL,
    "54": EMBEDDINGS | LOCAL,
    "55": RESPONSES | LOCAL,
    "56": LOCAL,
    "57": FAILURES | LOCAL,
}
REDACTED = {"06", "08", "09", "10", "13", "14b", "33", "34", "56", "57"}


@pytest.mark.parametrize("number", CASES)
async def test_fields_are_litellms(number: str, spans: Spans) -> None:
    """For the same request and response the payload has the fields and values of LiteLLM's."""
    (path,) = SAMPLES.glob(f"{number}*.json")
    theirs = json.loads(path.read_text(encoding="utf-8"))["standard_logging_object"]
    await _call(theirs)
    (span,) = spans.all
    policy = none() if number in REDACTED else full()
    ours: Any = to_payload(policy.redact(span))
    expected = {**EVERYWHERE, **CASES[number], **(STRIPPED if number in REDACTED else {})}
    assert unexpected(theirs, ours, expected) == {}
    assert [*theirs] == [key for key in ours if key in theirs], "in the same order"


async def _call(sample: Json) -> None:
    """Make the sample's call against a server that answers as the sample says."""
    kind = sample["call_type"]
    is_async = kind.startswith("a")
    transport = httpx.MockTransport(lambda _request: _answer(sample))
    http = (httpx.AsyncClient if is_async else httpx.Client)(transport=transport)
    base_url = sample["api_base"] or "https://api.openai.com/v1"
    make = openai.AsyncOpenAI if is_async else openai.OpenAI
    client: Any = make(api_key="k", base_url=base_url, max_retries=0, http_client=http)
    metadata = {key: value for key, value in sample["metadata"].items() if value and key != "usage_object"}
    with callspan.context(metadata=metadata, tags=sample["request_tags"]):
        try:
            result = await settle(_METHODS[kind.removeprefix("a")](client, sample))
            if sample["stream"]:
                await collect(result)
        except openai.APIError:
            assert sample["status"] == "failure"


def _texts(sample: Json) -> Any:
    return [message["content"] for message in sample["messages"]]


_METHODS: dict[str, Callable[[Any, Json], Any]] = {
    "completion": lambda client, sample: client.chat.completions.create(
        model=sample["model"], messages=sample["messages"], **sample["model_parameters"]
    ),
    "text_completion": lambda client, sample: client.completions.create(
        model=sample["model"], prompt=_texts(sample)[0], **sample["model_parameters"]
    ),
    "embedding": lambda client, sample: client.embeddings.create(
        model=sample["model"], input=_texts(sample), **sample["model_parameters"]
    ),
    "image_generation": lambda client, sample: client.images.generate(model=sample["model"], prompt=_texts(sample)[0]),
    "responses": lambda client, sample: client.responses.create(
        model=sample["model"], input=_texts(sample)[0], **sample["model_parameters"]
    ),
}


def _answer(sample: Json) -> Any:
    response = sample["response"]
    if sample["status"] == "failure":
        code = sample["error_information"]["error_code"]
        message = sample["error_information"]["error_message"]
        error = {"error": {"message": message, "type": "error", "code": None}}
        return httpx.Response(int(code) if code.isdigit() else 400, json=error)
    if sample["stream"]:
        events = [*(f"data: {json.dumps(chunk)}" for chunk in _chunks(response)), "data: [DONE]", ""]
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, text="\n\n".join(events))
    return httpx.Response(200, json=response)


def _chunks(response: Json) -> Iterator[Json]:
    frame = {**response, "object": "chat.completion.chunk", "choices": [], "usage": None}
    for choice in response["choices"]:
        delta = {"role": "assistant", "content": choice["message"]["content"]}
        yield {**frame, "choices": [{"index": choice["index"], "delta": delta, "finish_reason": None}]}
        yield {**frame, "choices": [{"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]}]}
    yield {**frame, "usage": response["usage"]}
