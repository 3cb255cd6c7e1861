"""Every LLM call becomes one OpenTelemetry span, and every span reaches every sink you use.

Importing this package is cheap; what a name needs is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from callspan.errors import ConfigurationError

if TYPE_CHECKING:
    from callspan.call_context import context
    from callspan.callbacks.custom_logger import CustomLogger
    from callspan.core.call_ids import call_id
    from callspan.instrumentors import instrument, uninstrument
    from callspan.setup.configuration import configure, flush
    from callspan.version import __version__

__all__ = [
    "ConfigurationError",
    "CustomLogger",
    "__version__",
    "call_id",
    "configure",
    "context",
    "flush",
    "instrument",
    "uninstrument",
]

_LAZY = {
    "CustomLogger": "callspan.callbacks.custom_logger",
    "__version__": "callspan.version",
    "call_id": "callspan.core.call_ids",
    "configure": "callspan.setup.configuration",
    "context": "callspan.call_context",
    "flush": "callspan.setup.configuration",
    "instrument": "callspan.instrumentors",
    "uninstrument": "callspan.instrumentors",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
