"""As much of an MLflow server as a run needs, which keeps every byte that it is sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """Listens on a free port of this machine.

    Attributes:
        heard: request lines, headers and bodies, as they came.
        batches: the bodies of `runs/log-batch`.
        loses_answers: of how many batches to come nobody hears that they have arrived.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[bytes] = []
        self.batches: list[dict[str, Any]] = []
        self.loses_answers = 0

    @property
    def address(self) -> str:
        """For `MLFLOW_TRACKING_URI`."""
        return f"http://127.0.0.1:{self.server_port}"

    def metrics(self) -> list[dict[str, Any]]:
        """All that were logged, in order."""
        return [each for batch in self.batches for each in batch.get("metrics", ())]


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        """Ask."""
        self._answer({})

    def do_POST(self) -> None:
        """Tell."""
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.heard.append(content)
        self._answer(json.loads(content or b"{}"))

    def log_message(self, *told: object) -> None:
        """Say nothing."""

    def _answer(self, told: dict[str, Any]) -> None:
        self.server.heard.append(f"{self.requestline}\n{self.headers}".encode())
        found = self._found(told)
        if found is None:
            return
        content = json.dumps(found).encode()
        self.send_response(404 if "error_code" in found else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _found(self, told: dict[str, Any]) -> dict[str, Any] | None:
        place, info = self.path.partition("?")[0], {"run_id": "a1b2", "run_uuid": "a1b2", "experiment_id": "7"}
        if place.endswith("experiments/create"):
            return {"experiment_id": "7"}
        if place.endswith(("runs/create", "runs/get", "runs/update")):
            return {"run": {"info": info, "data": {}}, "run_info": info}
        if place.endswith("metrics/get-history"):
            return {"metrics": [each for each in self.server.metrics() if each["key"] == "train/loss"]}
        if place.endswith("runs/log-batch"):
            self.server.batches.append(told)
            if self.server.loses_answers and told.get("metrics"):
                self.server.loses_answers -= 1
                self.close_connection = True
                return None
            return {}
        return {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "nothing here"}


@contextmanager
def serving() -> Iterator[Server]:
    """A server while the block runs."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
