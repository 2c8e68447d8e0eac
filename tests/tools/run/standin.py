"""A small program in place of the host or the simulator: `standin.py PORT [GRANDCHILD_PID_FILE]`.

Answers 200 everywhere and `/die` by ending with exit code 3; a POST to the timer logs a `tick` event. With a
file it starts a grandchild that ignores SIGTERM, and writes its process id there.
"""

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
SHOWN = ("PUBLIC_URL", "AZURE_DEVOPS_URL", "AZURE_DEVOPS_APP_ID", "AzureWebJobsStorage")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/die":
            sys.stdout.write("dying as asked\n")
            sys.stdout.flush()
            os._exit(3)
        self._answer(200, {name: os.environ.get(name) for name in SHOWN})

    def do_POST(self) -> None:
        for event in ({"event": "refreshed"}, {"event": "tick", "looked": 4, "path": self.path}):
            sys.stdout.write(f"[2026-11-24] {json.dumps(event)}\n")
        self._answer(202, {})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    for file in sys.argv[2:]:
        Path(file).write_text(str(subprocess.Popen([sys.executable, "-c", STUBBORN]).pid))
    sys.stdout.write(f"Listening on http://127.0.0.1:{server.server_port}/\n")
    server.serve_forever()
