"""Async callback functions: an async function."""

import asyncio

import litellm


async def async_test_logging_fn(kwargs, completion_obj, start_time, end_time):
    print("On Async Success!")


async def test_chat_openai():
    litellm.success_callback = [async_test_logging_fn]
    messages = [{"role": "user", "content": "Hi 👋 - i'm openai"}]
    async for _ in await litellm.acompletion(model="gpt-3.5-turbo", messages=messages, stream=True):
        continue


asyncio.run(test_chat_openai())
