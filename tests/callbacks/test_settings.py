"""Where callbacks come from: code, file, names; and what is wrong with them."""

import logging
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

import callspan
from callspan.setup.settings import load
from tests.callbacks.support import chat, recording

MODULE = """
import callspan

heard = []

class Handler(callspan.CustomLogger):
    def log_success_event(self, kwargs, response_obj, start_time, end_time):
        heard.append(response_obj["usage"])

proxy_handler_instance = Handler()

def function(kwargs, completion_response, start_time, end_time):
    heard.append(kwargs["model"])

def before(kwargs):
    heard.append("before")
"""


@pytest.fixture
def module(tmp_path: Path) -> str:
    """A module beside the configuration file, of a name that no other test has imported."""
    name = f"callbacks_{uuid.uuid4().hex}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    return name


def test_names_in_a_file(module: str, tmp_path: Path, configure: Callable[..., None], client: openai.OpenAI) -> None:
    """``callbacks: module.instance``, and functions, imported from beside the file; each reported by its name."""
    (tmp_path / "config.yaml").write_text(
        "litellm_settings:\n"
        f"  callbacks: {module}.proxy_handler_instance\n"
        f"  success_callback: [{module}.function]\n"
        f"  input_callback: [{module}.before]\n"
    )
    configure(config_file=tmp_path / "config.yaml")
    chat(client)
    report = callspan.flush(10)
    assert report[f"{module}.proxy_handler_instance"].delivered == report[f"{module}.function"].delivered == 1
    heard = sys.modules[module].heard
    assert heard[0] == "before"
    assert sorted(type(each).__name__ for each in heard[1:]) == ["Answer", "str"]


def test_settings_by_name(module: str, tmp_path: Path, configure: Callable[..., None], client: openai.OpenAI) -> None:
    """``callback_settings`` knows a callback by the name that it has there."""
    name = f"{module}.function"
    configure(
        callbacks=[name],
        config_file=tmp_path / "config.yaml" if (tmp_path / "config.yaml").write_text("{}") else None,
        callback_settings={name: {"message_logging": False}},
    )
    chat(client)
    assert callspan.flush(10)[name].delivered == 1


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"callbacks": [callspan.CustomLogger]}, "configure(callbacks=...): expected a list of sink names"),
        ({"success_callback": [7]}, "configure(success_callback=...): expected a list of sink names"),
        ({"input_callback": [7]}, "configure(input_callback=...): expected a list of `module.instance`"),
        ({"callbacks": ["no_such_module.instance"]}, "no_such_module.instance: cannot import it: ModuleNotFoundError"),
        ({"callbacks": ["callspan.CustomLogger"]}, "got the class CustomLogger"),
        ({"callbacks": ["callspan.__version__"]}, "expected an instance of CustomLogger, a function or a SpanExporter"),
        (
            {"callbacks": [print], "callback_settings": {"print": {"endpoint": "x"}}},
            "print.endpoint: unknown setting; expected one of message_logging, redaction",
        ),
    ],
)
def test_what_is_wrong(settings: dict[str, Any], expected: str, configure: Callable[..., None]) -> None:
    """One error that names the setting, and what was expected."""
    with pytest.raises(callspan.ConfigurationError) as raised:
        configure(**settings)
    assert expected in str(raised.value)


def test_names_of_callbacks() -> None:
    """What reports call them."""
    from functools import partial

    from callspan.callbacks.targets import name_of

    class Called:
        def __call__(self, *_arguments: Any) -> None: ...

    callbacks: tuple[Any, ...] = (recording(), print, partial(print, "x"), Called(), [].append)
    assert [name_of(each) for each in callbacks] == ["Recording", "print", "print", "Called", "append"]


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names only, separated by commas; those of LiteLLM's integrations are nobody's concern here."""
    monkeypatch.setenv("CALLSPAN_INPUT_CALLBACK", "a.before, b.before, lunary")
    assert load().settings.input_callback == ("a.before", "b.before")


def test_other_settings_replace_the_callbacks(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """The old one hears of what was made under it, and of nothing later, requests included."""
    old, new = recording(), recording()
    configure(callbacks=[old])
    chat(client)
    configure(callbacks=[new])
    chat(client)
    assert callspan.flush(10)
    expected = ["log_pre_api_call", "log_post_api_call", "log_success_event"]
    assert (old.hooks, new.hooks) == (expected, expected)


def test_loggers_of_no_base_class(configure: Callable[..., None], client: openai.OpenAI) -> None:
    """Hooks by their names are enough."""
    heard: list[Any] = []

    class Duck:
        def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
            heard.append(response_obj)

    configure(callbacks=[Duck()])
    chat(client)
    assert callspan.flush(10)["Duck"].delivered == 1
    assert len(heard) == 1


def test_inside_the_proxy_nothing_is_said_of_its_hooks(
    configure: Callable[..., None], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There LiteLLM itself runs what changes calls."""
    import types

    monkeypatch.setitem(sys.modules, "litellm.proxy.proxy_server", types.ModuleType("litellm.proxy.proxy_server"))

    class Guard(callspan.CustomLogger):
        async def async_pre_call_hook(self, *_arguments: Any) -> None: ...

    with caplog.at_level(logging.WARNING, "callspan"):
        configure(callbacks=[Guard()])
    assert not caplog.records
