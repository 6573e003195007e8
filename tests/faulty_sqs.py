"""A gateway in front of the real SQS endpoint that can refuse entries, or hang up, as AWS does under load."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class FaultySqs:
    """What to do to the requests that pass, and what passed."""

    url: str = ""
    refused_groups: dict[str, str] = field(default_factory=dict)  # the code that each group's entries fail with
    poisonous: str = ""  # a request with this in a body is refused as a whole
    batches_before_hanging_up: int = 1_000_000
    nonsense: bytes | None = None  # the answer to every batch, which then goes no further
    batches: list[list[dict[str, Any]]] = field(default_factory=list)
    # Called at each of these; a ConnectionError there hangs up.
    on_batch: Callable[[], object] = lambda: None
    on_accepted: Callable[[], object] = lambda: None
    on_answered: Callable[[], object] = lambda: None
    on_single_message: Callable[[], object] = lambda: None
    on_hanging_up: Callable[[], object] = lambda: None

    def let_all_pass(self) -> None:
        """Only what is refused stays refused."""
        self.batches_before_hanging_up = 1_000_000
        self.on_batch = self.on_accepted = self.on_answered = self.on_single_message = lambda: None


class Server(ThreadingHTTPServer):
    """Says nothing of clients that are gone, and of those that it hangs up on."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def faulty_sqs(endpoint_url: str) -> Iterator[FaultySqs]:
    """Run the gateway."""
    faults = FaultySqs()

    class Gateway(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self.headers["X-Amz-Target"].endswith("SendMessageBatch"):
                if self.headers["X-Amz-Target"].endswith("SendMessage"):
                    faults.on_single_message()
                self._answer(*self._forward(request))
                return
            if len(faults.batches) == faults.batches_before_hanging_up:
                faults.on_hanging_up()
                self.close_connection = True
                return
            faults.batches.append(request["Entries"])
            faults.on_batch()
            if faults.nonsense is not None:
                self._answer_bytes(200, faults.nonsense)
                return
            if faults.poisonous and any(faults.poisonous in entry["MessageBody"] for entry in request["Entries"]):
                self._answer(400, {"__type": "com.amazonaws.sqs#ValidationException", "message": "poison"})
                return
            refused = [entry for entry in request["Entries"] if entry["MessageGroupId"] in faults.refused_groups]
            request["Entries"] = [entry for entry in request["Entries"] if entry not in refused]
            status, answer = self._forward(request) if request["Entries"] else (200, {"Successful": []})
            codes = [(entry["Id"], faults.refused_groups[entry["MessageGroupId"]]) for entry in refused]
            answer["Failed"] = [{"Id": entry_id, "Code": code, "SenderFault": True} for entry_id, code in codes]
            faults.on_accepted()
            self._answer(status, answer)
            faults.on_answered()

        def _forward(self, request: Any) -> tuple[int, Any]:
            connection = HTTPConnection(urlsplit(endpoint_url).netloc, timeout=10)
            headers = {name: self.headers[name] for name in ("X-Amz-Target", "Content-Type", "Authorization")}
            connection.request("POST", "/", json.dumps(request), headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
            connection.close()
            return response.status, answer

        def _answer(self, status: int, answer: Any) -> None:
            self._answer_bytes(status, json.dumps(answer).encode())

        def _answer_bytes(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with Server(("127.0.0.1", 0), Gateway) as server:
        server.daemon_threads = True
        faults.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield faults
        server.shutdown()
        thread.join()
