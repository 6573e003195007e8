"""The log, read by snapshots: nothing lost, nothing twice, and a poll that costs the same whatever is open or done."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from core.errors import NotInstalled, ServiceUnavailable
from core.log.dead_event import DeadEvent
from core.log.position import OF_STRAGGLERS, RECENT
from core.log.reader import WINDOWS, LogReader
from core.log.rows import LogRow
from core.processor.build import postgres_server
from core.services.postgres import DatabaseServer, queries
from core.settings.models import Settings, postgres_dsn
from tests.cut import cut
from tests.eventually import eventually
from tests.samples import NOON

if TYPE_CHECKING:
    from core.stack import EmbeddedStack

Connect = Callable[[], psycopg.Connection]

MANY = 1000
APPEND = (
    "INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, changed_at)"
    " VALUES (1, 'ethereum', %s, 1, 'deviation', 1, now()) RETURNING id"
)


@pytest.fixture
def open_reader(installed: Settings) -> Iterator[Callable[..., LogReader]]:
    """Opens readers of the installed log, all for the same sink unless told otherwise."""
    opened: list[LogReader] = []

    def open_one(sink: str = "sink") -> LogReader:
        reader = LogReader(postgres_server(installed), sink)
        opened.append(reader)
        reader.open()
        return reader

    yield open_one
    for reader in opened:
        reader.close()


@pytest.fixture
def reader(open_reader: Callable[..., LogReader]) -> LogReader:
    return open_reader()


def append(connection: psycopg.Connection, entity: str = "lido") -> int:
    row = connection.execute(APPEND, [entity]).fetchone()
    assert row is not None
    return int(row[0])


def append_many(connection: psycopg.Connection, count: int) -> None:
    connection.execute(
        "INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, changed_at)"
        " SELECT 1, 'ethereum', 'p' || n, n, 'deviation', 1, now() FROM generate_series(1, %s) AS n",
        [count],
    )


def read_all(reader: LogReader, limit: int = 100, *, save: bool = False) -> list[int]:
    """What is new, chunk by chunk, as the delivery loop reads it."""
    ids: list[int] = []
    while True:
        chunk = reader.read(limit)
        reader.advance(chunk)
        if save:
            reader.save()
        ids += [row.id for row in chunk.rows]
        if not chunk.rows:
            return ids


def value(connection: psycopg.Connection, query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


# What a reader gets


def test_an_event_is_read_with_every_column(reader: LogReader, writer: psycopg.Connection) -> None:
    writer.execute(
        "INSERT INTO rtp.event (watch, chain, entity, previous, current, fields, reason, severity, confidence,"
        " provenance, changed_at, detected_at) VALUES (1, 'ethereum', 'lido', 100, 102.50, '{\"a\": 1}', 'deviation',"
        " 'warning', 0.5, 'llama', '2024-01-02 03:04:05Z', '2024-01-02 03:04:06Z')"
    )
    (row,) = reader.read(10).rows
    assert row[2:15] == (
        *("tvl", "tvl", "ethereum", "lido", "100", "102.50", "2.50", "2.5", '{"a": 1}', "deviation", "warning"),
        *(0.5, "llama"),
    )


def test_an_empty_log_gives_an_empty_chunk(reader: LogReader) -> None:
    assert reader.read(10).rows == []


def test_a_rolled_back_event_is_never_read(reader: LogReader, begin: Connect, writer: psycopg.Connection) -> None:
    lost = begin()
    append(lost)
    lost.rollback()
    kept = append(writer)
    assert read_all(reader) == [kept]


def test_an_event_is_read_once(reader: LogReader, writer: psycopg.Connection) -> None:
    append(writer)
    read_all(reader)
    assert read_all(reader) == []


def test_what_is_not_passed_is_read_again(reader: LogReader, writer: psycopg.Connection) -> None:
    event = append(writer)
    reader.read(10)
    assert read_all(reader) == [event]


def test_each_sink_has_a_cursor_of_its_own(open_reader: Callable[..., LogReader], writer: psycopg.Connection) -> None:
    event = append(writer)
    read_all(open_reader("redis"))
    assert read_all(open_reader("sqs")) == [event]


def test_the_change_between_extremes_is_left_out_instead_of_failing_every_read(
    reader: LogReader, writer: psycopg.Connection
) -> None:
    writer.execute(
        "INSERT INTO rtp.event (watch, chain, entity, previous, current, reason, confidence, changed_at) VALUES"
        " (1, 'c', 'a', 9e131071, 0, 'to_zero', 1, now()), (1, 'c', 'b', 1e-16383, 1e131000, 'deviation', 1, now())"
    )
    assert [row.change_pct for row in reader.read(10).rows] == [None, None]


# Out of order


def test_a_transaction_that_commits_after_later_ids_is_read_when_it_commits(
    reader: LogReader, begin: Connect, writer: psycopg.Connection
) -> None:
    early = begin()
    early_id, late_id = append(early), append(writer)
    before = read_all(reader)
    early.commit()
    assert (before, read_all(reader)) == ([late_id], [early_id])


def test_a_transaction_above_the_snapshots_xmax_is_read_though_its_id_is_lower(
    reader: LogReader, begin: Connect
) -> None:
    older, newer = begin(), begin()
    newer_id = append(newer)
    older_id = append(older)
    older.commit()  # pg_current_snapshot() now ends below the newer one, which has drawn the lower id
    before = read_all(reader)
    newer.commit()
    assert (before, read_all(reader)) == ([older_id], [newer_id])


@pytest.mark.parametrize("subtransactions", [10, MANY + 100])
def test_a_transaction_of_many_subtransactions_hides_nobody_elses_events(
    reader: LogReader, begin: Connect, subtransactions: int
) -> None:
    older, newer = begin(), begin()
    newer_id = append(newer)
    older_id = append(older)
    older.commit()
    before = read_all(reader)
    huge = begin()
    huge.execute(
        sql.SQL(
            "DO $$ BEGIN FOR i IN 1..{} LOOP BEGIN INSERT INTO public.protocols (protocol, name, source)"
            " VALUES (i, '', ''); EXCEPTION WHEN unique_violation THEN NULL; END; END LOOP; END $$"
        ).format(sql.Literal(subtransactions))
    )
    while_huge = read_all(reader)
    newer.commit()
    assert (before, while_huge, read_all(reader)) == ([older_id], [], [newer_id])


def test_events_of_many_subtransactions_are_read_when_they_commit(
    reader: LogReader, begin: Connect, writer: psycopg.Connection
) -> None:
    huge = begin()
    first = append(huge)
    for _ in range(70):  # more than PostgreSQL keeps per session in shared memory
        huge.execute("SAVEPOINT deeper")
        last = append(huge)
    read_all(reader)
    between = append(writer)
    before = read_all(reader)
    huge.commit()
    assert (before, read_all(reader)) == ([between], list(range(first, last + 1)))


def test_a_transaction_open_all_the_time_holds_nobody_up(
    reader: LogReader, begin: Connect, writer: psycopg.Connection
) -> None:
    held = begin()
    held_id = append(held)
    read = []
    for _ in range(100):
        append_many(writer, 30)
        read += read_all(reader)
    assert read == list(range(held_id + 1, held_id + 3001))


def test_a_transaction_open_all_the_time_is_read_in_the_end(
    reader: LogReader, begin: Connect, writer: psycopg.Connection
) -> None:
    held = begin()
    held_id = append(held)
    for _ in range(30):
        append_many(writer, 100)
        read_all(reader)
    held.commit()
    assert read_all(reader) == [held_id]


# What a poll costs, in pages touched


class Polls:
    """The reader's queries, from where it has saved its cursor, with the plans settled on while the log was empty."""

    def __init__(self, connection: psycopg.Connection, reader: LogReader) -> None:
        self._reader = reader
        self._connection = connection
        names = ("until", "snapshot", "after_id", "floor_id", "low_id", "limit")
        connection.execute(queries("core.sql", "log.sql")["read_through_indexes"])
        for name in (RECENT, OF_STRAGGLERS):
            query = WINDOWS[name].decode()
            for number, parameter in enumerate(names, 1):
                query = query.replace(f"%({parameter})s", f"${number}")
            connection.execute(f"PREPARE {name} (text, text, bigint, bigint, bigint, bigint) AS {query}".encode())
            self.pages(name)

    def pages(self, query: str = RECENT, limit: int = 100) -> int:
        """How many pages the next poll touches."""
        self._reader.save()
        cursor = self._connection.execute(
            "SELECT until::text, snapshot::text, after_id, floor_id, greatest(after_id, floor_id) FROM rtp.cursor"
        )
        values = (*(cursor.fetchone() or ()), limit)
        execute = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {} ({})").format(
            sql.Identifier(query), sql.SQL(", ").join(map(sql.Literal, values))
        )
        plan = self._connection.execute(execute).fetchall()[0][0][0]["Plan"]
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.fixture
def polls(reader: LogReader, connect_again: Connect) -> Polls:
    return Polls(connect_again(), reader)


FEW_PAGES = 40


def test_an_idle_poll_costs_the_same_however_long_the_log(
    reader: LogReader, polls: Polls, writer: psycopg.Connection
) -> None:
    append_many(writer, 20_000)
    read_all(reader, 5000)
    read_all(reader)
    assert polls.pages() < FEW_PAGES


def test_an_idle_poll_costs_the_same_with_fresh_statistics(
    open_reader: Callable[..., LogReader], connect_again: Connect, writer: psycopg.Connection
) -> None:
    append_many(writer, 20_000)
    writer.execute("ANALYZE")
    reader = open_reader()
    polls = Polls(connect_again(), reader)
    read_all(reader, 5000)
    read_all(reader)
    assert polls.pages() < FEW_PAGES


def test_a_poll_costs_the_same_however_long_a_transaction_is_open(
    reader: LogReader, polls: Polls, begin: Connect, writer: psycopg.Connection
) -> None:
    held = begin()
    append(held)
    costs = []
    for _ in range(3):
        append_many(writer, 5000)
        read_all(reader, 5000)
        read_all(reader)
        append(writer)
        costs.append(polls.pages(OF_STRAGGLERS))
    assert max(costs) < FEW_PAGES


def test_a_poll_costs_the_same_however_much_an_open_transaction_has_written(
    reader: LogReader, polls: Polls, begin: Connect
) -> None:
    held = begin()
    append_many(held, 20_000)
    read_all(reader)
    read_all(reader)
    assert polls.pages(OF_STRAGGLERS) < FEW_PAGES


def test_a_chunk_costs_the_same_however_long_the_backlog(polls: Polls, writer: psycopg.Connection) -> None:
    append_many(writer, 1000)
    short = polls.pages(limit=50)
    append_many(writer, 20_000)
    assert polls.pages(limit=50) <= short + 5


def test_a_chunk_inside_an_open_window_does_not_read_what_was_passed(
    reader: LogReader, polls: Polls, writer: psycopg.Connection
) -> None:
    append_many(writer, 20_000)
    first = polls.pages(limit=50)
    reader.advance(reader.read(10_000))
    reader.save()
    assert polls.pages(limit=50) <= first + 5


# Where a reader goes on


def test_chunks_follow_each_other_in_order(reader: LogReader, writer: psycopg.Connection) -> None:
    append_many(writer, 10)
    ids = read_all(reader, 3)
    assert ids == list(range(ids[0], ids[0] + 10))


def test_an_empty_chunk_means_that_there_is_nothing_new(reader: LogReader, writer: psycopg.Connection) -> None:
    append_many(writer, 4)
    reader.advance(reader.read(4))  # the window's end, though the reader cannot know that yet
    reader.save()
    event = append(writer)
    assert [row.id for row in reader.read(4).rows] == [event]


def test_a_restarted_reader_goes_on_inside_the_window_it_was_reading(
    open_reader: Callable[..., LogReader], writer: psycopg.Connection
) -> None:
    append_many(writer, 10)
    first = open_reader()
    chunk = first.read(4)
    first.advance(chunk)
    first.save()
    first.close()
    assert [row.id - chunk.rows[0].id for row in open_reader().read(100).rows] == list(range(4, 10))


def test_what_commits_while_a_window_is_open_is_read_after_a_restart(
    open_reader: Callable[..., LogReader], begin: Connect, writer: psycopg.Connection
) -> None:
    straggler = begin()
    low_id = append(straggler)
    append_many(writer, 10)
    first = open_reader()
    passed = first.read(4)
    first.advance(passed)
    first.save()
    straggler.commit()
    high_id = append(writer)
    first.close()
    rest = read_all(open_reader(), 3)
    assert sorted([row.id for row in passed.rows] + rest) == list(range(low_id, high_id + 1))


def test_the_cursor_is_taken_up_where_it_was_saved(
    open_reader: Callable[..., LogReader], writer: psycopg.Connection
) -> None:
    append(writer)
    first = open_reader()
    read_all(first, save=True)
    first.close()
    assert read_all(open_reader()) == []


def test_what_was_passed_but_not_saved_is_read_again_after_a_restart(
    open_reader: Callable[..., LogReader], writer: psycopg.Connection
) -> None:
    event = append(writer)
    first = open_reader()
    read_all(first, save=False)
    first.close()
    assert read_all(open_reader()) == [event]


def test_a_save_without_a_move_writes_nothing(reader: LogReader, writer: psycopg.Connection) -> None:
    append(writer)
    read_all(reader, save=True)
    before = value(writer, "SELECT xmin::text FROM rtp.cursor")
    reader.save()
    assert value(writer, "SELECT xmin::text FROM rtp.cursor") == before


# Dead letters


def dead_event(document: str) -> DeadEvent:
    return DeadEvent(7, document, "too large", 2, NOON, NOON)


def test_a_dead_letter_and_the_move_past_it_are_one_transaction(reader: LogReader, writer: psycopg.Connection) -> None:
    append(writer)
    reader.advance(reader.read(10))
    reader.save(None, [dead_event("{}")])
    letters = writer.execute("SELECT xmin::text FROM rtp.dead_letter").fetchall()
    assert letters == writer.execute("SELECT xmin::text FROM rtp.cursor").fetchall()


def test_a_dead_letter_that_cannot_be_kept_does_not_move_the_cursor(
    reader: LogReader, open_reader: Callable[..., LogReader], writer: psycopg.Connection
) -> None:
    event = append(writer)
    chunk = reader.read(10)
    reader.advance(chunk)
    with pytest.raises(ServiceUnavailable):
        reader.save(None, [dead_event("{}"), dead_event("not JSON")])
    assert read_all(open_reader()) == [event]


def test_a_dead_letter_says_whose_it_is_and_why(reader: LogReader, writer: psycopg.Connection) -> None:
    append(writer)
    reader.advance(reader.read(10))
    reader.save(None, [dead_event('{"id": "x"}')])
    (row,) = writer.execute("SELECT sink, event_id, event, error, attempts FROM rtp.dead_letter").fetchall()
    assert row == ("sink", 7, {"id": "x"}, "too large", 2)


# How far behind


def test_a_closed_reader_has_got_no_further_than_it_saved(reader: LogReader, writer: psycopg.Connection) -> None:
    saved = append(writer)
    read_all(reader, save=True)
    append(writer)
    read_all(reader)
    reader.close()
    assert reader.read_id == saved


def test_a_look_ahead_sees_how_far_the_log_has_grown(reader: LogReader, writer: psycopg.Connection) -> None:
    event = append(writer)
    reader.look_ahead()
    assert reader.newest_id == event


# What can be wrong


def test_a_database_without_rtp_is_not_installed(database: str) -> None:
    with pytest.raises(NotInstalled, match="no rtp schema"):
        LogReader(DatabaseServer(database), "sink").open()


def test_a_log_of_another_version_is_not_installed(
    open_reader: Callable[..., LogReader], writer: psycopg.Connection
) -> None:
    writer.execute("UPDATE rtp.installation SET schema_version = 99")
    with pytest.raises(NotInstalled, match="schema version 99, this rtp needs"):
        open_reader()


def test_a_role_that_may_not_read_the_log_is_told_so(
    installed: Settings, writer: psycopg.Connection, stack: EmbeddedStack
) -> None:
    dsn = postgres_dsn(installed)
    database = writer.info.dbname
    role = f"reader_{database}"
    writer.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'pw'").format(sql.Identifier(role)))
    try:
        with pytest.raises(NotInstalled, match="may not read"):
            LogReader(DatabaseServer(f"postgresql://{role}:pw@{dsn.rpartition('@')[2]}"), "sink").open()
    finally:
        writer.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_a_log_without_its_cursors_cannot_be_opened(
    open_reader: Callable[..., LogReader], writer: psycopg.Connection
) -> None:
    writer.execute("DROP TABLE rtp.cursor")
    with pytest.raises(ServiceUnavailable, match=r"rtp\.cursor"):
        open_reader()


def test_a_cursor_that_vanishes_is_not_taken_for_a_new_one(
    open_reader: Callable[..., LogReader], writer: psycopg.Connection
) -> None:
    writer.execute("CREATE RULE no_cursors AS ON INSERT TO rtp.cursor DO INSTEAD NOTHING")
    with pytest.raises(NotInstalled, match="vanished"):
        open_reader()


@pytest.mark.parametrize(
    "use",
    [
        lambda reader: reader.read(1),
        lambda reader: reader.look_ahead(),
        lambda reader: reader.save(None, [dead_event("{}")]),
    ],
    ids=["read", "look ahead", "dead letters"],
)
def test_a_cut_connection_is_an_outage_that_may_pass(
    reader: LogReader, writer: psycopg.Connection, use: Callable[[LogReader], object]
) -> None:
    cut(writer)
    with pytest.raises(ServiceUnavailable):
        use(reader)


def test_a_cut_connection_fails_the_save(reader: LogReader, writer: psycopg.Connection) -> None:
    append(writer)
    chunk = reader.read(10)
    cut(writer)
    reader.advance(chunk)
    with pytest.raises(ServiceUnavailable):
        reader.save()


def test_a_closed_reader_opens_again_by_itself(reader: LogReader, writer: psycopg.Connection) -> None:
    event = append(writer)
    reader.close()
    assert read_all(reader) == [event]


# Waiting for more

LONG_SECONDS = 30.0


def wait(reader: LogReader, longest_seconds: float = LONG_SECONDS, *, step_seconds: float = 0.001) -> float:
    """Read until there is nothing, then wait; for how long it waited."""
    read_all(reader)
    began_at = time.monotonic()
    reader.wait(step_seconds=step_seconds, longest_seconds=longest_seconds)
    return time.monotonic() - began_at


@pytest.fixture
def waiting(reader: LogReader, writer: psycopg.Connection) -> Iterator[Callable[[], None]]:
    """Starts a wait in a thread of its own, and goes on once the server is at it; the test ends when the wait does."""
    threads: list[threading.Thread] = []

    def start() -> None:
        threads.append(threading.Thread(target=wait, args=[reader]))
        threads[0].start()
        eventually(lambda: value(writer, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 1)

    yield start
    began_at = time.monotonic()
    threads[0].join()
    assert time.monotonic() - began_at < LONG_SECONDS / 2


def test_a_wait_ends_when_an_id_is_drawn(waiting: Callable[[], None], writer: psycopg.Connection) -> None:
    waiting()
    append(writer)


def test_a_wait_ends_when_a_transaction_ends_that_was_in_progress(waiting: Callable[[], None], begin: Connect) -> None:
    held = begin()
    append(held)
    waiting()
    held.commit()


@pytest.mark.parametrize("step_seconds", [0.001, 0.0005])
def test_a_wait_does_not_end_before_something_happens(reader: LogReader, begin: Connect, step_seconds: float) -> None:
    append(begin())
    assert wait(reader, longest_seconds=0.05, step_seconds=step_seconds) >= 0.05


def test_a_wait_does_not_end_with_a_transaction_that_has_drawn_no_id(reader: LogReader, begin: Connect) -> None:
    read_all(reader)
    read_all(reader)  # the sequence is where it was at the first look
    held = begin()
    read_all(reader)
    held.commit()
    began_at = time.monotonic()
    reader.wait(step_seconds=0.001, longest_seconds=0.05)
    assert time.monotonic() - began_at >= 0.05


# All of it at once

WRITERS = 6
TRANSACTIONS = 40
ENTITIES = 8


class RandomWriter(threading.Thread):
    """Changes rows through the triggers in transactions of every shape: short, long, rolled back, with savepoints."""

    def __init__(self, connection: psycopg.Connection, seed: int) -> None:
        super().__init__(name=f"writer-{seed}")
        self._connection = connection
        self._random = random.Random(seed)

    def run(self) -> None:
        for _ in range(TRANSACTIONS):
            with self._connection.transaction(force_rollback=self._random.random() < 0.2):
                # In one order, so that writers wait for each other instead of deadlocking.
                for entity in sorted(self._random.sample(range(ENTITIES), self._random.randint(1, 3))):
                    with self._connection.transaction(force_rollback=self._random.random() < 0.2):
                        self._double(entity)
                if self._random.random() < 0.2:
                    self._connection.execute("SELECT pg_sleep(%s)", [self._random.random() / 50])

    def _double(self, entity: int) -> None:
        self._connection.execute("UPDATE tvl SET tvl_usd = tvl_usd + 1000 WHERE protocol = %s", [f"p{entity}"])


@pytest.fixture(params=["once", "again"])
def seed() -> int:
    return random.randrange(10**6)


def test_random_writers_and_a_restarting_reader_lose_nothing_and_repeat_nothing(
    open_reader: Callable[..., LogReader], connect_again: Connect, writer: psycopg.Connection, seed: int
) -> None:
    dice = random.Random(seed)
    writer.execute("INSERT INTO tvl SELECT 'c', 'p' || n, 1000, '' FROM generate_series(0, %s) AS n", [ENTITIES - 1])
    writers = [RandomWriter(connect_again(), seed + number) for number in range(WRITERS)]
    for thread in writers:
        thread.start()
    read: list[LogRow] = []
    reader = open_reader()
    while True:
        is_last = not any(thread.is_alive() for thread in writers)
        chunk = reader.read(dice.choice([1, 2, 7, 100]))
        reader.advance(chunk)
        reader.save()
        read += chunk.rows
        if dice.random() < 0.02:
            reader.close()
            reader = open_reader()
        if is_last and not chunk.rows:
            break
    for thread in writers:
        thread.join()
    committed = [row[0] for row in writer.execute("SELECT id FROM rtp.event ORDER BY id")]
    assert sorted(row.id for row in read) == committed
    assert broken_chains(read) == []


def broken_chains(rows: list[LogRow]) -> list[tuple[LogRow, LogRow]]:
    """Neighbours of one entity where the later one does not begin at the value that the earlier one reported."""
    by_entity: dict[str, list[LogRow]] = defaultdict(list)
    for row in rows:
        by_entity[row.entity].append(row)
    pairs = [pair for events in by_entity.values() for pair in pairwise(events)]
    return [(earlier, later) for earlier, later in pairs if earlier.current != later.previous]
