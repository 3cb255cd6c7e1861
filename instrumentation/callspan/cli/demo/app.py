"""An app with LLM calls. Nothing here knows of callspan: recording is switched on from outside.

Words with an exclamation mark tell the demo's local server how to answer; a real model would just read them.
"""

import asyncio

import openai
from openai.types.chat import ChatCompletionFunctionToolParam

WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def chat(client: openai.OpenAI) -> None:
    """A plain question."""
    answer = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "What is the capital of France? !say The capital of France is Paris."},
        ],
    )
    print("chat:", answer.choices[0].message.content)


def stream(client: openai.OpenAI) -> None:
    """An answer in pieces, read to its end."""
    chunks = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Count to twelve. !chunks 12 !slow 0.01"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    print("stream:", text.strip())


def use_a_tool(client: openai.OpenAI) -> None:
    """A question that the model answers with a tool call."""
    answer = client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        tools=[WEATHER],
    )
    calls = answer.choices[0].message.tool_calls or ()
    print("tool call:", *(call.function.name for call in calls if call.type == "function"))


def respond(client: openai.OpenAI) -> None:
    """The Responses API, with a model that reasons first."""
    answer = client.responses.create(model="gpt-5-mini", input="Why is the sky blue? !reasoning 40")
    print("response:", answer.output_text)


def embed(client: openai.OpenAI) -> None:
    """Three vectors."""
    answer = client.embeddings.create(model="text-embedding-3-small", input=["red", "green", "blue"])
    print("embeddings:", len(answer.data))


def be_refused(client: openai.OpenAI) -> None:
    """A rate limit."""
    try:
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "One more, please. !error 429"}]
        )
    except openai.RateLimitError as error:
        print("error:", type(error).__name__)


def leave_early(client: openai.OpenAI) -> None:
    """A stream that nobody reads to its end."""
    with client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Tell me a very long story. !chunks 500"}],
        stream=True,
    ) as chunks:
        for number, _ in enumerate(chunks):
            if number == 5:
                break
    print("left a stream early")


async def ask_at_once() -> None:
    """Two questions at the same time."""
    async with openai.AsyncOpenAI(max_retries=0) as client:
        answers = await asyncio.gather(
            *(
                client.chat.completions.create(
                    model="gpt-4.1-mini", messages=[{"role": "user", "content": f"Translate {word} into French."}]
                )
                for word in ("bread", "cheese")
            )
        )
    print("at once:", len(answers))


def main() -> None:
    """Everything, in this order."""
    with openai.OpenAI(max_retries=0) as client:
        for step in (chat, stream, use_a_tool, respond, embed, be_refused, leave_early):
            step(client)
    asyncio.run(ask_at_once())


if __name__ == "__main__":
    main()
