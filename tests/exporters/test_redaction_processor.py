"""The processor through a real TracerProvider: each pipeline gets its own view, and the application notices nothing."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from callspan_exporters.redaction import Policy, RedactionProcessor, full, mask, none
from tests.exporters.redaction_spans import messages

PROMPT = messages("write to a@b.co")


class Recorder(SpanProcessor):
    """Notes what reaches it, and on which thread."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.spans: list[ReadableSpan] = []
        self.threads: set[int] = set()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.calls.append("on_start")

    def _on_ending(self, span: Span) -> None:
        self.calls.append("_on_ending")

    def on_end(self, span: ReadableSpan) -> None:
        self.calls.append("on_end")
        self.spans.append(span)
        self.threads.add(threading.get_ident())

    def shutdown(self) -> None:
        self.calls.append("shutdown")

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        self.calls.append("force_flush")
        return True

    def prompt(self) -> object:
        """The prompt of the one span that arrived."""
        (span,) = self.spans
        return (span.attributes or {}).get("gen_ai.input.messages")


class Pipelines:
    """A provider with one recorder per policy."""

    def __init__(self) -> None:
        self.provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)

    def add(self, policy: Policy, recorder: SpanProcessor | None = None) -> Any:
        recorder = recorder or Recorder()
        self.provider.add_span_processor(RedactionProcessor(recorder, policy))
        return recorder

    def call(self, **attributes: Any) -> None:
        with self.provider.get_tracer("app").start_as_current_span("chat gpt-4o") as span:
            span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.input.messages": PROMPT, **attributes})


@pytest.fixture
def pipelines() -> Iterator[Pipelines]:
    """Shut down at the end."""
    made = Pipelines()
    yield made
    made.provider.shutdown()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_one_pipelines_policy_never_changes_anothers_spans(pipelines: Pipelines, order: tuple[int, ...]) -> None:
    """In whatever order they were added."""
    policies = [full(), none(), mask(["email"])]
    recorders = {index: pipelines.add(policies[index]) for index in order}
    pipelines.call()
    assert pipelines.provider.force_flush()
    assert recorders[0].prompt() == PROMPT
    assert recorders[1].prompt() == messages("redacted-by-litellm")
    assert recorders[2].prompt() == messages("write to [EMAIL]")


def test_pipelines_with_the_same_policy_share_the_copy(pipelines: Pipelines) -> None:
    """It is made once."""
    first, second = pipelines.add(none()), pipelines.add(none())
    pipelines.call()
    assert first.spans[0] is second.spans[0]


def test_masks_run_on_a_worker(pipelines: Pipelines) -> None:
    """The thread that made the call does not wait for them; the cheap policies need no other thread."""
    masking_threads: set[int] = set()

    def note(text: str) -> str:
        masking_threads.add(threading.get_ident())
        return text

    masked, bare = pipelines.add(mask((), [note])), pipelines.add(none())
    pipelines.call()
    assert pipelines.provider.force_flush()
    here = threading.get_ident()
    assert masked.threads == masking_threads
    assert here not in masking_threads
    assert bare.threads == {here}


@pytest.mark.parametrize(
    ("default", "asked", "prompt"),
    [
        (full(), "none", messages("redacted-by-litellm")),
        (full(), "mask", messages("write to [EMAIL]")),
        (none(), "full", messages("redacted-by-litellm")),
        (none(allow_opt_out=True), "full", PROMPT),
    ],
)
def test_a_call_asks_for_another_policy(pipelines: Pipelines, default: Policy, asked: str, prompt: str) -> None:
    """``callspan.context(redact=...)`` reaches the span, and the processor heeds it."""
    recorder = pipelines.add(default)
    pipelines.call(**{"callspan.redact": asked})
    assert pipelines.provider.force_flush()
    assert recorder.prompt() == prompt


def test_processors_get_every_span_under_every_policy(pipelines: Pipelines) -> None:
    """A processor is no sink: neither the sinks that a call names nor what a span is about make a difference."""
    recorders = [pipelines.add(policy) for policy in (full(), none(), mask())]
    pipelines.call(**{"callspan.sinks": ("langfuse",)})
    pipelines.provider.get_tracer("app").start_span("GET /").end()
    assert pipelines.provider.force_flush()
    assert [len(recorder.spans) for recorder in recorders] == [2, 2, 2]


def test_every_hook_passes(pipelines: Pipelines) -> None:
    """The wrapped processor sees a span's whole life in order; masked spans arrive before flush and shutdown."""
    recorder = pipelines.add(mask())
    pipelines.call()
    pipelines.provider.force_flush()
    pipelines.call()
    pipelines.provider.shutdown()
    life = ["on_start", "_on_ending", "on_end"]
    assert recorder.calls == [*life, "force_flush", *life, "shutdown"]


class Failing(Recorder):
    """A processor with a bug in one hook."""

    def __init__(self, hook: str) -> None:
        super().__init__()
        setattr(self, hook, self._fail)

    def _fail(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a secret")


@pytest.mark.parametrize("hook", ["on_start", "_on_ending", "on_end"])
def test_a_failing_processor_never_reaches_the_call(
    pipelines: Pipelines, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The call returns, the other pipeline gets its span, the failure is counted and nothing is quoted."""
    guarded = RedactionProcessor(Failing(hook), none())
    pipelines.provider.add_span_processor(guarded)
    other: Recorder = pipelines.add(none())
    pipelines.call()
    pipelines.call()
    assert guarded.failures == {hook: 2}
    assert len(other.spans) == 2
    assert "secret" not in caplog.text


def test_a_failing_end_leaves_the_other_pipelines_theirs(pipelines: Pipelines) -> None:
    """A flush says that it failed; a shutdown reaches every processor."""
    failing = [RedactionProcessor(Failing(hook), none()) for hook in ("force_flush", "shutdown")]
    for processor in failing:
        pipelines.provider.add_span_processor(processor)
    other: Recorder = pipelines.add(none())
    assert [processor.force_flush() for processor in failing] == [False, True]
    pipelines.provider.shutdown()
    assert other.calls == ["shutdown"]
    assert [processor.failures for processor in failing] == [{"force_flush": 1}, {"shutdown": 1}]


def test_a_failing_mask_keeps_the_span(pipelines: Pipelines) -> None:
    """Without its content, and marked."""

    def broken(text: str) -> str:
        raise RuntimeError(text)

    failing: Callable[[str], str] = broken
    recorder = pipelines.add(mask((), [failing], name="pii"))
    pipelines.call()
    assert pipelines.provider.force_flush()
    assert recorder.prompt() == messages("redacted-by-litellm")
    assert (recorder.spans[0].attributes or {})["callspan.redacted"] == "pii:failed"
