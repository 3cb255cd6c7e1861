"""Callbacks in processes of their own, under ``opentelemetry-instrument`` and without: none is lost at the end."""

import signal
from pathlib import Path

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.callbacks.apps import CALLBACKS, CONFIG, PREAMBLE
from tests.setup.processes import INSTRUMENT, run, start

pytestmark = pytest.mark.process


@pytest.fixture
def env(tmp_path: Path, fake_openai: FakeOpenAI) -> dict[str, str]:
    (tmp_path / "custom_callbacks.py").write_text(CALLBACKS)
    (tmp_path / "config.yaml").write_text(CONFIG)
    return {
        "CALLSPAN_CONFIG": str(tmp_path / "config.yaml"),
        "CALLSPAN_SPOOL_DIR": str(tmp_path / "spool"),
        "OPENAI_BASE_URL": fake_openai.base_url,
        "OPENAI_API_KEY": "sk-test",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "httpx,httpx2",
    }


@pytest.mark.parametrize(
    ("application", "expected"),
    [
        ("call()", ["pre gpt-4o-mini", "sync You said: hello"]),
        ("asyncio.run(acall())", ["pre gpt-4o-mini", "async You said: hello"]),
        ("asyncio.run(acall('!error 400'))", ["failed BadRequestError", "pre gpt-4o-mini"]),
        # A stream that is open at the end is a call that ended.
        ("s = call('!chunks 9', stream=True); next(s)", ["pre gpt-4o-mini", "sync None"]),
        # A child hears of its own calls, with a loop of its own.
        (
            "call('one'); asyncio.run(acall('two'))\n"
            "if (child := os.fork()) == 0:\n"
            "    asyncio.run(acall('three')); call('four'); sys.exit(0)\n"
            "assert os.waitpid(child, 0)[1] == 0",
            ["pre gpt-4o-mini"] * 4
            + ["async You said: three", "async You said: two", "sync You said: four", "sync You said: one"],
        ),
        # A call that is made when the interpreter has begun to end.
        ("import atexit; atexit.register(call, 'late'); call()", None),
    ],
    ids=["sync", "async", "failure", "open stream", "fork", "at exit"],
)
def test_nothing_is_lost_at_exit(application: str, expected: list[str] | None, env: dict[str, str]) -> None:
    """Zero-code, with LiteLLM's configuration: what the callbacks printed, whatever the order of threads."""
    finished = run(PREAMBLE + application, **env)
    heard = sorted(finished.out.splitlines())
    if expected is None:
        assert "sync You said: hello" in heard
    else:
        assert heard == sorted(expected), finished.err
    assert "Exception ignored" not in finished.err


def test_callbacks_of_single_calls_at_exit(env: dict[str, str]) -> None:
    """They are delivered before the process ends, open streams too."""
    application = """
import callspan
def heard(kwargs, completion_response, start_time, end_time):
    os.write(1, f"heard {kwargs['call_type']}\\n".encode())
with callspan.context(callbacks=[heard]):
    call()
    stream = call("!chunks 9", stream=True)
    next(stream)
"""
    finished = run(PREAMBLE + application, **env)
    assert finished.out.splitlines().count("heard completion") == 2, finished.err


def test_sigterm(env: dict[str, str]) -> None:
    """A process that is asked to stop tells what it has."""
    application = "asyncio.run(acall()); call(); os.write(1, b'ready\\n')\nimport time; time.sleep(60)"
    process = start(PREAMBLE + application, under=INSTRUMENT, **env)
    assert process.stdout is not None
    heard = []
    while (line := process.stdout.readline().strip()) != "ready":
        heard.append(line)
    process.send_signal(signal.SIGTERM)
    heard += process.communicate(timeout=60)[0].splitlines()
    assert {"sync You said: hello", "async You said: hello"} <= set(heard)


def test_the_sdk_disabled(env: dict[str, str]) -> None:
    """``OTEL_SDK_DISABLED`` silences callbacks too."""
    finished = run(PREAMBLE + "call()", **env, OTEL_SDK_DISABLED="true")
    assert (finished.code, finished.out) == (0, "")


def test_a_callback_that_cannot_be_imported(env: dict[str, str], tmp_path: Path) -> None:
    """The application runs; one line says which, and of the reason only the type."""
    (tmp_path / "custom_callbacks.py").write_text("raise ValueError('hunter2')")
    finished = run(PREAMBLE + "print(call().choices[0].message.content)", **env)
    assert finished.out == "You said: hello\n"
    assert "custom_callbacks.proxy_handler_instance: cannot import it: ValueError" in finished.err
    assert "hunter2" not in finished.err
