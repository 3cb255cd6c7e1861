"""google-genai clients whose server is a function."""

from collections.abc import Callable
from typing import Any

import httpx2
from google import genai
from google.oauth2.credentials import Credentials

Answer = Callable[[Any], tuple[int, dict[str, str], Any]]


def answering_client(answer: Answer, *, vertex: bool = False) -> genai.Client:
    """A client whose server answers with ``answer(request)``: status, headers and body (bytes or a stream)."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        status, headers, content = answer(request)
        body = {"content": content} if isinstance(content, bytes) else {"stream": content}
        return httpx2.Response(status, headers=headers, **body)

    transport = httpx2.MockTransport(respond)
    options: Any = {"client_args": {"transport": transport}, "async_client_args": {"transport": transport}}
    if vertex:
        return genai.Client(
            vertexai=True, project="p", location="global", credentials=Credentials("token"), http_options=options
        )
    return genai.Client(api_key="local", http_options=options)
