"""What the SDKs that Stainless generates have in common: openai, anthropic, groq, together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from callspan.core.endpoints import PORTS, EndpointCache, api_base
from callspan.core.model import Endpoint, Hook, endpoint
from callspan.core.quiet import sending
from callspan_semconv.providers import provider_from_host


def endpoints(
    provider: Callable[[Any, str], str],
    more: Callable[[Any, str], dict[str, Any]] = lambda _client, _provider: {},
    forwards: Callable[[Any], bool] = lambda _client: True,
) -> Callable[[Any], Endpoint]:
    """Resolve the endpoint of a resource (``client.chat.completions``) by its client's base URL.

    Args:
        provider: names the provider, given the client object and the host.
        more: further start attributes, given the client object and the provider.
        forwards: see `Endpoint`, given the client object.
    """

    def resolve(sdk_client: Any) -> Endpoint:
        url = sdk_client.base_url
        name = provider(sdk_client, url.host)
        found = endpoint(name, url.host, url.port or PORTS.get(url.scheme), **api_base(url), **more(sdk_client, name))
        return replace(found, forwards=forwards(sdk_client))

    # The public property builds the URL anew for some clients; what it is built from serves as the mark of a change.
    cache = EndpointCache(lambda sdk_client: vars(sdk_client).get("_base_url"), resolve)
    return lambda resource: cache(resource._client)  # noqa: SLF001 - resources name their client no other way


def requests(package: str) -> tuple[Hook, ...]:
    """Hooks for the methods through which every request of ``package`` goes out; see `callspan.core.quiet`."""
    return sending(f"{package}._base_client", "SyncAPIClient.request", "AsyncAPIClient.request")


def by_host(vendor: str) -> Callable[[Any, str], str]:
    """Name the provider that is known to answer at the host; on any other, the client's own ``vendor``."""
    return lambda _client, host: provider_from_host(host) or vendor


def by_class(names: dict[str, str], sdk_client: Any) -> str | None:
    """The provider that the client's class, or one of its bases, stands for: applications subclass the clients."""
    return next((names[kind.__name__] for kind in type(sdk_client).__mro__ if kind.__name__ in names), None)


def raw_response(result: Any) -> Any:
    """The HTTP response inside the results of ``with_raw_response`` and ``with_streaming_response``."""
    # Looked up in the object's own dict: a miss by attribute is slow on pydantic models.
    state = getattr(result, "__dict__", None)
    return state.get("http_response") if state else None
