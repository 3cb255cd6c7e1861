"""The shapes of OpenAI's API, which most of the field has taken over."""
