"""When reading a request fails: it is handled all the same, and what it may have asked for is assumed."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import propagate
from opentelemetry.propagators.textmap import TextMapPropagator

from callspan.call_context import current_context
from callspan.core.guard import failures
from callspan.middleware import ASGIMiddleware, WSGIMiddleware
from callspan_semconv import attributes as attr
from tests.instrumentation.support import Spans


@pytest.fixture(autouse=True)
def no_reader_fails() -> None:
    """Here it does, on purpose."""


class Broken(TextMapPropagator):
    """A propagator of the application's own."""

    fields: Any = frozenset()

    def extract(self, *_args: Any, **_kwargs: Any) -> Any:
        raise RuntimeError("a secret")

    def inject(self, *_args: Any, **_kwargs: Any) -> None:
        """Nothing."""


@pytest.fixture(autouse=True)
def broken_propagator() -> Iterator[None]:
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(Broken())
    yield
    propagate.set_global_textmap(before)


async def test_asgi(spans: Spans, caplog: pytest.LogCaptureFixture) -> None:
    """The application runs, without content, and the log does not quote what went wrong."""
    seen: list[Any] = []

    async def app(*_request: Any) -> None:
        seen.append(current_context().attributes)

    nobody: Any = None
    await ASGIMiddleware(app)({"type": "http", "method": "GET", "headers": []}, nobody, nobody)
    assert seen == [{attr.CALLSPAN_REDACT: "none"}]
    assert failures()["middleware.asgi", "RuntimeError"]
    assert "secret" not in caplog.text


def test_wsgi(spans: Spans) -> None:
    """The same for WSGI."""
    seen: list[Any] = []

    def app(*_request: Any) -> list[bytes]:
        seen.append(current_context().attributes)
        return [b"all"]

    assert WSGIMiddleware(app)({"REQUEST_METHOD": "GET"}, lambda *_head: None) == [b"all"]
    assert seen == [{attr.CALLSPAN_REDACT: "none"}]
    assert failures()["middleware.wsgi", "RuntimeError"]
