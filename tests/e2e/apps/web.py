"""A web service that asks a model; it knows nothing of callspan."""

import os

import fastapi
import openai
import uvicorn

app = fastapi.FastAPI()
client = openai.AsyncOpenAI(max_retries=0)


@app.get("/ask")
async def ask(q: str) -> str | None:
    answer = await client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": q}])
    return answer.choices[0].message.content


if __name__ == "__main__":
    uvicorn.run("web:app", port=0, workers=int(os.environ["WORKERS"]), access_log=False)
