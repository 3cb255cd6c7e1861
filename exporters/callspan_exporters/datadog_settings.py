"""Where Datadog's intakes are, and the tags that every call carries there."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from callspan_exporters import addresses
from callspan_exporters.environment import number, required, variable
from callspan_exporters.shorten import SHORTENED
from callspan_semconv import StandardLoggingPayload

SHORTENED_TAG: Final = f"{SHORTENED}:true"
_SITE: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
# LiteLLM's rule for tag values; Datadog itself changes the same characters.
_NOT_IN_A_TAG: Final = re.compile(r"[^\w\-:./]")
_UNDERSCORES: Final = re.compile("__+")


@dataclass(frozen=True, slots=True)
class Intake:
    """Where requests go.

    Attributes:
        url: scheme and host, without a path.
        headers: of every request; the key, where one is needed.
        is_agent: it is a Datadog Agent, which adds the key itself.
    """

    url: str
    headers: Mapping[str, str]
    is_agent: bool


def intake(
    sink: str,
    subdomain: str,
    *,
    api_key: str | None,
    site: str | None,
    base_url: str | None,
    agent_host: str | None,
    agent_port: float | None,
    default_port: int,
    port_variable: str,
) -> Intake:
    """Choose between an address of one's own, an Agent, and Datadog's site, in this order.

    Args:
        sink: the sink's name, for errors.
        subdomain: of the site: ``http-intake.logs``, ``api``.
        api_key: default ``DD_API_KEY``; an Agent needs none.
        site: ``us5.datadoghq.com``; default ``DD_SITE``.
        base_url: replaces scheme and host; default ``DD_BASE_URL``.
        agent_host: default ``LITELLM_DD_AGENT_HOST``.
        agent_port: default the variable that ``port_variable`` names, else ``default_port``.
        default_port: of an Agent.
        port_variable: the environment variable with an Agent's port.

    Raises:
        ValueError: something is missing or malformed; names the variable and the argument.
    """
    agent_host = agent_host or variable("LITELLM_DD_AGENT_HOST")
    own = base_url or variable("DD_BASE_URL")
    key = api_key or variable("DD_API_KEY")
    if own or not agent_host:
        key = required(key, "DD_API_KEY", sink=sink, keyword="api_key")
    headers = {"content-type": "application/json", **({"dd-api-key": key} if key else {})}
    if own:
        where = addresses.base_url(base_url, own, "DD_BASE_URL", sink=sink, keyword="base_url")
        return Intake(where, headers, is_agent=False)
    if agent_host:
        port = number(agent_port, default_port, port_variable, least=1, most=65535)
        return Intake(f"http://{agent_host}:{int(port)}", headers, is_agent=True)
    site = required(site, "DD_SITE", sink=sink, keyword="site").lower()
    if not _SITE.fullmatch(site):
        message = f"{sink}: site (DD_SITE) is {site!r}; expected a host name such as 'datadoghq.com' or 'datadoghq.eu'"
        raise ValueError(message)
    return Intake(f"https://{subdomain}.{site}", headers, is_agent=False)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sends: what Datadog calls unified service tagging, with host and pod."""

    service: str
    env: str
    version: str
    source: str
    hostname: str
    pod_name: str

    @classmethod
    def read(
        cls, service: str | None, env: str | None, version: str | None, source: str | None, hostname: str | None
    ) -> "Origin":
        """What was given, else ``DD_SERVICE``, ``DD_ENV``, ``DD_VERSION``, ``DD_SOURCE`` and ``HOSTNAME``."""
        return cls(
            service=service or variable("DD_SERVICE") or "litellm-server",
            env=env or variable("DD_ENV") or "unknown",
            version=version or variable("DD_VERSION") or "unknown",
            source=source or variable("DD_SOURCE") or "litellm",
            hostname=hostname or os.environ.get("HOSTNAME", ""),
            pod_name=variable("POD_NAME") or "unknown",
        )

    @property
    def tags(self) -> list[str]:
        """The tags of every call."""
        return [
            _tag("env", self.env),
            _tag("service", self.service),
            _tag("version", self.version),
            _tag("HOSTNAME", self.hostname),
            _tag("POD_NAME", self.pod_name),
        ]


def call_tags(payload: StandardLoggingPayload) -> Iterator[str]:
    """The tags of one call: those that the application gave, and its team."""
    for tag in payload["request_tags"]:
        yield _tag("request_tag", tag)
    metadata = payload["metadata"]
    team = metadata.get("user_api_key_team_alias") or metadata.get("team_alias") or metadata.get("team_id")
    if team:
        yield _tag("team", team)


def cost_tags(payload: StandardLoggingPayload) -> dict[str, str]:
    """By what Datadog may break down costs: the dimensions that the call has, each with its tag."""
    metadata = payload["metadata"]
    dimensions = {
        "user": payload["end_user"] or metadata.get("user_api_key_user_id"),
        "key_alias": metadata.get("user_api_key_alias"),
        "model_group": payload["model_group"],
        "team": metadata.get("user_api_key_team_alias") or metadata.get("team_alias") or metadata.get("team_id"),
    }
    return {name: _tag(name, value) for name, value in dimensions.items() if value}


def apm_ids(span: ReadableSpan) -> tuple[str, str] | None:
    """Trace and span id as Datadog's products write them: the low 64 bits, in decimal (Datadog, "Correlate logs")."""
    context = span.get_span_context()
    if context is None or not context.is_valid:
        return None
    return str(context.trace_id & (1 << 64) - 1), str(context.span_id)


def _tag(name: str, value: object) -> str:
    return f"{name}:{_UNDERSCORES.sub('_', _NOT_IN_A_TAG.sub('_', str(value).lower()))}"
