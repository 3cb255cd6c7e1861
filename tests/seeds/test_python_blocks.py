"""The programs of LiteLLM's page on custom callbacks, each run under ``opentelemetry-instrument``.

``python/`` has one file per program, written after the page's. LiteLLM runs its own callbacks; callspan records the
calls, and the programs notice nothing of it.
"""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.exporters.servers import SinkServer
from tests.setup.processes import run

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(find_spec("litellm") is None, reason="litellm is absent: it needs openai 2"),
]

PROGRAMS = Path(__file__).parent / "python"
# How many calls each makes, and what it prints without callspan, sorted: LiteLLM's threads have no order.
EXPECTED = {
    "class_handler": (2, ["On Async Success", "On Success", *["Post-API Call"] * 2, *["Pre-API Call"] * 2]),
    "function": (
        1,
        [
            "LITELLM: in custom callback function",
            "You said: Hi 👋 - i'm openai",
            "completion_response You said: Hi 👋 - i'm openai",
            "end_time datetime",
            """kwargs gpt-3.5-turbo [{'role': 'user', 'content': "Hi 👋 - i'm openai"}]""",
            "start_time datetime",
        ],
    ),
    "async_class": (1, ["On Async Success"]),
    "async_function": (1, ["On Async Success!"]),
    "keyword_arguments": (
        1,
        ["Request cost: $7e-06", "gpt-3.5-turbo [{'role': 'user', 'content': 'Hello'}] True False yes"],
    ),
    "input_function": (
        1,
        [
            "params to model {'model': 'gpt-3.5-turbo', 'messages': [{'role': 'user', 'content': 'Hello'}], "
            "'extra_body': {}}"
        ],
    ),
    "external_service": (2, ["Callback error: the service is away", "sent gpt-3.5-turbo True True"]),
}


def test_every_program_is_run() -> None:
    """A file that is added here is run here."""
    assert {path.stem for path in PROGRAMS.glob("*.py")} == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_it_prints_what_it_prints_without_callspan(name: str, server: SinkServer, fake_openai: FakeOpenAI) -> None:
    """Every callback of the page runs as often as before, and each call is one at the webhook."""
    calls, lines = EXPECTED[name]
    environment = {
        "OPENAI_API_BASE": fake_openai.base_url,
        "OPENAI_BASE_URL": fake_openai.base_url,
        "OPENAI_API_KEY": "sk-local-0123456789abcdefghijklmnopqrstuvwxyz",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OTEL_TRACES_EXPORTER": "generic_api",
        "GENERIC_LOGGER_ENDPOINT": f"{server.url}/log-event",
        "ANALYTICS": f"{server.url}/analytics",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "fastapi,asgi,httpx,httpx2,urllib",
    }
    finished = run(PROGRAMS / f"{name}.py", **environment)
    assert (finished.code, sorted(finished.out.splitlines())) == (0, lines)
    logged = [json.loads(request.body) for request in server.requests if request.path == "/log-event"]
    assert len([call for batch in logged for call in batch]) == calls
