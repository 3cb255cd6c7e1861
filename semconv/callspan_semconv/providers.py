"""Who serves a model: names by host, by the GenAI conventions, and by LiteLLM."""

from functools import lru_cache
from typing import Final

# Who serves an OpenAI-compatible API on a host that nobody knows: a gateway, or a model of one's own.
OPENAI_COMPATIBLE: Final = "openai_compatible"

# Hosts that serve models, by domain: a host matches its own entry and those of its parent domains, longest first.
# Where the conventions have no name for a provider (``gen_ai.provider.name``), LiteLLM's slug is used.
_DOMAINS: Final = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "openai.azure.us": "azure.ai.openai",
    "openai.azure.cn": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.openai",
    "inference.ai.azure.com": "azure.ai.inference",
    "models.ai.azure.com": "azure.ai.inference",
    "models.inference.ai.azure.com": "github",
    "models.github.ai": "github",
    "api.githubcopilot.com": "github_copilot",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral_ai",
    "codestral.mistral.ai": "mistral_ai",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "ml.cloud.ibm.com": "ibm.watsonx.ai",
    "openrouter.ai": "openrouter",
    "api.together.xyz": "together_ai",
    "api.together.ai": "together_ai",
    "api.fireworks.ai": "fireworks_ai",
    "integrate.api.nvidia.com": "nvidia_nim",
    "api.cerebras.ai": "cerebras",
    "api.sambanova.ai": "sambanova",
    "router.huggingface.co": "huggingface",
    "api-inference.huggingface.co": "huggingface",
    "endpoints.huggingface.cloud": "huggingface",
    "dashscope.aliyuncs.com": "dashscope",
    "dashscope-intl.aliyuncs.com": "dashscope",
    "dashscope-us.aliyuncs.com": "dashscope",
    "api.deepinfra.com": "deepinfra",
    "api.novita.ai": "novita",
    "api.studio.nebius.ai": "nebius",
    "api.studio.nebius.com": "nebius",
    "api.tokenfactory.nebius.com": "nebius",
    "api.hyperbolic.xyz": "hyperbolic",
    "api.ai21.com": "ai21",
    "api.voyageai.com": "voyage",
    "api.jina.ai": "jina_ai",
    "api.minimax.io": "minimax",
    "api.minimaxi.com": "minimax",
    "api.z.ai": "zai",
    "inference.baseten.co": "baseten",
    "api.friendli.ai": "friendliai",
    "ai-gateway.vercel.sh": "vercel_ai_gateway",
    "api.lambda.ai": "lambda_ai",
    "api.featherless.ai": "featherless_ai",
    "cloud.databricks.com": "databricks",
    "azuredatabricks.net": "databricks",
    "gcp.databricks.com": "databricks",
    "volces.com": "volcengine",
}

# Former and vendors' spellings of ``gen_ai.provider.name``.
_CURRENT_NAMES: Final = {
    "az.ai.openai": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "aws_bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "watsonx": "ibm.watsonx.ai",
    # LiteLLM's variants of a provider, by the API that is spoken.
    "anthropic_text": "anthropic",
    "azure_text": "azure.ai.openai",
    "bedrock_converse": "aws.bedrock",
    "bedrock_mantle": "aws.bedrock",
    "codestral": "mistral_ai",
    "cohere_chat": "cohere",
    "ollama_chat": "ollama",
    "sagemaker_chat": "sagemaker",
    "text-completion-codestral": "mistral_ai",
    "text-completion-openai": "openai",
    "vertex_ai_beta": "gcp.vertex_ai",
}

# Only where the two differ; everything else has one name.
_LITELLM_SLUGS: Final = {
    OPENAI_COMPATIBLE: "custom_openai",
    "aws.bedrock": "bedrock",
    "azure.ai.inference": "azure_ai",
    "azure.ai.openai": "azure",
    "gcp.gemini": "gemini",
    "gcp.vertex_ai": "vertex_ai",
    "ibm.watsonx.ai": "watsonx",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshot",
    "x_ai": "xai",
}


@lru_cache(maxsize=1024)
def provider_from_host(host: str) -> str | None:
    """The provider that answers at a host, as ``gen_ai.provider.name``; None for a host that is not known.

    Args:
        host: a host name, without port or scheme; case does not matter.
    """
    name = host.lower().rstrip(".")
    if name.startswith("bedrock-runtime") and name.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        return "aws.bedrock"
    if name.endswith("-aiplatform.googleapis.com"):  # regional: us-central1-aiplatform.googleapis.com
        return "gcp.vertex_ai"
    while name:
        if name in _DOMAINS:
            return _DOMAINS[name]
        _, _, name = name.partition(".")
    return None


def current_name(provider: str) -> str:
    """A provider's name as the GenAI conventions spell it today; an unknown name is kept."""
    name = provider.lower()
    # LiteLLM's price sheets say whose models they are, too: "vertex_ai-anthropic_models".
    return "gcp.vertex_ai" if name.startswith("vertex_ai-") else _CURRENT_NAMES.get(name, provider)


def litellm_slug(provider: str) -> str:
    """A provider's name in LiteLLM (``custom_llm_provider``); a name that LiteLLM does not spell otherwise is kept."""
    return _LITELLM_SLUGS.get(provider, provider)
