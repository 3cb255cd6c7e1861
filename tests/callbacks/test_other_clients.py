"""Callbacks do not ask which client made the call."""

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest

import callspan
from callspan.cli.fake_openai import FakeOpenAI
from tests.callbacks.support import SYNC, recording
from tests.instrumentation import anthropic_server
from tests.instrumentation.anthropic_server import MODEL


@pytest.fixture
def claude() -> Iterator[anthropic.Anthropic]:
    with FakeOpenAI() as server:
        anthropic_server.install(server)
        url = server.base_url.removesuffix("/v1")
        with anthropic.Anthropic(base_url=url, api_key="sk-ant-local", max_retries=0) as client:
            yield client


def test_anthropic(configure: Callable[..., None], claude: anthropic.Anthropic) -> None:
    """Plain, streamed, and by the helper that streams: one request, one answer, one end each; chunks as they came."""
    logger = recording(*SYNC)
    configure(callbacks=[logger])
    asked: dict[str, Any] = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "hello"}]}
    claude.messages.create(**asked)
    for _ in claude.messages.create(**asked, stream=True):
        pass
    with claude.messages.stream(**asked) as stream:
        text = stream.get_final_text()
    assert callspan.flush(10)
    ends = [each for each in logger.heard if each.hook == "log_success_event"]
    assert [each.response.choices[0].message.content for each in ends] == [text] * 3
    assert all(each.kwargs["additional_args"]["complete_input_dict"]["max_tokens"] == 64 for each in ends)
    assert logger.hooks.count("log_pre_api_call") == logger.hooks.count("log_post_api_call") == 3
    chunks = [each.response for each in logger.heard if each.hook == "log_stream_event"]
    assert (chunks[0].type, chunks[-1].type) == ("message_start", "message_stop")
