"""google-genai clients whose server is a function."""

from collections.abc import Callable
from typing import Any

from google import genai
from google.genai import _api_client
from google.oauth2.credentials import Credentials

# Version 3 speaks through httpx2, the earlier ones through httpx; both have the same interface.
httpx: Any = vars(_api_client).get("httpx2") or vars(_api_client)["httpx"]

Answer = Callable[[Any], tuple[int, dict[str, str], Any]]


def answering_client(answer: Answer, *, vertex: bool = False) -> genai.Client:
    """A client whose server answers with ``answer(request)``: status, headers and body (bytes or a stream)."""

    def respond(request: Any) -> Any:
        status, headers, content = answer(request)
        body = {"content": content} if isinstance(content, bytes) else {"stream": content}
        return httpx.Response(status, headers=headers, **body)

    transport = httpx.MockTransport(respond)
    options: Any = {"client_args": {"transport": transport}, "async_client_args": {"transport": transport}}
    if vertex:
        return genai.Client(
            vertexai=True, project="p", location="global", credentials=Credentials("token"), http_options=options
        )
    return genai.Client(api_key="local", http_options=options)
