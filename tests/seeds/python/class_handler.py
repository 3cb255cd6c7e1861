"""Callback class: hooks of sync and async calls, both streamed."""

import asyncio

import litellm
from litellm import acompletion, completion
from litellm.integrations.custom_logger import CustomLogger


class MyCustomHandler(CustomLogger):
    def log_pre_api_call(self, model, messages, kwargs):
        print("Pre-API Call")

    def log_post_api_call(self, kwargs, response_obj, start_time, end_time):
        print("Post-API Call")

    def log_success_event(self, kwargs, response_obj, start_time, end_time):
        print("On Success")

    def log_failure_event(self, kwargs, response_obj, start_time, end_time):
        print("On Failure")

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        print("On Async Success")

    async def async_log_failure_event(self, kwargs, response_obj, start_time, end_time):
        print("On Async Failure")


litellm.callbacks = [MyCustomHandler()]
messages = [{"role": "user", "content": "Hi 👋 - i'm openai"}]

for _ in completion(model="gpt-3.5-turbo", messages=messages, stream=True):
    continue


async def stream():
    async for _ in await acompletion(model="gpt-3.5-turbo", messages=messages, stream=True):
        continue


asyncio.run(stream())
