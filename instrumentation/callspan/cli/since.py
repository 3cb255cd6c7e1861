"""Points in time as people type them."""

import re
import time
from datetime import datetime, timezone

import typer

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_since(text: str) -> float:
    """Seconds since the epoch for an age (``15m``, ``2h``, ``7d``) or an ISO 8601 date or time (local unless it says).

    Raises:
        typer.BadParameter: the text is neither.
    """
    if age := _AGE.fullmatch(text.strip()):
        return time.time() - float(age[1]) * _UNIT_S[age[2]]
    try:
        # Python 3.10 does not know the "Z".
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return moment.timestamp() if moment.tzinfo is None else moment.astimezone(timezone.utc).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise typer.BadParameter(f"{text!r}: expected an age (15m, 2h, 7d) or an ISO date or time") from error
