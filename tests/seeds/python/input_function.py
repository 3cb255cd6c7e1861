"""Logging inputs to models."""

import litellm
from litellm import completion


def get_transformed_inputs(kwargs):
    params_to_model = kwargs["additional_args"]["complete_input_dict"]
    print("params to model", params_to_model)


litellm.input_callback = [get_transformed_inputs]
completion(model="gpt-3.5-turbo", messages=[{"role": "user", "content": "Hello"}])
