"""Callbacks of keys and teams, configured as in LiteLLM: each call reaches one Langfuse project, once."""

import base64

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.exporters.langfuse_view import observation
from tests.exporters.otlp_recorder import decoded, message
from tests.exporters.servers import SinkServer
from tests.proxy.recorded import curl, record
from tests.proxy.server import chat, needs_proxy

pytestmark = [pytest.mark.process, needs_proxy]

PROJECTS = {
    "sk-of-key": "pk-of-key",
    "sk-of-team": "pk-of-team",
    "sk-of-file": "pk-of-file",
    "sk-empty": "pk_kk",  # an empty list says that the team's does not count
    "sk-none": "pk_kk",
}


def test_each_call_reaches_the_project_of_its_key_or_team(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The key's, else its team's, of the database or of the file, else everybody's; a key may disable a callback."""
    keys = [*PROJECTS, "sk-disables"]
    asks = {key: curl(chat(f"I am {key}"), f"Authorization: Bearer {key}") for key in keys}
    with FakeOpenAI() as upstream, SinkServer() as server:
        folder = tmp_path_factory.mktemp("tenants")
        run = record("tenants.yaml", folder, upstream, server, asks, SECRET_OF_FILE="sk-3")
        assert {answer.status for answer in run.answers.values()} == {200}
        names = {run.answers[key].call_id: key for key in asks}
        got = [
            (names[observation(span)["metadata"]["litellm_call_id"]], _public_key(request.headers["authorization"]))
            for request in server.requests
            if request.path.startswith("/api/public/")  # by whomever
            for span in decoded(message(request))
        ]
    assert sorted(got) == sorted(PROJECTS.items())
    assert "callspan failed" not in run.output


def _public_key(authorization: str) -> str:
    return base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")[0]
