"""The endpoint of a client object, resolved once per base URL."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from callspan.core.model import Endpoint


class EndpointCache:
    """Resolves endpoints; a client object whose base URL was changed resolves again.

    Args:
        base_url: reads the base URL object of a client object.
        resolve: makes the endpoint from the client object.
    """

    def __init__(self, base_url: Callable[[Any], object], resolve: Callable[[Any], Endpoint]) -> None:
        self._base_url = base_url
        self._resolve = resolve
        self._known: weakref.WeakKeyDictionary[Any, tuple[object, Endpoint]] = weakref.WeakKeyDictionary()

    def __call__(self, sdk_client: Any) -> Endpoint:
        base_url = self._base_url(sdk_client)
        known = self._known.get(sdk_client)
        if known is not None and known[0] is base_url:
            return known[1]
        endpoint = self._resolve(sdk_client)
        self._known[sdk_client] = (base_url, endpoint)
        return endpoint
