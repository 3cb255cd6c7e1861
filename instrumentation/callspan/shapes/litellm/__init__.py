"""LiteLLM: the shapes of OpenAI and Cohere, with what LiteLLM adds around them."""
