"""Classes written against LiteLLM's `CustomLogger`, as the pages on custom callbacks have them, on other clients."""

import importlib
from collections.abc import Callable
from typing import Any

import openai
import pytest

import callspan
from tests.callbacks.support import ASYNC, SYNC, async_call, call, with_hooks

# LiteLLM warns of much when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def litellm(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # the map of the package, not of the network
    pytest.importorskip("litellm", reason="litellm is absent: it needs openai 2")
    return importlib.import_module("litellm")


@pytest.fixture
def base(litellm: Any) -> Any:
    return importlib.import_module("litellm.integrations.custom_logger").CustomLogger


async def test_their_class_runs_as_it_is(
    base: Any, configure: Callable[..., None], client: openai.OpenAI, async_client: openai.AsyncOpenAI
) -> None:
    """Its hooks run as those of callspan's own class; those that it does not override are not called."""
    everything, one = with_hooks(base, *SYNC, *ASYNC)(), with_hooks(base, "async_log_success_event")()
    configure(callbacks=[everything, one])
    for how in ("plain", "stream", "failure"):
        call(client, how)
        await async_call(async_client, how)
    assert callspan.flush(20)
    assert set(everything.hooks) == {*SYNC, *ASYNC}
    assert one.hooks == ["async_log_success_event"] * 2


def test_their_switches_count(base: Any, configure: Callable[..., None], client: openai.OpenAI) -> None:
    """``turn_off_message_logging`` of the instance, on the sync path too."""
    closed = with_hooks(base, *SYNC)(turn_off_message_logging=True)
    configure(callbacks=[closed])
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hunter2"}])
    assert callspan.flush(10)
    assert len(closed.heard) == 3
    assert "hunter2" not in str(closed.heard)


async def test_the_class_of_the_proxys_page(
    litellm: Any, base: Any, configure: Callable[..., None], async_client: openai.AsyncOpenAI
) -> None:
    """It logs key fields and lets LiteLLM compute the cost from the answer that it was handed."""
    rows: list[dict[str, Any]] = []

    class Handler(base):  # type: ignore[misc]  # a class that is only there at run time
        async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
            parameters = kwargs.get("litellm_params", {})
            rows.append(
                {
                    "model": kwargs.get("model", None),
                    "messages": kwargs.get("messages", None),
                    "user": kwargs.get("user", None),
                    "metadata": parameters.get("metadata", {}),
                    "request": parameters.get("proxy_server_request"),
                    "model_info": parameters.get("model_info"),
                    "usage": response_obj["usage"],
                    "cost": litellm.completion_cost(completion_response=response_obj),
                    "seconds": (end_time - start_time).total_seconds(),
                }
            )

        async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
            rows.append({"exception": kwargs.get("exception"), "traceback": kwargs.get("traceback_exception")})

    configure(callbacks=[Handler()])
    with callspan.context(metadata={"model_group": "gpt-4o-mini"}):
        await async_client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": "good morning good sir"}],
            user="ishaan-app",
            temperature=0.2,
        )
        await async_call(async_client, "failure")
    assert callspan.flush(20)
    good, bad = rows
    assert good["model"] == "gpt-4o-mini"
    assert good["messages"] == [{"role": "user", "content": "good morning good sir"}]
    assert good["user"] == "ishaan-app"
    assert good["metadata"]["model_group"] == "gpt-4o-mini"
    assert good["usage"]["total_tokens"] > 0
    assert 0 < good["cost"] < 0.01
    assert 0 < good["seconds"] < 10
    assert type(bad["exception"]).__name__ == "RateLimitError"
    assert "Traceback" in bad["traceback"]


async def test_litellms_own_calls(litellm: Any, configure: Callable[..., None], fake_openai: Any) -> None:
    """Calls of LiteLLM's functions are told as others are, once."""
    logger = with_hooks(callspan.CustomLogger, *SYNC, *ASYNC)()
    configure(callbacks=[logger])
    more: dict[str, Any] = {
        "model": "openai/gpt-4o-mini",
        "messages": [{"role": "user", "content": "!chunks 3"}],
        "api_base": fake_openai.base_url,
        "api_key": "sk-local-0123456789abcdef",
        "stream": True,
    }
    for _ in litellm.completion(**more):
        pass
    async for _ in await litellm.acompletion(**more):
        pass
    assert callspan.flush(20)
    for name in ("pre_api_call", "post_api_call", "success_event"):
        assert logger.hooks.count(f"log_{name}") == logger.hooks.count(f"async_log_{name}") == 1
    texts = [each.response.choices[0].message.content for each in logger.heard if each.hook.endswith("success_event")]
    assert texts == [" 0 1 2"] * 2
    assert "sk-local-0123456789abcdef" not in str(logger.heard)


def test_callspan_does_not_import_it() -> None:
    """LiteLLM's base class is known by its name."""
    import subprocess
    import sys

    code = "import callspan, sys; callspan.configure(callbacks=[print]); assert 'litellm' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
