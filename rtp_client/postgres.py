"""Connections to PostgreSQL that give up, with OperationalError, what is not answered within a given time.

psycopg's own would wait for ever for a server that is gone without a word: TCP's keepalive only asks while nobody
waits.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus

from rtp_client.errors import ServiceUnavailable, one_line
from rtp_client.redact import redact
from rtp_client.secrets import know_secrets
from rtp_client.stored_password import SecretUnavailable, split_secret, stored_password

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from psycopg.pq.abc import PGconn, PGresult

    from rtp_client.answer_timeout import AnswerTimeout
    from rtp_client.stored_password import Login

    Waiting = Generator[Any, Any, Any]


_Read = TypeVar("_Read")


class TimedConnection(psycopg.Connection[Any]):
    """For threads. Without an `answer_timeout` it waits as psycopg does."""

    answer_timeout: AnswerTimeout | None = None

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """Connect as psycopg does, and with the password that a secret holds where the address names one."""
        dsn, secret = split_secret(conninfo)
        if secret is None:
            return super().connect(conninfo, **options)
        stored = stored_password(secret)
        login = _secret_read(stored.login)
        try:
            return super().connect(dsn, **options, **_parameters(login))
        except psycopg.OperationalError as error:
            if not (_is_refusal(error) and _secret_read(lambda: stored.has_other_than(login))):
                raise
        return super().connect(dsn, **options, **_parameters(_secret_read(stored.login)))

    def wait(self, gen: Waiting, *args: Any, **kwargs: Any) -> Any:
        """Wait as psycopg does, within the answer timeout; any other is that of `answer_to_sent`."""
        within = gen if self.answer_timeout is None else _within(gen, self.answer_timeout, self.pgconn)
        return super().wait(within, *args, **kwargs)


class AsyncTimedConnection(psycopg.AsyncConnection[Any]):
    """TimedConnection for asyncio."""

    answer_timeout: AnswerTimeout | None = None

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """See TimedConnection."""
        dsn, secret = split_secret(conninfo)
        if secret is None:
            return await super().connect(conninfo, **options)
        stored = stored_password(secret)
        login = await asyncio.to_thread(_secret_read, stored.login)
        try:
            return await super().connect(dsn, **options, **_parameters(login))
        except psycopg.OperationalError as error:
            has_other = partial(_secret_read, partial(stored.has_other_than, login))
            if not (_is_refusal(error) and await asyncio.to_thread(has_other)):
                raise
        return await super().connect(dsn, **options, **_parameters(_secret_read(stored.login)))

    async def wait(self, gen: Waiting, *args: Any, **kwargs: Any) -> Any:
        """See TimedConnection."""
        within = gen if self.answer_timeout is None else _within(gen, self.answer_timeout, self.pgconn)
        return await super().wait(within, *args, **kwargs)


def _secret_read(read: Callable[[], _Read]) -> _Read:
    try:
        return read()
    except SecretUnavailable as error:
        raise psycopg.OperationalError(str(error)) from error


def _parameters(login: Login) -> dict[str, Any]:
    return {"password": login.password} | ({"user": login.user} if login.user else {})


def _is_refusal(error: psycopg.OperationalError) -> bool:
    """Whether the server may have ended the connection for its password: it had asked for one."""
    return error.pgconn is not None and error.pgconn.used_password


class _Exchange:
    """Waiting for what answers to something that was just sent, each answer within the answer timeout.

    psycopg's own wait, which knows of answers in many parts, takes half as much CPU again.
    """

    __slots__ = ("_answer_timeout", "_has_more", "_line", "_pgconn")

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._pgconn = pgconn = connection.pgconn
        self._answer_timeout = connection.answer_timeout if isinstance(connection, TimedConnection) else None
        self._line = select.poll()
        self._has_more = pgconn.flush()  # the line takes at once only as much of a large statement as it has room for
        self._line.register(pgconn.socket, select.POLLIN | select.POLLOUT if self._has_more else select.POLLIN)

    def next(self) -> PGresult | None:
        """The next answer; None behind the last one, or the last one of a statement."""
        pgconn, answer_timeout = self._pgconn, self._answer_timeout
        if not pgconn.is_busy():
            return pgconn.get_result()
        seconds, asked_at = math.inf if answer_timeout is None else answer_timeout.seconds, time.monotonic()
        while pgconn.is_busy():
            left = asked_at + seconds - time.monotonic()
            if self._line.poll(None if answer_timeout is None else max(0.0, left) * 1000):
                pgconn.consume_input()
                if self._has_more and not (has_more := pgconn.flush()):
                    self._has_more = has_more
                    self._line.modify(pgconn.socket, select.POLLIN)
            elif answer_timeout is not None and left <= 0:
                raise _no_answer(pgconn, answer_timeout, seconds)
        if answer_timeout is not None:
            answer_timeout.note_answer(time.monotonic() - asked_at)
        return pgconn.get_result()


def answer_to_sent(connection: psycopg.Connection[Any]) -> PGresult:
    """The answer to a statement that was just sent by the connection's `pgconn`, within the answer timeout."""
    pgconn = connection.pgconn
    if (answer := _Exchange(connection).next()) is None:
        raise psycopg.OperationalError("the connection is lost")
    while pgconn.get_result() is not None:  # after the reason why the server ends the session, that it has ended
        pass
    _raise_where_lost(pgconn, answer)
    return answer


def answers_to_pipeline(connection: psycopg.Connection[Any]) -> list[PGresult]:
    """The answers to a pipeline of statements that was just sent by the connection's `pgconn`, up to its end.

    All are to come within the answer timeout: the server may keep each until it has the last one. The first that is no
    success is the last: nothing behind it is executed.
    """
    pgconn, exchange = connection.pgconn, _Exchange(connection)
    answers: list[PGresult] = []
    while (answer := exchange.next()) is None or (status := answer.status) != ExecStatus.PIPELINE_SYNC:
        if answer is None:  # behind each statement's
            if pgconn.status == ConnStatus.BAD:
                raise psycopg.OperationalError("the connection is lost")
        elif status != ExecStatus.PIPELINE_ABORTED:
            _raise_where_lost(pgconn, answer)
            answers.append(answer)
            if answer.error_field(DiagnosticField.SEVERITY_NONLOCALIZED) == b"FATAL":  # no more will come
                pgconn.finish()
                break
    return answers


def _raise_where_lost(pgconn: PGconn, answer: PGresult) -> None:
    if pgconn.status == ConnStatus.BAD and not answer.error_field(DiagnosticField.SQLSTATE):
        raise psycopg.OperationalError(answer.error_message.decode(errors="replace").strip())


def _no_answer(connection: PGconn, answer_timeout: AnswerTimeout, seconds: float) -> psycopg.OperationalError:
    answer_timeout.note_silence()
    connection.finish()
    return psycopg.OperationalError(f"no answer within {seconds:g} s")


def _within(gen: Waiting, answer_timeout: AnswerTimeout, connection: PGconn) -> Waiting:
    seconds, asked_at = answer_timeout.seconds, time.monotonic()
    try:
        state = next(gen)
        while True:
            ready = yield state  # psycopg asks at least every 0.1 s, with 0 where nothing has come
            if not ready and time.monotonic() > asked_at + seconds:
                raise _no_answer(connection, answer_timeout, seconds)
            state = gen.send(ready)
    except StopIteration as end:
        answer_timeout.note_answer(time.monotonic() - asked_at)
        return end.value


def unavailable(dsn: str, error: psycopg.Error) -> ServiceUnavailable:
    """A PostgreSQL error as rtp's own, on one line and without secrets."""
    know_secrets_of_dsn(dsn)
    # An operational error may be of the server's; any other finds fault with the statement, so the server has answered.
    what = "is not reachable" if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) else "refuses"
    return ServiceUnavailable("PostgreSQL", address(dsn), one_line(error), what=what)


def know_secrets_of_dsn(dsn: str) -> None:
    """Leave the passwords in an address, or in libpq's variables, out of whatever is told."""
    with suppress(psycopg.ProgrammingError):
        parts = conninfo_to_dict(split_secret(dsn)[0])
        know_secrets(str(parts.get(name) or "") for name in ("password", "sslpassword"))
    know_secrets([os.environ.get("PGPASSWORD")])


def address(dsn: str) -> str:
    """Where a DSN leads, fit for a person's eyes: host, port and database, no user and no password."""
    try:
        parts = conninfo_to_dict(split_secret(dsn)[0])
    except psycopg.ProgrammingError:
        return redact(dsn)
    host = parts.get("host") or parts.get("hostaddr") or "the local socket"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"{host}{port}/{parts.get('dbname') or ''}".rstrip("/")
