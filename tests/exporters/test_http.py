"""The HTTP client of the JSON sinks."""

import gzip
import os

import pytest

from callspan_exporters.delivery import HTTPTransport, gzipped
from callspan_exporters.sink import Request
from tests.exporters.servers import Answer, SinkServer


def post(url: str, transport: HTTPTransport, **headers: str) -> tuple[int, bytes]:
    response = transport.send(Request(items=[], body=b"{}", target=url, headers=headers), 5.0)
    return response.status, response.body


@pytest.mark.parametrize(("status", "expected"), [(307, 200), (308, 200), (301, 301), (302, 302)])
def test_redirects_on_the_same_server(sink_server: SinkServer, status: int, expected: int) -> None:
    """Followed only where they mean: the same request, there."""
    sink_server.script = [Answer(status, {"Location": "/there/"})]
    transport = HTTPTransport()
    assert post(f"{sink_server.url}/here", transport)[0] == expected
    transport.close()


def test_credentials_do_not_follow_a_redirect_elsewhere(sink_server: SinkServer) -> None:
    """Another server gets nothing."""
    transport = HTTPTransport()
    with SinkServer() as elsewhere:
        sink_server.script = [Answer(307, {"Location": elsewhere.url})]
        assert post(sink_server.url, transport, authorization="Bearer key")[0] == 307
        assert elsewhere.requests == []
    transport.close()


def test_redirects_in_a_circle_end(sink_server: SinkServer) -> None:
    """After a few."""
    sink_server.rule = lambda _: Answer(307, {"Location": "/"})
    transport = HTTPTransport()
    assert post(sink_server.url, transport)[0] == 307
    assert len(sink_server.requests) < 6
    transport.close()


def test_a_large_answer_is_cut(sink_server: SinkServer) -> None:
    """A server cannot fill our memory."""
    sink_server.rule = lambda _: Answer(body=b"x" * 1_000_000)
    transport = HTTPTransport()
    assert len(post(sink_server.url, transport)[1]) == 65_536
    transport.close()


def test_gzip() -> None:
    """Large bodies are compressed, the same body always to the same bytes; small ones are left."""
    body = os.urandom(100).hex().encode() * 100
    small, large = (gzipped(Request(items=[], body=part, target="", headers={"a": "b"})) for part in (b"{}", body))
    assert (small.body, dict(small.headers)) == (b"{}", {"a": "b"})
    assert gzip.decompress(large.body) == body
    assert dict(large.headers) == {"a": "b", "content-encoding": "gzip"}
