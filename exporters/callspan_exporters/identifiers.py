"""Ids in the form that services ask for, the same for the same call every time."""

import hashlib
from uuid import UUID


def as_uuid(text: str) -> UUID:
    """A UUID of any version stays itself; other text becomes one of version 4, by its SHA-256."""
    try:
        return UUID(text)
    except ValueError:
        return hashed_uuid(text)


def as_uuid4(text: str) -> UUID:
    """The same, for services that insist on version 4."""
    found = as_uuid(text)
    return found if found.version == 4 else hashed_uuid(text)


def hashed_uuid(text: str) -> UUID:
    """A UUID that has the form of version 4 and is made of a text's SHA-256."""
    return UUID(bytes=hashlib.sha256(text.encode(errors="replace")).digest()[:16], version=4)
