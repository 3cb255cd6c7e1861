"""Other packages' instrumentations of the clients that callspan records: one call is one span, whoever comes first.

All of them derive from `BaseInstrumentor`. callspan's wrappers go aside while one of them puts its own on, and so are
the outermost again whatever the order; during a call the others are then silent (`callspan.core.quiet`). Calls that
callspan does not record stay theirs. One that looks for no mark at all is kept from instrumenting.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import wrapt
from opentelemetry.instrumentation.environment_variables import OTEL_PYTHON_DISABLED_INSTRUMENTATIONS
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # no __all__

from callspan.clients import CLIENTS
from callspan.core import guard, state
from callspan.core.patching import aside, is_aside

GROUP: Final = "opentelemetry_instrumentor"
OURS: Final = "callspan-"

# Who heeds the marks of `callspan.core.quiet`: OpenTelemetry's and OpenLLMetry's, OpenInference's, OpenLIT's.
_KNOWN: Final = ("opentelemetry.instrumentation.", "openinference.instrumentation.", "openlit.")
# Frozen since OpenTelemetry's instrumentation moved to opentelemetry-instrumentation-genai-openai.
DEAF: Final = frozenset({"opentelemetry.instrumentation.openai_v2"})

_REQUIREMENT: Final = re.compile(r"[A-Za-z0-9._-]+")
_logger = logging.getLogger("callspan")
_watching = False
_told: set[tuple[str, str]] = set()


def switched_off() -> frozenset[str]:
    """The names in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS``."""
    said = os.environ.get(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, "")
    return frozenset(name.strip() for name in said.split(","))


def switched_on() -> list[str]:
    """The clients that ``opentelemetry-instrument`` will let callspan instrument."""
    off = switched_off()
    return [name for name in CLIENTS if not off & {"*", f"{OURS}{name}"}]


def watch() -> None:
    """From now on take note of other instrumentations, and of those that are in force already. Idempotent."""
    global _watching  # noqa: PLW0603 - once per process
    if _watching:
        return
    _watching = True
    module = BaseInstrumentor.__module__
    wrapt.wrap_function_wrapper(module, "BaseInstrumentor.instrument", _instrument)
    wrapt.wrap_function_wrapper(module, "BaseInstrumentor.uninstrument", _uninstrument)


def look_around() -> None:
    """See to the instrumentations that were there before callspan's."""
    for kind in _kinds(BaseInstrumentor):
        instance = vars(kind).get("_instance")
        if instance is None or not instance.is_instrumented_by_opentelemetry:
            continue
        for client in _clients_of(instance):
            if _is_deaf(instance) and _records(client):
                instance.uninstrument()
            _tell(client, instance)


def wrapped_by(requirements: Any) -> list[str]:
    """The clients among the libraries that an instrumentation says it is for.

    Args:
        requirements: as in ``instrumentation_dependencies()`` or the ``instruments`` extra: ``openai >= 1.0``.
    """
    found = (_REQUIREMENT.match(each) for each in requirements if isinstance(each, str))
    names = {match.group().lower().replace("-", "_").replace(".", "_") for match in found if match}
    return [name for name, client in CLIENTS.items() if name in names and client.targets]


def _kinds(base: type[Any]) -> Iterator[type[Any]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


def _instrument(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    clients = _clients_of(instance)
    if not clients or is_aside():  # called by another, for which all is seen to
        return wrapped(*args, **kwargs)
    if _is_deaf(instance) and any(map(_records, clients)):
        _tell(clients[0], instance)
        return None
    with aside():
        result = wrapped(*args, **kwargs)
    if instance.is_instrumented_by_opentelemetry:
        for client in clients:
            _tell(client, instance)
    return result


def _uninstrument(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if not _clients_of(instance):
        return wrapped(*args, **kwargs)
    with aside():
        return wrapped(*args, **kwargs)


def _clients_of(instance: Any) -> list[str]:
    """The clients that another's instrumentation wraps too; none while callspan is off, and none for callspan's own."""
    if state.telemetry is None:
        return []
    try:
        return wrapped_by(instance.instrumentation_dependencies())
    except Exception as error:  # noqa: BLE001 - the boundary: somebody else's instrumentation
        guard.report("rivals.dependencies", error)
        return []


def _is_deaf(instance: Any) -> bool:
    return type(instance).__module__ in DEAF


def _records(client: str) -> bool:
    return state.telemetry is not None and client in state.telemetry.clients


def _tell(client: str, instance: Any) -> None:
    """Say in one line who records the calls of a client, once for each that could."""
    rival = _package_of(type(instance).__module__)
    if (client, rival) in _told:
        return
    _told.add((client, rival))
    # Those who use botocore, and its instrumentation, mostly call no model.
    level = logging.WARNING if CLIENTS[client].package is not None else logging.INFO
    if not _records(client):
        _logger.log(level, "callspan: calls of %s are recorded by %s; callspan's own is switched off", client, rival)
    elif _is_deaf(instance):
        _logger.log(
            level, "callspan: calls of %s are recorded by callspan, in place of %s, which is not loaded", client, rival
        )
    else:
        _logger.log(
            level,
            "callspan: calls of %s are recorded by callspan; %s is silent during them, unless %s=%s%s",
            *(client, rival, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, OURS, client),
        )


def registered_for(entry: EntryPoint, client: str) -> bool:
    """Whether the entry point of an instrumentation is of one for ``client``.

    By the ``instruments`` extra, which ``opentelemetry-instrument`` goes by too; else by its name and its package's.
    """
    wanted = [each for each in (entry.dist.requires if entry.dist else None) or () if "instruments" in each]
    if wanted:
        return client in wrapped_by(wanted)
    return client in f"{entry.name} {package_of(entry)}".lower().replace("-", "_")


def is_known(entry: EntryPoint) -> bool:
    """Whether an instrumentation is of a family that is known to be silent when told."""
    return entry.module.startswith(_KNOWN)


def package_of(entry: EntryPoint) -> str:
    """The distribution of an entry point, with its version."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.module


def _package_of(module: str) -> str:
    """The distribution with its version; the module's name where it registers for no ``opentelemetry-instrument``."""
    found = (package_of(entry) for entry in entry_points(group=GROUP) if f"{module}.".startswith(f"{entry.module}."))
    return next(found, module)
