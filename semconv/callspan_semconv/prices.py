"""What a call cost, in USD, by the price sheets of `genai-prices`.

The library works in exact decimals and takes about 50 us a call. `cost` runs on the application's thread for every
call, so the sheet of each model is compiled once into plain rates; what the rates cannot express (prices by the hour
of the day, by modality, by request or by service tier) goes to the library itself, which is imported at first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from callspan_semconv import attributes as attr
from callspan_semconv.providers import OPENAI_COMPATIBLE, litellm_slug, provider_from_host
from callspan_semconv.record import Usage

if TYPE_CHECKING:  # brings the library, see `preload`
    from callspan_semconv.price_sheets import Rates, Sheet

# Names of providers (``gen_ai.provider.name``) -> ids of price sheets. A provider that is not here has no price: the
# library's own matching is by substring, which would price "my-openai-proxy" as OpenAI.
_SHEET_IDS: Final = {
    "anthropic": "anthropic",
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "baseten": "baseten",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "databricks": "databricks",
    "deepseek": "deepseek",
    "fireworks_ai": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "github_copilot": "github-copilot",
    "groq": "groq",
    "minimax": "minimax",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "novita": "novita",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together_ai": "together",
    "voyage": "voyageai",
    "x_ai": "x-ai",
    "zai": "zai",
}

# A gateway on a host that nobody knows passes calls on. Models with these names run at their vendor only, so it is the
# vendor's price that counts; any other name may be a model of one's own, gpt-oss among them.
_CLOSED_MODELS: Final = (
    ("gpt-oss", None),
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4-", "openai"),
    ("text-embedding-", "openai"),
    ("claude-", "anthropic"),
    ("gemini-", "google"),
)

# Tiers that cost what the sheet says. OpenAI bills these others apart ("Priority", "Flex", "Scale tier" pricing pages),
# and so does Anthropic batches, the fast mode and inference that stays in the US ("Pricing" page).
SURCHARGED_TIERS: Final = frozenset({"batch", "fast", "flex", "priority", "scale", "ultrafast", "us"})

# What the price of a call depends on besides its tokens, as the answer says it; a tier in the proper sense first.
_TIERS: Final = (attr.OPENAI_RESPONSE_SERVICE_TIER, attr.ANTHROPIC_RESPONSE_SERVICE_TIER)
_MODES: Final = (attr.ANTHROPIC_RESPONSE_SPEED, attr.ANTHROPIC_RESPONSE_INFERENCE_GEO)


class Cost(NamedTuple):
    """USD. ``total`` is ``input`` plus ``output``; the rest are parts of those two, 0.0 where nothing was reported."""

    total: float
    input: float
    output: float
    cache_read: float = 0.0
    cache_write: float = 0.0
    reasoning: float = 0.0


class Unpriced(NamedTuple):
    """Why a call has no cost.

    Attributes:
        reason: for people.
        kind: LiteLLM's ``zero_cost_diagnostic.reason``.
    """

    reason: str
    kind: Literal["missing_pricing_key", "pricing_not_applied", "cost_calculation_error"]


def cost(
    provider: str,
    model: str | None,
    usage: Usage,
    *,
    response_model: str | None = None,
    service_tier: str | None = None,
    server: str | None = None,
) -> Cost | Unpriced:
    """Price a call: its tokens, not the provider's tools (web searches, storage), which calls do not report.

    Args:
        provider: ``gen_ai.provider.name``.
        model: the model that was asked for.
        usage: totals that include cached tokens.
        response_model: the model that answered; it is tried first, because an alias or a deployment name has no price.
        service_tier: the tier that served the call.
        server: the host that was called. If a known provider answers there its prices count, not those of ``provider``,
            which names the protocol that the client speaks.

    Returns:
        The cost, or why there is none: an unknown model is never priced like a similar one.
    """
    sheet = _find_sheet(provider, response_model, model, server)
    if isinstance(sheet, Unpriced):
        return sheet
    if sheet.free:
        return Cost(0.0, 0.0, 0.0)
    surcharged = service_tier if service_tier and SURCHARGED_TIERS.intersection(service_tier.split("+")) else None
    lacking = _what_lacks(sheet, usage, surcharged)
    if lacking is not None:
        return lacking
    if surcharged is not None:
        return _exact_cost(sheet, usage, {sheet.tiers[surcharged]: surcharged})
    if not sheet.bands or usage.cache_write_1h_tokens or (sheet.by_modality and _has_modalities(usage)):
        return _exact_cost(sheet, usage, {})
    return _quick_cost(sheet.bands, usage)


def tier(attributes: Mapping[str, Any]) -> str | None:
    """The tier that served a call, from its span's attributes, for `cost`: what is billed apart, all of it."""
    said = [value for name in (*_TIERS, *_MODES) if isinstance(value := attributes.get(name), str)]
    surcharged = [value for value in said if value in SURCHARGED_TIERS]
    if surcharged:
        return "+".join(surcharged)  # two at once have no price
    return next((value for name in _TIERS if isinstance(value := attributes.get(name), str)), None)


def preload() -> None:
    """Import the library now: it takes as long as everything else together, which must not fall on the first call."""
    import callspan_semconv.price_sheets  # noqa: F401, PLC0415 - imported for later


def model_map(
    provider: str, model: str | None, *, response_model: str | None = None, server: str | None = None
) -> tuple[str, dict[str, Any] | None]:
    """The name of the priced model and its price sheet, in the words of LiteLLM's ``model_map_information``.

    Returns:
        The name ("" if none is known), and USD per token by LiteLLM's keys; None if the model has no sheet.
    """
    sheet = _find_sheet(provider, response_model, model, server)
    if isinstance(sheet, Unpriced):
        return response_model or model or "", None
    return sheet.reference, sheet.info.copy()


def _what_lacks(sheet: Sheet, usage: Usage, tier: str | None) -> Unpriced | None:
    if sheet.bills_by:
        return Unpriced(f"{sheet.reference!r} is billed by {sheet.bills_by}, not by tokens", "pricing_not_applied")
    if usage.input_tokens is None:
        return Unpriced("the provider reported no input tokens", "pricing_not_applied")
    if usage.output_tokens is None and sheet.bills_output:
        return Unpriced("the provider reported no output tokens", "pricing_not_applied")
    if tier is not None and tier not in sheet.tiers:
        return Unpriced(f"no price for service tier {tier!r} of {sheet.reference!r}", "missing_pricing_key")
    return None


def _has_modalities(usage: Usage) -> bool:
    return bool(
        usage.audio_input_tokens
        or usage.audio_output_tokens
        or usage.image_input_tokens
        or usage.image_output_tokens
        or usage.reasoning_tokens
    )


def _quick_cost(bands: tuple[Rates, ...], usage: Usage) -> Cost | Unpriced:
    """The library's arithmetic (threshold tiers over all tokens; cached tokens are part of the input) in floats."""
    input_tokens = usage.input_tokens or 0
    output_tokens = usage.output_tokens or 0
    cache_read = usage.cache_read_tokens or 0
    cache_write = usage.cache_write_tokens or 0
    fresh = input_tokens - cache_read - cache_write
    if fresh < 0:
        return Unpriced("more cached tokens than input tokens were reported", "cost_calculation_error")
    for rates in bands:  # the last is for any number of tokens
        if input_tokens > rates.above:
            break
    read_cost = cache_read * rates.cache_read
    write_cost = cache_write * rates.cache_write
    input_cost = fresh * rates.input + read_cost + write_cost
    output_cost = output_tokens * rates.output
    reasoning_cost = (usage.reasoning_tokens or 0) * rates.output
    return Cost(input_cost + output_cost, input_cost, output_cost, read_cost, write_cost, reasoning_cost)


def _exact_cost(sheet: Sheet, usage: Usage, context: dict[str, str]) -> Cost | Unpriced:
    counts = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "input_audio_tokens": usage.audio_input_tokens,
        "output_audio_tokens": usage.audio_output_tokens,
        "input_image_tokens": usage.image_input_tokens,
        "output_image_tokens": usage.image_output_tokens,
    }
    from callspan_semconv.price_sheets import exact_cost  # noqa: PLC0415 - there is a sheet, so it is loaded

    try:
        return Cost(*exact_cost(sheet, counts, context))
    except ValueError as error:
        return Unpriced(str(error), "cost_calculation_error")


@lru_cache(maxsize=4096)
def _find_sheet(provider: str, response_model: str | None, model: str | None, server: str | None) -> Sheet | Unpriced:
    payee = (provider_from_host(server) if server else None) or provider
    for reference in (response_model, model):
        sheet_id = _sheet_id(payee, reference) if reference else None
        if reference is None or sheet_id is None:
            continue
        from callspan_semconv.price_sheets import find  # noqa: PLC0415 - see `preload`

        if (sheet := find(sheet_id, reference, litellm_slug(payee))) is not None:
            return sheet
    if payee not in _SHEET_IDS and payee != OPENAI_COMPATIBLE:
        return Unpriced(f"no price sheet for provider {payee!r}", "missing_pricing_key")
    named = response_model or model
    return Unpriced(f"no price for model {named!r} of provider {payee!r}", "missing_pricing_key")


def _sheet_id(payee: str, reference: str) -> str | None:
    if payee == OPENAI_COMPATIBLE:
        return next((sheet_id for prefix, sheet_id in _CLOSED_MODELS if reference.startswith(prefix)), None)
    return _SHEET_IDS.get(payee)
