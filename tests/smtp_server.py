"""A mail server in the test's own process: it takes mails, or says what it is told to say of their receivers."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default


class MailServer:
    """`answer` is what it says of each receiver."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.answer = "250 ok"
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 here")
                while command := self.rfile.readline().strip().upper():
                    if command.startswith(b"QUIT"):
                        self._say("221 bye")
                        return
                    if command.startswith(b"DATA"):
                        self._say("354 go on")
                        server.taken.append(message_from_bytes(self._mail(), policy=default))
                    self._say(server.answer if command.startswith(b"RCPT") else "250 ok")

            def _mail(self) -> bytes:
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line)
                return b"".join(lines)

            def _say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

        return Handler


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Run one."""
    server = MailServer()
    try:
        yield server
    finally:
        server.stop()
