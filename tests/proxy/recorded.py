"""One run of the proxy: what was asked and answered, and what each sink had received when the proxy had stopped."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai

from callspan.cli.fake_openai import FakeOpenAI
from tests.e2e import sinks
from tests.exporters.langfuse_view import observation, trace
from tests.exporters.otlp_recorder import DecodedSpan
from tests.exporters.servers import SinkServer, refused_port
from tests.proxy.server import Answer, Proxy, running_proxy

FILES = Path(__file__).parent / "files"
TEAM_KEY = "sk-team-alpha"

Ask = Callable[[Proxy], Answer]


@dataclass(frozen=True)
class Run:
    """A run, over."""

    answers: Mapping[str, Answer]
    output: str
    server: SinkServer
    upstream: FakeOpenAI
    url: str

    def spans(self, name: str) -> list[DecodedSpan]:
        """The spans of one request at the OTLP receiver."""
        call_id = self.answers[name].call_id
        return [s for s in sinks.accepted_spans(self.server, "otel") if s.attributes.get("callspan.call_id") == call_id]

    def span(self, name: str) -> DecodedSpan:
        (span,) = self.spans(name)
        return span

    def ancestry(self, span: DecodedSpan) -> str:
        """The id of the span outside the proxy in which everything happened; empty if there is none."""
        parents = {each.span_id: each.parent_span_id for each in sinks.accepted_spans(self.server, "otel")}
        above = span.span_id
        while above in parents:
            above = parents[above]
        return above

    def payloads(self, name: str) -> list[dict[str, Any]]:
        """The payloads of one request at the webhook."""
        call_id = self.answers[name].call_id
        return [payload for payload in sinks.hooked(self.server) if payload["litellm_call_id"] == call_id]

    def payload(self, name: str) -> dict[str, Any]:
        (payload,) = self.payloads(name)
        return payload

    def langfuse(self, name: str) -> dict[str, Any]:
        """The generation of one request as Langfuse shows it, its trace under ``trace``."""
        call_id = self.answers[name].call_id
        spans = sinks.accepted_spans(self.server, "langfuse")
        shown = [{**observation(span), "trace": trace(span)} for span in spans]
        (one,) = [each for each in shown if each["metadata"].get("litellm_call_id") == call_id]
        return one


def record(
    config: str,
    folder: Path,
    upstream: FakeOpenAI,
    server: SinkServer,
    asks: Mapping[str, Ask],
    *options: str,
    **environment: str,
) -> Run:
    """Start the proxy with one of `FILES`, ask, and stop it.

    Args:
        config: the file.
        folder: where it runs.
        upstream: the models.
        server: the sinks, told apart by path.
        asks: the requests by name.
        options: further arguments of ``litellm``.
        environment: variables beside those of the sinks.
    """
    variables = {**prepared(folder, upstream, server), **environment}
    with running_proxy(folder / config, *options, environment=variables) as proxy:
        answers = {name: ask(proxy) for name, ask in asks.items()}
        output = proxy.stop()
    return Run(answers, output, server, upstream, proxy.url)


def prepared(folder: Path, upstream: FakeOpenAI, server: SinkServer) -> dict[str, str]:
    """Put `FILES` into a folder; and the variables that say where models and sinks are."""
    shutil.copytree(FILES, folder, dirs_exist_ok=True)
    return {
        "OPENAI_BASE_URL": upstream.base_url,
        "OPENAI_API_KEY": "sk-upstream-0123456789abcdefghijklmnopqrstuvwxyz",
        "NOBODY_LISTENS": f"http://127.0.0.1:{refused_port()}/v1",
        "TEAM_KEY": TEAM_KEY,
        "AUDIT_ENDPOINT": sinks.webhook_at(server.url)["GENERIC_LOGGER_ENDPOINT"],
        "OTEL_EXPORTER": "otlp_http",
        "OTEL_ENDPOINT": server.url,
        "OTEL_HEADERS": "x-honeycomb-team=hc-key",
        "LANGFUSE_PUBLIC_KEY": "pk_kk",
        "LANGFUSE_SECRET_KEY": "sk_ss",
        "LANGFUSE_HOST": server.url,
        "DD_API_KEY": "dd-key",
        "DD_SITE": "us5.datadoghq.com",
        "DD_BASE_URL": server.url,
    }


def curl(body: Mapping[str, Any], *headers: str, path: str = "/chat/completions") -> Ask:
    """Ask with curl."""
    return lambda proxy: proxy.curl(body, *headers, path=path)


def client(key: str = "sk-1234", **arguments: Any) -> Ask:
    """Ask for a chat completion with the openai client; a stream is read to its end."""

    def ask(proxy: Proxy) -> Answer:
        with openai.OpenAI(api_key=key, base_url=proxy.url, max_retries=0) as api:
            raw = api.chat.completions.with_raw_response.create(**arguments)
            parsed = raw.parse()
            text = json.dumps([chunk.model_dump() for chunk in parsed]) if arguments.get("stream") else raw.text
            return Answer(raw.status_code, {name.lower(): value for name, value in raw.headers.items()}, text)

    return ask
