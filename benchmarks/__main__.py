"""``python -m benchmarks [--quick] [--json]``: measure and print. How to read it: ``docs/benchmarks.md``."""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from opentelemetry.sdk.trace import SpanProcessor

from benchmarks.calls import PLAIN, Row, arms, check_equal_spans, measure
from benchmarks.memory import held_per_stream
from benchmarks.payloads import Export, export
from benchmarks.peer import NAME as PEER
from benchmarks.peer import peer_rows
from benchmarks.startup import Start, starts
from benchmarks.timing import Spread


@dataclass(frozen=True)
class _Size:
    """How much is measured."""

    rounds: int
    payloads: int
    payload_rounds: int
    starts: int


_FULL = _Size(rounds=40, payloads=5_000, payload_rounds=5, starts=5)
_QUICK = _Size(rounds=8, payloads=2_000, payload_rounds=3, starts=3)


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What callspan costs.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a third of the time, twice the spread")
    parser.add_argument("--json", action="store_true", help="print figures for programs")
    options = parser.parse_args()
    size = _QUICK if options.quick else _FULL
    attributes = check_equal_spans()
    compared = arms(SpanProcessor())
    rows = list(measure(compared, rounds=size.rounds))
    peer = peer_rows(size.rounds // 2)
    held = {chunks: held_per_stream((PLAIN, *compared), chunks) for chunks in (1, 1000)}
    exported = export(size.payloads, rounds=size.payload_rounds)
    started = starts(size.starts)
    if options.json:
        print(json.dumps(_figures(rows, peer, held, exported, started), indent=2))
        return
    print(_machine())
    _print_calls(rows, peer, attributes)
    _print_held(held)
    _print_export(exported)
    _print_starts(started)


def _machine() -> str:
    names = ("openai", "opentelemetry-sdk", "wrapt")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs; {versions}"


def _figures(
    rows: list[Row], peer: list[Row], held: dict[int, dict[str, float]], exported: Export, started: list[Start]
) -> dict[str, Any]:
    return {
        "machine": _machine(),
        "calls": [asdict(row) for row in rows],
        "peer": [asdict(row) for row in peer],
        "held_kib_per_open_stream": held,
        "export": asdict(exported),
        "starts": [asdict(start) for start in started],
    }


def _print_calls(rows: list[Row], peer: list[Row], attributes: int) -> None:
    print(f"\nCPU added to the calling thread: median [quartiles] in us; a chat span has {attributes} attributes")
    print(f"{'':29}{'plain':>9} {'floor':>21} {'callspan':>21} {'ratio':>7}  {PEER if peer else ''}")
    others = {row.name: row for row in peer}
    for row in rows:
        print(
            f"{row.name:29}{row.plain_us:9.1f} {_spread(row.added_us['floor']):>21}"
            f" {_spread(row.added_us['callspan']):>21} {row.ratio['callspan']:7.2f}  {_other(others.get(row.name))}"
        )
    print("\nThe same per chunk")
    for row in rows:
        if row.chunks:
            figures = {**row.added_us, **(others[row.name].added_us if row.name in others else {})}
            per_chunk = (f"{name} {spread.median / row.chunks:.2f}" for name, spread in figures.items())
            print(f"{row.name:29}{row.plain_us / row.chunks:9.2f}   {', '.join(per_chunk)}")


def _other(row: Row | None) -> str:
    return "" if row is None else f"{row.added_us[PEER].median:.1f} (ratio {row.ratio[PEER]:.2f})"


def _spread(spread: Spread) -> str:
    return f"{spread.median:.1f} [{spread.low:.1f} {spread.high:.1f}]"


def _print_held(held: dict[int, dict[str, float]]) -> None:
    print("\nMemory held per open stream, without the text, in KiB")
    for chunks, kib in held.items():
        print(f"{f'after {chunks:,} chunks':29}" + ", ".join(f"{name} {value:.1f}" for name, value in kib.items()))


def _print_export(exported: Export) -> None:
    rate, queueing = exported.payloads_per_cpu_second, exported.queueing_us
    print("\nExport to a webhook")
    print(f"{'payloads per CPU second':29}{rate.median:,.0f} [{rate.low:,.0f} {rate.high:,.0f}]")
    print(f"{'of it, on the calling thread':29}{_spread(queueing)} us per call")


def _print_starts(started: list[Start]) -> None:
    print("\nStart-up: what is added to the whole life of a process that does nothing else")
    for start in started:
        print(
            f"{start.name:29}CPU +{_spread(start.added_cpu_ms)} ms to {start.base_cpu_ms:.0f},"
            f" memory +{start.added_memory_mib.median:.1f} MiB to {start.base_memory_mib:.0f}   ({start.base})"
        )


if __name__ == "__main__":
    main()
