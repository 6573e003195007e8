"""The embedded Redis: a Valkey (or Redis) server with a password and, by default, nothing on disk."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

from core.stack import binaries
from core.stack.ports import LOOPBACK
from core.stack.process import ServerProcess
from core.stack.supervisor import Supervisor

CONFIGURATION = """
bind 127.0.0.1
protected-mode yes
daemonize no
loglevel warning
save ""
"""


class ValkeyServer(ServerProcess):
    """Valkey, whose data survives a restart only with `appendonly`."""

    name = "Redis"

    def __init__(self, folder: Path, port: int, supervisor: Supervisor, *, appendonly: bool) -> None:
        self._password = secrets.token_urlsafe(18)
        super().__init__(folder, port, supervisor, (self._password,))
        self._appendonly = appendonly
        self._program = folder

    @property
    def url(self) -> str:
        """The address of database 0, with the password."""
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/0"

    def begin(self) -> None:
        """Start the server and return at once."""
        self._program = binaries.redis_program()
        self.spawn()

    def prepare(self) -> None:
        """Write the configuration; the password goes there and not into the arguments."""
        configuration = self.folder / "valkey.conf"
        configuration.touch(mode=0o600)
        appendonly = "yes" if self._appendonly else "no"
        own = f"port {self.port}\nrequirepass {self._password}\nappendonly {appendonly}\n"
        configuration.write_text(CONFIGURATION + own, encoding="ascii")

    def command(self) -> list[str]:
        """See ServerProcess."""
        return [str(self._program), str(self.folder / "valkey.conf")]

    def answers(self) -> bool:
        """Whether PING is answered by PONG; asked without the Redis client, whose import costs 0.1 s."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode("ascii"))
                with connection.makefile("rb") as answer:
                    return answer.readline() == b"+OK\r\n" and answer.readline() == b"+PONG\r\n"
        except OSError:
            return False
