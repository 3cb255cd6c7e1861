"""The price sheets of `genai-prices`, compiled.

The library brings pydantic, an HTTP client and 25 ms worth of sheets, so only `callspan_semconv.prices` imports this
module, and only when there is something to price. Its network updater is never used.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Final, NamedTuple

import genai_prices
import genai_prices.data  # the sheets themselves; without this the first price would load them
from genai_prices.types import ModelInfo, ModelPrice, PriceCalculation, StartDateConstraint, TieredPrices

_PLAIN_KEYS: Final[tuple[str, ...]] = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
# Priced by how long the provider keeps a cache entry: Anthropic reports the hour, and five minutes are the plain price.
_CACHE_TTL_KEYS: Final = frozenset({"cache_write_5m_mtok", "cache_write_1h_mtok"})

# LiteLLM's names (``model_map_value``) of the plain rates.
_RATE_NAMES: Final = {
    "input_mtok": "input_cost_per_token",
    "output_mtok": "output_cost_per_token",
    "cache_read_mtok": "cache_read_input_token_cost",
    "cache_write_mtok": "cache_creation_input_token_cost",
}

_MILLION: Final = 1_000_000


class Rates(NamedTuple):
    """USD per token for calls with more than ``above`` input tokens."""

    above: int
    input: float
    output: float
    cache_read: float
    cache_write: float


@dataclass(frozen=True, slots=True)
class Sheet:
    """The prices of one model.

    Attributes:
        provider_id: the library's id of the provider.
        reference: the name under which the library finds the model.
        bands: rates, highest threshold first; empty if only the library can price the model.
        by_modality: audio, image or reasoning tokens have prices of their own.
        bills_output: output tokens cost something, so their number must be known.
        free: the sheet says that the model costs nothing.
        bills_by: what is billed if it is not tokens, else empty.
        tiers: service tiers that have prices of their own, and the library's name of what each is a value of.
        info: the sheet in LiteLLM's words.
    """

    provider_id: str
    reference: str
    bands: tuple[Rates, ...]
    by_modality: bool
    bills_output: bool
    free: bool
    bills_by: str
    tiers: Mapping[str, str]
    info: dict[str, Any]


def find(sheet_id: str, reference: str, slug: str) -> Sheet | None:
    """The sheet of a model.

    Args:
        sheet_id: the library's id of the provider.
        reference: the model's name.
        slug: the provider's name in LiteLLM's words.

    Returns:
        The sheet; None if the library knows no such model.
    """
    try:
        found = _calculate(sheet_id, reference, {}, {})
    except LookupError:
        return None
    return _compile(sheet_id, reference, slug, found)


def exact_cost(
    sheet: Sheet, counts: Mapping[str, int | None], context: Mapping[str, str]
) -> tuple[float, float, float]:
    """Let the library price a call.

    Args:
        sheet: of the model.
        counts: tokens, by the names of the library's ``Usage``.
        context: what else the price depends on, by the library's names: ``service_tier``, ``speed``, ``processing``.

    Returns:
        USD: total, input, output.

    Raises:
        ValueError: contradictory counts, or a join that the sheet prices and no call reports. Its text names counts
            only.
    """
    found = _calculate(sheet.provider_id, sheet.reference, counts, context)
    return float(found.total_price), float(found.input_price), float(found.output_price)


def _calculate(
    provider_id: str, reference: str, counts: Mapping[str, int | None], context: Mapping[str, str]
) -> PriceCalculation:
    reported = genai_prices.Usage(**{key: count for key, count in counts.items() if count})
    if context:
        return genai_prices.calc_price(reported, reference, provider_id=provider_id, price_context=context)
    return genai_prices.calc_price(reported, reference, provider_id=provider_id)


def _compile(sheet_id: str, reference: str, slug: str, found: PriceCalculation) -> Sheet:
    prices: dict[str, Decimal | TieredPrices] = {
        key: price for key, price in vars(found.model_price).items() if price is not None and not key.startswith("_")
    }
    tokens = {key: price for key, price in prices.items() if key.endswith("_mtok")}
    plain = {key: tokens[key] for key in _PLAIN_KEYS if key in tokens}
    compilable = _is_settled(found.model) and "input_mtok" in plain and "requests_kcount" not in prices
    return Sheet(
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


def _tiers(found: PriceCalculation) -> dict[str, str]:
    # The library applies variants only to a provider's own models, not to those priced by another provider's sheet.
    if not any(found.model is model for model in found.provider.models):
        return {}
    variants: Iterable[Any] = getattr(found.model, "price_variants", None) or ()
    return {value: name for variant in variants if len(variant.when) == 1 for name, value in variant.when.items()}


def _bands(plain: Mapping[str, Decimal | TieredPrices]) -> tuple[Rates, ...]:
    starts = {tier.start for price in plain.values() if isinstance(price, TieredPrices) for tier in price.tiers}
    return tuple(_rates(plain, above) for above in (*sorted(starts, reverse=True), -1))


def _rates(plain: Mapping[str, Decimal | TieredPrices], above: int) -> Rates:
    def rate(key: str) -> float:
        return float(_price_above(plain[key], above) / _MILLION)

    return Rates(
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
