"""Versions of client libraries that are newer than what callspan knows: tried like any other, with a word about it."""

from __future__ import annotations

import logging
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from callspan.core.model import Client

_logger = logging.getLogger("callspan")
_reported: set[str] = set()  # clients


def is_unknown(client: Client) -> bool:
    """Whether the installed version has a major number above those that callspan was made for."""
    major = installed(client).partition(".")[0]
    return client.newest is not None and major.isdecimal() and int(major) > client.newest


def installed(client: Client) -> str:
    """The version of the library that is installed; empty if it is not."""
    return version_of(client.distribution or client.name)


@lru_cache(maxsize=64)  # reading it takes a while, and it stays
def version_of(name: str) -> str:
    """The version of an installed package; empty if it is not."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def look_for_modules(client: Client) -> None:
    """Report a module of a new version that is not there at all: nobody will ever import it."""
    if not is_unknown(client):
        return
    for module in dict.fromkeys(target.module for target in client.targets):
        try:
            found = find_spec(module)
        except ImportError:  # the package that it was in is not there either
            found = None
        if found is None:
            report_absent(client, module)


def report_absent(client: Client, place: str) -> None:
    """A method is not where it is in the versions that callspan knows: say so once per client if its version is new."""
    if client.name in _reported or not is_unknown(client):
        _logger.debug("%s is not there; it is not instrumented", place)
        return
    _reported.add(client.name)
    _logger.warning(
        "callspan: %s %s is newer than the versions that callspan knows (up to %s.x): calls of %s are not recorded;"
        " callspan doctor lists whatever else is not",
        client.name,
        installed(client),
        client.newest,
        place,
    )
