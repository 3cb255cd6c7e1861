"""What delivery costs: CPU of the whole process per call, from spans to a webhook in another process.

``python -m benchmarks.delivery [CALLS]``
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any, Final

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from callspan_exporters.delivery import DeliveryProcessor
from callspan_exporters.webhook import WebhookSpanExporter

_SERVER: Final = """
import http.server

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""

_PROMPT: Final = [{"role": "user", "parts": [{"type": "text", "content": "What is the capital of France? " * 20}]}]
_ANSWER: Final = [
    {"role": "assistant", "parts": [{"type": "text", "content": "Paris. " * 60}], "finish_reason": "stop"}
]
_ATTRIBUTES: Final[dict[str, Any]] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.request.temperature": 0.2,
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 40,
    "gen_ai.input.messages": json.dumps(_PROMPT),
    "gen_ai.output.messages": json.dumps(_ANSWER),
    "server.address": "api.openai.com",
    "server.port": 443,
}


def make_calls(processor: SpanProcessor, count: int) -> float:
    """Return the CPU time of the whole process, in seconds, until the processor is flushed."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("benchmark")
    started = time.process_time()
    for number in range(count):
        with tracer.start_as_current_span("chat gpt-4o", attributes=_ATTRIBUTES) as span:
            span.set_attribute("callspan.call_id", f"call-{number}")
    assert processor.force_flush(300_000), "not delivered in time"
    return time.process_time() - started


def main(count: int) -> None:
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/"
        processor = DeliveryProcessor(WebhookSpanExporter(url), max_queue_bytes=1 << 30)
        make_calls(processor, 500)  # imports, connections, price sheets
        spans_s = make_calls(SpanProcessor(), count)
        total_s = make_calls(processor, count)
        processor.shutdown()
        server.kill()
    print(f"{count} calls to a webhook, CPU of the whole process")
    print(f"  making the spans        {spans_s / count * 1e6:7.1f} us per call")
    print(f"  payload and delivery    {(total_s - spans_s) / count * 1e6:7.1f} us per call")
    print(f"  in all                  {count / total_s:7.0f} calls per CPU second")
    print(f"  {processor.report()}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
