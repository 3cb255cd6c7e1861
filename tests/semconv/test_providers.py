"""Provider names by host and by vocabulary."""

import pytest

from callspan_semconv import provider_from_host
from callspan_semconv.providers import current_name, litellm_slug


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.openai.com", "openai"),
        ("API.OpenAI.com.", "openai"),
        ("eu.api.openai.com", "openai"),
        ("contoso.openai.azure.com", "azure.ai.openai"),
        ("contoso.cognitiveservices.azure.com", "azure.ai.openai"),
        ("contoso.services.ai.azure.com", "azure.ai.openai"),
        ("api.groq.com", "groq"),
        ("api.deepseek.com", "deepseek"),
        ("api.mistral.ai", "mistral_ai"),
        ("api.x.ai", "x_ai"),
        ("api.perplexity.ai", "perplexity"),
        ("openrouter.ai", "openrouter"),
        ("api.together.xyz", "together_ai"),
        ("api.together.ai", "together_ai"),
        ("api.fireworks.ai", "fireworks_ai"),
        ("generativelanguage.googleapis.com", "gcp.gemini"),
        ("aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("us-central1-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("api.cohere.com", "cohere"),
        ("api.cohere.ai", "cohere"),
        ("api.moonshot.cn", "moonshot_ai"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock"),
        ("bedrock-runtime-fips.us-east-1.amazonaws.com", "aws.bedrock"),
        ("api.anthropic.com", "anthropic"),
        ("integrate.api.nvidia.com", "nvidia_nim"),
        ("us-south.ml.cloud.ibm.com", "ibm.watsonx.ai"),
        ("dashscope-intl.aliyuncs.com", "dashscope"),
        ("localhost", None),
        ("127.0.0.1", None),
        ("::1", None),
        ("", None),
        ("api.openai.com.evil.example", None),
        ("notapi.openai.com", None),
        ("storage.googleapis.com", None),
        ("bedrock-runtime.example.com", None),
    ],
)
def test_hosts_name_their_provider(host: str, provider: str | None) -> None:
    """A call is filed under who really answers it, and under nobody if that is not known."""
    assert provider_from_host(host) == provider


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("aws.bedrock", "bedrock"),
        ("azure.ai.openai", "azure"),
        ("azure.ai.inference", "azure_ai"),
        ("gcp.vertex_ai", "vertex_ai"),
        ("gcp.gemini", "gemini"),
        ("mistral_ai", "mistral"),
        ("x_ai", "xai"),
        ("ibm.watsonx.ai", "watsonx"),
        ("moonshot_ai", "moonshot"),
        ("openai", "openai"),
        ("something_new", "something_new"),
    ],
)
def test_litellm_names_and_back(name: str, slug: str) -> None:
    """Dashboards built on LiteLLM's names keep working; LiteLLM's names are understood in return."""
    assert litellm_slug(name) == slug
    assert current_name(slug) == name


@pytest.mark.parametrize(
    ("old", "current"), [("az.ai.openai", "azure.ai.openai"), ("vertex_ai", "gcp.vertex_ai"), ("xai", "x_ai")]
)
def test_former_names_are_understood(old: str, current: str) -> None:
    """Spans of older libraries are filed under today's names."""
    assert current_name(old) == current
