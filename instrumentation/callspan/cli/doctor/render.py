"""Doctor's findings for people."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from callspan.cli import output
from callspan.cli.doctor.canary import CLEAN, NOT_DELIVERED, CanaryResult, Finding
from callspan.cli.doctor.canary_calls import PIECES
from callspan.cli.doctor.clients import ClientState
from callspan.cli.doctor.report import Report, Setting
from callspan.cli.doctor.sinks import SinkState
from callspan_semconv import jsonio

_GOOD, _BAD = "green", "red"
_STYLES = {CLEAN: _GOOD, NOT_DELIVERED: _BAD}


def show(console: Console, report: Report) -> None:
    """Print a report, problems last."""
    _heading(console, "Versions")
    console.print(output.facts(dict(report.versions)))
    _heading(console, "Clients")
    for client in report.clients:
        _client(console, client)
    _heading(console, "Settings")
    _settings(console, [each for each in report.settings if each.origin != "default"])
    _heading(console, "Sinks")
    _sinks(console, report.sinks)
    _heading(console, "Dead letters")
    calls = sum(report.dead_letters.calls.values())
    console.print(f"{calls} calls, {report.dead_letters.bytes:,} bytes: {report.dead_letters.path}", soft_wrap=True)
    if report.canary is not None:
        _heading(console, "Canary")
        _canary(console, report.canary)
    _heading(console, "Problems")
    for problem in report.problems:
        console.print(output.cell(f"- {problem}", _BAD), soft_wrap=True)
    if not report.problems:
        console.print("none", style=_GOOD)


def _heading(console: Console, title: str) -> None:
    console.print()
    console.print(title, style="bold underline")


def _client(console: Console, client: ClientState) -> None:
    if client.version is None:
        console.print(f"{client.name}: not installed")
        return
    total = client.wrapped + len(client.absent)
    state = "switched off" if client.disabled else f"{client.wrapped} of {total} methods wrapped"
    if client.newer:
        state = f"{state}; newer than the versions that callspan knows"
    console.print(f"{client.name} {client.version}: {state}", style=_BAD if client.problems() else _GOOD)
    for name in client.absent:
        console.print(f"  not in this version: {name}")
    for rival in client.rivals:
        console.print(f"  also instrumented by {rival.package} ({rival.name}): {rival.state}")


def _settings(console: Console, settings: list[Setting]) -> None:
    if not settings:
        console.print("all by default; docs/configuration.md lists them")
        return
    table = output.table("SETTING", "VALUE", "FROM")
    for each in settings:
        shown = each.value if isinstance(each.value, str) else jsonio.dumps(each.value)
        table.add_row(output.cell(each.name), output.cell(shown), output.cell(each.origin))
    console.print(table)


def _sinks(console: Console, sinks: tuple[SinkState, ...]) -> None:
    table = output.table("SINK", "EXPORTER", "WHERE", "CALLS", "REDACTION", "STATE")
    for each in sinks:
        ready = "ready" if each.reachable is None else "reachable"
        state = output.cell("not working", _BAD) if each.problem else output.cell(ready, _GOOD)
        table.add_row(
            output.cell(each.name),
            each.kind or output.NOTHING,
            output.cell(each.where or output.NOTHING),
            ", ".join(each.events) or output.NOTHING,
            each.policy or output.NOTHING,
            state,
        )
    console.print(table if sinks else "none: no call is exported")


def _canary(console: Console, result: CanaryResult) -> None:
    """One row per sink, one column per path."""
    if not result.sinks:
        console.print("no call was sent")
        return
    table = output.table("SINK", "REDACTION", "DELIVERED", *(path.upper() for path in result.sinks[0].paths))
    for sink in result.sinks:
        cells = [_finding(finding) for finding in sink.paths.values()]
        table.add_row(output.cell(sink.sink), sink.policy, f"{sink.delivered} of {sink.offered}", *cells)
    console.print(table)
    console.print(
        "clean: nothing of the marked content (a name, a number, a key) was in what the sink was sent; present: it was."
    )


def _finding(finding: Finding) -> Text:
    pieces = "" if set(finding.found) == set(PIECES) else ", ".join(finding.found)
    text = f"{finding.state} ({pieces})" if pieces else finding.state
    if finding.leak:
        return output.cell(f"LEAK: {text}", _BAD)
    return output.cell(text, _STYLES.get(finding.state, ""))
