"""Runs the app under ``opentelemetry-instrument`` and checks that each of its calls was recorded."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Final

from rich.table import Table

from callspan.cli import output
from callspan.cli.errors import CommandError
from callspan.cli.fake_openai import FakeOpenAI
from callspan.cli.listing import calls, outcome
from callspan_exporters.local_store import LocalStore, Row
from callspan_exporters.paths import state_dir

APP: Final = Path(__file__).with_name("app.py")
# What the app does: (call, model, outcome) of each of its calls.
EXPECTED: Final = (
    ("completion", "gpt-4o-mini", "ok"),
    ("completion", "gpt-4o-mini", "ok"),
    ("completion", "gpt-4o", "ok"),
    ("responses", "gpt-5-mini", "ok"),
    ("embedding", "text-embedding-3-small", "ok"),
    ("completion", "gpt-4o-mini", "openai.RateLimitError"),
    ("completion", "gpt-4o-mini", "closed early"),
    ("acompletion", "gpt-4.1-mini", "ok"),
    ("acompletion", "gpt-4.1-mini", "ok"),
)
# A host of OpenAI's, so that the calls have OpenAI's prices, but one that does not exist: the app reaches the local
# server as its proxy, and if anything went wrong with that, nobody at all.
_HOST: Final = "demo.api.openai.com"
_OURS: Final = ("OTEL_", "CALLSPAN_", "OPENAI_", "LITELLM_")
_TIMEOUT_S: Final = 120.0
_INSTRUMENT: Final = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"


def run(db: Path | None, *, as_json: bool) -> None:
    """Run the demo and list its calls.

    Args:
        db: where the calls go; default: ``demo.sqlite3`` in the state folder.
        as_json: print ``{"ok", "db", "problems", "calls"}``.

    Raises:
        CommandError: openai is not installed, the app failed, or the calls that arrived are not those that it made.
    """
    _require_openai()
    path = (db or state_dir() / "demo.sqlite3").resolve()
    started = time.time()
    said = _run_app(path)
    rows = list(reversed(LocalStore(path).list(1000, since=started)))
    problems = _differences(rows)
    if as_json:
        found = [row.as_dict() for row in rows]
        output.print_json({"ok": not problems, "db": str(path), "problems": problems, "calls": found})
    else:
        _print(path, said, rows)
    if problems:
        raise CommandError("; ".join(problems))
    if not as_json:
        output.console().print(_next_steps(path, rows[0]), soft_wrap=True)


def _require_openai() -> None:
    try:
        found = version("openai")
    except PackageNotFoundError:
        found = ""
    if not found or int(found.partition(".")[0]) < 2:
        what = f"openai 2 or newer, not {found}" if found else "the openai package"
        raise CommandError(f"the demo needs {what}: pip install 'callspan[openai]'")


def _run_app(db: Path) -> str:
    """What the app printed."""
    command = [*_instrument(), sys.executable, str(APP)]
    with FakeOpenAI() as server, tempfile.TemporaryDirectory(prefix="callspan-demo-") as folder:
        environment = _environment(os.environ, server.url, db, folder)
        try:
            done = subprocess.run(  # noqa: S603 - our own script
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise CommandError(f"the demo's app did not end within {_TIMEOUT_S:.0f} s") from error
    sys.stderr.write(done.stderr)
    if done.returncode:
        raise CommandError(f"the demo's app failed with status {done.returncode}")
    return done.stdout


def _instrument() -> list[str]:
    script = Path(sys.executable).with_name("opentelemetry-instrument" + (".exe" if os.name == "nt" else ""))
    # It is elsewhere in a user's or a system's installation.
    return [str(script)] if script.exists() else [sys.executable, "-c", _INSTRUMENT]


def _environment(base: Mapping[str, str], server: str, db: Path, folder: str) -> dict[str, str]:
    """The app's environment: the user's without what could send the calls elsewhere."""
    kept = {
        name: value
        for name, value in base.items()
        if not name.upper().startswith(_OURS) and not name.upper().endswith("_PROXY")
    }
    others = [each.name for each in entry_points(group="opentelemetry_instrumentor") if "callspan" not in each.name]
    return {
        **kept,
        "OPENAI_API_KEY": "sk-demo",
        "OPENAI_BASE_URL": f"http://{_HOST}/v1",
        "http_proxy": server,
        "CALLSPAN_CALLBACKS": "local",
        "CALLSPAN_DB": str(db),
        "CALLSPAN_SPOOL_DIR": folder,
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ",".join(others),
    }


def _differences(rows: Sequence[Row]) -> list[str]:
    """Calls that did not arrive, and calls that nobody made."""
    made = Counter(EXPECTED)
    arrived = Counter((row.call_type or "", row.model or "", outcome(row)) for row in rows)
    return [
        *(f"did not arrive: {' '.join(each)}" for each in (made - arrived).elements()),
        *(f"arrived but was not made: {' '.join(each)}" for each in (arrived - made).elements()),
    ]


def _print(db: Path, said: str, rows: Sequence[Row]) -> None:
    console = output.console()
    console.print(f"$ opentelemetry-instrument python {APP.name}", style="bold")
    console.print(output.printable(said), style="dim")
    console.print(calls(rows))
    console.print(f"\n{len(rows)} calls in {db}", soft_wrap=True)


def _next_steps(db: Path, row: Row) -> Table:
    return output.facts(
        {
            "The answers": "came from a server on this machine; costs are by OpenAI's price list",
            "The app": APP,
            "List calls": f"callspan ls --db {db}",
            "Look closer": f"callspan show {row.call_id[:8]} --db {db}",
            "Your own app": "opentelemetry-instrument python your_app.py, then callspan ls",
            "Other sinks": "CALLSPAN_CALLBACKS=langfuse,s3 and so on; callspan doctor checks them",
        }
    )
