"""Prices: the compiled rates are the library's, and nothing is guessed."""

import timeit
from collections.abc import Iterator
from datetime import date, datetime, time, timezone

import genai_prices
import pytest
from genai_prices import data_snapshot
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceCalculation,
    StartDateConstraint,
    TimeOfDateConstraint,
)

from callspan_semconv import attributes as attr
from callspan_semconv import prices
from callspan_semconv.price_sheets import _is_settled
from callspan_semconv.prices import Cost, Unpriced, cost, model_map
from callspan_semconv.record import Usage

PROVIDERS = {
    "anthropic": "anthropic",
    "aws": "aws.bedrock",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "google": "gcp.gemini",
    "groq": "groq",
    "mistral": "mistral_ai",
    "openai": "openai",
    "openrouter": "openrouter",
    "x-ai": "x_ai",
}

# On, between and beyond the thresholds of tiers, which are mostly at 128, 200 and 272 thousand tokens.
COUNTS = [
    *((0, 0, 0, 0), (120, 40, 64, 0), (1_000, 7, 300, 200), (150_000, 9_000, 0, 1), (300_001, 1, 299_000, 0)),
    *((128_000, 1, 0, 0), (200_000, 1, 0, 0), (200_001, 1, 0, 0), (272_000, 1, 0, 0)),
]


def _models() -> Iterator[tuple[str, str]]:
    for provider in data_snapshot.get_snapshot().providers:
        if provider.id in PROVIDERS:
            for model in provider.models:
                yield provider.id, model.id


def _library(sheet: str, model: str, usage: Usage) -> PriceCalculation:
    return genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        ),
        model,
        provider_id=sheet,
        genai_request_timestamp=datetime.now(tz=timezone.utc),
    )


def _is_found(sheet: str, model: str) -> bool:
    try:
        _library(sheet, model, Usage(0, 0))
    except LookupError:
        return False
    return True


def test_compiled_rates_agree_with_the_library() -> None:
    """Over all models of ten providers, with caches and tiers, the cost is what genai-prices says."""
    compared = 0
    for sheet, model in _models():
        for count in COUNTS:
            usage = Usage(*count)
            mine = cost(PROVIDERS[sheet], model, usage)
            if isinstance(mine, Unpriced):
                # Billed by other things than tokens, or a name that the library does not find either.
                assert "billed by" in mine.reason or not _is_found(sheet, model), (sheet, model, mine)
                continue
            theirs = _library(sheet, model, usage)
            found = (mine.total, mine.input, mine.output)
            expected = tuple(map(float, (theirs.total_price, theirs.input_price, theirs.output_price)))
            assert found == pytest.approx(expected, rel=1e-12, abs=1e-15), (sheet, model, count)
            compared += 1
    assert compared > 3_000


@pytest.mark.parametrize(
    ("model", "usage", "reason"),
    [
        ("my-own-model", Usage(1, 1), "no price for model 'my-own-model'"),
        ("gpt-4o-mini-custom", Usage(1, 1), "no price for model 'gpt-4o-mini-custom'"),
        ("", Usage(1, 1), "no price for model"),
        ("gpt-4o-mini", Usage(), "no input tokens"),
        ("gpt-4o-mini", Usage(input_tokens=1), "no output tokens"),
        ("gpt-4o-mini", Usage(10, 1, 11), "more cached tokens"),
        ("whisper-1", Usage(1, 1), "billed by audio_hours"),
    ],
)
def test_what_is_not_known_is_not_priced(model: str, usage: Usage, reason: str) -> None:
    """A cost of 0 comes with a sentence that says why."""
    found = cost("openai", model, usage)
    assert isinstance(found, Unpriced)
    assert reason in found.reason


@pytest.mark.parametrize("provider", ["", "vllm", "my-openai-proxy", "Openai"])
def test_an_unknown_provider_has_no_prices(provider: str) -> None:
    """A server that merely speaks OpenAI's protocol under another name is not billed by OpenAI."""
    found = cost(provider, "gpt-4o-mini", Usage(1, 1))
    assert isinstance(found, Unpriced)
    assert repr(provider) in found.reason


def test_the_model_that_answered_is_priced_first() -> None:
    """A deployment name has no price; the model behind it has one."""
    direct = cost("azure.ai.openai", "gpt-4o-mini", Usage(1000, 1000))
    assert cost("azure.ai.openai", "prod-chat", Usage(1000, 1000), response_model="gpt-4o-mini-2024-07-18") == direct
    assert cost("azure.ai.openai", "gpt-4o-mini", Usage(1000, 1000), response_model="unheard-of") == direct


def test_the_host_says_who_bills() -> None:
    """A client for OpenAI that calls Groq pays Groq's prices."""
    model, usage = "llama-3.3-70b-versatile", Usage(1000, 1000)
    assert isinstance(cost("openai", model, usage), Unpriced)
    assert cost("openai", model, usage, server="api.groq.com") == cost("groq", model, usage)
    assert isinstance(cost("openai", "gpt-4o-mini", usage, server="localhost"), Cost)


def test_service_tiers_have_their_own_prices_or_none() -> None:
    """Flex is cheaper than the default tier; a tier without a price is not billed like the default."""
    usage = Usage(1_000_000, 0)
    default = cost("openai", "gpt-5", usage, service_tier="default")
    flex = cost("openai", "gpt-5", usage, service_tier="flex")
    assert isinstance(default, Cost)
    assert isinstance(flex, Cost)
    assert default == cost("openai", "gpt-5", usage)
    assert 0 < flex.total < default.total
    unknown = cost("openai", "gpt-4o-mini", usage, service_tier="scale")
    assert isinstance(unknown, Unpriced)
    assert "scale" in unknown.reason


def test_anthropic_bills_by_the_hour_of_the_cache_and_by_speed() -> None:
    """A write to the cache costs twice the input for an hour; the fast mode has its own price, other modes none."""
    sheet = "anthropic", "claude-opus-5"
    minutes = cost(*sheet, Usage(1_000_000, 0, cache_write_tokens=1_000_000))
    hour = cost(*sheet, Usage(1_000_000, 0, cache_write_tokens=1_000_000, cache_write_1h_tokens=1_000_000))
    plain, fast = (cost(*sheet, Usage(1_000_000, 0), service_tier=tier) for tier in ("standard", "fast"))
    assert [found.total for found in (minutes, hour, plain, fast) if isinstance(found, Cost)] == [6.25, 10.0, 5.0, 10.0]
    assert isinstance(cost(*sheet, Usage(1, 0), service_tier="us"), Unpriced)
    said = {attr.ANTHROPIC_RESPONSE_SERVICE_TIER: "standard", attr.ANTHROPIC_RESPONSE_INFERENCE_GEO: "global"}
    assert prices.tier(said) == "standard"
    assert prices.tier({**said, attr.ANTHROPIC_RESPONSE_SPEED: "fast"}) == "fast"
    both = {attr.ANTHROPIC_RESPONSE_SPEED: "fast", attr.ANTHROPIC_RESPONSE_INFERENCE_GEO: "us"}
    assert isinstance(cost(*sheet, Usage(1, 0), service_tier=prices.tier(both)), Unpriced)


def test_audio_tokens_have_their_own_price() -> None:
    """Where a sheet prices audio apart, it is billed apart."""
    plain = cost("openai", "gpt-realtime", Usage(1000, 0))
    spoken = cost("openai", "gpt-realtime", Usage(1000, 0, audio_input_tokens=1000))
    assert isinstance(plain, Cost)
    assert isinstance(spoken, Cost)
    assert spoken.total > plain.total


def test_contradictory_counts_cost_nothing() -> None:
    """Counts that cannot be true are named, not priced."""
    found = cost("openai", "gpt-realtime", Usage(10, 0, audio_input_tokens=20))
    assert isinstance(found, Unpriced)
    assert found.kind == "cost_calculation_error"


def test_the_sheet_is_shown_by_litellms_keys() -> None:
    """``model_map_value`` names the rates as LiteLLM does, tiers included, and is the caller's own."""
    key, value = model_map("openai", "gpt-4o-mini")
    assert key == "gpt-4o-mini"
    assert value is not None
    assert value["input_cost_per_token"] == 1.5e-07
    assert value["output_cost_per_token"] == 6e-07
    assert value["cache_read_input_token_cost"] == 7.5e-08
    assert value["litellm_provider"] == "openai"
    value.clear()
    assert model_map("openai", "gpt-4o-mini")[1]
    tiered = model_map("gcp.gemini", "gemini-2.5-pro")[1]
    assert tiered is not None
    assert tiered["input_cost_per_token_above_200k_tokens"] == 2.5e-06
    assert model_map("openai", None) == ("", None)


@pytest.mark.parametrize(
    ("constraint", "settled"),
    [
        (None, True),
        (StartDateConstraint(date(2020, 1, 1)), True),
        (StartDateConstraint(date(9999, 1, 1)), False),
        (TimeOfDateConstraint(time(0), time(12)), False),
    ],
)
def test_prices_that_change_with_time_are_not_compiled(
    constraint: StartDateConstraint | TimeOfDateConstraint | None, settled: bool
) -> None:
    """A night rate is not charged by day, and a price that starts tomorrow starts tomorrow."""
    conditional = [ConditionalPrice(prices=ModelPrice()), ConditionalPrice(constraint, prices=ModelPrice())]
    model = ModelInfo("m", ClauseEquals("m"), prices=conditional)
    assert _is_settled(model) is settled


def test_a_known_model_is_priced_quickly() -> None:
    """Pricing happens on the application's thread: far below the library's own 50 us, on any machine."""
    usage = Usage(120, 40, 64)
    cost("openai", "gpt-4o-mini", usage)
    best_s = min(timeit.repeat(lambda: cost("openai", "gpt-4o-mini", usage), number=1000, repeat=5)) / 1000
    assert best_s < 10e-6


@pytest.mark.parametrize(
    ("model", "priced"),
    [
        ("gpt-4o-mini", True),
        ("claude-sonnet-4-5", True),
        ("gemini-2.5-pro", True),
        ("gpt-oss-120b", False),
        ("llama3.1:8b", False),
        ("my-model", False),
    ],
)
def test_a_gateway_passes_its_vendors_price_on(model: str, priced: bool) -> None:
    """On a host that nobody knows, only models that run nowhere but at their vendor have a price."""
    found = cost("openai_compatible", model, Usage(input_tokens=10, output_tokens=5), server="127.0.0.1")
    assert isinstance(found, Cost) is priced
