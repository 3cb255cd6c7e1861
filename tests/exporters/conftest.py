"""Fixtures of the exporters' tests."""

import datetime
import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from callspan_exporters.delivery import log
from tests.exporters.servers import SinkServer
from tests.servers.azurite import Azurite, run_azurite
from tests.servers.cache import npm_available
from tests.servers.dynalite import Dynalite, run_dynalite
from tests.servers.gcs import GCS, run_gcs


@pytest.fixture(autouse=True)
def spool_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where dead letters of this test go."""
    folder = tmp_path / "spool"
    monkeypatch.setenv("CALLSPAN_SPOOL_DIR", str(folder))
    return folder


@pytest.fixture(autouse=True)
def fresh_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier test logged does not keep this one from logging."""
    monkeypatch.setattr(log, "_last", {})


@pytest.fixture
def sink_server() -> Iterator[SinkServer]:
    """A server for a sink to talk to."""
    with SinkServer() as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "callspan tests")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(secret + made.public_bytes(pem))
    return path


@pytest.fixture(scope="session")
def _running_gcs() -> Iterator[GCS]:
    with run_gcs() as server:
        yield server


@pytest.fixture
def gcs(_running_gcs: GCS) -> GCS:
    """A local Google Cloud Storage, its bucket empty."""
    _running_gcs.clear()
    return _running_gcs


@pytest.fixture(scope="session")
def _running_azurite() -> Iterator[Azurite]:
    _need_npm()
    with run_azurite() as server:
        yield server


@pytest.fixture
def azurite(_running_azurite: Azurite) -> Azurite:
    """A local Azure Blob Storage that checks keys, its container empty."""
    _running_azurite.clear()
    return _running_azurite


@pytest.fixture(scope="session")
def _running_dynalite() -> Iterator[Dynalite]:
    _need_npm()
    with run_dynalite() as server:
        yield server


@pytest.fixture
def dynalite(_running_dynalite: Dynalite) -> Dynalite:
    """A local DynamoDB, its table empty."""
    _running_dynalite.clear()
    return _running_dynalite


def _need_npm() -> None:
    if not npm_available():
        pytest.skip("no npm here to install the server with")
