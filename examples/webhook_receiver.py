"""A webhook receiver in the standard library: prints one line per call that callspan delivers.

    python examples/webhook_receiver.py 8080

    GENERIC_LOGGER_ENDPOINT=http://127.0.0.1:8080/logs CALLSPAN_CALLBACKS=generic_api \
        opentelemetry-instrument python examples/zero_code.py
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for call in json.loads(body):  # log_format json_array, the default
            print(call["status"], call["model"], call["total_tokens"], f"${call['response_cost']:.6f}", flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """No access log: the calls are the output."""


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    with ThreadingHTTPServer(("127.0.0.1", port), Receiver) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}/logs", flush=True)
        server.serve_forever()
