"""A local Azure Blob Storage (azurite, from npm) that checks keys, and over HTTPS tokens too."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.storage.blob import ContainerClient

from callspan_exporters.azure import AzureBlobSpanExporter
from callspan_exporters.azure_shared_key import API_VERSION
from tests.servers.cache import npm
from tests.servers.ports import free_port
from tests.servers.process import running

VERSION = "3.37.0"
CONTAINER = "litellm-logs"
ACCOUNT = "devstoreaccount1"
# The emulator's published key.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class Azurite:
    """A running server with one container."""

    url: str
    container: Any

    def exporter(self, **options: Any) -> AzureBlobSpanExporter:
        defaults = {"account_name": ACCOUNT, "file_system": CONTAINER, "account_key": KEY, "endpoint": self.url}
        return AzureBlobSpanExporter(**{**defaults, **options})

    def objects(self) -> dict[str, bytes]:
        """What was written, by name."""
        return {name: self.container.download_blob(name).readall() for name in self.container.list_blob_names()}

    def clear(self) -> None:
        """Delete everything."""
        for name in self.objects():
            self.container.delete_blob(name)


@contextmanager
def run_azurite(certificate: Path | None = None) -> Iterator[Azurite]:
    """Run the server for the length of the ``with`` block.

    Args:
        certificate: a PEM file with its key: serve HTTPS, and take tokens too.
    """
    port = free_port()
    main = npm("azurite", VERSION) / "dist" / "src" / "blob" / "main.js"
    command = ["node", main, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence"]
    command += ["--disableTelemetry", "--silent", "--loose"]
    scheme = "http"
    if certificate is not None:
        command += ["--oauth", "basic", "--cert", certificate, "--key", certificate]
        scheme = "https"
    url = f"{scheme}://127.0.0.1:{port}/{ACCOUNT}"
    with running([str(word) for word in command], url), _container(url, certificate) as container:
        yield Azurite(url, container)


@contextmanager
def _container(url: str, certificate: Path | None) -> Iterator[Any]:
    verify = str(certificate) if certificate else True
    with ContainerClient(url, CONTAINER, credential=KEY, api_version=API_VERSION, connection_verify=verify) as client:
        client.create_container()
        yield client
