"""TLS settings of sinks as a context."""

import ssl
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """Paths of PEM files; None means the system's authorities and no client certificate."""

    certificate: str | None = None
    client_key: str | None = None
    client_certificate: str | None = None


NO_FILES: Final = TLSFiles()


def context(files: TLSFiles, *, verify: bool = True) -> ssl.SSLContext | None:
    """What an HTTPS client should trust and present.

    Args:
        files: authorities, and the client's certificate with its key (in the same file if no key is given).
        verify: false checks no certificate at all.

    Returns:
        A context, or None where nothing differs from the default.

    Raises:
        ValueError: a file cannot be read or is no PEM file; names the file.
    """
    if verify and files == NO_FILES:
        return None
    made = ssl.create_default_context()
    try:
        if files.certificate:
            made.load_verify_locations(files.certificate)
        if files.client_certificate:
            made.load_cert_chain(files.client_certificate, files.client_key)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(path for path in (files.certificate, files.client_certificate, files.client_key) if path)
        message = f"TLS: cannot use {names}: {type(error).__name__}; expected readable PEM files"
        raise ValueError(message) from error
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made
