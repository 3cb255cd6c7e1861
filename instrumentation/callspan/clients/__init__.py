"""One module per client library: what to wrap, and how to read it. A new client is a module and a name here.

Frameworks that call models through these libraries have their modules in `callspan.frameworks`, and a name here too.
"""

from __future__ import annotations

from importlib import import_module

from callspan.core.model import Client

_MODULES = (
    "aiobotocore",
    "anthropic",
    "botocore",
    "cohere",
    "google_genai",
    "groq",
    "huggingface_hub",
    "litellm",
    "mistralai",
    "ollama",
    "openai",
    "together",
)

_FRAMEWORKS = (
    "langchain",
    "llama_index",
    "openai_agents",
)

CLIENTS: dict[str, Client] = {
    client.name: client
    for client in (
        *(import_module(f"callspan.clients.{name}").CLIENT for name in _MODULES),
        *(import_module(f"callspan.frameworks.{name}").CLIENT for name in _FRAMEWORKS),
    )
}
