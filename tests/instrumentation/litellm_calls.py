"""LiteLLM against the local server: its functions, sync and async, driven alike."""

import os
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice
from typing import Any

import pytest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import downloads the latest
litellm: Any = pytest.importorskip("litellm", reason="litellm is absent: it needs an older openai")

from callspan.cli.fake_openai import FakeOpenAI  # noqa: E402 - after the skip
from callspan.cli.fake_openai.wire import Reply, Request, reply_json  # noqa: E402
from tests.instrumentation import anthropic_server  # noqa: E402
from tests.instrumentation.support import collect, settle, user  # noqa: E402

VERSION = tuple(map(int, version("litellm").split(".")[:2]))
KEY = "sk-very-secret-0123456789abcdef"
CHAT = "openai/gpt-4o-mini"
# Tasks and coroutines of LiteLLM's own logging outlive the event loop that they were made in.
QUIET = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


class LiteLLM:
    """LiteLLM's functions, sync or async, sending to the local server."""

    def __init__(self, server: FakeOpenAI, *, is_async: bool) -> None:
        self.server = server
        self.is_async = is_async

    @property
    def to(self) -> dict[str, Any]:
        """The arguments that name the server."""
        return {"api_base": self.server.base_url, "api_key": KEY, "max_retries": 0}

    async def __call__(self, function: str, *args: Any, **kwargs: Any) -> Any:
        name = function if function == "anthropic_messages" or not self.is_async else f"a{function}"
        return await settle(getattr(litellm, name)(*args, **{**self.to, **kwargs}))

    async def chat(self, text: str = "hi", **kwargs: Any) -> Any:
        return await self("completion", **{"model": CHAT, "messages": user(text), **kwargs})

    async def read(self, stream: Any, limit: int | None = None) -> list[Any]:
        """Loop over a stream as it was asked for: LiteLLM's can be read either way."""
        return await collect(stream, limit) if self.is_async else list(islice(stream, limit))

    @property
    def anthropic(self) -> dict[str, Any]:
        """The arguments that name the server as Anthropic's."""
        url = f"{self.server.base_url}/messages"
        return {"model": "anthropic/claude-haiku-4-5", "api_base": url, "extra_headers": {"Authorization": "Bearer k"}}

    def router(self, *models: dict[str, Any], **kwargs: Any) -> Any:
        """A router's ``completion``, over deployments that are all on the local server."""
        deployments = [
            {"model_name": model.pop("name"), "litellm_params": {**self.to, "model": CHAT, **model}} for model in models
        ]
        router = litellm.Router(model_list=deployments, num_retries=0, **kwargs)
        function = router.acompletion if self.is_async else router.completion

        async def complete(model: str, text: str = "hi", **more: Any) -> Any:
            return await settle(function(model=model, messages=user(text), **more))

        return complete


@pytest.fixture(params=["sync", "async"])
def llm(request: pytest.FixtureRequest, fake_openai: FakeOpenAI) -> Iterator[LiteLLM]:
    anthropic_server.install(fake_openai)
    fake_openai._routes["POST", "/v2/rerank"] = _rerank
    litellm.suppress_debug_info = True
    yield LiteLLM(fake_openai, is_async=request.param == "async")
    litellm.callbacks = []
    litellm.cache = None


def _rerank(_request: Request) -> Reply:
    results = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    return reply_json({"id": "rerank-1", "results": results, "meta": meta})
