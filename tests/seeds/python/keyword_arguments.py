"""What is available in kwargs, and tracking costs."""

import litellm
from litellm import completion


def custom_callback(kwargs, completion_response, start_time, end_time):
    model = kwargs.get("model")
    messages = kwargs.get("messages", [])
    cost = kwargs.get("response_cost", 0)
    cache_hit = kwargs.get("cache_hit", False)
    metadata = kwargs.get("litellm_params", {}).get("metadata", {})
    print(model, messages, cost > 0, bool(cache_hit), metadata.get("mine"))


def track_cost_callback(kwargs, completion_response, start_time, end_time):
    cost = kwargs["response_cost"]
    print(f"Request cost: ${cost:.1}")


litellm.success_callback = [custom_callback, track_cost_callback]
completion(model="gpt-3.5-turbo", messages=[{"role": "user", "content": "Hello"}], metadata={"mine": "yes"})
