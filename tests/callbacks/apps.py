"""Applications for processes of their own: what they print is what their callbacks heard."""

# Beside the configuration file, as LiteLLM's users have it.
CALLBACKS = """
import os
import callspan

def say(*words):  # in one piece, whatever other threads say
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

class Handler(callspan.CustomLogger):
    def log_pre_api_call(self, model, messages, kwargs):
        say("pre", model)

    def log_success_event(self, kwargs, response_obj, start_time, end_time):
        say("sync", response_obj.choices[0].message.content)

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        say("async", response_obj.choices[0].message.content)

    async def async_log_failure_event(self, kwargs, response_obj, start_time, end_time):
        say("failed", type(kwargs["exception"]).__name__)

proxy_handler_instance = Handler()
"""

CONFIG = """
model_list:
  - model_name: gpt-3.5-turbo
    litellm_params:
      model: gpt-3.5-turbo

litellm_settings:
  callbacks: custom_callbacks.proxy_handler_instance
"""

PREAMBLE = """
import asyncio, os, sys, warnings
import openai
warnings.filterwarnings("ignore", "This process", DeprecationWarning)

def connect():
    global client
    client = openai.OpenAI(max_retries=0)
connect()
os.register_at_fork(after_in_child=connect)

def call(prompt="hello", **more):
    return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": prompt}], **more)

async def acall(prompt="hello"):
    async with openai.AsyncOpenAI(max_retries=0) as client:
        return await client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": prompt}])
"""
