"""A wrong setting: one line says what is wrong, the application runs, and the other sinks have its calls."""

from pathlib import Path

import pytest

from tests.e2e import sinks
from tests.exporters.servers import SinkServer
from tests.setup.processes import run

pytestmark = pytest.mark.process

ONE_CALL = """
import openai
messages = [{"role": "user", "content": "Why is the sky blue?"}]
print(openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=messages).choices[0].message.content)
"""


@pytest.mark.parametrize(
    ("wrong", "said", "lost"),
    [
        (
            {"OTEL_TRACES_EXPORTER": "otlp,lanfuse,s3,generic_api"},
            ["OTEL_TRACES_EXPORTER", "'lanfuse'", "langfuse"],
            {"langfuse"},
        ),
        ({"LANGFUSE_SECRET_KEY": ""}, ["langfuse", "LANGFUSE_SECRET_KEY", "missing"], {"langfuse"}),
        ({"S3_BUCKET_NAME": ""}, ["s3", "S3_BUCKET_NAME", "missing"], {"s3"}),
        ({"GENERIC_LOGGER_ENDPOINT": "hook.example"}, ["generic_api.endpoint", "http://"], {"generic_api"}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector"}, ["OTEL_EXPORTER_OTLP_ENDPOINT", "http://host:port"], {"otel"}),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "secret-token"}, ["OTEL_EXPORTER_OTLP_HEADERS", "name=value"], {"otel"}),
    ],
)
def test_in_the_environment(wrong: dict[str, str], said: list[str], lost: set[str], recorder: SinkServer) -> None:
    """The error names the variable and what was expected; it costs one sink."""
    check(wrong, said, lost, recorder, keeps_content=True)


@pytest.mark.parametrize(
    ("text", "said", "lost", "keeps_content"),
    [
        ("callback_settings: {generic_api: {endpont: x}}", ["generic_api.endpont", "endpoint"], {"generic_api"}, True),
        ("litellm_settings: {calbacks: [s3]}", ["litellm_settings.calbacks", "callbacks"], set(), False),
        (
            "callspan_settings: {turn_off_mesage_logging: true}",
            ["turn_off_mesage_logging", "turn_off_message"],
            set(),
            False,
        ),
        (
            "litellm_settings: {turn_off_message_logging: 7}",
            ["turn_off_message_logging", "true or false"],
            set(),
            False,
        ),
        ("litellm_settings: [", ["line 1", "YAML"], set(), False),
        (None, ["cannot read"], set(), False),
    ],
)
def test_in_the_file(
    text: str | None, said: list[str], lost: set[str], keeps_content: bool, recorder: SinkServer, tmp_path: Path
) -> None:
    """The error names file and key; where it may be about privacy, content is withheld until it is mended."""
    file = tmp_path / "config.yaml"
    if text is None:
        file.mkdir()
    else:
        file.write_text(text)
    check({"CALLSPAN_CONFIG": str(file)}, [str(file), *said], lost, recorder, keeps_content)


def check(wrong: dict[str, str], said: list[str], lost: set[str], recorder: SinkServer, keeps_content: bool) -> None:
    finished = run(ONE_CALL, **{**sinks.all_at(recorder.url), **wrong})
    assert (finished.code, finished.out) == (0, "You said: Why is the sky blue?\n")
    (line,) = [line for line in finished.err.splitlines() if "withheld" not in line]
    assert [text for text in said if text not in line] == []
    assert "secret-token" not in line
    for sink in sinks.PATHS.keys() - lost:
        (call,) = sinks.call_texts(recorder, sink)
        assert ("sky blue" in call) == keeps_content
