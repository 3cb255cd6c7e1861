"""A callback class, as LiteLLM's users write it, on the openai client: cost and latency of every call.

python examples/custom_callback.py
"""

from openai import OpenAI

import callspan


class Bill(callspan.CustomLogger):
    def log_pre_api_call(self, model, messages, kwargs):
        print(f"asking {model}")

    def log_success_event(self, kwargs, response_obj, start_time, end_time):
        team = kwargs["litellm_params"]["metadata"].get("team")
        tokens = response_obj["usage"]["total_tokens"]
        seconds = (end_time - start_time).total_seconds()
        print(f"{team}: {tokens} tokens, ${kwargs['response_cost']:.6f}, {seconds:.3f} s")
        print(f"answer: {response_obj.choices[0].message.content}")

    def log_failure_event(self, kwargs, response_obj, start_time, end_time):
        print(f"failed: {type(kwargs['exception']).__name__}")


tags = []


def tag_collector(kwargs, completion_response, start_time, end_time):
    tags.extend(kwargs["standard_logging_object"]["request_tags"])


callspan.configure(callbacks=[Bill()])  # of every call

client = OpenAI(max_retries=0)
with callspan.context(metadata={"team": "search"}, tags=["example"], success_callback=[tag_collector]):  # of these
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Who pays?"}])

print("all told:", bool(callspan.flush(timeout_s=10)))
print("tags:", tags)
