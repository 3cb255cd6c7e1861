"""What a sink will never take, kept in a file so that nothing is lost without a trace."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from callspan_exporters.delivery.log import log_at_most_every
from callspan_exporters.paths import open_private, state_dir
from callspan_exporters.sink import Item
from callspan_semconv import jsonio

_logger = logging.getLogger(__name__)

FILE_NAME: Final = "dead-letters.jsonl"
DEFAULT_MAX_BYTES: Final = 256 * 1024 * 1024

# Why an item could not be kept either; these are counters' names.
NO_PAYLOAD: Final = "no_payload"
FULL: Final = "dead_letters_full"
UNWRITABLE: Final = "dead_letters_unwritable"


class DeadLetters:
    """A file of JSON lines ``{"sink", "reason", "time", "payload"}``, shared by the sinks and processes of a user.

    Args:
        path: the file; default: ``dead-letters.jsonl`` in ``CALLSPAN_SPOOL_DIR`` or the platform's state folder.
        max_bytes: size after which nothing more is written.
    """

    def __init__(self, path: Path | None = None, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes

    @property
    def path(self) -> Path:
        """The file; the environment is read when it is needed, not when the sink is made.

        Raises:
            ValueError: nothing says where, and there is no home folder.
        """
        return self._path or state_dir() / FILE_NAME

    def write(self, sink: str, items: Sequence[tuple[Item, str]]) -> dict[str, int]:
        """Append items, already redacted, each with the reason why the sink does not have it.

        Returns:
            How many items could not be kept, by reason; empty if all were.
        """
        lost: dict[str, int] = {}
        lines: list[bytes] = []
        for item, reason in items:
            line = _line(sink, item, reason)
            if line is None:
                lost[NO_PAYLOAD] = lost.get(NO_PAYLOAD, 0) + 1
            else:
                lines.append(line)
        if not lines:
            return lost
        try:
            kept = self._append(lines)
        except (OSError, ValueError) as error:
            log_at_most_every(60.0, _logger, f"dead-letters:{sink}", "%s: cannot write dead letters: %s", sink, error)
            return {**lost, UNWRITABLE: len(lines)}
        if kept < len(lines):
            log_at_most_every(60.0, _logger, f"dead-letters:{sink}", "%s: the dead-letter file is full", sink)
            lost[FULL] = len(lines) - kept
        return lost

    def _append(self, lines: Sequence[bytes]) -> int:
        """Write as many whole lines as fit; one write call, so that processes do not mix their lines."""
        descriptor = open_private(self.path)
        try:
            room = self._max_bytes - os.fstat(descriptor).st_size
            fitting: list[bytes] = []
            for line in lines:
                room -= len(line)
                if room < 0:
                    break
                fitting.append(line)
            block = memoryview(b"".join(fitting))
            while block:
                block = block[os.write(descriptor, block) :]
            return len(fitting)
        finally:
            os.close(descriptor)


def _line(sink: str, item: Item, reason: str) -> bytes | None:
    """None for a span that is no LLM call, for what is known of one that goes on, and where no payload can be made.

    That no payload can be made may be why the span is refused.
    """
    try:
        if item.payload is None or item.span.end_time is None:
            return None
        head = jsonio.dump_bytes({"sink": sink, "reason": reason, "time": time.time()})
        return head[:-1] + b',"payload":' + item.json + b"}\n"
    except Exception:  # noqa: BLE001 - the boundary to encoding: one odd call must not cost the others
        return None
