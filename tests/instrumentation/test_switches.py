"""On, off, suppressed: when calls are recorded."""

import importlib
import subprocess
import sys
from typing import Any

import openai
import pytest
import wrapt
from opentelemetry.context import attach, detach, set_value
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from callspan.core.patching import patched
from callspan.instrumentors import OpenAIInstrumentor, activate, instrument, uninstrument
from callspan_semconv import attributes as attr
from tests.instrumentation.support import MODEL, Spans, collect, settle, user


async def call(client: Any, **arguments: Any) -> Any:
    return await settle(client.chat.completions.create(model=MODEL, messages=user("Hi"), **arguments))


async def test_suppressed_by_opentelemetry(spans: Spans, either: Any, fake_openai: Any) -> None:
    """Inside ``suppress_instrumentation()`` nothing is recorded, nor is a header sent."""
    with suppress_instrumentation():
        await call(either)
        await collect(await call(either, stream=True))
    assert not spans.all
    assert not [request for request in fake_openai.requests if "traceparent" in request.headers]


@pytest.mark.parametrize("key", ["suppress_language_model_instrumentation", "suppress_instrumentation"])
@pytest.mark.parametrize("value", [True, False])
async def test_suppressed_by_key(key: str, value: bool, spans: Spans, either: Any) -> None:
    """The keys that other instrumentations set; false is as if it were not there."""
    token = attach(set_value(key, value))
    await call(either)
    detach(token)
    assert len(spans.all) == (0 if value else 1)


async def test_uninstrument_stops(spans: Spans, either: Any) -> None:
    """After ``uninstrument()`` nothing is recorded, not even by bound methods that the SDK keeps."""
    raw = either.chat.completions.with_raw_response
    create = either.chat.completions.create
    await settle(raw.create(model=MODEL, messages=user("Hi")))
    assert len(spans.all) == 1
    uninstrument()
    await settle(raw.create(model=MODEL, messages=user("Hi")))
    await settle(create(model=MODEL, messages=user("Hi")))
    await call(either)
    assert len(spans.all) == 1
    assert not patched()
    assert not isinstance(vars(type(either.chat.completions))["create"], wrapt.FunctionWrapper)
    uninstrument()


async def test_stream_outlives_uninstrument(spans: Spans, either: Any) -> None:
    """A stream that was begun before ends its span when it is read."""
    stream = await call(either, stream=True)
    uninstrument()
    await collect(stream)
    assert spans.one().end == "exhausted"


async def test_instrument_twice(spans: Spans, either: Any) -> None:
    """Instrumented twice, by name and through the instrumentor: one span for one call."""
    instrument(clients=["openai"])
    OpenAIInstrumentor().instrument()
    await call(either)
    assert len(spans.all) == 1
    OpenAIInstrumentor().uninstrument()
    await call(either)
    assert len(spans.all) == 1


async def test_instrument_again_with_another_provider(spans: Spans, either: Any) -> None:
    """The last provider that was named gets the spans; a call that names none changes nothing."""
    other = TracerProvider(shutdown_on_exit=False)
    instrument(tracer_provider=other)
    instrument()
    await call(either)
    assert not spans.all
    other.shutdown()


@pytest.mark.parametrize("package", ["openai", "anthropic"])
def test_nothing_is_left_behind(package: str, tracer_provider: TracerProvider) -> None:
    """However often instrumentation goes on and off, the library's methods are its own again."""
    owner = importlib.import_module(f"{package}._base_client").SyncAPIClient
    before = vars(owner)["request"]
    for _ in range(3):
        instrument(tracer_provider=tracer_provider)
        assert vars(owner)["request"] is not before
        uninstrument()
        assert vars(owner)["request"] is before


def test_unknown_client() -> None:
    """A client that callspan does not know is an error that names it and those it knows."""
    with pytest.raises(ValueError, match=r"'opnai'.*openai"):
        instrument(clients=["opnai"])
    assert not patched()


async def test_content_switched_off(spans: Spans, either: Any) -> None:
    """Without content: model, tokens and finish reasons, and not a word of what was said."""
    activate(capture_content=False)
    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    await call(either, tools=tools, logprobs=True, extra_body={"secret_prompt": "canary"})
    await collect(await call(either, stream=True, stop="canary"))
    await settle(either.responses.create(model=MODEL, input="canary", instructions="canary"))
    for span in spans.all:
        attributes = dict(span.attributes or {})
        assert attributes[attr.GEN_AI_RESPONSE_FINISH_REASONS]
        wanted = (attr.GEN_AI_INPUT_MESSAGES, attr.GEN_AI_OUTPUT_MESSAGES, attr.GEN_AI_TOOL_DEFINITIONS)
        beside = (attr.GEN_AI_SYSTEM_INSTRUCTIONS, attr.CALLSPAN_REQUEST_PARAMETERS, attr.CALLSPAN_RESPONSE_CONTENT)
        assert not {*wanted, *beside} & set(attributes)
        assert "You said" not in str(attributes)


async def test_unsampled(either: Any, fake_openai: Any) -> None:
    """A dropped span costs no reading, and the server hears that it was not sampled."""
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    instrument(tracer_provider=provider)
    assert (await call(either)).choices
    await collect(await call(either, stream=True))
    uninstrument()
    sampled = [int(request.headers["traceparent"][-1]) & 1 for request in fake_openai.requests]
    assert sampled == [0, 0]
    provider.shutdown()


def test_nested_call_is_one_call(spans: Spans, fake_openai: Any) -> None:
    """A client under a client (here, one that asks another before it sends) is part of the same call."""

    class Outer(openai.OpenAI):
        def _prepare_options(self, options: Any) -> Any:
            with openai.OpenAI(base_url=fake_openai.base_url, api_key="sk-local") as inner:
                inner.embeddings.create(model="m", input="x")
            return super()._prepare_options(options)

    with Outer(base_url=fake_openai.base_url, api_key="sk-local") as client:
        client.chat.completions.create(model=MODEL, messages=user("Hi"))
    assert len(fake_openai.requests) == 2
    assert spans.one().span.name.startswith("chat")


SCRIPT = """
import sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
{first}
assert ("openai" in sys.modules) == {early}
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
import callspan
callspan.instrument(tracer_provider=provider)
assert ("openai" in sys.modules) == {early}
import openai
client = openai.OpenAI(base_url=sys.argv[1], api_key="sk-local")
client.chat.completions.create(model="m", messages=[{{"role": "user", "content": "Hi"}}])
stream = client.responses.create(model="m", input="Hi", stream=True)
next(stream)
from callspan.core.call import end_open_streams
end_open_streams()
print([span.name for span in exporter.get_finished_spans()])
"""


@pytest.mark.process
@pytest.mark.parametrize("early", [False, True])
def test_before_and_after_the_import(early: bool, fake_openai: Any) -> None:
    """Instrumenting works before and after ``import openai``, and does not import it; open streams end at exit."""
    script = SCRIPT.format(first="import openai" if early else "", early=early)
    ran = subprocess.run(
        [sys.executable, "-c", script, fake_openai.base_url], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.stdout.strip(), ran.stderr) == ("['chat m', 'chat m']", "")
