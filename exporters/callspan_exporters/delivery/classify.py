"""What an HTTP answer means: the retry table that sinks share."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from callspan_exporters.sink import Outcome, Response, Verdict

_MAX_REASON_CHARS: Final = 160
_MAX_RETRY_AFTER_S: Final = 3600.0

# Where services put their own words about an error; nothing else of a body is looked at.
_ERROR_KEYS: Final = ("error", "errors", "code", "type", "title", "message", "msg", "detail", "reason", "loc")

# A server's error text may quote the request back ("invalid prompt 'my secret'"), and that is content. So a reason
# keeps the words that are about errors and nothing else: what is not listed here becomes an ellipsis.
_ERROR_WORDS: Final = frozenset(
    """
    a accept accepted access account allowed already an and any api application are array at auth authentication
    authorization authorized backend bad base batch be body bucket busy but byte bytes can cannot capacity
    change changed character characters charset client closed code conflict connection content could credential
    credentials data database date decode denied deprecated detail disabled does duplicate empty encoding
    endpoint entity error errors event events exceed exceeded exceeds exist exists expected expired extra failed
    failure field fields find for forbidden format found from future gateway gone header headers host id in
    incorrect input insufficient integer internal into invalid is item items json key keys large least length
    limit limited list log logs long longer malformed many max maximum mb media message messages method minimum
    mismatch missing must name no none not null number object of old on one only operation or organization
    outside over parameter parameters parse parsing past payload permission permissions plan please policy
    precondition processing project property quota range rate reached read record records refused region
    rejected request requests required resource retry revoked schema scope server service should signature size
    small some source store string suspended temporarily tenant than the this throttled time timed timeout
    timestamp to token too type unable unauthenticated unauthorized unavailable unexpected unknown unprocessable
    unrecognized unsupported upstream url user utf valid validate validation value values version was while with
    within workspace write wrong your
    """.split()  # noqa: SIM905 - as a list this is three hundred lines
)
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^A-Za-z]+")
_ELLIPSIS_RUN: Final = re.compile(r"(?:…[\W_\d]*)+…|…")

_ADVICE: Final = {
    401: "unauthorized: check the sink's credentials",
    403: "forbidden: check the sink's credentials and their permissions",
    404: "not found: check the sink's endpoint",
}


def classify_http(response: Response) -> Outcome:
    """Apply the common retry table to an HTTP answer.

    2xx is delivered; 408, 429 and 5xx are retried, honouring ``Retry-After``; 413 is split; everything else, among it
    401, 403 and redirects, is refused. A sink whose server differs (409 of a stored run, 404 of a failing server)
    looks at those first and leaves the rest to this.

    Args:
        response: the answer, with header names in lower case.

    Returns:
        The outcome for all items of the request; its reason is the status and the server's own error words.
    """
    status = response.status
    if 200 <= status < 300:
        return Outcome(Verdict.DELIVERED)
    reason = _reason(response)
    if status == 413:
        return Outcome(Verdict.SPLIT, reason)
    if status in {408, 429} or status >= 500:
        return Outcome(Verdict.RETRY, reason, retry_after_s=retry_after_s(response.headers))
    return Outcome(Verdict.REFUSED, reason)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After`` (RFC 9110 section 10.2.3): seconds or an HTTP date.

    A date counts from the server's own ``Date`` where it sends one, so that clocks need not agree.

    Returns:
        Seconds to wait, between 0 and one hour; None without a readable header.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        until = _http_date(value)
        if until is None:
            return None
        seconds = until - (_http_date(headers.get("date", "")) or time.time())
    # A NaN compares false and ends up as 0.
    return min(seconds, _MAX_RETRY_AFTER_S) if seconds > 0 else 0.0


def error_words(text: str) -> str:
    """Keep what a text says about an error and drop what it may quote from a call.

    Args:
        text: a server's error text or code.

    Returns:
        The text with every word, number and quotation that is not about errors as an ellipsis; at most 160 characters.
    """
    kept = (piece if _is_error_word(piece) else "…" for piece in _WORD.findall(text[:2000]))
    return " ".join(_ELLIPSIS_RUN.sub(" … ", "".join(kept)).split()).strip(" …")[:_MAX_REASON_CHARS]


def coded_reason(status: int, code: str, advice: Mapping[str, str]) -> str:
    """What a service's error code means to an operator; the same words every time, for the log.

    Args:
        status: of the answer.
        code: the service's own, ``NoSuchBucket``; empty if it gave none.
        advice: what can be done about it, by code; an empty text where the code says it all.
    """
    if code in advice:
        return f"{status} {code}: {advice[code]}" if advice[code] else f"{status} {code}"
    return f"{status} {error_words(code)}".strip()


def _is_error_word(piece: str) -> bool:
    if piece[0].isalpha():
        return piece.lower() in _ERROR_WORDS
    return all(character in " _-.,:;/" for character in piece)


def _http_date(value: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _reason(response: Response) -> str:
    words = _ADVICE.get(response.status, "")
    if 300 <= response.status < 400:
        words = "redirect: set the endpoint to its final address"
    said = error_words(" ".join(_texts(_parsed(response.body)))) if response.body else ""
    return " ".join(part for part in (str(response.status), words, f"({said})" if said else "") if part)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _texts(value: object, depth: int = 0) -> Iterator[str]:
    """Yield the strings under the keys that services use for errors."""
    if depth > 4:
        return
    if isinstance(value, str) and depth:
        yield value
    elif isinstance(value, list) and depth:
        for entry in value[:3]:
            yield from _texts(entry, depth + 1)
    elif isinstance(value, dict):
        for key in _ERROR_KEYS:
            yield from _texts(value.get(key), depth + 1)
