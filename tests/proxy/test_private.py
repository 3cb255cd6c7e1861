"""Content and keys withheld in the proxy, and who may have them back."""

from collections.abc import Iterator

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.e2e import sinks
from tests.exporters.servers import SinkServer
from tests.proxy.recorded import TEAM_KEY, Ask, Run, client, curl, record
from tests.proxy.server import chat, needs_proxy

pytestmark = [pytest.mark.process, needs_proxy]

SECRET = "my name is Ishaan"
TEAM = f"Authorization: Bearer {TEAM_KEY}"
OPT_OUT = "LiteLLM-Disable-Message-Redaction: true"

ASKS: dict[str, Ask] = {
    "plain": curl(chat(SECRET), TEAM),
    "stream": curl(chat(SECRET, stream=True)),
    "error": curl(chat(f"!error 400 !say {SECRET} in an error")),
    "opt-out not allowed": curl(chat(SECRET), OPT_OUT),
    "opt-out allowed": curl(chat(SECRET), OPT_OUT, TEAM),
    "opt-out by false": curl(chat(SECRET), "LiteLLM-Disable-Message-Redaction: false", TEAM),
    "opt-in": curl(chat(SECRET), OPT_OUT, "LiteLLM-Enable-Message-Redaction: true", TEAM),
    "opt-out by openai": client(
        TEAM_KEY,
        model="gpt-3.5-turbo",
        messages=[{"role": "user", "content": SECRET}],
        extra_headers={"LiteLLM-Disable-Message-Redaction": "true"},
    ),
}
SHOWN = {"opt-out allowed", "opt-out by openai"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with FakeOpenAI() as upstream, SinkServer() as server:
        yield record("private.yaml", tmp_path_factory.mktemp("proxy"), upstream, server, ASKS)


@pytest.mark.parametrize("name", ASKS)
def test_content(name: str, run: Run) -> None:
    """Withheld, unless the request said otherwise and its key may; everything else of the call is there."""
    call_id = run.answers[name].call_id
    texts = [text for sink in ("otel", "langfuse", "generic_api") for text in sinks.call_texts(run.server, sink)]
    of_this = [text for text in texts if call_id in text]
    assert len(of_this) == 3
    assert [SECRET in text for text in of_this] == [name in SHOWN] * 3
    payload = run.payload(name)
    assert payload["model"] == "gpt-3.5-turbo"
    assert payload["status"] == ("failure" if name == "error" else "success")


def test_no_error_quotes_it(run: Run) -> None:
    """The provider's error repeats the prompt; no span does, neither the call's nor the web framework's."""
    assert f"{SECRET} in an error" in run.answers["error"].body
    assert b"in an error" not in b"".join(request.body for request in run.server.requests)


def test_nothing_of_the_key(run: Run) -> None:
    """No field ``user_api_key_*`` with a value, in any sink."""
    for payload in sinks.hooked(run.server):
        named = {name: value for name, value in payload["metadata"].items() if name.startswith("user_api_key")}
        assert set(named.values()) == {None}
    for sink in ("otel", "langfuse", "generic_api"):
        assert not [text for text in sinks.call_texts(run.server, sink) if "prod-app1" in text or "team-7" in text]
