"""The callback of LiteLLM's pages for its proxy: what happened, and the fields that they show, one line each."""

import litellm
from litellm.integrations.custom_logger import CustomLogger


class MyCustomHandler(CustomLogger):
    def log_pre_api_call(self, model, messages, kwargs):
        print("Pre-API Call")

    def log_post_api_call(self, kwargs, response_obj, start_time, end_time):
        print("Post-API Call")

    def log_stream_event(self, kwargs, response_obj, start_time, end_time):
        print("On Stream")

    def log_success_event(self, kwargs, response_obj, start_time, end_time):
        print("On Success")

    def log_failure_event(self, kwargs, response_obj, start_time, end_time):
        print("On Failure")

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        litellm_params = kwargs.get("litellm_params", {})
        print("On Async Success!")
        print(
            f"Model: {kwargs.get('model')}, Messages: {kwargs.get('messages')}, User: {kwargs.get('user')}, "
            f"Usage: {response_obj['usage']}, Cost: {litellm.completion_cost(completion_response=response_obj)}"
        )
        print(f"Response: {response_obj!r}")
        print(f"Proxy Metadata: {litellm_params.get('metadata', {})}")
        print(f"Proxy Request: {litellm_params.get('proxy_server_request')}")
        print(f"Model Info: {litellm_params.get('model_info')}")
        print(f"Standard: {kwargs['standard_logging_object']['litellm_call_id']}")

    async def async_log_failure_event(self, kwargs, response_obj, start_time, end_time):
        print("On Async Failure !")
        print(f"Exception: {kwargs.get('exception')!r}")
        print(f"Traceback: {bool(kwargs.get('traceback_exception'))}")


proxy_handler_instance = MyCustomHandler()
