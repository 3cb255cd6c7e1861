"""Recorded exchanges with real providers, replayed through the real client: a call counts if all of it is right."""

from typing import Any

import openai
import pytest

from tests.instrumentation import recordings
from tests.instrumentation.replay import STAINLESS_WAYS, Stainless, differences

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")  # servers send odd types

OPENAI = Stainless(
    openai.OpenAI,
    openai.AsyncOpenAI,
    openai.OpenAIError,
    {
        "chat": ("chat.completions", "/chat/completions"),
        "completions": ("completions", "/completions"),
        "embeddings": ("embeddings", "/embeddings"),
        "responses": ("responses", "/responses"),
    },
)


@recordings.needed
@pytest.mark.parametrize("way", STAINLESS_WAYS)
async def test_every_exchange_is_recorded_right(way: str, replayed: Any) -> None:
    """Every recorded exchange gives a span with all that the provider said, and the application sees no difference."""
    await replayed(recordings.load("openai", "openai-compatible"), way, OPENAI, differences)
