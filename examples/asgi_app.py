"""A small LLM gateway: what its clients say in headers and bodies, as to a LiteLLM proxy, holds for its calls.

opentelemetry-instrument uvicorn --app-dir examples asgi_app:app

curl -i 127.0.0.1:8000/chat/completions -H 'content-type: application/json' -H 'x-litellm-session-id: chat-1' \
  -d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}], "metadata": {"tags": ["job:7"]}}'
"""

from typing import Any

from fastapi import FastAPI
from openai import AsyncOpenAI

from callspan.middleware import ASGIMiddleware

app = FastAPI()
app.add_middleware(ASGIMiddleware, read_body=True)
client = AsyncOpenAI()


@app.post("/chat/completions")
async def chat(body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.chat.completions.create(model=body["model"], messages=body["messages"])
    return answer.model_dump()
