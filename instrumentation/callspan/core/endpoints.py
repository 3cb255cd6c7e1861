"""The endpoint of a client object, resolved once per base URL."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from callspan.core.model import Endpoint, endpoint
from callspan_semconv import attributes as attr
from callspan_semconv.providers import provider_from_host

PORTS = {"https": 443, "http": 80}


def at(url: Any, vendor: str) -> Endpoint:
    """The endpoint at a URL, given as text or as one of httpx's; ``vendor`` serves it if nobody else is known to."""
    parts = urlsplit(str(url))
    provider = provider_from_host(parts.hostname or "") or vendor
    return endpoint(provider, parts.hostname or "", parts.port or PORTS.get(parts.scheme), **api_base(url))


def place(url: Any) -> dict[str, Any]:
    """The start attributes for a base URL: its host, its port, and the URL itself."""
    parts = urlsplit(str(url))
    found = endpoint("", parts.hostname or "", parts.port or PORTS.get(parts.scheme), **api_base(url))
    return {name: value for name, value in found.attributes.items() if name != attr.GEN_AI_PROVIDER_NAME}


def api_base(url: Any) -> dict[str, str]:
    """The start attribute for a base URL: without userinfo and query, where gateways are given keys."""
    parts = urlsplit(str(url))
    host = parts.netloc.rpartition("@")[2]
    return {attr.CALLSPAN_API_BASE: f"{parts.scheme}://{host}{parts.path}".rstrip("/")} if host else {}


class EndpointCache:
    """Resolves endpoints; a client object whose base URL was changed resolves again.

    Args:
        base_url: reads the base URL object of a client object; compared by identity.
        resolve: makes the endpoint from the client object.
    """

    def __init__(self, base_url: Callable[[Any], object], resolve: Callable[[Any], Endpoint]) -> None:
        self._base_url = base_url
        self._resolve = resolve
        # By id, with a weak reference: a WeakKeyDictionary costs a microsecond more on every call.
        self._known: dict[int, tuple[weakref.ref[Any], object, Endpoint]] = {}

    def __call__(self, sdk_client: Any) -> Endpoint:
        """The endpoint of ``sdk_client``."""
        key = id(sdk_client)
        base_url = self._base_url(sdk_client)
        known = self._known.get(key)
        if known is not None and known[1] is base_url and known[0]() is sdk_client:
            return known[2]
        endpoint = self._resolve(sdk_client)
        reference = weakref.ref(sdk_client, lambda _: self._known.pop(key, None))
        self._known[key] = (reference, base_url, endpoint)
        return endpoint
