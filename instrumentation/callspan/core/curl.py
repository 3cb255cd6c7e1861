"""An HTTP request as a curl command, its secrets masked: runnable once they are filled in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from shlex import quote
from typing import Any, Final

from callspan_semconv import jsonio, secrets
from callspan_semconv.secrets import SECRET

MAX_BODY_BYTES: Final = 256 * 1024

# An allow-list: of any other header only the name is shown. Gateways have headers of their own for their keys.
_HARMLESS: Final = re.compile(
    r"accept|accept-language|cache-control|content-encoding|content-type|idempotency-key|openai-(?:beta|organization|project)"
    r"|anthropic-(?:beta|version)|prefer|user-agent|traceparent|tracestate|x-stainless-.+|x-goog-api-client"
    r"|x-amz-(?:date|target)|x-amzn-bedrock-.+|amz-sdk-.+|x-client-(?:name|version)|x-fern-.+|x-request-id",
    re.IGNORECASE,
)
# curl sets these itself, or would print a compressed answer as it is.
_CURLS_OWN: Final = frozenset({"accept-encoding", "connection", "content-length", "host", "transfer-encoding"})


def command(method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes | None) -> str:
    """Make the command, one argument a line.

    Args:
        method: of the request.
        url: of the request; credentials in it are left out.
        headers: of the request; of those that may hold a secret only the name is shown.
        body: of the request. What is no text, or longer than `MAX_BODY_BYTES`, is left out with a remark; None: it is
            a stream that can be read but once.
    """
    lines = [f"curl -X {method}", quote(secrets.scrub(secrets.strip_url(url)))]
    lines += (
        f"-H {quote(f'{name}: {_value(name, value)}')}" for name, value in headers if name.lower() not in _CURLS_OWN
    )
    data, remark = _data(body)
    if data:
        lines.append(f"--data-raw {quote(data)}")
    return " \\\n  ".join(lines) + (f"\n# {remark}" if remark else "")


def _value(name: str, value: str) -> str:
    return secrets.scrub(value) if _HARMLESS.fullmatch(name) else SECRET


def _data(body: bytes | None) -> tuple[str, str]:
    """The body as text, and a remark where it cannot be shown."""
    if body is None:
        return "", "the body is not shown: it was sent as a stream"
    if len(body) > MAX_BODY_BYTES:
        return "", f"the body is not shown: {len(body)} bytes"
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return "", f"the body is not shown: {len(body)} bytes that are no text"
    masked = secrets.scrub(text)
    try:
        parsed = jsonio.loads(text)
    except ValueError:
        return masked, ""
    cleaned = _cleaned(parsed)
    # As it was sent, unless there is something to hide.
    return (text if masked == text and cleaned == parsed else jsonio.dumps(cleaned)), ""


def _cleaned(value: Any) -> Any:
    """Leaf by leaf, because a pattern may end in the middle of a JSON string."""
    if isinstance(value, str):
        return secrets.scrub(value)
    if isinstance(value, Mapping):
        return {key: SECRET if _hides(key, item) else _cleaned(item) for key, item in value.items()}
    return [_cleaned(item) for item in value] if isinstance(value, list) else value


def _hides(name: str, value: object) -> bool:
    return isinstance(value, str) and secrets.is_secret_name(name)
