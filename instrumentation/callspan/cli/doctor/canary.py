"""Evidence of redaction: marked calls through the real pipelines, and a look at the bytes that each sink was sent."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter, SpanExportResult

from callspan.cli.doctor.canary_calls import Mark, make_call, marks
from callspan.cli.fake_openai import FakeOpenAI
from callspan.core import versions
from callspan.setup.configuration import flush
from callspan.setup.installation import Pipeline
from callspan.setup.policies import policy_for
from callspan.setup.settings import Settings
from callspan_exporters.delivery import SinkReport
from callspan_exporters.redaction import Strictness
from callspan_exporters.sink import Item, Request, Response, SinkExporter, Verdict

_FLUSH_TIMEOUT_S = 10.0
CLEAN, PRESENT, NOT_DELIVERED, NOT_SENT = "clean", "present", "not delivered", "not sent"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one sink was sent of one call.

    Attributes:
        state: ``clean``, ``present``, ``not delivered``, or ``not sent`` (the sink does not want such calls).
        found: which pieces of the mark were in it.
        reason: why it was not delivered.
        leak: whether a piece was there that the policy forbids.
    """

    state: str
    found: tuple[str, ...] = ()
    reason: str = ""
    leak: bool = False


@dataclass(frozen=True, slots=True)
class SinkFindings:
    """What one sink was sent."""

    sink: str
    policy: str
    offered: int
    delivered: int
    paths: dict[str, Finding]


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """Sinks by paths.

    Attributes:
        failed: calls that could not be made: the path, and the type of the error.
    """

    sinks: tuple[SinkFindings, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """Leaks, and what did not arrive."""
        return [
            *(f"canary: {path}: the call could not be made: {error}" for path, error in self.failed.items()),
            *(line for sink in self.sinks for line in _problems(sink)),
        ]


@dataclass(slots=True)
class _Sent:
    """One attempt to send."""

    body: bytes
    verdicts: dict[int, tuple[Verdict, str]]  # by trace id


def run(pipelines: Sequence[Pipeline], settings: Settings) -> CanaryResult:
    """Make the calls and look at what became of them.

    Args:
        pipelines: those in force; their exporters are tapped for good.
        settings: of the process.
    """
    if not versions.version_of("openai"):
        return CanaryResult(failed={"all": "openai is not installed; pip install 'callspan[openai]'"})
    sent = [_tap(pipeline.exporter) for pipeline in pipelines]
    made, failed = marks(), {}
    with FakeOpenAI() as server:
        for mark in made:
            try:
                make_call(mark, server.base_url)
            except Exception as error:  # noqa: BLE001, PERF203 - the boundary to the client library
                failed[mark.path] = type(error).__name__
    report = flush(_FLUSH_TIMEOUT_S)
    findings = [
        _findings(pipeline, settings, attempts, made, report.sinks.get(pipeline.plan.name, SinkReport()))
        for pipeline, attempts in zip(pipelines, sent, strict=True)
    ]
    return CanaryResult(tuple(findings), failed)


def _tap(exporter: SpanExporter) -> list[_Sent]:
    """Note what goes out through an exporter; it goes out all the same."""
    sent: list[_Sent] = []
    if isinstance(exporter, SinkExporter):
        _tap_sink(exporter, sent)
    else:
        _tap_plain(exporter, sent)
    return sent


def _tap_sink(exporter: SinkExporter, sent: list[_Sent]) -> None:
    plain = exporter.send

    def send(request: Request, timeout_s: float) -> Response:
        ids = [_trace_id(item.span) for item in request.items]
        attempt = _Sent(_bytes_of(request), dict.fromkeys(ids, (Verdict.RETRY, "no answer")))
        sent.append(attempt)
        try:
            response = plain(request, timeout_s)
        except Exception as error:
            attempt.verdicts = dict.fromkeys(ids, (Verdict.RETRY, type(error).__name__))
            raise
        outcome = exporter.classify(response)
        attempt.verdicts = {
            trace_id: (Verdict.REFUSED, outcome.refused[index])
            if index in outcome.refused
            else (outcome.verdict, outcome.reason)
            for index, trace_id in enumerate(ids)
        }
        return response

    exporter.send = send  # type: ignore[method-assign]  # of this one object


def _tap_plain(exporter: SpanExporter, sent: list[_Sent]) -> None:
    plain = exporter.export
    if isinstance(exporter, ConsoleSpanExporter):
        exporter.out = sys.stderr  # standard output is doctor's

    def export(spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = plain(spans)
        verdict = Verdict.DELIVERED if result is SpanExportResult.SUCCESS else Verdict.RETRY
        body = "".join(span.to_json() for span in spans).encode()
        reason = "" if verdict is Verdict.DELIVERED else "export failed"
        sent.append(_Sent(body, {_trace_id(span): (verdict, reason) for span in spans}))
        return result

    exporter.export = export  # type: ignore[method-assign]  # of this one object


def _bytes_of(request: Request) -> bytes:
    if not request.body:
        # A sink that writes items as they are (local): all that it can write of them.
        return b"".join(item.json + _span_bytes(item) for item in request.items)
    packed = {name.lower(): value for name, value in request.headers.items()}.get("content-encoding") == "gzip"
    return gzip.decompress(request.body) if packed else request.body


def _span_bytes(item: Item) -> bytes:
    return str(item.span.to_json()).encode()


def _trace_id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    return context.trace_id if context is not None else 0


def _findings(
    pipeline: Pipeline, settings: Settings, sent: Sequence[_Sent], made: Sequence[Mark], report: SinkReport
) -> SinkFindings:
    policy = policy_for(settings, pipeline.plan)
    forbids_content = policy.strictness is Strictness.NONE
    return SinkFindings(
        sink=pipeline.plan.name,
        policy=policy.name,
        offered=report.offered,
        delivered=report.delivered,
        paths={mark.path: _finding(mark, sent, forbids_content=forbids_content) for mark in made},
    )


def _finding(mark: Mark, sent: Sequence[_Sent], *, forbids_content: bool) -> Finding:
    content = _in_any(mark.content, sent)
    secrets = _in_any(mark.secrets, sent)
    found, leak = content + secrets, bool(secrets or (content and forbids_content))
    verdicts = [attempt.verdicts[mark.trace_id] for attempt in sent if mark.trace_id in attempt.verdicts]
    if not verdicts:
        return Finding(PRESENT if found else NOT_SENT, found, leak=leak)
    if not any(verdict is Verdict.DELIVERED for verdict, _ in verdicts):
        return Finding(NOT_DELIVERED, found, reason=verdicts[-1][1], leak=leak)
    return Finding(PRESENT if found else CLEAN, found, leak=leak)


def _in_any(pieces: Mapping[str, str], sent: Sequence[_Sent]) -> tuple[str, ...]:
    return tuple(name for name, piece in pieces.items() if any(piece.encode() in attempt.body for attempt in sent))


def _problems(sink: SinkFindings) -> list[str]:
    lines = [
        f"canary: {sink.sink}: {path}: {', '.join(finding.found)} reached it, against its policy ({sink.policy})"
        for path, finding in sink.paths.items()
        if finding.leak
    ]
    undelivered = {path: finding.reason for path, finding in sink.paths.items() if finding.state == NOT_DELIVERED}
    if undelivered:
        reasons = ", ".join(dict.fromkeys(undelivered.values()))
        lines.append(f"canary: {sink.sink}: not delivered: {', '.join(undelivered)} ({reasons})")
    elif sink.delivered < sink.offered:
        lines.append(f"canary: {sink.sink}: {sink.offered - sink.delivered} of {sink.offered} calls not delivered")
    return lines
