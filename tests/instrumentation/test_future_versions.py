"""A major version that callspan has never seen: what fits is recorded, what does not is named once."""

import json
from pathlib import Path

import pytest

from tests.setup.processes import INSTRUMENT, Finished, run

pytestmark = pytest.mark.process

COMPLETIONS = """
from types import SimpleNamespace as Object

class Completions:
    def __init__(self, client):
        self._client = client

    def create(self, **asked):
        return self._client.request(lambda: Object(
            id="chatcmpl-1", model="future-1-2030", created=1, usage=Object(prompt_tokens=4, completion_tokens=3),
            choices=[Object(index=0, finish_reason="stop", message=Object(role="assistant", content="Hello"))],
        ))
"""
BASE_CLIENT = """
from types import SimpleNamespace as Object

class SyncAPIClient:
    base_url = Object(host="api.groq.com", scheme="https", port=None, path="/")

    def request(self, answer):
        return answer()
"""
APPLICATION = """
import json
import callspan
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

memory, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(memory))
callspan.instrument(tracer_provider=provider, clients=["groq"])

from groq._base_client import SyncAPIClient
from groq.resources.chat.completions import Completions
import groq.resources.embeddings

answer = Completions(SyncAPIClient()).create(model="future-1", messages=[{"role": "user", "content": "Hi"}])
assert answer.choices[0].message.content == "Hello"
print(json.dumps([dict(span.attributes) for span in memory.get_finished_spans()]))
"""


def package(folder: Path, version: str) -> Path:
    """A groq of another time: a base client, chat completions, embeddings under another name, no audio at all."""
    for name, text in {
        "groq/__init__.py": "",
        "groq/_base_client.py": BASE_CLIENT,
        "groq/resources/__init__.py": "",
        "groq/resources/chat/__init__.py": "",
        "groq/resources/chat/completions.py": COMPLETIONS,
        "groq/resources/embeddings.py": "class Vectors:\n    pass\n",
        f"groq-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: groq\nVersion: {version}\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def finished(folder: Path, application: str) -> Finished:
    done = run(application, folder, under=INSTRUMENT[1:])
    assert done.code == 0, done.err
    return done


def test_what_fits_is_recorded(tmp_path: Path) -> None:
    """The call has its span with model and usage, and one line says that something else is missing."""
    done = finished(package(tmp_path, "9.0.0"), APPLICATION)
    (attributes,) = json.loads(done.out)
    assert (attributes["gen_ai.response.model"], attributes["gen_ai.usage.input_tokens"]) == ("future-1-2030", 4)
    (line,) = done.err.splitlines()
    assert line.startswith("callspan: groq 9.0.0 is newer than the versions that callspan knows (up to 1.x): calls of ")


def test_a_known_version_is_no_news(tmp_path: Path) -> None:
    """What a version of today lacks was never there, and nobody needs to hear of it."""
    done = finished(package(tmp_path, "1.0.0"), APPLICATION)
    assert done.err == ""


def test_doctor_shows_it(tmp_path: Path) -> None:
    """The version, what is wrapped of it, and what is not."""
    folder = package(tmp_path, "9.0.0")
    doctor = "import sys\nfrom callspan.cli import main\nsys.argv[1:] = ['doctor', '--json']\nmain()\n"
    done = run(doctor, folder, under=INSTRUMENT[1:], CALLSPAN_DB=str(tmp_path / "calls.sqlite3"))
    client = next(each for each in json.loads(done.out)["clients"] if each["name"] == "groq")
    assert (client["version"], client["newer"], client["wrapped"]) == ("9.0.0", True, 1)
    assert "groq.resources.embeddings.Embeddings.create" in client["absent"]
    assert done.code == 1
