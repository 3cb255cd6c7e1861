"""The delivery processor: what reaches a sink, when, and what is said about the rest."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from callspan_exporters.delivery import DeliveryProcessor, classify_http, flush, reports
from callspan_exporters.delivery.dead_letter import DeadLetters
from callspan_exporters.redaction import full, mask
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, SinkExporter, Verdict
from callspan_exporters.webhook import WebhookSpanExporter
from callspan_semconv.attributes import CALLSPAN_DISABLED_SINKS, CALLSPAN_SINKS
from tests.exporters.redaction_spans import chat, messages
from tests.exporters.servers import Answer, Received, SinkServer, refused_port
from tests.exporters.spans import calls, record

Make = Callable[..., DeliveryProcessor]


@pytest.fixture
def make(sink_server: SinkServer) -> Iterator[Make]:
    """Makes processors in front of webhooks on the test's server, and shuts them down."""
    made: list[DeliveryProcessor] = []

    def one(
        name: str = "hook", url: str = "", exporter: SpanExporter | None = None, **settings: object
    ) -> DeliveryProcessor:
        exporter = exporter or WebhookSpanExporter(url or sink_server.url, name=name, timeout_s=5.0)
        processor = DeliveryProcessor(exporter, **{"shutdown_timeout_s": 1.0, **settings})  # type: ignore[arg-type]
        made.append(processor)
        return processor

    yield one
    for processor in made:
        processor.shutdown()


def feed(processor: DeliveryProcessor, spans: Sequence[ReadableSpan]) -> None:
    for span in spans:
        processor.on_end(span)


def dead_letters(folder: Path) -> list[dict[str, Any]]:
    path = folder / "dead-letters.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_flush_says_what_became_of_every_call(make: Make, sink_server: SinkServer) -> None:
    """Delivered calls are counted, flush is true, and the numbers add up."""
    feed(make("proof"), calls(7))
    report = flush(10.0)
    assert report
    assert (report["proof"].offered, report["proof"].delivered, report["proof"].outstanding) == (7, 7, 0)
    assert sink_server.accepted == list(range(7))


def test_a_full_batch_leaves_without_waiting(make: Make, sink_server: SinkServer) -> None:
    """The interval is a minute, but a hundred calls are a batch."""
    feed(make(), calls(100))
    sink_server.wait_for(1)
    assert len(sink_server.requests) == 1


def test_a_lone_call_leaves_after_the_interval(make: Make, sink_server: SinkServer) -> None:
    """One call does not wait for a batch to fill up."""
    feed(make(exporter=WebhookSpanExporter(sink_server.url, flush_interval=0.05)), calls(1))
    sink_server.wait_for(1, timeout_s=5.0)


def test_large_calls_leave_in_batches_by_bytes(make: Make, sink_server: SinkServer) -> None:
    """Ten calls of a megabyte do not make one request."""
    processor = make()
    feed(processor, calls(10, dict.fromkeys(range(10), "x" * 1_000_000)))
    assert processor.force_flush(10_000)
    assert sink_server.accepted == list(range(10))
    assert max(len(request.body) for request in sink_server.requests) < 5_000_000


def test_only_unconfirmed_calls_are_sent_again(make: Make, sink_server: SinkServer) -> None:
    """One request of several fails: the calls of the others arrive exactly once."""
    processor = make(exporter=WebhookSpanExporter(sink_server.url, log_format="single"))
    failed: set[int] = set()

    def fail_once(request: Received) -> Answer:
        (number,) = request.markers
        if number not in {2, 5} or number in failed:
            return Answer()
        failed.add(number)
        return Answer(503)

    sink_server.rule = fail_once
    feed(processor, calls(9))
    assert processor.force_flush(20_000) or processor.force_flush(20_000)
    assert sink_server.accepted == list(range(9))
    assert processor.report().retried > 0


def test_a_retry_does_not_wait_for_the_interval(make: Make, sink_server: SinkServer) -> None:
    """The interval is a minute; a call that failed in a full batch is sent again after its backoff."""
    exporter = WebhookSpanExporter(sink_server.url, log_format="single", batch_size=10)
    exporter.concurrency = 1
    processor = make(exporter=exporter)
    sink_server.script = [*[Answer()] * 9, Answer(503)]
    feed(processor, calls(10))
    sink_server.wait_for(11, timeout_s=10.0)
    assert processor.force_flush(10_000)
    assert sink_server.accepted == list(range(10))


def test_a_busy_sink_is_left_alone(make: Make, sink_server: SinkServer) -> None:
    """After 429 nothing more is sent until the time that the sink asked for, however often one flushes."""
    sink_server.rule = lambda _: Answer(429, {"Retry-After": "30"})
    exporter = WebhookSpanExporter(sink_server.url, log_format="single")
    processor = make(exporter=exporter)
    feed(processor, calls(50))
    for _ in range(3):
        assert not processor.force_flush(200)
    assert len(sink_server.requests) <= exporter.concurrency


def test_refused_calls_are_kept_for_their_owner(make: Make, sink_server: SinkServer, spool_dir: Path) -> None:
    """A refused call is in the dead-letter file, readable by nobody else, with the reason and the whole payload."""
    sink_server.rule = lambda request: Answer(422 if b"poison" in request.body else 200)
    processor = make("hook")
    feed(processor, calls(6, {4: "poison"}))
    processor.force_flush(10_000)
    assert sink_server.accepted == [0, 1, 2, 3, 5]
    (letter,) = dead_letters(spool_dir)
    assert (letter["sink"], letter["reason"]) == ("hook", "422")
    assert letter["payload"]["litellm_call_id"] == "call-4"
    assert stat.S_IMODE((spool_dir / "dead-letters.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE(spool_dir.stat().st_mode) == 0o700
    report = processor.report()
    assert (report.delivered, report.dead, report.ok) == (5, 1, False)


def test_what_a_dead_sink_did_not_take_is_kept_at_shutdown(make: Make, spool_dir: Path) -> None:
    """The process ends while nobody listens: every call is in the dead-letter file."""
    processor = make(url=f"http://127.0.0.1:{refused_port()}")
    feed(processor, calls(3))
    processor.shutdown()
    assert [letter["payload"]["litellm_call_id"] for letter in dead_letters(spool_dir)] == [
        "call-0",
        "call-1",
        "call-2",
    ]
    assert processor.report().dead == 3


def test_a_call_is_not_retried_for_ever(make: Make, spool_dir: Path) -> None:
    """Past the retry age, a call that nobody takes becomes a dead letter and makes room."""
    processor = make(url=f"http://127.0.0.1:{refused_port()}", max_retry_age_s=0.0)
    feed(processor, calls(2))
    assert processor.force_flush(10_000)
    assert [letter["reason"] for letter in dead_letters(spool_dir)] == ["gave up: ConnectError"] * 2


def test_an_unwritable_folder_is_counted(make: Make, sink_server: SinkServer, spool_dir: Path) -> None:
    """Where dead letters cannot be written, the loss is counted, not hidden."""
    spool_dir.write_text("a file where the folder should be")
    sink_server.rule = lambda _: Answer(401)
    processor = make()
    feed(processor, calls(2))
    processor.force_flush(10_000)
    assert processor.report().dropped == {"dead_letters_unwritable": 2}


def test_dead_letters_are_bounded(tmp_path: Path) -> None:
    """The file grows so far; what no longer fits is counted."""
    letters = DeadLetters(tmp_path / "letters", max_bytes=10_000)
    refused = [(Item(span), "400") for span in calls(10)]
    lost = letters.write("hook", refused)
    kept = len(letters.path.read_bytes().splitlines())
    assert letters.path.stat().st_size <= 10_000
    assert kept > 0
    assert lost == {"dead_letters_full": 10 - kept}
    assert letters.write("hook", refused[:1]) == {"dead_letters_full": 1}


def test_a_user_without_a_home(
    make: Make, sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In a container without a home folder the loss is counted, and the log says which variable to set."""
    monkeypatch.delenv("CALLSPAN_SPOOL_DIR")

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    sink_server.rule = lambda _: Answer(401)
    processor = make()
    feed(processor, calls(2))
    processor.force_flush(10_000)
    assert processor.report().dropped == {"dead_letters_unwritable": 2}
    assert "set CALLSPAN_SPOOL_DIR" in caplog.text


def test_memory_is_bounded_in_bytes(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A dead sink costs so many bytes and no more: the newest calls are refused, counted, and logged once."""
    processor = make(url=f"http://127.0.0.1:{refused_port()}", max_queue_bytes=1_000_000)
    # The text stands in two attributes, and counts once more for the payload: some 110 kB a call.
    feed(processor, calls(50, dict.fromkeys(range(50), "x" * 25_000)))
    report = processor.report()
    assert report.dropped["queue_full"] == 50 - report.outstanding
    assert 8 <= report.outstanding <= 10
    assert sum("queue is full" in entry.getMessage() for entry in caplog.records) == 1


def test_memory_is_bounded_in_items(make: Make) -> None:
    """And so many calls."""
    processor = make(url=f"http://127.0.0.1:{refused_port()}", max_queue_items=10)
    feed(processor, calls(25))
    assert processor.report().dropped == {"queue_full": 15}


def test_a_dead_sink_delays_nobody(make: Make, sink_server: SinkServer) -> None:
    """One sink hangs; the application and the other sink do not notice."""
    with SinkServer() as hanging:
        hanging.rule = lambda _: Answer(hang=True)
        stuck, healthy = make("stuck", hanging.url), make("healthy")
        started = time.monotonic()
        for span in calls(200):
            stuck.on_end(span)
            healthy.on_end(span)
        assert time.monotonic() - started < 1.0
        assert healthy.force_flush(10_000)
        assert len(sink_server.accepted) == 200
        assert stuck.report().delivered == 0


def test_sinks_shut_down_at_the_same_time(make: Make, sink_server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hanging sinks share the time that an exit may take; each further one adds only a moment of grace."""
    monkeypatch.setattr("callspan_exporters.delivery.processor._MIN_SHUTDOWN_S", 0.05)
    sink_server.rule = lambda _: Answer(hang=True)
    processors = [make(f"stuck-{number}", shutdown_timeout_s=1.0) for number in range(4)]
    for processor in processors:
        feed(processor, calls(1))
    started = time.monotonic()
    for processor in processors:
        processor.shutdown()
    assert time.monotonic() - started < 1.6
    assert [processor.report().dead for processor in processors] == [1, 1, 1, 1]


def test_flush_keeps_its_deadline(make: Make, sink_server: SinkServer) -> None:
    """A hanging sink does not hold flush longer than it may take, and flush says so."""
    sink_server.rule = lambda _: Answer(hang=True)
    processor = make("slow")
    feed(processor, calls(1))
    started = time.monotonic()
    report = flush(0.3)
    assert time.monotonic() - started < 2.0
    assert not report
    assert report["slow"].outstanding == 1


async def test_the_event_loop_goes_on(make: Make, sink_server: SinkServer) -> None:
    """While a sink hangs, coroutines that make calls run on."""
    sink_server.rule = lambda _: Answer(hang=True)
    processor = make()
    spans = calls(300)
    longest = 0.0
    for span in spans:
        before = time.monotonic()
        processor.on_end(span)
        await asyncio.sleep(0)
        longest = max(longest, time.monotonic() - before)
    assert longest < 0.5


def test_later_calls_are_counted_as_lost(make: Make) -> None:
    """After shutdown nothing is queued, and the report says so."""
    processor = make()
    processor.shutdown()
    feed(processor, calls(2))
    assert processor.report().dropped == {"shutdown": 2}


def test_calls_go_only_to_the_sinks_they_name(make: Make) -> None:
    """`callspan.sinks` names sinks, and the others do not get the call; `callspan.disabled_sinks`: those do not."""
    chosen, other = make("chosen"), make("other")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(chosen)
    provider.add_span_processor(other)
    record(provider, 0, attributes={CALLSPAN_SINKS: ("chosen",)})
    record(provider, 1)
    record(provider, 2, attributes={CALLSPAN_SINKS: ("chosen", "other"), CALLSPAN_DISABLED_SINKS: ("other",)})
    assert (chosen.report().offered, other.report().offered) == (3, 1)


class Recorder(SpanExporter):
    """A plain exporter that answers as told."""

    def __init__(self, *results: SpanExportResult) -> None:
        self.results = list(results)
        self.batches: list[list[str]] = []
        self.traced: list[bool] = []
        self.threads: list[threading.Thread] = []
        self.is_shut_down = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.batches.append([span.name for span in spans])
        self.traced.append(is_instrumentation_enabled())
        self.threads.append(threading.current_thread())
        return self.results.pop(0) if self.results else SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.is_shut_down = True


def test_a_plain_exporter_gets_every_sampled_span(make: Make) -> None:
    """An official exporter takes LLM calls and other spans, on the worker's thread, untraced; FAILURE is retried."""
    exporter = Recorder(SpanExportResult.FAILURE)
    processor = make(exporter=exporter)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    with provider.get_tracer("tests").start_as_current_span("GET /"):
        record(provider, 0)
    assert processor.force_flush(10_000) or processor.force_flush(10_000)
    assert exporter.batches == [["chat gpt-4o", "GET /"]] * 2
    assert exporter.traced == [False, False]
    assert threading.main_thread() not in exporter.threads
    processor.shutdown()
    assert exporter.is_shut_down


def test_a_plain_exporter_is_not_asked_for_ever(make: Make, spool_dir: Path) -> None:
    """It cannot say what is worth a retry: after eight failures a call is a dead letter."""
    exporter = Recorder(*[SpanExportResult.FAILURE] * 100)
    processor = make(exporter=exporter)
    feed(processor, calls(1))
    deadline = time.monotonic() + 20
    while not processor.force_flush(20) and time.monotonic() < deadline:
        pass
    assert len(exporter.batches) == 8
    assert [letter["reason"] for letter in dead_letters(spool_dir)] == ["gave up: export failed"]


def test_a_plain_exporter_gets_no_unsampled_span(make: Make) -> None:
    """What the sampler dropped stays out of traces."""
    processor = make(exporter=Recorder())
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    record(provider, 0)
    assert processor.report().offered == 0


class Masked:
    """A redaction policy that removes the word secret, or fails."""

    def __init__(self, *, deferred: bool, fails: bool = False) -> None:
        self.deferred = deferred
        self.fails = fails
        self.threads: list[threading.Thread] = []

    def for_call(self, span: ReadableSpan) -> Masked:
        return self

    def redact(self, span: ReadableSpan) -> ReadableSpan:
        self.threads.append(threading.current_thread())
        if self.fails:
            raise RuntimeError("secret")
        attributes = {
            k: v.replace("secret", "***") if isinstance(v, str) else v for k, v in (span.attributes or {}).items()
        }
        return ReadableSpan(
            name=span.name,
            context=span.context,
            attributes=attributes,
            start_time=span.start_time,
            end_time=span.end_time,
            resource=span.resource,
        )


@pytest.mark.parametrize("deferred", [False, True])
def test_redacted_before_it_leaves(make: Make, sink_server: SinkServer, *, deferred: bool) -> None:
    """Cheap policies run on the caller's thread, masks on the worker's; the sink never sees the secret."""
    policy = Masked(deferred=deferred)
    processor = make(policy=policy)
    feed(processor, calls(1, {0: "secret"}))
    assert processor.force_flush(10_000)
    assert b"secret" not in sink_server.requests[0].body
    assert (policy.threads == [threading.main_thread()]) is not deferred


def test_a_mask_that_one_call_asks_for_runs_on_the_worker(make: Make, sink_server: SinkServer) -> None:
    """The thread that made the call never pays for a mask, whatever the sink's own policy is."""
    threads: list[threading.Thread] = []

    def note(text: str) -> str:
        threads.append(threading.current_thread())
        return text.replace("secret", "***")

    processor = make(policy=full(masks=[mask((), [note], name="pii")]))
    feed(processor, [chat({"callspan.redact": "pii", "gen_ai.input.messages": messages("secret")})])
    feed(processor, [chat({"gen_ai.input.messages": messages("open")})])
    assert processor.force_flush(10_000)
    body = b"".join(request.body for request in sink_server.requests)
    assert (b"secret" in body, b"***" in body, b"open" in body) == (False, True, True)
    assert threads
    assert threading.main_thread() not in threads


def test_redacted_before_it_is_written(make: Make, spool_dir: Path) -> None:
    """Calls that wait for a mask when the process ends are masked before they become dead letters."""
    processor = make(url=f"http://127.0.0.1:{refused_port()}", policy=Masked(deferred=True))
    feed(processor, calls(2, {0: "secret", 1: "secret"}))
    processor.shutdown()
    assert len(dead_letters(spool_dir)) == 2
    assert "secret" not in (spool_dir / "dead-letters.jsonl").read_text()


@pytest.mark.parametrize(("deferred", "reason"), [(False, "error"), (True, "redaction_failed")])
def test_a_policy_that_fails_lets_nothing_out(
    make: Make,
    sink_server: SinkServer,
    spool_dir: Path,
    caplog: pytest.LogCaptureFixture,
    *,
    deferred: bool,
    reason: str,
) -> None:
    """No redaction, no delivery: not to the sink, not to a file, not to the log."""
    processor = make(policy=Masked(deferred=deferred, fails=True))
    feed(processor, calls(2, {0: "secret", 1: "secret"}))
    processor.force_flush(10_000)
    assert processor.report().dropped == {reason: 2}
    assert sink_server.requests == []
    assert dead_letters(spool_dir) == []
    assert "secret" not in caplog.text


class Odd(SinkExporter):
    """A sink whose encoder fails on one kind of call and leaves out another."""

    sink = "odd"
    default_batching = Batching(interval_s=0.01)

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []
        self.traced: list[bool] = []

    def encode(self, items: Sequence[Item]) -> list[Request]:
        if any(b"odd" in item.json for item in items):
            raise TypeError("odd")
        return [Request(items=[item], body=b"", target="") for item in items if b"skip" not in item.json]

    def send(self, request: Request, timeout_s: float) -> Response:
        self.traced.append(is_instrumentation_enabled())
        time.sleep(0)  # lets the other senders have their share
        self.sent += [item.payload["id"] for item in request.items if item.payload]
        return Response(200)

    def classify(self, response: Response) -> Outcome:
        return classify_http(response)


def test_a_call_that_cannot_be_encoded_costs_only_itself(make: Make, spool_dir: Path) -> None:
    """The encoder fails on call 3 and forgets call 5: the other calls are sent, and these two are kept."""
    exporter = Odd()
    processor = make(exporter=exporter)
    feed(processor, calls(8, {3: "odd", 5: "skip"}))
    assert processor.force_flush(10_000)
    assert exporter.sent == [f"call-{number}" for number in range(8) if number not in {3, 5}]
    assert [letter["reason"] for letter in dead_letters(spool_dir)] == [
        "cannot be encoded: TypeError",
        "nothing to send",
    ]


class Partial(Odd):
    """A sink that takes a batch but for its second and fourth call."""

    def encode(self, items: Sequence[Item]) -> list[Request]:
        return [Request(items=items, body=b"", target="")]

    def classify(self, response: Response) -> Outcome:
        return Outcome(Verdict.DELIVERED, refused={1: "duplicate", 3: "too old"})


def test_partial_success(make: Make, spool_dir: Path) -> None:
    """What the sink names is kept with its reason; the rest is delivered, and nothing is sent again."""
    exporter = Partial()
    processor = make(exporter=exporter)
    feed(processor, calls(5))
    assert processor.force_flush(10_000)
    assert exporter.sent == [f"call-{number}" for number in range(5)]
    assert processor.report().delivered == 3
    letters = {letter["payload"]["litellm_call_id"]: letter["reason"] for letter in dead_letters(spool_dir)}
    assert letters == {"call-1": "duplicate", "call-3": "too old"}


def test_requests_are_not_traced() -> None:
    """Used alone, a sink's requests make no spans of their own, on whichever thread they are sent."""
    exporter = Odd()
    exporter.concurrency = 4
    assert exporter.export(calls(50)) is SpanExportResult.SUCCESS
    assert exporter.traced == [False] * 50
    assert is_instrumentation_enabled()


def test_a_call_that_breaks_the_server_lets_the_others_pass(make: Make, sink_server: SinkServer) -> None:
    """The server answers 500 to whatever holds call 2, for ever: the other calls arrive all the same."""
    sink_server.rule = lambda request: Answer(500 if b"poison" in request.body else 200)
    processor = make()
    feed(processor, calls(8, {2: "poison"}))
    deadline = time.monotonic() + 20
    while len(sink_server.accepted) < 7 and time.monotonic() < deadline:
        processor.force_flush(100)
    assert sink_server.accepted == [0, 1, 3, 4, 5, 6, 7]


def test_logs_are_rare_and_empty_of_content(
    make: Make, sink_server: SinkServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong key is logged once, with the server's error words and without what it echoes."""
    body = b'{"error": {"message": "Invalid API key in marker-0; hello"}}'
    sink_server.rule = lambda _: Answer(401, body=body)
    processor = make()
    for _ in range(3):
        feed(processor, calls(2))
        processor.force_flush(10_000)
    (entry,) = [e.getMessage() for e in caplog.records if e.levelno == logging.WARNING]
    assert "401 unauthorized" in entry
    assert "(Invalid API key in)" in entry
    assert "hello" not in caplog.text


def test_reports_are_kept_by_name(make: Make) -> None:
    """`reports()` knows every live sink; two of one name are added up."""
    feed(make("twin"), calls(2))
    feed(make("twin"), calls(3))
    flush(10.0)
    assert reports()["twin"].delivered == 5


def test_a_replaced_sink_takes_no_time_from_the_others(make: Make, sink_server: SinkServer) -> None:
    """After one sink was replaced and calls went on, the exit has its full time for the one that stayed."""
    replaced, stays = make("replaced"), make("stays", shutdown_timeout_s=5.0)
    feed(replaced, calls(1))
    replaced.shutdown()
    feed(stays, calls(1))

    def slow(_request: object) -> Answer:
        time.sleep(1.3)
        return Answer()

    sink_server.rule = slow
    feed(stays, calls(1))
    stays.shutdown()
    assert stays.report().ok
