"""AWS event streams: binary frames around JSON events, as Bedrock's ``InvokeModelWithResponseStream`` answers.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html (the same encoding)
"""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

from callspan.core.view import view
from callspan_semconv import jsonio

MEDIA_TYPE = "application/vnd.amazon.eventstream"

_PRELUDE = struct.Struct(">III")  # the frame's length, its headers' length, a checksum
_CHECKSUM_BYTES = 4
_STRING = 7  # the only type of header value that names anything here


def events(body: bytes) -> Iterator[Any]:
    """The model's own events, up to where the body was cut off; an exception of the service as an event of its own."""
    start = 0
    while start + _PRELUDE.size <= len(body):
        length, headers_length, _ = _PRELUDE.unpack_from(body, start)
        end = start + length
        if length < _PRELUDE.size + headers_length + _CHECKSUM_BYTES or end > len(body):
            return
        payload_at = start + _PRELUDE.size + headers_length
        headers = _strings(body[start + _PRELUDE.size : payload_at])
        payload = jsonio.loads(body[payload_at : end - _CHECKSUM_BYTES] or b"{}")
        if (kind := headers.get(":exception-type") or headers.get(":error-code")) is not None:
            yield view({"type": "error", "error": {"type": kind, "message": payload.get("message")}})
        elif (inner := payload.get("bytes")) is not None:
            yield view(jsonio.loads(b64decode(inner)))
        start = end


def _strings(headers: bytes) -> dict[str, str]:
    """The leading headers that are strings; AWS sends no others."""
    found = {}
    at = 0
    while at < len(headers):
        name_end = at + 1 + headers[at]
        if headers[name_end] != _STRING:
            break
        (length,) = struct.unpack_from(">H", headers, name_end + 1)
        value_at = name_end + 3
        found[headers[at + 1 : name_end].decode()] = headers[value_at : value_at + length].decode()
        at = value_at + length
    return found
