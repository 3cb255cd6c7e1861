"""Redaction as users write it: policies by name, masks of their own, the tighter one wins."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

import callspan
from callspan.setup import processors
from callspan.setup.settings import load
from tests.exporters.servers import SinkServer
from tests.setup.spans import call

TEXT = "EMP-1234, bob@example.com"
MASKS: dict[str, dict[str, Any]] = {"pii": {"builtin": ["email"]}, "staff": {"patterns": {"employee": r"EMP-\d+"}}}

shouting_threads: list[threading.Thread] = []


def shout(text: str) -> str:
    """A callable for masks, imported by its name."""
    shouting_threads.append(threading.current_thread())
    return text.upper()


not_a_function = 7


def sent(server: SinkServer, path: str = "/hook") -> str:
    """What the user said in the one call, as the webhook at ``path`` got it."""
    (body,) = [request.body for request in server.requests if request.path == path]
    (payload,) = json.loads(body)
    return str(payload["messages"][0]["content"])


def said(provider: TracerProvider, asks: str | None = None) -> None:
    """Make the call."""
    content = json.dumps([{"role": "user", "parts": [{"type": "text", "content": TEXT}]}])
    call(provider, {"gen_ai.input.messages": content, **({"callspan.redact": asks} if asks else {})})
    assert callspan.flush(10)


def hook(server: SinkServer, path: str = "/hook", **more: Any) -> dict[str, Any]:
    return {"callback_type": "generic_api", "endpoint": server.url + path, **more}


@pytest.mark.parametrize(
    ("everywhere", "sink", "asks", "left"),
    [
        ({}, {}, None, TEXT),
        ({"redaction": "pii"}, {}, None, "EMP-1234, [EMAIL]"),
        ({"redaction": "mask"}, {}, None, "EMP-1234, [EMAIL]"),
        ({"redaction": "none"}, {}, None, "redacted-by-litellm"),
        ({}, {"redaction": "staff"}, None, "[EMPLOYEE], bob@example.com"),
        ({"redaction": "pii"}, {"redaction": "full"}, None, "EMP-1234, [EMAIL]"),
        ({"redaction": "pii"}, {"redaction": "none"}, None, "redacted-by-litellm"),
        ({"redaction": "none"}, {"redaction": "pii"}, None, "redacted-by-litellm"),
        ({"redaction": "pii"}, {"redaction": "staff"}, None, "[EMPLOYEE], [EMAIL]"),
        ({"redaction": "pii"}, {"message_logging": False}, None, "redacted-by-litellm"),
        ({"redaction": "full"}, {"redaction": "pii", "message_logging": True}, None, "EMP-1234, [EMAIL]"),
        ({"turn_off_message_logging": True}, {"redaction": "pii"}, None, "redacted-by-litellm"),
        ({"turn_off_message_logging": False, "redaction": "pii"}, {}, None, "EMP-1234, [EMAIL]"),
        ({}, {}, "staff", "[EMPLOYEE], bob@example.com"),
        ({"redaction": "pii"}, {}, "staff", "[EMPLOYEE], [EMAIL]"),
        ({"redaction": "pii"}, {}, "full", "EMP-1234, [EMAIL]"),
        ({"redaction": "pii", "allow_redaction_opt_out": True}, {}, "full", TEXT),
        ({}, {}, "nobody", "redacted-by-litellm"),
    ],
)
def test_the_tighter_policy_wins(
    everywhere: dict[str, Any],
    sink: dict[str, Any],
    asks: str | None,
    left: str,
    server: SinkServer,
    provider: TracerProvider,
) -> None:
    """The table of docs/redaction.md: what the process says, what the sink says, and what the call asks for."""
    callspan.configure(
        callbacks=["hook"],
        callback_settings={"hook": hook(server, **sink)},
        masks=MASKS,
        tracer_provider=provider,
        instrument=False,
        **everywhere,
    )
    said(provider, asks)
    assert sent(server) == left


def test_from_a_file(server: SinkServer, provider: TracerProvider, tmp_path: Path) -> None:
    """Patterns with and without a replacement, built-in ones, and a function from beside the file; per sink."""
    (tmp_path / "scrubbing.py").write_text("def scrub(text):\n    return text.replace('Bob', 'X')\n")
    path = tmp_path / "config.yaml"
    path.write_text(
        rf"""
        callspan_settings:
          callbacks: [closed, open]
          masks:
            pii:
              builtin: [email]
              patterns:
                employee: 'EMP-\d+'
                case: ['CASE-(\d)\d+', '\1...']
              callables: [scrubbing.scrub]
        callback_settings:
          closed: {{callback_type: generic_api, endpoint: "{server.url}/closed", redaction: pii}}
          open: {{callback_type: generic_api, endpoint: "{server.url}/open"}}
        """
    )
    callspan.configure(config_file=path, tracer_provider=provider, instrument=False)
    text = "Bob, EMP-1, CASE-345, bob@example.com"
    call(provider, {"gen_ai.input.messages": json.dumps([{"role": "user", "content": text}])})
    assert callspan.flush(10)
    assert (sent(server, "/closed"), sent(server, "/open")) == ("X, [EMPLOYEE], 3..., [EMAIL]", text)


def test_from_the_environment(
    server: SinkServer, provider: TracerProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``CALLSPAN_REDACTION`` and ``CALLSPAN_MASKS`` beat the file, whose other masks stay."""
    path = tmp_path / "config.yaml"
    path.write_text("callspan_settings: {redaction: none, masks: {pii: {builtin: [iban]}, staff: {builtin: [iban]}}}")
    monkeypatch.setenv("CALLSPAN_CONFIG", str(path))
    monkeypatch.setenv("CALLSPAN_REDACTION", "pii")
    monkeypatch.setenv("CALLSPAN_MASKS", json.dumps({"pii": MASKS["pii"]}))
    monkeypatch.setenv("CALLSPAN_CALLBACKS", "generic_api")
    monkeypatch.setenv("GENERIC_LOGGER_ENDPOINT", f"{server.url}/hook")
    callspan.configure(tracer_provider=provider, instrument=False)
    said(provider)
    assert sent(server) == "EMP-1234, [EMAIL]"
    assert sorted(load().settings.masks) == ["pii", "staff"]


@pytest.mark.parametrize("function", [shout, f"{__name__}.shout"])
def test_a_function_of_ones_own(function: Any, server: SinkServer, provider: TracerProvider) -> None:
    """Itself or by its name; it runs on the sink's worker, also where only the call asks for its mask."""
    shouting_threads.clear()
    arguments: dict[str, Any] = {
        "callbacks": ["hook"],
        "callback_settings": {"hook": hook(server)},
        "masks": {"loud": {"callables": [function]}},
        "tracer_provider": provider,
        "instrument": False,
    }
    callspan.configure(**arguments)
    before = processors.known(provider)
    callspan.configure(**arguments)
    assert processors.known(provider) == before  # the same masks change nothing
    said(provider, "loud")
    assert sent(server) == TEXT.upper()
    assert threading.main_thread() not in shouting_threads


WRONG = [
    ({"redaction": "pi", "masks": {"pii": {}}}, "redaction{}: unknown policy 'pi'; did you mean pii?"),
    ({"redaction": "secret"}, "redaction{}: unknown policy 'secret'; expected one of full, mask, none"),
    ({"redaction": False}, "redaction{}: expected none, full, mask or the name of one of `masks`, got False"),
    ({"masks": ["pii"]}, "masks{}: expected a mapping of names to masks"),
    ({"masks": {"pii": ["email"]}}, "masks{}.pii: expected a mapping"),
    ({"masks": {"none": {}}}, "masks{}.none: a mask cannot be named 'none'"),
    ({"masks": {"pii": {"paterns": {}}}}, "masks{}.pii.paterns: unknown key; did you mean patterns?"),
    ({"masks": {"pii": {"builtin": ["emial"]}}}, "masks{}.pii.builtin: unknown mask pattern 'emial': expected one of"),
    (
        {"redaction": "pii", "masks": {"pii": {"patterns": {"a": "("}}}},
        "masks{}.pii.patterns: mask pattern 'a': expected a regular",
    ),
    ({"masks": {"pii": {"patterns": ["EMP"]}}}, "masks{}.pii.patterns: expected a mapping"),
    (
        {"masks": {"pii": {"callables": ["no.such"]}}},
        "masks{}.pii.callables: no.such: cannot import it: ModuleNot",
    ),
    ({"masks": {"pii": {"callables": ["upper"]}}}, "masks{}.pii.callables: expected a list of functions, each as"),
    ({"masks": {"pii": {"callables": [f"{__name__}.not_a_function"]}}}, ": expected a function, got int"),
    ({"masks": {"pii": {"callables": [f"{__name__}.nothing"]}}}, ".nothing: cannot import it: AttributeError"),
    ({"masks": {"pii": {"patterns": {"a": "${NOT_SET}"}}}}, "pii.patterns.a: environment variable NOT_SET is not set"),
]


@pytest.mark.parametrize(("settings", "says"), WRONG)
def test_one_clear_error_in_code(settings: dict[str, Any], says: str, provider: TracerProvider) -> None:
    """It names the argument and what was expected, and nothing is changed."""
    with pytest.raises(callspan.ConfigurationError) as raised:
        callspan.configure(tracer_provider=provider, instrument=False, **settings)
    assert says.replace("{}", "=...)", 1) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert processors.known(provider) == ()


@pytest.mark.parametrize(("settings", "says"), WRONG)
def test_one_clear_error_in_a_file(settings: dict[str, Any], says: str, tmp_path: Path) -> None:
    """It names the file, the key and what was expected; and it is about privacy."""
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps({"callspan_settings": settings}))
    loaded = load(config_file=str(path))
    (problem,) = loaded.problems
    assert str(problem).startswith(f"{path}: callspan_settings.")
    assert says.replace("{}", "", 1) in str(problem)
    assert loaded.privacy_unclear


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it is known where to look."""
    monkeypatch.setenv("CALLSPAN_REDACTION", "nome")
    (problem,) = load().problems
    assert str(problem) == "CALLSPAN_REDACTION: unknown policy 'nome'; did you mean none?"


@pytest.mark.parametrize(
    ("redaction", "says"),
    [
        ("pi", "configure(callback_settings=...).hook.redaction: unknown policy 'pi'; did you mean pii?"),
        (True, "configure(callback_settings=...).hook.redaction: expected none, full, mask or the name"),
    ],
)
def test_a_sinks_wrong_policy_is_an_error(
    redaction: Any, says: str, server: SinkServer, provider: TracerProvider
) -> None:
    """The sink is named; it never gets a call with less redaction than was meant."""
    settings = {"hook": hook(server, redaction=redaction)}
    with pytest.raises(callspan.ConfigurationError) as raised:
        callspan.configure(
            callbacks=["hook"], callback_settings=settings, masks=MASKS, tracer_provider=provider, instrument=False
        )
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("presidio", "says"),
    [
        ({"entites": ["PERSON"]}, "pii.presidio.entites: unknown key; did you mean entities?"),
        ({"entities": ["PERSON"]}, "pii.presidio: entities: PERSON: expected `model` as well"),
        ("all", "pii.presidio: expected a mapping"),
    ],
)
def test_presidios_settings(presidio: Any, says: str, server: SinkServer, provider: TracerProvider) -> None:
    """A mask may use it; what is wrong with its settings is said at start."""
    pytest.importorskip("presidio_analyzer", reason="callspan[presidio] is not installed")
    arguments: dict[str, Any] = {"callbacks": ["hook"], "callback_settings": {"hook": hook(server)}, "redaction": "pii"}
    arguments |= {"tracer_provider": provider, "instrument": False}
    with pytest.raises(callspan.ConfigurationError) as raised:
        callspan.configure(masks={"pii": {"presidio": presidio}}, **arguments)
    assert says in str(raised.value)
    callspan.configure(masks={"pii": {"presidio": {"entities": ["EMAIL_ADDRESS"]}}}, **arguments)
    said(provider)
    assert sent(server) == "EMP-1234, [EMAIL_ADDRESS]"
