"""Libraries that come with an extra."""

from importlib.util import find_spec


def require(module: str, *, sink: str, extra: str) -> None:
    """Check that a sink's library is installed, without importing it.

    Raises:
        ImportError: it is not; says what to install.
    """
    try:
        found = find_spec(module)
    except ModuleNotFoundError:  # not even the package around it is there
        found = None
    if found is None:
        message = f"the {sink} sink needs {module}: pip install 'callspan[{extra}]'"
        raise ImportError(message)
