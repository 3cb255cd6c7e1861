"""Whole processes: what they made arrives, however they end."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.exporters.servers import Answer, SinkServer

ROOT = Path(__file__).parents[2]
PREAMBLE = """
import os, sys
from opentelemetry.sdk.trace import TracerProvider
from callspan_exporters.delivery import DeliveryProcessor, flush
from callspan_exporters.webhook import WebhookSpanExporter
from tests.exporters.spans import record

provider = TracerProvider()
processor = DeliveryProcessor(WebhookSpanExporter(os.environ["SINK_URL"], log_format=os.environ["LOG_FORMAT"]))
provider.add_span_processor(processor)
"""


def run(program: str, server: SinkServer, log_format: str = "json_array") -> None:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "SINK_URL": server.url, "LOG_FORMAT": log_format, "PYTHONPATH": path}
    # From 3.12 on, fork in a process with threads is warned about; that is what these tests are for.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PREAMBLE + textwrap.dedent(program)]
    done = subprocess.run(command, env=environment, cwd=ROOT, timeout=60, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("log_format", ["json_array", "single"])
def test_a_program_that_just_ends(sink_server: SinkServer, log_format: str) -> None:
    """No flush, no shutdown: every call arrives, once."""
    run("for number in range(250): record(provider, number)", sink_server, log_format)
    assert sink_server.accepted == list(range(250))


@pytest.mark.parametrize("log_format", ["json_array", "single"])
def test_a_call_in_an_exit_handler(sink_server: SinkServer, log_format: str) -> None:
    """The first call of all is made while the interpreter ends, when no thread can be started any more."""
    program = """
    import atexit
    atexit.register(lambda: [record(provider, number) for number in range(3)])
    """
    run(program, sink_server, log_format)
    assert sink_server.accepted == [0, 1, 2]


def test_a_sink_that_is_down_for_a_moment_at_exit(sink_server: SinkServer) -> None:
    """The exit waits for a retry."""
    sink_server.script = [Answer(503)]
    run("record(provider, 0)", sink_server)
    assert sink_server.accepted == [0]


def test_a_forked_child(sink_server: SinkServer) -> None:
    """Parent and child each send what they made, and nothing twice."""
    program = """
    record(provider, 0)
    flush(10)                      # the parent has a worker and an open connection
    for number in (1, 2): record(provider, number)
    child = os.fork()
    if child == 0:
        assert processor.report().offered == 0
        for number in (10, 11): record(provider, number)
        assert flush(10)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    record(provider, 3)
    """
    run(program, sink_server)
    assert sink_server.accepted == [0, 1, 2, 3, 10, 11]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(sink_server: SinkServer, tmp_path: Path, method: str) -> None:
    """A worker process just returns, and its calls arrive: multiprocessing runs no exit handlers after a fork."""
    program = tmp_path / "program.py"
    program.write_text(
        PREAMBLE
        + textwrap.dedent(
            f"""
            import multiprocessing

            def work(number):
                record(provider, number)

            if __name__ == "__main__":
                record(provider, 0)
                context = multiprocessing.get_context("{method}")
                children = [context.Process(target=work, args=(number,)) for number in (1, 2)]
                for child in children: child.start()
                for child in children: child.join()
            """
        )
    )
    run(f"import runpy; sys.argv = [{str(program)!r}]; runpy.run_path(sys.argv[0], run_name='__main__')", sink_server)
    assert sink_server.accepted == [0, 1, 2]
