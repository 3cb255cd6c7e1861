"""Every LLM call becomes one OpenTelemetry span, and every span reaches every sink you use.

Importing this package is cheap; what a name needs is imported when it is first used.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from callspan.errors import ConfigurationError

if TYPE_CHECKING:
    from callspan.context import context
    from callspan.core.call_ids import call_id
    from callspan.instrumentors import instrument, uninstrument
    from callspan.setup.configuration import configure, flush
    from callspan.version import __version__

__all__ = [
    "ConfigurationError",
    "__version__",
    "call_id",
    "configure",
    "context",
    "flush",
    "instrument",
    "uninstrument",
]

_LAZY = {
    "__version__": "callspan.version",
    "call_id": "callspan.core.call_ids",
    "configure": "callspan.setup.configuration",
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


class _Package(ModuleType):
    """This package: ``context`` is the class, although a module has that name as well."""

    def _get_context(self) -> Any:
        return import_module("callspan.context").context

    def _set_context(self, module: object) -> None:
        """The import system offers the submodule; the class stays."""

    context = property(_get_context, _set_context)


sys.modules[__name__].__class__ = _Package
