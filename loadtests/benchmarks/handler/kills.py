"""Processes that end between two steps: before something is sent to a server, in the middle of it, or behind it."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from loadtests.benchmarks.handler.mapping import Killed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from loadtests.benchmarks.handler.function import LambdaFunction


class End(StrEnum):
    """When a process ends: what it is about to send is not sent, or not all of it, or its answer is never read."""

    BEFORE = "before"
    HALFWAY = "halfway"
    BEHIND = "behind"


class Kills:
    """Decides with each thing that the function sends to one of its servers' ports whether its process ends there.

    The function is to be invoked under `watched`.
    """

    def __init__(self, function: LambdaFunction, when: Callable[[], End | None], ports: Collection[int]) -> None:
        self.count = 0
        self._function, self._when, self._ports = function, when, ports
        self._is_dead = False
        self._invoking = threading.get_ident()

    def __call__(self, event: dict[str, Any]) -> Any:
        """Invoke the function. Raises Killed where its process has ended."""
        self._is_dead = False
        answer = self._function(event)
        if self._is_dead:  # in a thread that sends for the function; what it did since then stayed within the process
            self._function.end()
            raise Killed
        return answer

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Meanwhile, whatever the function sends may be its last."""
        send = socket.socket.sendall

        def sendall(sock: socket.socket, data: Any, *flags: int) -> None:
            end = self._end() if sock.getpeername()[1] in self._ports else None
            if end is not End.BEFORE:
                send(sock, memoryview(data)[: len(data) // 2] if end is End.HALFWAY else data, *flags)
            if end is not None:
                self._is_dead = True
                # A thread that sends for another one must tell it so.
                raise Killed if threading.get_ident() == self._invoking else ConnectionResetError

        with patch.object(socket.socket, "sendall", sendall):
            yield

    def _end(self) -> End | None:
        if self._is_dead:
            return End.BEFORE
        end = self._when()
        self.count += end is not None
        return end
