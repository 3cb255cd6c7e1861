"""What a call cost, in USD, by the price sheets of `genai-prices`.

The library works in exact decimals and takes about 50 us a call. `cost` runs on the application's thread for every
call, so the sheet of each model is compiled once into plain rates; what the rates cannot express (prices by the hour
of the day, by modality, by request or by service tier) goes to the library itself. Its network updater is never used.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

import genai_prices
import genai_prices.data  # the sheets take 25 ms to load, which must not fall on the first call
from genai_prices.types import ModelInfo, ModelPrice, PriceCalculation, StartDateConstraint, TieredPrices

from callspan_semconv.providers import OPENAI_COMPATIBLE, litellm_slug, provider_from_host
from callspan_semconv.record import Usage

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

# Tiers that cost what the sheet says. OpenAI bills these others apart ("Priority", "Flex", "Scale tier" pricing pages).
SURCHARGED_TIERS: Final = frozenset({"batch", "fast", "flex", "priority", "scale", "ultrafast"})

_PLAIN_KEYS: Final[tuple[str, ...]] = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
# Priced by how long the provider keeps a cache entry, which no call reports.
_CACHE_TTL_KEYS: Final = frozenset({"cache_write_5m_mtok", "cache_write_1h_mtok"})

# LiteLLM's names (``model_map_value``) of the plain rates.
_RATE_NAMES: Final = {
    "input_mtok": "input_cost_per_token",
    "output_mtok": "output_cost_per_token",
    "cache_read_mtok": "cache_read_input_token_cost",
    "cache_write_mtok": "cache_creation_input_token_cost",
}

_MILLION: Final = 1_000_000


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


class _Rates(NamedTuple):
    """USD per token for calls with more than ``above`` input tokens."""

    above: int
    input: float
    output: float
    cache_read: float
    cache_write: float


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The prices of one model.

    Attributes:
        provider_id: the library's id of the provider.
        reference: the name under which the library finds the model.
        bands: rates, highest threshold first; empty if only the library can price the model.
        by_modality: audio, image or reasoning tokens have prices of their own.
        bills_output: output tokens cost something, so their number must be known.
        free: the sheet says that the model costs nothing.
        bills_by: what is billed if it is not tokens, else empty.
        tiers: service tiers that have prices of their own.
        info: the sheet in LiteLLM's words.
    """

    provider_id: str
    reference: str
    bands: tuple[_Rates, ...]
    by_modality: bool
    bills_output: bool
    free: bool
    bills_by: str
    tiers: frozenset[str]
    info: dict[str, Any]


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
    surcharged = service_tier if service_tier in SURCHARGED_TIERS else None
    lacking = _what_lacks(sheet, usage, surcharged)
    if lacking is not None:
        return lacking
    if surcharged is not None:
        return _exact_cost(sheet, usage, {"service_tier": surcharged})
    if not sheet.bands or (sheet.by_modality and _has_modalities(usage)):
        return _exact_cost(sheet, usage, {})
    return _quick_cost(sheet.bands, usage)


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


def _what_lacks(sheet: _Sheet, usage: Usage, tier: str | None) -> Unpriced | None:
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


def _quick_cost(bands: tuple[_Rates, ...], usage: Usage) -> Cost | Unpriced:
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


def _exact_cost(sheet: _Sheet, usage: Usage, context: Mapping[str, str]) -> Cost | Unpriced:
    counts = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "input_audio_tokens": usage.audio_input_tokens,
        "output_audio_tokens": usage.audio_output_tokens,
        "input_image_tokens": usage.image_input_tokens,
        "output_image_tokens": usage.image_output_tokens,
    }
    try:
        found = _calculate(sheet.provider_id, sheet.reference, counts, context)
    except ValueError as error:
        # Contradictory counts, or a join that the sheet prices and no call reports. The text names counts only.
        return Unpriced(str(error), "cost_calculation_error")
    return Cost(float(found.total_price), float(found.input_price), float(found.output_price))


def _calculate(
    provider_id: str, reference: str, counts: Mapping[str, int | None], context: Mapping[str, str]
) -> PriceCalculation:
    reported = genai_prices.Usage(**{key: count for key, count in counts.items() if count})
    if context:
        return genai_prices.calc_price(reported, reference, provider_id=provider_id, price_context=context)
    return genai_prices.calc_price(reported, reference, provider_id=provider_id)


@lru_cache(maxsize=4096)
def _find_sheet(provider: str, response_model: str | None, model: str | None, server: str | None) -> _Sheet | Unpriced:
    payee = (provider_from_host(server) if server else None) or provider
    for reference in (response_model, model):
        sheet_id = _sheet_id(payee, reference) if reference else None
        if reference is None or sheet_id is None:
            continue
        try:
            found = _calculate(sheet_id, reference, {}, {})
        except LookupError:
            continue
        return _compile(sheet_id, reference, litellm_slug(payee), found)
    if payee not in _SHEET_IDS and payee != OPENAI_COMPATIBLE:
        return Unpriced(f"no price sheet for provider {payee!r}", "missing_pricing_key")
    named = response_model or model
    return Unpriced(f"no price for model {named!r} of provider {payee!r}", "missing_pricing_key")


def _sheet_id(payee: str, reference: str) -> str | None:
    if payee == OPENAI_COMPATIBLE:
        return next((sheet_id for prefix, sheet_id in _CLOSED_MODELS if reference.startswith(prefix)), None)
    return _SHEET_IDS.get(payee)


def _compile(sheet_id: str, reference: str, slug: str, found: PriceCalculation) -> _Sheet:
    prices: dict[str, Decimal | TieredPrices] = {
        key: price for key, price in vars(found.model_price).items() if price is not None and not key.startswith("_")
    }
    tokens = {key: price for key, price in prices.items() if key.endswith("_mtok")}
    plain = {key: tokens[key] for key in _PLAIN_KEYS if key in tokens}
    compilable = _is_settled(found.model) and "input_mtok" in plain and "requests_kcount" not in prices
    return _Sheet(
        provider_id=sheet_id,
        reference=reference,
        bands=_bands(plain) if compilable else (),
        by_modality=any(key not in plain and key not in _CACHE_TTL_KEYS for key in tokens),
        bills_output="output_mtok" in plain and plain["output_mtok"] != 0,
        free=not prices,
        bills_by="" if tokens else ", ".join(sorted(prices)),
        tiers=_tiers(found),
        info=_model_info(found.model, slug, plain),
    )


def _is_settled(model: ModelInfo) -> bool:
    """Whether today's prices hold tomorrow: none depends on the hour, and none is yet to start."""
    if isinstance(model.prices, ModelPrice):
        return True
    today = datetime.now(tz=timezone.utc).date()
    constraints = [conditional.constraint for conditional in model.prices]
    return all(c is None or (isinstance(c, StartDateConstraint) and c.start_date <= today) for c in constraints)


def _tiers(found: PriceCalculation) -> frozenset[str]:
    # The library applies variants only to a provider's own models, not to those priced by another provider's sheet.
    if not any(found.model is model for model in found.provider.models):
        return frozenset()
    variants: Iterable[Any] = getattr(found.model, "price_variants", None) or ()
    return frozenset(variant.when["service_tier"] for variant in variants if set(variant.when) == {"service_tier"})


def _bands(plain: Mapping[str, Decimal | TieredPrices]) -> tuple[_Rates, ...]:
    starts = {tier.start for price in plain.values() if isinstance(price, TieredPrices) for tier in price.tiers}
    return tuple(_rates(plain, above) for above in (*sorted(starts, reverse=True), -1))


def _rates(plain: Mapping[str, Decimal | TieredPrices], above: int) -> _Rates:
    def rate(key: str) -> float:
        return float(_price_above(plain[key], above) / _MILLION)

    return _Rates(
        above=above,
        input=rate("input_mtok"),
        output=rate("output_mtok") if "output_mtok" in plain else 0.0,
        # Without a price of its own a cached token is a token like any other.
        cache_read=rate("cache_read_mtok" if "cache_read_mtok" in plain else "input_mtok"),
        cache_write=rate("cache_write_mtok" if "cache_write_mtok" in plain else "input_mtok"),
    )


def _price_above(price: Decimal | TieredPrices, above: int) -> Decimal:
    if isinstance(price, Decimal):
        return price
    reached = [tier.price for tier in price.tiers if tier.start <= above]
    return reached[-1] if reached else price.base


def _model_info(model: ModelInfo, slug: str, plain: Mapping[str, Decimal | TieredPrices]) -> dict[str, Any]:
    info: dict[str, Any] = {"key": model.id, "litellm_provider": slug, "max_input_tokens": model.context_window}
    for key, name in _RATE_NAMES.items():
        price = plain.get(key)
        info[name] = None if price is None else float(_price_above(price, -1) / _MILLION)
        for tier in price.tiers if isinstance(price, TieredPrices) else ():
            info[f"{name}_above_{tier.start // 1000}k_tokens"] = float(tier.price / _MILLION)
    return info
