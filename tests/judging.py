"""Judging what waits in the sample log, as a running rtp does it, without the thread and its clock."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg.conninfo import make_conninfo

from core.judging.sample_log import SampleLog
from core.judging.session import JudgeSession
from core.services.postgres import DatabaseServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from core.judging.sample_windows import Limits


def server_of(connection: psycopg.Connection) -> DatabaseServer:
    """The server of somebody's connection, for connections of rtp's own."""
    return DatabaseServer(make_conninfo(connection.info.dsn, password=connection.info.password))


def judge_waiting(connection: psycopg.Connection, *, limits: Limits | None = None) -> int:
    """Judge all samples that wait, and write down what came of them; returns how many."""
    with judging(server_of(connection), limits=limits) as (log, session):
        judged = judge_until_level(log, session)
        session.flush()
    return judged


def judge_ticks(connection: psycopg.Connection) -> None:
    """Judge what waits, then what time alone has brought about."""
    with judging(server_of(connection)) as (log, session):
        judge_until_level(log, session)
        while session.has_more_appointments:
            session.keep_appointments()


@contextmanager
def judging(
    server: DatabaseServer, *, epoch: int = 0, limits: Limits | None = None
) -> Iterator[tuple[SampleLog, JudgeSession]]:
    """The sample log and a session that judges it, which ends without a word: what it has not written down is lost."""
    log = SampleLog(server, limits)
    log.open(epoch)
    try:
        yield log, JudgeSession(log)
    finally:
        log.close()


def judge_until_level(log: SampleLog, session: JudgeSession) -> int:
    """Judge all samples that wait; returns how many."""
    judged = session.judge_next()
    while not log.is_level or session.has_gone:
        judged += session.judge_next()
    return judged
