"""One module per client library: what to wrap, and how to read it. A new client is a module and a name here."""

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
    "mistralai",
    "ollama",
    "openai",
    "huggingface_hub",
    "together",
)

CLIENTS: dict[str, Client] = {
    client.name: client for client in (import_module(f"callspan.clients.{name}").CLIENT for name in _MODULES)
}
