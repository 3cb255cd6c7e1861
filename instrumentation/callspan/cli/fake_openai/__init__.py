"""A local server that speaks the OpenAI API: for ``callspan demo``, and for tests that need real sockets."""

from callspan.cli.fake_openai.server import FakeOpenAI
from callspan.cli.fake_openai.wire import Request

__all__ = ["FakeOpenAI", "Request"]
