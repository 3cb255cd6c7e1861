"""Async callback functions: the class with the async hooks alone."""

import asyncio

import litellm
from litellm import acompletion
from litellm.integrations.custom_logger import CustomLogger


class MyCustomHandler(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        print("On Async Success")

    async def async_log_failure_event(self, kwargs, response_obj, start_time, end_time):
        print("On Async Failure")


litellm.callbacks = [MyCustomHandler()]


async def stream():
    messages = [{"role": "user", "content": "Hi 👋 - i'm openai"}]
    async for _ in await acompletion(model="gpt-3.5-turbo", messages=messages, stream=True):
        continue


asyncio.run(stream())
