"""Presidio behind a mask: offline, built on the worker, and never silently blind."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callspan_exporters.redaction import mask, none
from callspan_exporters.redaction.presidio import Presidio
from tests.exporters.redaction_spans import chat, contents, messages

pytest.importorskip("presidio_analyzer", reason="callspan[presidio] is not installed")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Notes who asks for a name or a connection, and refuses."""
    asked: list[Any] = []

    def refuse(*arguments: Any, **more: Any) -> Any:
        asked.append(arguments)
        raise OSError("there is no network here")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return asked


@pytest.mark.parametrize(
    ("settings", "text", "left"),
    [
        ({}, "mail bob@example.com, card 4111 1111 1111 1111", "mail [EMAIL_ADDRESS], card [CREDIT_CARD]"),
        ({"entities": ["EMAIL_ADDRESS"]}, "bob@example.com 4111111111111111", "[EMAIL_ADDRESS] 4111111111111111"),
        ({"entities": "CREDIT_CARD"}, "bob@example.com 4111111111111111", "bob@example.com [CREDIT_CARD]"),
        ({"entities": ["EMAIL_ADDRESS"]}, "bob@example.nosuchdomain", "bob@example.nosuchdomain"),
        ({"entities": ["PHONE_NUMBER"]}, "212-555-5555", "212-555-5555"),  # not sure enough
        ({"entities": ["PHONE_NUMBER"]}, "my phone is 212-555-5555", "my phone is [PHONE_NUMBER]"),  # a word says so
        ({"entities": ["PHONE_NUMBER"], "score_threshold": 0.3}, "212-555-5555", "[PHONE_NUMBER]"),
        ({"entities": ["IBAN_CODE"], "language": "de"}, "Konto DE89370400440532013000", "Konto [IBAN_CODE]"),
        ({"entities": ["EMAIL_ADDRESS", "URL"]}, "to bob@example.com.", "to [EMAIL_ADDRESS]."),  # one in the other
        ({}, "nothing here", "nothing here"),
    ],
)
def test_finds_and_replaces_without_a_model_or_network(
    settings: dict[str, Any], text: str, left: str, no_network: list[Any]
) -> None:
    """What patterns and check digits find; nothing is downloaded, neither a model nor a list of domains."""
    assert Presidio(**settings)(text) == left
    assert no_network == []


def test_in_a_mask_it_sees_every_text() -> None:
    """Inside JSON, beside patterns; equal settings are one policy, whose work is shared."""
    policies = [mask({"badge": "B-[0-9]+"}, [Presidio(["EMAIL_ADDRESS"])], name="pii") for _ in range(2)]
    original = chat({"gen_ai.input.messages": messages("B-7 bob@example.com")})
    copies = [policy.redact(original) for policy in policies]
    assert copies[0] is copies[1]
    assert (copies[0].attributes or {})["gen_ai.input.messages"] == messages("[BADGE] [EMAIL_ADDRESS]")


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"entities": ["PERSON", "EMAIL_ADDRESS"]}, ValueError, "entities: PERSON: expected `model` as well"),
        ({"entities": ["PERSON"], "model": "no_such_model"}, ImportError, "'no_such_model' is not installed"),
        ({"model": "./no/such/folder"}, ImportError, "'./no/such/folder' is not installed"),
        ({"score_threshold": 2}, ValueError, "score_threshold: expected a number from 0 to 1, got 2"),
        ({"score_threshold": "high"}, ValueError, "score_threshold: expected a number from 0 to 1, got 'high'"),
    ],
)
def test_wrong_settings_are_an_error_at_start(settings: dict[str, Any], error: type[Exception], says: str) -> None:
    """Before any call, naming the setting."""
    with pytest.raises(error) as raised:
        Presidio(**settings)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"entities": ["PRESON"]}, "unknown entities PRESON; expected some of AGE, "),
        ({"language": "qq"}, "Can't import language qq"),
    ],
)
def test_what_presidio_does_not_know_withholds_content(
    settings: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A misspelt entity finds nothing: content is withheld, and the log says why, once and without a text."""
    policy = mask((), [Presidio(**settings)], name="pii")
    for _ in range(2):
        original = chat({"gen_ai.input.messages": messages("a secret")})
        copy = policy.redact(original)
        assert (copy.attributes or {})["callspan.redacted"] == "pii:failed"
        assert contents(copy)[2:] == contents(none().redact(original))[2:]
    assert caplog.text.count(says) == 1
    assert "secret" not in caplog.text


def test_a_trained_model_is_used(tmp_path: Path) -> None:
    """A spaCy model, here one of rules saved to a folder, names people."""
    import spacy

    model = spacy.blank("en")
    ruler: Any = model.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Ada Lovelace"}])
    model.to_disk(tmp_path / "model")
    find = Presidio(["PERSON"], model=str(tmp_path / "model"))
    assert find("ask Ada Lovelace") == "ask [PERSON]"


def test_start_up_does_not_pay_for_it() -> None:
    """Settings that name it import neither Presidio nor spaCy; the first text does."""
    script = (
        "import sys, json\n"
        "from callspan_exporters.redaction.presidio import Presidio\n"
        "find = Presidio()\n"
        "before = [name for name in ('presidio_analyzer', 'spacy') if name in sys.modules]\n"
        "print(json.dumps([before, find('a@example.com')]))"
    )
    assert json.loads(subprocess.check_output([sys.executable, "-c", script])) == [[], "[EMAIL_ADDRESS]"]


def test_without_the_extra_it_says_what_to_install() -> None:
    """An error when the settings are read, not with the first call."""
    script = (
        "import importlib.util\n"
        "importlib.util.find_spec = lambda name: None\n"
        "from callspan_exporters.redaction.presidio import Presidio\n"
        "Presidio()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "ImportError: Presidio is not installed: pip install 'callspan[presidio]'" in done.stderr
