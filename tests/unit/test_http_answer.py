"""Answers in HTTP, in whatever pieces they come."""

from __future__ import annotations

import pytest

from core.services.http_answer import AnswerReader, BrokenAnswer, RawAnswer

OK = b"HTTP/1.1 200 OK\r\n"


def read(answer: bytes, *, piece_bytes: int = 65_536) -> RawAnswer:
    """What is read of a connection that brings this, and then ends."""
    pieces = iter([answer[at : at + piece_bytes] for at in range(0, len(answer), piece_bytes)])
    return AnswerReader(lambda: next(pieces, b"")).read()


@pytest.mark.parametrize("piece_bytes", [1, 7, 65_536])
@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhello", 200, b"hello"),
        (b"HTTP/1.1 400 Bad Request\r\ncontent-length:0\r\n\r\n", 400, b""),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nLate: yes\r\n\r\n", 200, b"hello"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nhi", 200, b"hi"),
        (b"HTTP/1.1 204\r\n\r\n", 204, b""),
    ],
)
def test_an_answer_that_says_how_long_it_is(piece_bytes: int, answer: bytes, status: int, body: bytes) -> None:
    found = read(answer, piece_bytes=piece_bytes)
    assert (found.status, found.body, found.is_followed_by_others) == (status, body, True)


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"\r\nhello",
        OK + b"Connection: Close\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Content-Length: 5\r\n\r\nhello, and more than it says",
    ],
)
def test_the_last_one_of_its_connection(answer: bytes) -> None:
    found = read(answer)
    assert (found.body, found.is_followed_by_others) == (b"hello", False)


def test_names_of_headers_are_in_lower_case() -> None:
    assert read(OK + b"X-Amzn-RequestId:  a: b \r\nContent-Length: 0\r\n\r\n").headers["x-amzn-requestid"] == "a: b"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        OK + b"Content-Length: some\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nall\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        OK + b"A: b\r\n" * 20_000,
    ],
)
def test_what_is_no_answer(answer: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        read(answer)


@pytest.mark.parametrize("answer", [b"", OK, OK + b"Content-Length: 5\r\n\r\nhell"])
def test_an_answer_that_breaks_off(answer: bytes) -> None:
    with pytest.raises(ConnectionError):
        read(answer)
