"""Sending to an external service, and a handler whose errors stay its own."""

import asyncio
import os
import urllib.request

import litellm
from litellm import acompletion, completion
from litellm.integrations.custom_logger import CustomLogger


def send_to_analytics(kwargs, completion_response, start_time, end_time):
    duration = (end_time - start_time).total_seconds()
    data = {"model": kwargs.get("model"), "cost": kwargs.get("response_cost", 0), "duration": duration}
    urllib.request.urlopen(os.environ["ANALYTICS"], data=str(data).encode())
    print("sent", data["model"], data["cost"] > 0, data["duration"] > 0)


class SafeHandler(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        try:
            raise ConnectionError("the service is away")
        except Exception as e:
            print(f"Callback error: {e}")


messages = [{"role": "user", "content": "Hello"}]
litellm.success_callback = [send_to_analytics]
litellm.callbacks = [SafeHandler()]
completion(model="gpt-3.5-turbo", messages=messages)
asyncio.run(acompletion(model="gpt-3.5-turbo", messages=messages))
