"""Several processes serve: what each recorded arrives when the proxy is told to stop."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.e2e import sinks
from tests.exporters.servers import SinkServer
from tests.proxy.recorded import prepared
from tests.proxy.server import chat, needs_proxy, running_proxy

pytestmark = [pytest.mark.process, needs_proxy]


@pytest.mark.parametrize(
    "options",
    # uvicorn kills workers that take longer to start than it waits for a sign of life.
    [["--num_workers", "2", "--timeout_worker_healthcheck", "60"], ["--num_workers", "2", "--run_gunicorn"]],
    ids=["uvicorn", "gunicorn"],
)
def test_two_workers(options: list[str], tmp_path: Path) -> None:
    """Spawned by uvicorn or forked by gunicorn: SIGTERM loses no call of either, and none comes twice."""
    with FakeOpenAI() as upstream, SinkServer() as server:
        environment = prepared(tmp_path, upstream, server)
        with running_proxy(tmp_path / "private.yaml", *options, workers=2, environment=environment) as proxy:
            with ThreadPoolExecutor(8) as callers:
                answers = list(callers.map(lambda _: proxy.curl(chat("!slow 0.05")), range(40)))
            proxy.stop()
        assert {answer.status for answer in answers} == {200}
        ids = sorted(payload["litellm_call_id"] for payload in sinks.hooked(server))
        assert len(set(ids)) == len(ids) == 40
        assert len({span.resource["service.instance.id"] for span in sinks.accepted_spans(server, "otel")}) == 2
