"""A web service behind an incoming ``traceparent``: request, handler and LLM call are one trace.

opentelemetry-instrument uvicorn --app-dir examples fastapi_app:app

curl -H 'traceparent: 00-80e1afed08e019fc1110464cfa66635c-7a085853722dc6d2-01' '127.0.0.1:8000/ask?q=hello'
"""

from fastapi import FastAPI
from openai import AsyncOpenAI

import callspan

app = FastAPI()
client = AsyncOpenAI()


@app.get("/ask")
async def ask(q: str, user: str = "anonymous") -> dict[str, str | None]:
    async with callspan.context(user=user):
        answer = await client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": q}])
    return {"answer": answer.choices[0].message.content, "call_id": callspan.call_id(answer)}
