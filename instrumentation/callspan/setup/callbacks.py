"""What the settings of the process mean for callbacks that single calls name."""

from __future__ import annotations

from callspan.callbacks.exporter import CallbackExporter
from callspan.setup.installation import installed
from callspan.setup.pipelines import delivery
from callspan.setup.policies import policy_for
from callspan.setup.routes import Routes, TenantPolicy
from callspan.setup.settings import Settings
from callspan.setup.sinks import plan_for
from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.delivery.queue import RedactionPolicy
from callspan_exporters.redaction import Policy


def policy_named(name: str) -> Policy:
    """The policy that a sink of a callback's name would have.

    Raises:
        ConfigurationError: what the settings say about redaction for a sink of that name is wrong.
    """
    settings = _settings()
    return policy_for(settings, plan_for(name, settings))


def deliver(exporter: CallbackExporter, policy: RedactionPolicy) -> DeliveryProcessor:
    """The pipeline of such callbacks, with the limits of the process."""
    settings = _settings()
    return delivery(plan_for(exporter.name, settings), exporter, settings, policy=policy)


def with_tenants(policy: Policy) -> RedactionPolicy:
    """The policy, which the tenant of a call may tighten."""
    routes = Routes.of_process(_settings())
    return policy if routes is None else TenantPolicy(policy, routes)


def _settings() -> Settings:
    now = installed()
    return now.settings if now is not None else Settings()
