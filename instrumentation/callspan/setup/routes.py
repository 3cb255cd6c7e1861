"""Which tenant a call belongs to, and so where else it goes, where it does not go, and with which policy."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from callspan.errors import ConfigurationError
from callspan.setup import litellm_proxy, sinks, stamped
from callspan.setup.kinds import SinkSettings
from callspan.setup.policies import policy_for
from callspan.setup.settings import Settings
from callspan.setup.sinks import SinkPlan
from callspan.setup.tenant_variables import arguments, sends_keys_elsewhere
from callspan.setup.tenants import FAILURE, KEY, SUCCESS, TEAM, Tenant
from callspan_exporters import registry
from callspan_exporters.expand import refers
from callspan_exporters.memo import remember
from callspan_exporters.redaction import Policy, named, none, tighter
from callspan_exporters.sink import span_metadata
from callspan_semconv.attributes import CALLSPAN_METADATA

_PREFIX: Final = "user_api_key"
_HASH: Final = KEY["key_hash"]
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MAX_STAMPED: Final = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class TenantPlan:
    """A sink of one tenant.

    Attributes:
        tenant: whose it is.
        plan: the sink; its name is what everybody calls it.
        policy: the tenant's own; None: it has none.
    """

    tenant: Tenant
    plan: SinkPlan
    policy: Policy | None

    @property
    def name(self) -> str:
        """The sink's name in reports, logs and dead letters, where tenants must not be taken for one another."""
        return f"{self.plan.name}@{self.tenant.value}"


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """What is different about the calls of one tenant.

    Attributes:
        plans: the tenant's own sinks.
        disabled: names of sinks that do not get the calls, in lower case.
        policy: for the calls at every sink; None: no other than without a tenant.
    """

    plans: tuple[TenantPlan, ...]
    disabled: frozenset[str]
    policy: Policy | None

    def plans_for(self, span: ReadableSpan) -> Iterator[TenantPlan]:
        """The tenant's own sinks that get a call."""
        outcome = FAILURE if span.status.status_code is StatusCode.ERROR else SUCCESS
        for each in self.plans:
            if outcome in each.plan.events and each.plan.name.lower() not in self.disabled:
                yield each


class Routes:
    """The routes of all tenants.

    The levels are those of LiteLLM: what the gateway says of the key, the key's settings, its team's; the first that
    says anything counts alone.

    Args:
        settings: of the process.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        tenants = (*settings.default_key_settings, *settings.default_team_settings)
        self._routes = {(tenant.known_by, tenant.value): self._route(tenant) for tenant in tenants}
        self._lock = threading.Lock()
        self._stamped: OrderedDict[int, tuple[Tenant, Route]] = OrderedDict()

    @classmethod
    def of_process(cls, settings: Settings) -> Routes | None:
        """The routes, or None where there can be no tenants: no settings about them, and no gateway in the process."""
        wanted = settings.default_key_settings or settings.default_team_settings or litellm_proxy.running()
        return cls(settings) if wanted else None

    def plans(self) -> list[TenantPlan]:
        """The sinks that settings give to tenants."""
        return [plan for route in self._routes.values() for plan in route.plans]

    def of(self, span: ReadableSpan) -> Route | None:
        """The route of a call; None if its tenant is unknown, or nothing is said of it."""
        text = (span.attributes or {}).get(CALLSPAN_METADATA)
        if not isinstance(text, str) or _PREFIX not in text:
            return None
        return remember(span, self, lambda: self._found(span_metadata(span)))

    def keeps_from(self, name: str, span: ReadableSpan) -> bool:
        """Whether everybody's sink of that name does not get a call.

        The call's tenant has disabled it, or has one of that name in its place.
        """
        route = self.of(span)
        if route is None:
            return False
        return name.lower() in route.disabled or any(each.plan.name == name for each in route.plans_for(span))

    def _found(self, metadata: Mapping[str, Any]) -> Route | None:
        key_hash = _key_hash(metadata)
        said = stamped.told(key_hash) if key_hash is not None else None
        if said is None:
            return self._written({**metadata, _HASH: key_hash})
        if said.events is not None:
            return self._of_stamped(said)
        # It only disables: on top of what the settings say.
        route = self._written({**metadata, _HASH: key_hash}) or Route((), frozenset(), None)
        return replace(route, disabled=route.disabled | said.disabled)

    def _written(self, metadata: Mapping[str, Any]) -> Route | None:
        """What the settings say of a key, else of its team."""
        for known_by in (*KEY.values(), *TEAM.values()):
            value = metadata.get(known_by)
            route = self._routes.get((known_by, str(value))) if value is not None else None
            if route is not None:
                return route
        return None

    def _of_stamped(self, tenant: Tenant) -> Route:
        with self._lock:
            known = self._stamped.get(id(tenant))
            if known is None:
                known = self._stamped[id(tenant)] = (tenant, self._route(tenant))
                if len(self._stamped) > _MAX_STAMPED:
                    self._stamped.popitem(last=False)
            return known[1]

    def _route(self, tenant: Tenant) -> Route:
        policy = None
        if tenant.redaction is not None:
            # The name was checked when the settings were read.
            policy = named(tenant.redaction.value, self._settings.masks.values()) or none()
        plans = [
            TenantPlan(tenant, _plan(tenant, name, events, self._settings), policy)
            for name, events in (tenant.events or {}).items()
            if not tenant.stamped or _is_known(name, self._settings)
        ]
        return Route(tuple(plans), tenant.disabled, policy)


@dataclass(frozen=True, slots=True)
class TenantPolicy:
    """The policy of a pipeline that everybody shares: a call's tenant may tighten it.

    Attributes:
        policy: for calls of no tenant.
        routes: of all tenants.
    """

    policy: Policy
    routes: Routes

    @property
    def deferred(self) -> bool:
        """Whether it is too slow for the caller's thread, where no tenant tightens it."""
        return self.policy.deferred

    def for_call(self, span: ReadableSpan) -> Policy:
        """Choose the policy for one call: the tighter of this one and its tenant's, unless the call asks for more."""
        route = self.routes.of(span)
        return tightened(self.policy, route.policy if route is not None else None).for_call(span)

    def redact(self, span: ReadableSpan) -> ReadableSpan:
        """Make the copy that may leave."""
        return self.for_call(span).redact(span)


def tightened(policy: Policy, other: Policy | None) -> Policy:
    """The tighter of both; whatever else ``policy`` says stays."""
    if other is None:
        return policy
    return replace(
        tighter(other, policy),
        redact_user_api_key_info=policy.redact_user_api_key_info,
        allow_opt_out=policy.allow_opt_out,
        masks=policy.masks,
    )


def policy_of(each: TenantPlan, settings: Settings) -> Policy:
    """The policy of a tenant's sink: the tightest of everybody's for a sink of that name, the sink's and the tenant's.

    Raises:
        ConfigurationError: the sink's settings about redaction are wrong.
    """
    shared = policy_for(settings, sinks.plan_for(each.plan.name, settings))
    return tightened(tightened(shared, policy_for(settings, each.plan)), each.policy)


def check(each: TenantPlan) -> None:
    """Refuse a sink by which a gateway's tenant would get at what is the operator's.

    Raises:
        ConfigurationError: it would send the process's credentials to an address of the tenant's, or the value of one
            of the process's variables; names the sink.
    """
    tenant, name = each.tenant, each.plan.name
    if not tenant.stamped:
        return
    own = arguments(tenant.variables, _kind(name, each.plan.settings))
    if any(map(refers, own.values())):
        raise ConfigurationError(f"{tenant.where}: {name}: the key refers to environment variables")
    if sends_keys_elsewhere(own):
        raise ConfigurationError(f"{tenant.where}: {name}: the key names an address for it, but no credentials")


def _plan(tenant: Tenant, name: str, events: frozenset[str], settings: Settings) -> SinkPlan:
    shared = sinks.plan_for(name, settings).settings
    written = {**shared.values, **tenant.settings.get(name, {})}
    kind = _kind(name, SinkSettings(written, tenant.where))
    own = arguments({**tenant.variables, **tenant.sink_variables.get(name, {})}, kind)
    return SinkPlan(name, SinkSettings({**written, **own}, f"{tenant.where}: {name}"), events)


def _kind(name: str, written: SinkSettings) -> str:
    return str(written.values.get("callback_type", name))


def _is_known(name: str, settings: Settings) -> bool:
    """Whether a sink that a gateway names is one of ours or of the operator's; others are the gateway's own."""
    return name in registry.names() or name in settings.callback_settings


def _key_hash(metadata: Mapping[str, Any]) -> str | None:
    """The hash of the call's key; ``user_api_key`` holds it in LiteLLM's proxy."""
    value = metadata.get(_HASH)
    if value is None and _SHA256.fullmatch(str(metadata.get(_PREFIX))):
        value = metadata[_PREFIX]
    return None if value is None else str(value)
