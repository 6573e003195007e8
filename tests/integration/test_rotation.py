"""The log's space: slots are emptied behind the slowest sink, and only there; nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from core.cache.rebuild import latest_events
from core.log.logs import EVENTS
from core.log.reader import LogReader
from core.log.rotation import Rotation
from core.processor.build import build_pipeline, postgres_server
from core.processor.cursor_saver import SAVE_INTERVAL_SECONDS
from core.settings.models import Settings
from core.sinks.settings import load_settings
from tests.eventually import eventually
from tests.watching import TVL, install

Connect = Callable[[], psycopg.Connection]

BLOCK = 1 << 18
DEFAULT = load_settings(None, environ={}, options={})


@pytest.fixture
def open_reader(installed: Settings) -> Iterator[Callable[[str], LogReader]]:
    opened: list[LogReader] = []

    def open_one(sink: str) -> LogReader:
        opened.append(LogReader(postgres_server(installed), sink))
        opened[-1].open()
        return opened[-1]

    yield open_one
    for reader in opened:
        reader.close()


@pytest.fixture
def reader(open_reader: Callable[[str], LogReader]) -> LogReader:
    return open_reader("redis")


@pytest.fixture
def rotation() -> Rotation:
    return Rotation(EVENTS)


@pytest.fixture(autouse=True)
def _first_block(writer: psycopg.Connection) -> None:
    """The log's ids begin in block 0, as they did in logs of the first versions."""
    writer.execute("ALTER SEQUENCE rtp.event_id RESTART")
    writer.execute("DELETE FROM rtp.log_jump")


def append(connection: psycopg.Connection, count: int = 1, *, entity: str = "lido") -> None:
    connection.execute(
        "INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, changed_at)"
        " SELECT 1, 'ethereum', %s, n, 'deviation', 1, now() FROM generate_series(1, %s) AS n",
        [entity, count],
    )


def enter_next_block(connection: psycopg.Connection) -> None:
    """As if all ids of the block had been drawn by transactions that rolled back."""
    connection.execute("SELECT setval('rtp.event_id', (last_value / %s + 1) * %s) FROM rtp.event_id", [BLOCK, BLOCK])


def fill_blocks(connection: psycopg.Connection, count: int) -> None:
    """A few events into each of the next blocks."""
    for _ in range(count):
        append(connection, 3)
        enter_next_block(connection)
    append(connection, 3)


def read_all(reader: LogReader, *, limit: int = 100) -> list[int]:
    ids: list[int] = []
    while True:
        chunk = reader.read(limit)
        reader.advance(chunk)
        reader.save()
        ids += [row.id for row in chunk.rows]
        if not chunk.rows:
            return ids


def rotate(rotation: Rotation, connection: psycopg.Connection) -> None:
    while rotation.rotate(connection):
        pass


def insert_with_id_1(connection: psycopg.Connection) -> None:
    connection.execute(
        "INSERT INTO rtp.event (id, watch, chain, entity, reason, confidence, changed_at)"
        " VALUES (1, 1, 'c', 'late', 'deviation', 1, now())"
    )


def logged(connection: psycopg.Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT id FROM rtp.event ORDER BY id")]


def blocks(connection: psycopg.Connection) -> set[int]:
    return {event // BLOCK for event in logged(connection)}


# What is emptied


def test_the_block_before_the_previous_one_is_emptied(
    writer: psycopg.Connection, reader: LogReader, rotation: Rotation
) -> None:
    fill_blocks(writer, 2)
    read_all(reader)
    rotate(rotation, writer)
    assert blocks(writer) == {1, 2}


def test_two_blocks_are_kept_though_all_is_passed(
    writer: psycopg.Connection, reader: LogReader, rotation: Rotation
) -> None:
    fill_blocks(writer, 1)
    read_all(reader)
    rotate(rotation, writer)
    assert blocks(writer) == {0, 1}


def test_an_emptied_slot_gives_its_space_back(
    writer: psycopg.Connection, reader: LogReader, rotation: Rotation
) -> None:
    append(writer, 10_000)
    fill_blocks(writer, 2)
    read_all(reader, limit=5000)
    rotate(rotation, writer)
    row = writer.execute("SELECT pg_relation_size('rtp.event_0')").fetchone()
    assert row == (0,)


def test_many_rotations_leave_no_dead_rows(writer: psycopg.Connection, reader: LogReader, rotation: Rotation) -> None:
    for _ in range(6):
        fill_blocks(writer, 1)
        read_all(reader)
        rotate(rotation, writer)
    writer.execute("SELECT pg_stat_force_next_flush()" if writer.info.server_version >= 150000 else "SELECT 1")
    query = "SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE relname LIKE 'event%'"
    assert writer.execute(query).fetchone() == (0,)


def test_what_shared_a_slot_while_a_sink_was_behind_is_emptied_once_it_has_caught_up(
    writer: psycopg.Connection, reader: LogReader, rotation: Rotation
) -> None:
    fill_blocks(writer, 7)
    rotate(rotation, writer)
    read_all(reader)
    rotate(rotation, writer)
    assert blocks(writer) <= {1, 4, 7}  # the slot that is written now is the next one's turn


# What is not emptied


def test_what_a_sink_has_not_got_stays(
    writer: psycopg.Connection, open_reader: Callable[[str], LogReader], rotation: Rotation
) -> None:
    slow, fast = open_reader("sqs"), open_reader("redis")
    fill_blocks(writer, 5)
    everything = read_all(fast)
    rotate(rotation, writer)
    assert read_all(slow) == everything


def test_what_is_read_but_not_saved_stays(writer: psycopg.Connection, reader: LogReader, rotation: Rotation) -> None:
    fill_blocks(writer, 3)
    reader.advance(reader.read(100))
    rotate(rotation, writer)
    assert blocks(writer) == {0, 1, 2, 3}


def test_a_window_that_is_half_read_stays(writer: psycopg.Connection, reader: LogReader, rotation: Rotation) -> None:
    fill_blocks(writer, 4)
    reader.advance(reader.read(4))
    reader.save()
    rotate(rotation, writer)
    assert blocks(writer) == {0, 1, 2, 3, 4}


def test_a_log_that_nobody_reads_stays(writer: psycopg.Connection, rotation: Rotation) -> None:
    fill_blocks(writer, 3)
    rotate(rotation, writer)
    assert blocks(writer) == {0, 1, 2, 3}


def test_a_slot_that_an_open_transaction_has_written_to_stays(
    writer: psycopg.Connection, connect_again: Connect, reader: LogReader, rotation: Rotation
) -> None:
    with connect_again() as slow, slow.transaction():
        append(slow, entity="slow")
        fill_blocks(writer, 3)
        read_all(reader)
        rotate(rotation, writer)
    assert 1 in read_all(reader)


def test_a_row_that_comes_late_into_a_slot_is_read_like_any_other(
    writer: psycopg.Connection, connect_again: Connect, reader: LogReader, rotation: Rotation
) -> None:
    with connect_again() as slow, slow.transaction():
        slow.execute("SELECT nextval('rtp.event_id'), pg_current_xact_id()")  # and the row is not there yet
        fill_blocks(writer, 2)
        read_all(reader)
        rotate(rotation, writer)
        insert_with_id_1(slow)
    assert read_all(reader) == [1]


def test_a_row_that_comes_between_keeping_and_emptying_is_kept(
    writer: psycopg.Connection, connect_again: Connect, reader: LogReader, rotation: Rotation
) -> None:
    with connect_again() as slow, slow.transaction():
        slow.execute("SELECT nextval('rtp.event_id'), pg_current_xact_id()")
        fill_blocks(writer, 2)
        read_all(reader)
        rotation.rotate(writer)
        insert_with_id_1(slow)
    read_all(reader)
    rotate(rotation, writer)
    assert writer.execute("SELECT id FROM rtp.latest_event WHERE entity = 'late'").fetchall() == [(1,)]


# Nobody waits


def test_a_writer_does_not_wait_while_another_slot_is_locked(
    writer: psycopg.Connection, connect_again: Connect
) -> None:
    with connect_again() as emptying, emptying.transaction():
        emptying.execute("LOCK TABLE rtp.event_1, rtp.event_2 IN ACCESS EXCLUSIVE MODE")
        writer.execute("SET lock_timeout TO '1ms'")
        append(writer)
    assert logged(writer) == [1]


def test_a_slot_in_use_is_left_for_later_at_once(
    writer: psycopg.Connection, connect_again: Connect, reader: LogReader, rotation: Rotation
) -> None:
    fill_blocks(writer, 2)
    read_all(reader)
    with connect_again() as looking, looking.transaction():
        looking.execute("SELECT FROM rtp.event_0")
        writer.execute("SET statement_timeout TO '2s'")  # waiting would fail
        rotate(rotation, writer)
        in_use = blocks(writer)
    rotate(rotation, writer)
    assert (in_use, blocks(writer)) == ({0, 1, 2}, {1, 2})


# The newest event of every entity


def newest(connection: psycopg.Connection) -> dict[str, int]:
    return {row.entity: row.id for page in latest_events(connection, 2) for row in page}


def test_the_newest_event_of_each_entity_survives_its_slot(
    writer: psycopg.Connection, reader: LogReader, rotation: Rotation
) -> None:
    append(writer, 2, entity="aave")
    append(writer, 2, entity="curve")
    fill_blocks(writer, 2)
    read_all(reader)
    rotate(rotation, writer)
    assert newest(writer) == {"aave": 2, "curve": 4, "lido": logged(writer)[-1]}


def test_a_kept_event_gives_way_to_a_newer_one(
    writer: psycopg.Connection, reader: LogReader, rotation: Rotation
) -> None:
    append(writer, entity="aave")
    for _ in range(2):
        fill_blocks(writer, 3)
        read_all(reader)
        rotate(rotation, writer)
        append(writer, entity="aave")
        again = logged(writer)[-1]
    fill_blocks(writer, 3)
    read_all(reader)
    rotate(rotation, writer)
    assert newest(writer)["aave"] == again


def test_the_newest_events_come_as_a_reader_gets_them(writer: psycopg.Connection, reader: LogReader) -> None:
    writer.execute("INSERT INTO tvl VALUES ('c', 'lido', 100, ''), ('c', 'aave', 100, '')")
    writer.execute("UPDATE tvl SET tvl_usd = 130")
    read = list(reader.read(10).rows)
    assert [row for page in latest_events(writer, 1) for row in page] == read


# With everything running


def test_events_flow_in_order_and_none_is_lost_across_many_rotations(
    writer: psycopg.Connection, connect_again: Connect, open_reader: Callable[[str], LogReader], rotation: Rotation
) -> None:
    install(writer, tvl=TVL | {"percent": 0})
    is_over, is_all_written = threading.Event(), threading.Event()
    written: dict[str, int] = {}
    failures: list[BaseException] = []

    def keep_writing(entity: str, connection: psycopg.Connection) -> None:
        value = 1000
        try:
            connection.execute("SET lock_timeout TO '500ms'")
            while not is_over.is_set():
                with connection.transaction(force_rollback=value % 7 == 0):
                    connection.execute(
                        "INSERT INTO tvl VALUES ('c', %s, %s, '') ON CONFLICT (chain, protocol)"
                        " DO UPDATE SET tvl_usd = excluded.tvl_usd",
                        [entity, value],
                    )
                if value % 7:
                    written[entity] = value
                value += 100
        except psycopg.Error as error:
            failures.append(error)

    got: dict[str, list[list[int]]] = {}

    def keep_reading(sink: str, reader: LogReader, limit: int) -> None:
        read: list[list[int]] = []
        while True:
            is_last = is_all_written.is_set()
            chunk = reader.read(limit)
            reader.advance(chunk)
            reader.save()
            read += [[row.id, int(row.entity[1:]), int(row.current or 0), int(row.previous or 0)] for row in chunk.rows]
            if is_last and not chunk.rows:
                break
            is_all_written.wait(SAVE_INTERVAL_SECONDS / 10)
        got[sink] = read

    writers = [threading.Thread(target=keep_writing, args=(f"p{n}", connect_again())) for n in range(3)]
    readers = [
        threading.Thread(target=keep_reading, args=(sink, open_reader(sink), limit))
        for sink, limit in (("redis", 500), ("sqs", 60))
    ]
    control = connect_again()
    for thread in [*writers, *readers]:
        thread.start()
    for number in range(1, 13):
        enter_next_block(control)
        before = len(logged(control))
        eventually(lambda before=before: len(logged(control)) > before + 20)  # type: ignore[misc]
        if number > 1:
            eventually(lambda number=number: not rotation.rotate(control) and min(blocks(control)) >= number - 1)  # type: ignore[misc]
    is_over.set()
    for thread in writers:
        thread.join()
    is_all_written.set()
    for thread in readers:
        thread.join()
    assert failures == []
    for read in got.values():
        last: dict[int, int] = {}
        for _, entity, current, previous in read:
            assert previous == last.get(entity, previous)
            last[entity] = current
        assert {f"p{entity}": value for entity, value in last.items()} == written


# In rtp run


def test_a_running_rtp_empties_what_its_sinks_have_passed(settings: Settings, writer: psycopg.Connection) -> None:
    fill_blocks(writer, 2)
    pipeline = build_pipeline(settings, on_problem=print)
    pipeline.start()
    try:
        eventually(lambda: blocks(writer) == {1, 2})
    finally:
        pipeline.stop()


def test_a_running_rtp_keeps_what_a_sink_that_is_away_has_not_got(
    settings: Settings, writer: psycopg.Connection, open_reader: Callable[[str], LogReader]
) -> None:
    open_reader("sqs").close()
    fill_blocks(writer, 2)
    without_sqs = settings.model_copy(update={"sqs": settings.sqs.model_copy(update={"queue": None})})
    pipeline = build_pipeline(without_sqs, on_problem=print)
    pipeline.start()
    try:
        eventually(lambda: pipeline.deliveries[0].metrics.delivered == 9)
        eventually(lambda: pipeline.idle_seconds() > 1.2)  # longer than it takes to rotate
    finally:
        pipeline.stop()
    assert blocks(writer) == {0, 1, 2}
