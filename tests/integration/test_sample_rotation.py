"""The sample log's space: slots are emptied behind the judge's slowest cursor, and only there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from core.judging.sample_log import SampleLog
from core.judging.sample_windows import Limits
from core.log.logs import SAMPLES
from core.log.rotation import Rotation
from core.processor.build import postgres_server
from core.settings.models import Settings
from tests.sample_log import LATEST, OTHER, append, ids, judge_all, judge_some, save

BLOCK = 1 << 18
Connect = Callable[[], psycopg.Connection]


@pytest.fixture
def log(installed: Settings) -> Iterator[SampleLog]:
    log = SampleLog(postgres_server(installed), Limits(rows=10, portion=4, piece=30))
    log.open(0)
    yield log
    log.close()


def fill_blocks(connection: psycopg.Connection, count: int) -> list[int]:
    """A few samples into each of the next blocks of ids, as if others had drawn the rest."""
    written = append(connection, LATEST, 3)
    for _ in range(count):
        connection.execute("SELECT setval('rtp.sample_id', (last_value / %s + 1) * %s) FROM rtp.sample_id", [BLOCK] * 2)
        written += append(connection, LATEST, 3)
    return written


def rotate(connection: psycopg.Connection) -> None:
    while Rotation(SAMPLES).rotate(connection):
        pass


def blocks(connection: psycopg.Connection) -> set[int]:
    return {row[0] // BLOCK for row in connection.execute("SELECT id FROM rtp.sample")}


def test_the_block_before_the_previous_one_is_emptied(log: SampleLog, writer: psycopg.Connection) -> None:
    fill_blocks(writer, 2)
    judge_all(log)
    save(log)
    rotate(writer)
    assert blocks(writer) == {1, 2}


def test_what_is_judged_but_not_saved_stays(log: SampleLog, writer: psycopg.Connection) -> None:
    fill_blocks(writer, 3)
    judge_all(log)
    rotate(writer)
    assert blocks(writer) == {0, 1, 2, 3}


def test_what_a_watch_that_is_behind_has_still_to_be_judged_stays(log: SampleLog, writer: psycopg.Connection) -> None:
    written = append(writer, LATEST, 50) + fill_blocks(writer, 3)
    read = [judge_some(log)]
    while not ids(*read):
        read.append(judge_some(log))
    save(log)
    rotate(writer)
    assert sorted(ids(*read, *judge_all(log))) == written


def test_what_a_watch_that_has_caught_up_has_passed_is_emptied(log: SampleLog, writer: psycopg.Connection) -> None:
    append(writer, LATEST, 50)
    fill_blocks(writer, 2)
    judge_all(log)
    save(log)
    rotate(writer)
    assert blocks(writer) == {1, 2}


def test_a_sample_that_comes_late_into_a_slot_is_judged_like_any_other(
    log: SampleLog, writer: psycopg.Connection, connect_again: Connect
) -> None:
    with connect_again() as slow, slow.transaction():
        (late,) = append(slow, OTHER)
        fill_blocks(writer, 3)
        judge_all(log)
        save(log)
        rotate(writer)
    assert ids(*judge_all(log)) == [late]
