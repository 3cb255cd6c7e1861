"""LiteLLM calls with LiteLLM's own callback beside: its payload and the one made of our span, field by field."""

import asyncio
import importlib
import json
import queue
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from callspan_semconv import to_payload
from tests.instrumentation.payload_differences import EVERYWHERE, Json, unexpected
from tests.instrumentation.support import Spans, settle

# LiteLLM warns of much, and leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")

MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]
MODEL = "openai/gpt-4o-mini"
MOCKED = "Paris."
WEATHER = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}


@pytest.fixture
def litellm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # the map of the package, not of the network
    pytest.importorskip("litellm", reason="litellm is absent: it needs openai 2")
    module: Any = importlib.import_module("litellm")
    before = module.callbacks
    yield module
    module.callbacks = before
    for name in ("success_callback", "failure_callback", "_async_success_callback", "_async_failure_callback"):
        setattr(module, name, [])


@pytest.fixture
def logged(litellm: Any) -> Any:
    """The payloads that LiteLLM gives its callbacks."""
    base = importlib.import_module("litellm.integrations.custom_logger").CustomLogger
    payloads: queue.Queue[Json] = queue.Queue()

    class Logger(base):  # type: ignore[misc, valid-type]  # a class that is only there at run time
        def log_success_event(self, kwargs: Json, response_obj: Any, start_time: Any, end_time: Any) -> None:
            payloads.put(kwargs["standard_logging_object"])

        async def async_log_success_event(self, kwargs: Json, *_: Any, **__: Any) -> None:
            payloads.put(kwargs["standard_logging_object"])

        log_failure_event = log_success_event
        async_log_failure_event = async_log_success_event

    litellm.callbacks = [Logger()]
    return payloads


Make = Callable[[Any, Json], Any]
CASES: dict[str, tuple[Make, Json]] = {
    "chat": (
        lambda litellm, to: litellm.completion(
            model=MODEL, messages=MESSAGES, temperature=0.2, metadata={"tags": ["a:b"]}, **to
        ),
        {"metadata.requester_metadata": "the application's metadata"},
    ),
    "tool offered": (
        lambda litellm, to: litellm.completion(
            model=MODEL, messages=MESSAGES, tools=[{"type": "function", "function": WEATHER}], **to
        ),
        {},
    ),
    "stream": (
        lambda litellm, to: litellm.completion(
            model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}, **to
        ),
        {
            "response.model": "as the provider said, not as it was asked for",
            "hidden_params.additional_headers.llm_provider-request-id": "a header that LiteLLM leaves out of streams",
        },
    ),
    "async chat": (lambda litellm, to: litellm.acompletion(model=MODEL, messages=MESSAGES, **to), {}),
    "session": (
        lambda litellm, to: litellm.completion(model=MODEL, messages=MESSAGES, metadata={"session_id": "s-1"}, **to),
        {"metadata.requester_metadata": "the application's metadata", "session_id": "always, not by a switch"},
    ),
    "prices of the caller's": (
        lambda litellm, to: litellm.completion(
            model=MODEL, messages=MESSAGES, input_cost_per_token=0.001, output_cost_per_token=0.002, **to
        ),
        {},
    ),
    "mocked": (lambda litellm, _: litellm.completion(model=MODEL, messages=MESSAGES, mock_response=MOCKED), {}),
    "anthropic, mocked": (
        lambda litellm, _: litellm.completion(
            model="anthropic/claude-sonnet-4-20250514", messages=MESSAGES, mock_response=MOCKED, max_tokens=9
        ),
        {},
    ),
    "embeddings": (
        lambda litellm, to: litellm.embedding(model="openai/text-embedding-3-small", input=["a", "b"], **to),
        {
            "response.data": "vectors are not recorded, their number and length are",
            "response.vector_count": "likewise",
            "response.dimensions": "likewise",
        },
    ),
    "failure": (
        lambda litellm, _: litellm.completion(model=MODEL, messages=MESSAGES, mock_response=Exception("boom")),
        {"error_information.traceback": "with its head", "model_map_information.model_map_key": "known all the same"},
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_payload_is_litellms(case: str, litellm: Any, logged: Any, spans: Spans, fake_openai: FakeOpenAI) -> None:
    """What LiteLLM gives its callbacks is what our sinks get for the same call."""
    make, expected = CASES[case]
    try:
        result = await settle(make(litellm, {"api_base": fake_openai.base_url, "api_key": "k"}))
        if case == "stream":
            list(result)
    except litellm.exceptions.InternalServerError:
        assert case == "failure"
    (span,) = spans.all
    ours: Any = to_payload(span)
    theirs = json.loads(json.dumps(await _of_call(logged, ours["litellm_call_id"])))
    assert unexpected(theirs, ours, {**EVERYWHERE, **expected}) == {}
    assert [*theirs] == [key for key in ours if key in theirs], "in the same order"


async def _of_call(logged: "queue.Queue[Json]", call_id: str) -> Json:
    """LiteLLM logs from a thread of its own, and from a task of the loop; also what earlier tests left it to log."""
    while True:
        payload: Json = await asyncio.to_thread(logged.get, True, 20)
        if payload["litellm_call_id"] == call_id:
            return payload
