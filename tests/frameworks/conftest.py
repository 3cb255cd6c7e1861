"""Frameworks on real clients: the fixtures of the instrumentation's tests."""

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.instrumentation import anthropic_server
from tests.instrumentation.conftest import (  # noqa: F401 - fixtures
    _server,
    client,
    context_is_restored,
    exported,
    fake_openai,
    no_reader_fails,
    spans,
    tracer_provider,
    without,
)


@pytest.fixture
def server(fake_openai: FakeOpenAI) -> FakeOpenAI:  # noqa: F811 - the fixture of that name
    """A server that answers as OpenAI and as Anthropic."""
    anthropic_server.install(fake_openai)
    return fake_openai
