"""Sentry's local sidecar (Spotlight, from npm): it takes what Sentry takes, and streams it to who asks."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.servers.cache import npm
from tests.servers.ports import free_port
from tests.servers.process import running

VERSION = "4.11.8"


@dataclass(frozen=True)
class Spotlight:
    """A running sidecar."""

    port: int

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.port}/1"

    def events(self, count: int, timeout_s: float = 10.0) -> list[dict[str, Any]]:
        """So many events, of those that came."""
        found: list[dict[str, Any]] = []
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stream", timeout=timeout_s) as stream:
            for line in stream:
                if line.startswith(b"data:"):
                    found += _events(json.loads(line[5:]))
                if len(found) >= count:
                    break
        return found


def _events(envelope: Any) -> list[dict[str, Any]]:
    _, items = envelope
    return [payload for header, payload in items if header["type"] == "event"]


@contextmanager
def run_spotlight() -> Iterator[Spotlight]:
    """Run the sidecar for the length of the ``with`` block, on loopback alone."""
    package = npm("@spotlightjs/spotlight", VERSION, {"hono": "4.12.25"})  # it fails with the newest
    main = package / "dist" / "server" / "main.js"
    loopback = 'fetch: app.fetch, hostname: "127.0.0.1",'  # it has no setting for this
    main.write_text(main.read_text().replace("fetch: app.fetch,\n", f"{loopback}\n"))
    port = free_port()
    command = ["node", str(package / "dist" / "run.js"), "server", "-p", str(port)]
    with running(command, f"http://127.0.0.1:{port}/health"):
        yield Spotlight(port)
