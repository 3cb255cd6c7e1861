"""Fixtures of the seed tests: those of set-up, and credentials for every service that the files name."""

import pytest

from tests.exporters.servers import SinkServer
from tests.setup.conftest import clean_environment, nothing_installed, provider, server

__all__ = ["clean_environment", "nothing_installed", "provider", "server"]


@pytest.fixture
def credentials(clean_environment: None, server: SinkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that LiteLLM's logging pages tell their readers to export; every address is the recorder's."""
    port = server.url.rpartition(":")[2]
    for name, value in {
        "OPENAI_API_KEY": "sk-local",
        "RUBRIK_API_KEY": "rubrik-key",
        "LANGFUSE_PUBLIC_KEY": "pk_kk",
        "LANGFUSE_SECRET_KEY": "sk_ss",
        "LANGFUSE_HOST": server.url,
        "GCS_BUCKET_NAME": "my-bucket",
        "STORAGE_EMULATOR_HOST": server.url,
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION_NAME": "us-west-2",
        "AWS_ENDPOINT_URL_DYNAMODB": server.url,
        "AZURE_STORAGE_ACCOUNT_NAME": "litellm2",
        "AZURE_STORAGE_FILE_SYSTEM": "litellm-logs",
        "AZURE_STORAGE_ACCOUNT_KEY": "a2V5",
        "DD_API_KEY": "5f2d0f310",
        "DD_SITE": "us5.datadoghq.com",
        "DD_SOURCE": "litellm_dev",
        "DD_BASE_URL": server.url,
        "LUNARY_PUBLIC_KEY": "lunary-key",
        "LUNARY_API_URL": server.url,
        "MLFLOW_TRACKING_URI": server.url,
        "MLFLOW_EXPERIMENT_ID": "0",
        "GENERIC_LOGGER_ENDPOINT": f"{server.url}/log-event",
        "LANGTRACE_API_HOST": server.url,
        "GALILEO_BASE_URL": server.url,
        "GALILEO_PROJECT_ID": "p-1",
        "GALILEO_API_KEY": "galileo-key",
        "OPENMETER_API_ENDPOINT": server.url,
        "OPENMETER_API_KEY": "openmeter-key",
        "SENTRY_DSN": f"http://key@127.0.0.1:{port}/1",
        "ATHINA_API_KEY": "athina-key",
        "ATHINA_BASE_URL": server.url,
        "ARIZE_ENDPOINT": "",  # the page says to set this one, for gRPC, or the other
    }.items():
        monkeypatch.setenv(name, value)
