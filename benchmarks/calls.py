"""What a call costs the thread that makes it: callspan, and the floor, against the same client without either."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from time import thread_time_ns
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from benchmarks.answers import EMBEDDING_MODEL, MODEL, AsyncClient, Client, whole_client
from benchmarks.floor import floor
from benchmarks.timing import Arm, Spread, Work, paired, timed
from callspan import instrument, uninstrument

_SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
MESSAGES = [_SYSTEM, {"role": "user", "content": "What is the weather like in Paris today? " * 3}]
# Plain English with a line break, quotation marks and a dash here and there, as documents have them.
_PARAGRAPH = (
    'The committee met on Tuesday to "review the findings" of the earlier report — and of its critics. ' * 5 + "\n\n"
)
_LONG_MESSAGES = [_SYSTEM, {"role": "user", "content": (_PARAGRAPH * 110)[:50_000]}]
STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}

# What differs from span to span: an id and two clocks.
_PER_CALL = frozenset({"callspan.call_id", "gen_ai.response.time_to_first_chunk"})


def ask(client: Any, messages: Sequence[Mapping[str, str]] = MESSAGES, **more: Any) -> Any:
    """Make a chat call."""
    return client.chat.completions.create(model=MODEL, messages=messages, temperature=0.5, max_tokens=100, **more)


def _drain(client: Any) -> None:
    for _ in ask(client, **STREAM):
        pass


async def _drain_async(client: Any) -> None:
    async for _ in await ask(client, **STREAM):
        pass


def _until_first_chunk(client: Any) -> Work:
    """The rest of the stream is read, but not measured."""

    def work(count: int) -> int:
        total = 0
        for _ in range(count):
            started = thread_time_ns()
            chunks = iter(ask(client, **STREAM))
            next(chunks)
            total += thread_time_ns() - started
            for _ in chunks:
                pass
        return total

    return work


def _awaited(loop: asyncio.AbstractEventLoop, call: Callable[[], Awaitable[object]]) -> Work:
    async def work(count: int) -> int:
        started = thread_time_ns()
        for _ in range(count):
            await call()
        return thread_time_ns() - started

    return lambda count: loop.run_until_complete(work(count))


@dataclass(frozen=True)
class Case:
    """A kind of call.

    Attributes:
        name: for the table.
        work: makes the calls.
        calls: how many are measured at once.
        chunks: length of its streams; 0 if it does not stream.
    """

    name: str
    work: Work
    calls: int = 50
    chunks: int = 0


def _cases(loop: asyncio.AbstractEventLoop) -> tuple[Case, ...]:
    client, async_client, whole = Client(), AsyncClient(), whole_client()
    short, long, async_long = Client(200), Client(2000), AsyncClient(2000)
    return (
        Case("chat", timed(lambda: ask(client))),
        Case("chat, through the whole SDK", timed(lambda: ask(whole)), calls=20),
        Case("chat, async", _awaited(loop, lambda: ask(async_client))),
        Case("chat, prompt of 50 KB", timed(lambda: ask(client, _LONG_MESSAGES)), calls=20),
        Case("embeddings", timed(lambda: client.embeddings.create(model=EMBEDDING_MODEL, input="Hello there."))),
        Case("stream, to its first chunk", _until_first_chunk(Client(4))),
        Case("stream of 200 chunks", timed(lambda: _drain(short)), calls=10, chunks=200),
        Case("stream of 2,000 chunks", timed(lambda: _drain(long)), calls=2, chunks=2000),
        Case("stream of 2,000, async", _awaited(loop, lambda: _drain_async(async_long)), calls=2, chunks=2000),
    )


@dataclass(frozen=True)
class Row:
    """What was measured of one case.

    Attributes:
        name: the case.
        chunks: length of its streams.
        plain_us: CPU of a call without instrumentation, in microseconds.
        added_us: CPU that each arm adds to it.
        ratio: median of each arm's added CPU, over that of the floor.
    """

    name: str
    chunks: int
    plain_us: float
    added_us: dict[str, Spread]
    ratio: dict[str, float]


PLAIN = Arm("plain", nullcontext)


def arms(processor: SpanProcessor) -> tuple[Arm, Arm]:
    """The floor and callspan, whose spans go to ``processor``."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)

    @contextmanager
    def instrumented() -> Iterator[None]:
        instrument(tracer_provider=provider)
        try:
            yield
        finally:
            uninstrument()

    return Arm("floor", lambda: floor(provider)), Arm("callspan", instrumented)


def measure(compared: Sequence[Arm], *, rounds: int) -> Iterator[Row]:
    """Measure every case; one of the arms is ``floor``."""
    loop = asyncio.new_event_loop()
    try:
        for case in _cases(loop):
            yield _row(case, paired((PLAIN, *compared), case.work, rounds=rounds, calls=case.calls))
    finally:
        loop.close()


def _row(case: Case, times: Mapping[str, list[float]]) -> Row:
    plain = times[PLAIN.name]
    added = {name: Spread.of_differences(own, plain) for name, own in times.items() if name != PLAIN.name}
    ratio = {name: spread.median / added["floor"].median for name, spread in added.items()}
    return Row(case.name, case.chunks, Spread.of(plain).median, added, ratio)


class _Last(SpanProcessor):
    span: ReadableSpan | None = None

    def on_end(self, span: ReadableSpan) -> None:
        self.span = span


def check_equal_spans() -> int:
    """Make sure that the floor writes the same span as callspan, in every case.

    Returns:
        How many attributes a chat span has.

    Raises:
        AssertionError: naming the attributes that differ.
    """
    last = _Last()
    pair = arms(last)
    loop = asyncio.new_event_loop()
    counts = []
    for case in _cases(loop):
        spans = []
        for arm in pair:
            with arm.active():
                case.work(1)
            spans.append(_comparable(last.span))
        one, other = spans
        different = {key for key in {*one, *other} if one.get(key) != other.get(key)}
        assert not different, f"{case.name}: the floor's span differs from callspan's in {sorted(different)}"
        counts.append(len(one) - 2)  # not the name and the kind
    loop.close()
    return counts[0]


def _comparable(span: ReadableSpan | None) -> dict[str, Any]:
    assert span is not None
    values: dict[str, Any] = {"name": span.name, "kind": span.kind}
    for key, value in (span.attributes or {}).items():
        if key in _PER_CALL:
            values[key] = type(value)
        elif key.endswith(("messages", "parameters")):
            values[key] = json.loads(str(value))
        else:
            values[key] = round(value, 12) if isinstance(value, float) else value
    return values
