"""URLs in settings."""

from urllib.parse import SplitResult, urlsplit

from callspan_exporters.environment import first_variable


def parse_url(url: str, source: str) -> SplitResult:
    """Split an ``http://`` or ``https://`` URL.

    Raises:
        ValueError: it has no such scheme or no host; names the source and what was expected.
    """
    parts = urlsplit(url.strip())
    if parts.scheme in {"http", "https"} and parts.hostname:
        return parts
    hint = ""
    if parts.scheme in {"http", "https"}:
        hint = f"; did you mean '{parts.scheme}://{parts.path.lstrip('/')}'?"
    message = f"{source}: {url!r} is not a URL; expected http://host:port or https://host:port{hint}"
    raise ValueError(message)


def base_url(value: str | None, default: str, *names: str, sink: str, keyword: str) -> str:
    """Where a service is: from code or file, else from the first variable that is set, else the default.

    Args:
        value: what code or file gave.
        default: the service's own address.
        names: environment variables.
        sink: the sink's name, for errors.
        keyword: the setting's name in code and file, for errors.

    Returns:
        The URL, without a slash at its end.

    Raises:
        ValueError: see `parse_url`.
    """
    source, given = (keyword, value) if value else first_variable(*names) or (keyword, default)
    return parse_url(given, f"{sink}: {source}").geturl().rstrip("/")
