"""Which hosts get a ``traceparent``: by default only private ones, since a trace id sent to a vendor is data egress."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PRIVATE_SUFFIXES = (".local", ".internal", ".svc", ".localhost", ".localdomain", ".lan", ".home.arpa")
_propagator = TraceContextTextMapPropagator()


def is_private_host(host: str) -> bool:
    """Whether ``host`` names a machine of one's own: loopback, a private range, a single label, or a private suffix."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        # Kubernetes names end in .svc.cluster.local or contain a .svc label.
        return bool(name) and ("." not in name or name.endswith(_PRIVATE_SUFFIXES) or ".svc." in name)
    return address.is_private or address.is_loopback or address.is_link_local


class Propagation:
    """The rule for one process.

    Args:
        forward: None: private hosts only. True: every host. False: none. A list of hosts: those and their subdomains,
            beside the private ones.
    """

    def __init__(self, forward: bool | Sequence[str] | None = None) -> None:
        self._all = forward is True
        self._none = forward is False
        hosts = () if forward is None or isinstance(forward, bool) else forward
        self._hosts = tuple(host.lower().lstrip(".") for host in hosts)
        self._decide = lru_cache(maxsize=1024)(self._allows)  # asked for every call, about few hosts

    def allows(self, host: str) -> bool:
        """Whether a request to ``host`` may carry the trace context."""
        return self._decide(host)

    def asks(self, host: str) -> bool:
        """Whether the operator asked for ``host`` to get it: every host, or this one by name."""
        return self._all or self._is_named(host)

    def _allows(self, host: str) -> bool:
        if self._all or self._none or not host:
            return self._all
        return is_private_host(host) or self._is_named(host)

    def _is_named(self, host: str) -> bool:
        return any(host == name or host.endswith("." + name) for name in self._hosts)


def merged_into(parameter: str) -> Callable[[dict[str, Any], Mapping[str, str]], dict[str, Any]]:
    """For libraries that take extra headers in a parameter of their own: adds to what the application passes there.

    A ``traceparent`` that the application set itself stays.
    """

    def merged(kwargs: dict[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
        own = kwargs.get(parameter)
        own = own if isinstance(own, Mapping) else {}
        if any(name.lower() == "traceparent" for name in own):
            return kwargs
        return {**kwargs, parameter: {**own, **headers}}

    return merged


def inject(context: Context) -> dict[str, str]:
    """The W3C headers of ``context``: ``traceparent`` and, if there is one, ``tracestate``; never ``baggage``."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, context)
    return carrier
