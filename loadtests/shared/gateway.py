"""A gateway in front of the SQS endpoint that answers as AWS does on a bad day, and knows what SQS has accepted.

What the endpoint has accepted is what rtp has delivered, whatever becomes of the answer, or of the endpoint.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from enum import StrEnum
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_JSON = "application/x-amz-json-1.0"
_SHARE_REFUSED = 0.3


class Mood(StrEnum):
    """How the gateway answers SendMessageBatch."""

    WELL = "well"
    THROTTLED = "throttled"
    PARTIAL = "partial failures"
    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"
    MALFORMED = "malformed answers"
    ANSWER_LOST = "answers lost"


_CLIENT_ERRORS = (
    (403, "com.amazon.coral.service#AccessDeniedException"),
    (403, "com.amazon.coral.service#ExpiredTokenException"),
    (400, "com.amazonaws.sqs#QueueDoesNotExist"),
    (413, "com.amazon.coral.service#RequestEntityTooLarge"),
)
_MALFORMED = (
    b"",
    b"{",
    b"<html>Bad gateway</html>",
    b"[]",
    b"null",
    b'{"Successful": [{}]}',
    b'{"Failed": [{"Id": "0"}]}',
)
_ENTRY_ERRORS = (("InternalError", False), ("ThrottlingException", True), ("RequestThrottled", True))


class Gateway:
    """Serves until closed. `on_accepted` is told the bodies of the messages that SQS has taken, in order."""

    def __init__(self, upstream_port: int, on_accepted: Callable[[Sequence[str]], None], rng: random.Random) -> None:
        self.mood = Mood.WELL
        self.upstream_port = upstream_port
        self.on_accepted = on_accepted
        self.rng = rng
        gateway = self

        class _OwnRequest(_GatewayRequest):
            owner = gateway

        self._server = _Server(("127.0.0.1", 0), _OwnRequest)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that are gone: they were killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _GatewayRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: Gateway
    _upstream: HTTPConnection | None = None

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if not length or len(body) < length:  # its sender was killed in the middle of it
            self._hang_up()
            return
        try:
            if self.headers["X-Amz-Target"].endswith("SendMessageBatch"):
                self._send_batch(json.loads(body))
            else:
                self._answer(*self._forward(body))
        except (OSError, HTTPException):
            self._hang_up()  # the endpoint is gone, or rtp is

    def _send_batch(self, request: Any) -> None:
        mood, rng = self.owner.mood, self.owner.rng
        if mood is Mood.THROTTLED:
            self._refuse(400, "com.amazon.coral.availability#ThrottlingException")
        elif mood is Mood.CLIENT_ERROR:
            self._refuse(*rng.choice(_CLIENT_ERRORS))
        elif mood is Mood.SERVER_ERROR:
            self._refuse(rng.choice((500, 502, 503, 504)), "com.amazon.coral.service#InternalFailure")
        elif mood is Mood.MALFORMED and rng.random() < 0.5:
            self._answer(200, rng.choice(_MALFORMED))  # nothing was taken
        else:
            self._deliver(request, mood)

    def _deliver(self, request: Any, mood: Mood) -> None:
        refused = []
        if mood is Mood.PARTIAL:
            refused = [entry for entry in request["Entries"] if self.owner.rng.random() < _SHARE_REFUSED]
            request["Entries"] = [entry for entry in request["Entries"] if entry not in refused]
        answer: Any = {"Successful": []}
        if request["Entries"]:
            status, body = self._forward(json.dumps(request).encode())
            if status != 200:
                self._answer(status, body)
                return
            answer = json.loads(body)
        accepted = {entry["Id"] for entry in answer.get("Successful", ())}
        self.owner.on_accepted([e["MessageBody"] for e in request["Entries"] if e["Id"] in accepted])
        if mood is Mood.ANSWER_LOST and self.owner.rng.random() < 0.5:
            self._hang_up()
        elif mood is Mood.MALFORMED:
            self._answer(200, self.owner.rng.choice(_MALFORMED))  # all was taken, but who can tell?
        else:
            answer["Failed"] = [*answer.get("Failed", ()), *(self._failed(entry["Id"]) for entry in refused)]
            self._answer(200, json.dumps(answer).encode())

    def _failed(self, entry_id: str) -> dict[str, object]:
        code, is_sender_fault = self.owner.rng.choice(_ENTRY_ERRORS)
        return {"Id": entry_id, "Code": code, "SenderFault": is_sender_fault, "Message": "try again"}

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        headers = {name: self.headers[name] for name in ("X-Amz-Target", "Content-Type", "Authorization")}
        is_fresh = self._upstream is None
        if self._upstream is None:
            self._upstream = HTTPConnection("127.0.0.1", self.owner.upstream_port, timeout=60)
        try:
            self._upstream.request("POST", "/", body, headers)
            response = self._upstream.getresponse()
            return response.status, response.read()
        except (OSError, HTTPException):
            self._upstream.close()
            self._upstream = None
            if is_fresh:
                raise
            # An idle connection that the endpoint has closed since. What was sent twice has one deduplication id.
            return self._forward(body)

    def _refuse(self, status: int, kind: str) -> None:
        self._answer(status, json.dumps({"__type": kind, "message": "not now"}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", _JSON)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing: what happens is counted elsewhere."""
