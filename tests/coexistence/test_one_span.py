"""With another instrumentation of the same client beside callspan, one call is one span, whoever comes first."""

import pytest

from callspan.cli.fake_openai import FakeOpenAI
from tests.coexistence.support import (
    ANTHROPIC,
    ANTHROPIC_CALLS,
    OPENAI,
    OPENAI_CALLS,
    Outcome,
    instrumenting,
    need,
    outcome_of,
)

pytestmark = pytest.mark.process

CALLS = {**dict.fromkeys(OPENAI, OPENAI_CALLS), **dict.fromkeys(ANTHROPIC, ANTHROPIC_CALLS)}
CONFIGURE = """
import callspan
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor
callspan.configure(callbacks=["local"])
collect()
HTTPX2ClientInstrumentor().instrument()
"""


def client_of(package: str) -> str:
    return "openai" if package in OPENAI else "anthropic"


def one_span_each(outcome: Outcome, server: FakeOpenAI) -> bool:
    """Every request to the model's server has its own span, of callspan, or of who encloses callspan's method.

    The spans of HTTP libraries are beneath it.

    OpenTelemetry's instrumentation wraps ``responses.stream()``, of which callspan records the ``create()`` inside.
    """
    assert outcome.scopes - {"opentelemetry.instrumentation.genai.openai"} == {"callspan"}
    assert len(outcome.calls) == len({call["id"] for call in outcome.calls}) == len(server.requests)
    assert len({call["attributes"]["callspan.call_id"] for call in outcome.calls}) == len(server.requests)
    assert sum(call["scope"] != "callspan" for call in outcome.calls) <= 1
    http = [span for span in outcome.spans if "http" in span["scope"]]
    assert {span["parent"] for span in http} == {call["id"] for call in outcome.calls}
    return True


@pytest.mark.parametrize("package", CALLS)
def test_both_under_opentelemetry_instrument(package: str, server: FakeOpenAI) -> None:
    """callspan records the calls, and one line says so."""
    need(package)
    outcome = outcome_of(CALLS[package])
    assert one_span_each(outcome, server)
    assert [line.startswith(f"callspan: calls of {client_of(package)} are recorded by callspan") for line in
            outcome.about(package)] == [True]  # fmt: skip


@pytest.mark.parametrize("package", CALLS)
@pytest.mark.parametrize("order", ["first", "last", "again"])
def test_both_in_code(package: str, order: str, server: FakeOpenAI) -> None:
    """The same, with the other switched on by hand: before callspan, after it and the client, or off and on again."""
    rival = instrumenting(need(package))
    application = {
        "first": rival + CONFIGURE,
        "last": f"import {client_of(package)}\n{CONFIGURE}{rival}",
        "again": f"{rival}{CONFIGURE}Rival().uninstrument()\nRival().instrument()\n",
    }[order]
    outcome = outcome_of(application + CALLS[package], instrumented=False)
    assert one_span_each(outcome, server)
    assert len(outcome.about(package)) == 1


@pytest.mark.parametrize("package", CALLS)
def test_the_other_records(package: str) -> None:
    """With callspan's own switched off, the other's spans are left, its calls reach the sinks, and one line says so."""
    need(package)
    client = client_of(package)
    outcome = outcome_of(CALLS[package], OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=f"callspan-{client}")
    assert outcome.calls
    assert "callspan" not in outcome.scopes
    (line,) = outcome.about(package)
    assert line.startswith(f"callspan: calls of {client} are recorded by {package}")


@pytest.mark.parametrize("package", [*OPENAI, *ANTHROPIC])
def test_after_uninstrument(package: str) -> None:
    """Without callspan the other is as it was."""
    need(package)
    outcome = outcome_of("import callspan\ncallspan.uninstrument()\n" + CALLS[package])
    assert "callspan" not in outcome.scopes
    assert outcome.calls or "openai-v2" in package
