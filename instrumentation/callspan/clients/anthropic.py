"""The anthropic package, 1.x and 2.x: messages and beta messages, on every platform that the package has a class for.

From 2.0 on the package makes spans of its own. For a call that is recorded here its span would be a second one, and its
trace headers would take the place of ours, so it makes none: see `_without_own_span`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry import trace

from callspan.core import guard, state
from callspan.core.model import Client, Hook, methods
from callspan.core.propagation import merged_into
from callspan.core.shims import recorded_elsewhere
from callspan.core.stainless import by_class, by_host, endpoints, raw_response, requests
from callspan.shapes.anthropic.messages import MESSAGES
from callspan_semconv import attributes as attr

# The package's other platforms (AnthropicAWS, AnthropicGoogleCloud) are Anthropic's own, on others' ground.
_BY_CLASS = {
    f"{prefix}{name}": provider
    for prefix in ("", "Async")
    for name, provider in (
        ("AnthropicBedrock", "aws.bedrock"),
        ("AnthropicBedrockMantle", "aws.bedrock"),
        ("AnthropicVertex", "gcp.vertex_ai"),
        ("AnthropicFoundry", "azure.ai.inference"),
    )
}
_SIGNED = dict.fromkeys(
    f"{prefix}{name}"
    for prefix in ("", "Async")
    for name in ("AnthropicBedrock", "AnthropicBedrockMantle", "AnthropicAWS")
)
_at_host = by_host("anthropic")


def _provider(sdk_client: Any, host: str) -> str:
    return by_class(_BY_CLASS, sdk_client) or _at_host(sdk_client, host)


def _own_options(sdk_client: Any) -> Mapping[str, Any]:
    """What the application told the client about its own tracing; empty before 2.0."""
    options = getattr(sdk_client, "open_telemetry", None)
    return options if isinstance(options, Mapping) else {}


def _more(sdk_client: Any, provider: str) -> dict[str, Any]:
    more = {}
    if provider == "azure.ai.inference":
        more[attr.AZURE_RESOURCE_PROVIDER_NAMESPACE] = "Microsoft.CognitiveServices"
    if (conversation := _own_options(sdk_client).get("conversation_id")) is not None:
        more[attr.GEN_AI_CONVERSATION_ID] = conversation
    return more


def _forwards(sdk_client: Any) -> bool:
    """Not where the application has told the client not to, nor where AWS's signature would cover the header.

    HTTP instrumentation replaces the header after it was signed. Current botocore leaves it out of the signature.
    """
    if _own_options(sdk_client).get("propagation") is False:
        return False
    signs = any(kind.__name__ in _SIGNED for kind in type(sdk_client).__mro__)
    if not signs or getattr(sdk_client, "api_key", None) is not None:
        return True
    try:
        return "traceparent" in importlib.import_module("botocore.auth").SIGNED_HEADERS_BLACKLIST
    except (ImportError, AttributeError):
        return False


def _without_own_span(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Send a request without the package's own span and trace headers where they would be wrong.

    The package makes neither for a request that no method of its own names. Everything else stays as the application
    has set it: its option, its environment, the spans of its tool runner and of calls that are not recorded here.
    """
    try:
        if recorded_elsewhere("anthropic") or _traced_because_of_us(instance):
            options = kwargs.get("options") or args[1]
            if getattr(options, "span_name", None):
                options.span_name = None
    except Exception as error:  # noqa: BLE001 - the boundary: the application's request goes on
        guard.report("anthropic.request", error)
    return wrapped(*args, **kwargs)


def _traced_because_of_us(sdk_client: Any) -> bool:
    """Whether the package would send trace headers to a host that gets none, only because callspan made a provider."""
    telemetry = state.telemetry
    if telemetry is None or state.own_provider is None or trace.get_tracer_provider() is not state.own_provider:
        return False
    given = _own_options(sdk_client).get("tracer_provider")
    return given is None and not telemetry.propagation.allows(sdk_client.base_url.host)


# Bedrock's and Vertex AI's beta messages are copies of the functions of Anthropic's.
_MESSAGES = (
    "anthropic.resources.messages.messages",
    "anthropic.resources.beta.messages.messages",
    "anthropic.lib.bedrock._beta_messages",
    "anthropic.lib.vertex._beta_messages",
)

CLIENT = Client(
    name="anthropic",
    targets=tuple(
        target
        for module in _MESSAGES
        for target in (
            *methods(module, "Messages", {"create": MESSAGES, "parse": MESSAGES}),
            *methods(module, "Messages", {"stream": MESSAGES}, opens=True),
        )
    ),
    endpoint=endpoints(_provider, _more, _forwards),
    raw_response=raw_response,
    with_headers=merged_into("extra_headers"),
    hooks=(
        *(
            Hook("anthropic._base_client", f"{kind}.request", _without_own_span)
            for kind in ("SyncAPIClient", "AsyncAPIClient")
        ),
        *requests("anthropic"),
    ),
    newest=2,
)
