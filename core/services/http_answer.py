"""Reading an HTTP/1.1 answer (RFC 9112) to a request that was not HEAD."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9]\d\d)(?: |$)")
_MOST_HEAD_BYTES = 65_536
_CONTINUE_BELOW, _NO_BODY = 200, frozenset((204, 304))


class BrokenAnswer(Exception):
    """What has come is no HTTP."""


class RawAnswer(NamedTuple):
    """What a server answers, whatever that is; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_followed_by_others: bool
    """Whether the connection serves the next request, too."""


class AnswerReader:
    """Reads one answer of what `receive` brings, which is empty at the connection's end.

    Raises ConnectionError where that comes too early, BrokenAnswer, and what `receive` raises.
    """

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._unread = bytearray()

    def read(self) -> RawAnswer:
        status = 0
        while status < _CONTINUE_BELOW:
            minor, status, headers = self._read_head()
        is_last = minor == "0" or "close" in headers.get("connection", "").lower()
        if status in _NO_BODY:
            body = b""
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            body = self._read_chunks()
        elif (length := headers.get("content-length")) is not None:
            body = self._take(_number(length, 10))
        else:
            body, is_last = self._read_rest(), True
        return RawAnswer(status, headers, body, not is_last and not self._unread)

    def _read_head(self) -> tuple[str, int, Mapping[str, str]]:
        first, *lines = self._take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        if (found := _STATUS_LINE.match(first)) is None:
            raise BrokenAnswer("its first line is not HTTP's")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return found[1], int(found[2]), headers

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while size := _number(self._take_until(b"\r\n").decode("latin-1").partition(";")[0], 16):
            body += self._take(size)
            if self._take(2) != b"\r\n":
                raise BrokenAnswer("a part of it is longer than it says")
        while self._take_until(b"\r\n"):  # headers that come late
            pass
        return bytes(body)

    def _read_rest(self) -> bytes:
        while more := self._receive():
            self._unread += more
        return self._take(len(self._unread))

    def _take(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._receive_more()
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken

    def _take_until(self, end: bytes) -> bytes:
        while (size := self._unread.find(end)) < 0:
            if len(self._unread) > _MOST_HEAD_BYTES:
                raise BrokenAnswer("its head has no end")
            self._receive_more()
        taken = bytes(self._unread[:size])
        del self._unread[: size + len(end)]
        return taken

    def _receive_more(self) -> None:
        if not (more := self._receive()):
            raise ConnectionError("the connection ended within the answer")
        self._unread += more


def _number(text: str, base: int) -> int:
    try:
        number = int(text, base)
    except ValueError:
        number = -1
    if number < 0:
        raise BrokenAnswer("it does not say how long it is")
    return number
