"""What an HTTP answer means, and what is said about it."""

import email.utils
import json
import time

import pytest

from callspan_exporters.delivery import classify_http
from callspan_exporters.delivery.classify import error_words, retry_after_s
from callspan_exporters.sink import Response, Verdict


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((status, Verdict.DELIVERED) for status in (200, 202, 204, 207)),
        *((status, Verdict.RETRY) for status in (408, 429, 500, 502, 503, 504, 529)),
        (413, Verdict.SPLIT),
        *((status, Verdict.REFUSED) for status in (301, 307, 400, 401, 403, 404, 409, 415, 422)),
    ],
)
def test_the_retry_table(status: int, verdict: Verdict) -> None:
    """Each status has one meaning."""
    assert classify_http(Response(status)).verdict is verdict


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("-1", 0.0), ("nan", 0.0), ("86400", 3600.0), ("soon", None), ("", None)],
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    """Seconds, never negative, an hour at most; nonsense is no header."""
    assert retry_after_s({"retry-after": value}) == seconds


def test_retry_after_as_a_date() -> None:
    """A date counts from the server's own clock where it tells it."""
    now = time.time()
    until = email.utils.formatdate(now + 30, usegmt=True)
    assert retry_after_s({"retry-after": until}) == pytest.approx(30, abs=2)
    skewed = {
        "retry-after": email.utils.formatdate(now - 970, usegmt=True),
        "date": email.utils.formatdate(now - 1000, usegmt=True),
    }
    assert retry_after_s(skewed) == pytest.approx(30, abs=2)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"error": {"message": "Missing required field: timestamp", "code": "invalid_request"}},
         "400 (invalid_request Missing required field: timestamp)"),
        ({"detail": [{"loc": ["body", 0, "id"], "msg": "field required", "input": "marker"}]},
         "400 (field required body id)"),
        ({"message": "cannot parse 'my prompt' at 12"}, "400 (cannot parse … at)"),
        ({"error": "Jane Doe, 078-05-1120, sk-abcdefghijklmnop"}, "400"),
        ([{"messages": "Jane"}], "400"),
        ("Jane", "400"),
    ],
)  # fmt: skip
def test_the_reason_is_the_servers_words_and_no_content(body: object, reason: str) -> None:
    """A server that echoes the request in its error does not get it into our logs."""
    assert classify_http(Response(400, body=json.dumps(body).encode())).reason == reason


def test_a_page_of_html_is_no_reason() -> None:
    """A proxy's error page says only its status."""
    assert classify_http(Response(502, body=b"<html>Bad gateway</html>")).reason == "502"


def test_error_words_are_bounded() -> None:
    """However much a server says."""
    assert len(error_words("invalid request " * 10_000)) <= 160
