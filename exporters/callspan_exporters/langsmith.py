"""LangSmith: each LLM call as a run, in batches."""

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import ReadableSpan

from callspan_exporters import addresses
from callspan_exporters.environment import number, required, variable
from callspan_exporters.http_sink import HTTPSinkExporter
from callspan_exporters.langsmith_run import run, trace_id
from callspan_exporters.packing import packed
from callspan_exporters.sampling import sampled
from callspan_exporters.shorten import SHORTENED, Shortening, fitted
from callspan_exporters.sink import Batching, Item, Outcome, Request, Response, Verdict, span_metadata
from callspan_semconv import StandardLoggingPayload, jsonio

CLOUD: Final = "https://api.smith.langchain.com"
_API: Final = "/api/v1"
# LangSmith, "GET /info": 100 runs and 20 MiB per batch.
_MAX_RUNS: Final = 100
_MAX_BYTES: Final = 20_000_000
_PREFIX: Final = b'{"post":['
_SUFFIX: Final = b'],"patch":[]}'


class LangsmithSpanExporter(HTTPSinkExporter):
    """Every LLM call, success or failure, as a complete LangSmith run (an embedding as an embedding run).

    A call is the root of a trace of its own, unless its metadata holds the ``dotted_order`` of a run to put it under.
    Other metadata keys that steer: ``run_id`` (or ``id``), ``run_name``, ``project_name``, ``session_id``;
    docs/sinks/langsmith.md says what each does. The same call has the same run id.

    Args:
        api_key: default ``LANGSMITH_API_KEY``.
        project: default ``LANGSMITH_PROJECT``, else ``litellm-completion``.
        base_url: with or without ``/api/v1``; default ``LANGSMITH_BASE_URL``, ``LANGSMITH_ENDPOINT``, else LangSmith's
            cloud in the US.
        tenant_id: the workspace, for keys of several; default ``LANGSMITH_TENANT_ID``, ``LANGSMITH_WORKSPACE_ID``.
        sampling_rate: share of traces to send, 0 to 1; default ``LANGSMITH_SAMPLING_RATE``,
            ``LANGSMITH_TRACING_SAMPLING_RATE``, else 1.
        default_run_name: default ``LANGSMITH_DEFAULT_RUN_NAME``, else ``LLMRun``.
        batch_size: runs per request; default ``LANGSMITH_BATCH_SIZE``, else 100, which is also the most.
        flush_interval: seconds after which fewer are sent.
        timeout_s: how long one request may take, in seconds.
        name, export_timeout_s: see `callspan_exporters.sink.SinkExporter`.

    Raises:
        ValueError: a setting is missing or malformed; names the variable and the argument.
    """

    sink = "langsmith"

    def __init__(
        self,
        api_key: str | None = None,
        project: str | None = None,
        base_url: str | None = None,
        *,
        tenant_id: str | None = None,
        sampling_rate: float | None = None,
        default_run_name: str | None = None,
        batch_size: int | None = None,
        flush_interval: float = 5.0,
        timeout_s: float = 20.0,
        name: str | None = None,
        export_timeout_s: float = 30.0,
    ) -> None:
        size = int(number(batch_size, _MAX_RUNS, "LANGSMITH_BATCH_SIZE", least=1))
        super().__init__(
            name=name,
            batching=Batching(max_items=min(size, _MAX_RUNS), interval_s=flush_interval),
            export_timeout_s=export_timeout_s,
            request_timeout_s=timeout_s,
        )
        self._headers = {
            "x-api-key": required(api_key, "LANGSMITH_API_KEY", sink=self.name, keyword="api_key"),
            "content-type": "application/json",
        }
        if tenant := tenant_id or variable("LANGSMITH_TENANT_ID", "LANGSMITH_WORKSPACE_ID"):
            self._headers["x-tenant-id"] = tenant
        self._url = _url(base_url, self.name)
        self._project = project or variable("LANGSMITH_PROJECT") or "litellm-completion"
        self._default_name = default_run_name or variable("LANGSMITH_DEFAULT_RUN_NAME") or "LLMRun"
        rates = ("LANGSMITH_SAMPLING_RATE", "LANGSMITH_TRACING_SAMPLING_RATE")
        self._sampling_rate = number(sampling_rate, 1.0, *rates, least=0, most=1)

    def accepts(self, span: ReadableSpan) -> bool:
        """Every LLM call of a sampled share of traces."""
        if self._sampling_rate >= 1 or not super().accepts(span):
            return super().accepts(span)
        context = span.get_span_context()
        trace = trace_id(span_metadata(span)) or (context.trace_id if context else 0)
        return sampled(trace, self._sampling_rate)

    def encode(self, items: Sequence[Item]) -> Iterator[Request]:
        """Batches of at most 20 MB."""
        runs = [(item, self._run(item, item.payload)) for item in items if item.payload is not None]
        for part, body in packed(runs, max_bytes=_MAX_BYTES, prefix=_PREFIX, suffix=_SUFFIX):
            yield Request(items=part, body=body, target=self._url, headers=self._headers)

    def classify(self, response: Response) -> Outcome:
        """409 says that the runs are stored already; the rest by the common table."""
        return Outcome(Verdict.DELIVERED) if response.status == 409 else super().classify(response)

    def _run(self, item: Item, payload: StandardLoggingPayload) -> bytes:
        def entry(shorten: Shortening | None) -> bytes:
            made = run(payload, item.metadata, project=self._project, default_name=self._default_name)
            if shorten:
                made |= {key: shorten(made[key]) for key in ("inputs", "outputs", "error", "extra")}
                made["tags"] = [*shorten(made["tags"]), SHORTENED]
            return jsonio.dump_bytes(made)

        return fitted(entry, _MAX_BYTES - len(_PREFIX) - len(_SUFFIX))


def _url(base_url: str | None, sink: str) -> str:
    names = ("LANGSMITH_BASE_URL", "LANGSMITH_ENDPOINT")
    where = addresses.base_url(base_url, CLOUD, *names, sink=sink, keyword="base_url")
    if _API not in urlsplit(where).path:
        where = where.removesuffix("/api") + _API
    return f"{where}/runs/batch"
