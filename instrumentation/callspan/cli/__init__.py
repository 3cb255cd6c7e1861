"""The ``callspan`` command."""

import sys


def main() -> None:
    """Run the command line: status 0 only on success, one line on stderr for what went wrong."""
    # Imported here: this package also holds the local OpenAI server, which needs no command line.
    from callspan.cli.app import app  # noqa: PLC0415
    from callspan.cli.errors import CommandError  # noqa: PLC0415

    try:
        app()
    except CommandError as error:
        print(f"callspan: {error}", file=sys.stderr)
        sys.exit(1)
