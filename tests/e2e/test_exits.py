"""However an application ends: as many calls at the webhook as were made."""

import signal
import textwrap
from pathlib import Path

import pytest

from tests.e2e import sinks
from tests.exporters.servers import SinkServer
from tests.setup.processes import run, start

pytestmark = pytest.mark.process

# From Python 3.12 on a fork beside running threads is warned about; these tests fork on purpose.
PREAMBLE = """
import asyncio, multiprocessing, os, signal, sys, threading, time, warnings
import openai
warnings.filterwarnings("ignore", "This process", DeprecationWarning)

def connect():
    global client  # a child has connections of its own
    client = openai.OpenAI(max_retries=0)
connect()
os.register_at_fork(after_in_child=connect)

def call(prompt="hello", **more):
    return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": prompt}], **more)
"""

JUST_ENDS = "for _ in range(3): call()"
EXITS_AMONG_THREADS = """
def work():
    for _ in range(5): call("!slow 0.01")
for _ in range(8): threading.Thread(target=work).start()
call()
sys.exit(3)
"""
RAISES = """
call()
call(None)['no such thing']
"""
LEAVES_A_STREAM_OPEN = """
stream = call("!chunks 50", stream=True)
next(stream)
"""
CANCELS_TASKS = """
client = openai.AsyncOpenAI(max_retries=0)
async def main():
    await call()
    tasks = [asyncio.create_task(call("!slow 5")) for _ in range(3)]
    async def read():
        async for _ in await call("!chunks 50 !slow 0.1", stream=True): pass
    tasks.append(asyncio.create_task(read()))
    await asyncio.sleep(0.5)
asyncio.run(main())
"""
FORKS = """
call()
children = []
for _ in range(3):
    if (child := os.fork()) == 0:
        call()
        call()
        sys.exit(0)
    children.append(child)
call()
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
call()
"""
MULTIPROCESSING = """
call()
processes = [multiprocessing.get_context("fork").Process(target=call) for _ in range(3)]
for process in processes: process.start()
for process in processes: process.join()
assert [process.exitcode for process in processes] == [0, 0, 0]
"""
POOL = """
call()
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert len(pool.map(len, ["ab"] * 4)) == 4
    pool.map(call, ["hello"] * 6)
    pool.close()
    pool.join()
"""
# As gunicorn does it: the application is loaded before the fork, and a worker leaves its loop at SIGTERM.
PREFORKS = """
call()
def serve():
    alive = [True]
    signal.signal(signal.SIGTERM, lambda *_: alive.clear())
    for _ in range(4): call()
    os.write(ready, b"x")
    while alive: time.sleep(0.01)
    call()
    sys.exit(0)
done, ready = os.pipe()
workers = []
for _ in range(2):
    if (worker := os.fork()) == 0:
        serve()
    workers.append(worker)
os.read(done, 1), os.read(done, 1)
for worker in workers: os.kill(worker, signal.SIGTERM)
assert [os.waitpid(worker, 0)[1] for worker in workers] == [0, 0]
"""


@pytest.mark.parametrize(
    ("program", "code", "calls"),
    [
        pytest.param(JUST_ENDS, 0, 3, id="just ends"),
        pytest.param(EXITS_AMONG_THREADS, 3, 41, id="sys.exit among threads"),
        pytest.param(RAISES, 1, 2, id="raises"),
        pytest.param(LEAVES_A_STREAM_OPEN, 0, 1, id="leaves a stream open"),
        pytest.param(CANCELS_TASKS, 0, 5, id="cancels tasks"),
        pytest.param(FORKS, 0, 9, id="forks"),
        pytest.param(MULTIPROCESSING, 0, 4, id="multiprocessing"),
        pytest.param(POOL, 0, 7, id="pool"),
        pytest.param(PREFORKS, 0, 11, id="preforks"),
    ],
)
def test_nothing_is_lost(program: str, code: int, calls: int, webhook: SinkServer, tmp_path: Path) -> None:
    """The exit status is the application's, and every call arrives, once."""
    file = tmp_path / "program.py"
    file.write_text(PREAMBLE + program)
    finished = run(file, OTEL_TRACES_EXPORTER="generic_api", **sinks.webhook_at(webhook.url))
    assert finished.code == code, finished.err
    ids = [payload["litellm_call_id"] for payload in sinks.hooked(webhook)]
    assert (len(ids), len(set(ids))) == (calls, calls)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals(number: signal.Signals, webhook: SinkServer) -> None:
    """A signal in the middle of a stream: the process dies of it, and the stream's text so far arrives."""
    program = """
    call()
    stream = call("!chunks 50", stream=True)
    next(stream), next(stream), next(stream)
    print("ready", flush=True)
    while True: time.sleep(1)
    """
    application = PREAMBLE + textwrap.dedent(program)
    process = start(application, OTEL_TRACES_EXPORTER="generic_api", **sinks.webhook_at(webhook.url))
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == -number, errors
    _, stream = sorted(sinks.hooked(webhook), key=lambda payload: payload["startTime"])
    assert stream["response"]["choices"][0]["message"]["content"] == " 0 1"
