"""The commands and their options. What a command does is imported when it runs: ``callspan ls`` answers at once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from callspan.cli.since import parse_since
from callspan.version import __version__

app = typer.Typer(
    name="callspan",
    help="Every LLM call becomes one OpenTelemetry span, and every span reaches every sink you use.",
    no_args_is_help=True,
    add_completion=False,
    # Plain help: rich's takes longer to load than a command to run.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Status(str, Enum):
    """How a call ended."""

    success = "success"
    failure = "failure"


# Optional[...] and not `| None`: typer reads these annotations at run time.
Db = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        help="The SQLite file of the local sink.  [default: CALLSPAN_DB, else the platform's data folder]",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"callspan {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    db: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Where to keep the demo's calls.  [default: demo.sqlite3 in the platform's state folder]",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Record a small app's calls, with no key and no network, and list them.

    Starts a local server that answers as OpenAI does, runs a script that knows nothing of callspan under
    opentelemetry-instrument, and lists the calls that arrived. Fails unless every one did.
    """
    from callspan.cli.demo import command  # noqa: PLC0415

    command.run(db, as_json=as_json)


@app.command()
def ls(
    *,
    db: Db = None,
    limit: Annotated[int, typer.Option(min=1, help="How many calls at most.")] = 20,
    since: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            parser=parse_since, metavar="WHEN", help="Started at or after: 30s, 15m, 2h, 7d, or an ISO date or time."
        ),
    ] = None,
    model: Annotated[Optional[str], typer.Option(help="Exactly that model.")] = None,  # noqa: UP045
    status: Annotated[Optional[Status], typer.Option(help="How the call ended.")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:
    """List recorded calls, the newest first."""
    from callspan.cli import listing  # noqa: PLC0415

    listing.run(db, limit=limit, since=since, model=model, status=status.value if status else None, as_json=as_json)


@app.command()
def show(
    call: Annotated[
        str, typer.Argument(metavar="ID", help="A call id or a response id, or enough of its beginning to be unique.")
    ],
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Show one recorded call: messages, tool calls, usage, cost, timing, error, metadata."""
    from callspan.cli import detail  # noqa: PLC0415

    detail.run(call, db, as_json=as_json)


@app.command()
def doctor(
    canary: Annotated[
        bool,
        typer.Option(
            "--canary", help="Also send a few marked calls with fake personal data through your sinks, for real."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check clients, settings, sinks and undelivered calls. Fails if anything is wrong.

    With --canary also what each sink is sent: marked calls to a local server go through the configured sinks, and a
    table says for each sink and each place of content whether the marks were in it.
    """
    from callspan.cli.doctor import command  # noqa: PLC0415

    command.run(with_canary=canary, as_json=as_json)
