"""Callback function: defining it, setting it, using it."""

import litellm
from litellm import completion


def custom_callback(kwargs, completion_response, start_time, end_time):
    print("LITELLM: in custom callback function")
    print("kwargs", kwargs["model"], kwargs["messages"])
    print("completion_response", completion_response.choices[0].message.content)
    print("start_time", type(start_time).__name__)
    print("end_time", type(end_time).__name__)


litellm.success_callback = [custom_callback]
response = completion(model="gpt-3.5-turbo", messages=[{"role": "user", "content": "Hi 👋 - i'm openai"}])
print(response.choices[0].message.content)
