"""What callspan adds to the start of a process: CPU, and peak memory (read from ``/proc``: Linux only)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Final

from benchmarks.timing import Spread

# What `opentelemetry-instrument` does in the process that it starts, and an application that imports its client.
_ZERO_CODE: Final = """
from opentelemetry.instrumentation.auto_instrumentation import initialize
initialize(swallow_exceptions=False)
import openai
"""
# The same as if callspan were not installed, with a tracer provider, which callspan would have set up.
_WITHOUT: Final = """
from opentelemetry.util import _importlib_metadata as metadata
installed = metadata.entry_points
metadata.entry_points = lambda **which: [e for e in installed(**which) if not e.value.startswith("callspan")]
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
"""

# The high-water mark of this program alone; what `wait4` reports includes its parent's before the exec.
_PEAK: Final = """
with open("/proc/self/status") as status:
    print(status.read().partition("VmHWM:")[2].split()[0])
"""

_PROGRAMS: Final = {
    "python": "",
    "import callspan": "import callspan",
    "zero-code, without callspan": _WITHOUT + _ZERO_CODE,
    "zero-code, with callspan": _ZERO_CODE,
}
_BASES: Final = {"import callspan": "python", "zero-code, with callspan": "zero-code, without callspan"}


@dataclass(frozen=True)
class Start:
    """One way to start.

    Attributes:
        name: for the table.
        base: what it is compared with.
        base_cpu_ms: the base's CPU time, user and system, in milliseconds.
        added_cpu_ms: what this adds to it.
        base_memory_mib: the base's peak resident memory, in MiB.
        added_memory_mib: what this adds to it.
    """

    name: str
    base: str
    base_cpu_ms: float
    added_cpu_ms: Spread
    base_memory_mib: float
    added_memory_mib: Spread


def starts(rounds: int) -> list[Start]:
    """Run each program ``rounds`` times, in turn; the first round only fills the caches."""
    cpu_ms: dict[str, list[float]] = {name: [] for name in _PROGRAMS}
    memory_mib: dict[str, list[float]] = {name: [] for name in _PROGRAMS}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            for name, program in _PROGRAMS.items():
                cpu, memory = _run(program, folder)
                if number:
                    cpu_ms[name].append(cpu)
                    memory_mib[name].append(memory)
    return [
        Start(
            name,
            base,
            base_cpu_ms=Spread.of(cpu_ms[base]).median,
            added_cpu_ms=Spread.of_differences(cpu_ms[name], cpu_ms[base]),
            base_memory_mib=Spread.of(memory_mib[base]).median,
            added_memory_mib=Spread.of_differences(memory_mib[name], memory_mib[base]),
        )
        for name, base in _BASES.items()
    ]


def _run(program: str, folder: str) -> tuple[float, float]:
    # No settings of this machine's user, and no call leaves a trace in their files.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "CALLSPAN_"))}
    environment = {**kept, "CALLSPAN_DB": f"{folder}/calls.db", "CALLSPAN_SPOOL_DIR": folder}
    process = subprocess.Popen(
        [sys.executable, "-c", program + _PEAK],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        output = process.stdout.read() if process.stdout is not None else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not output.strip().isdecimal():
        raise RuntimeError(f"a program that should say nothing said: {output}")
    return (usage.ru_utime + usage.ru_stime) * 1000, int(output) / 1024
