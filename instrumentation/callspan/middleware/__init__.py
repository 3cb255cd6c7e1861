"""ASGI and WSGI middleware: what a web request says about the LLM calls made for it. See docs/middleware.md."""

from callspan.middleware.asgi import ASGIMiddleware
from callspan.middleware.wsgi import WSGIMiddleware

__all__ = ["ASGIMiddleware", "WSGIMiddleware"]
