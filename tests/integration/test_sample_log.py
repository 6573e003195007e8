"""The sample log, as the judge reads it: nothing lost, nothing twice, in order, and none waits for another's many."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import errors

from core.errors import LeadershipLost, NotInstalled, ServiceUnavailable
from core.judging.portion import Portion
from core.judging.sample_log import SampleLog
from core.judging.sample_windows import Limits, Reach, SampleCounts, SampleWindows
from core.processor.build import postgres_server
from core.services.postgres import DatabaseServer
from core.services.prepared import execute_all
from core.settings.models import Settings
from tests.cut import cut
from tests.effort import seeds
from tests.sample_log import (
    HISTORY,
    LATEST,
    OTHER,
    append,
    ids,
    judge_all,
    judge_some,
    make_history,
    save,
)
from tests.samples import NOON

if TYPE_CHECKING:
    from core.judging.sample import SampleRow

Connect = Callable[[], psycopg.Connection]
Open = Callable[..., SampleLog]

FEW = Limits(rows=10, portion=4, piece=30)


@pytest.fixture
def open_log(installed: Settings, writer: psycopg.Connection) -> Iterator[Open]:
    """Opens the sample log, all but as many times as one likes."""
    opened: list[SampleLog] = []
    make_history(writer)

    def open_one(epoch: int = 0, limits: Limits | None = None) -> SampleLog:
        log = SampleLog(postgres_server(installed), limits)
        opened.append(log)
        log.open(epoch)
        return log

    yield open_one
    for log in opened:
        log.close()


@pytest.fixture
def log(open_log: Open) -> SampleLog:
    return open_log()


# What the judge gets


def test_a_sample_is_read_with_every_column(log: SampleLog, writer: psycopg.Connection) -> None:
    writer.execute(
        "INSERT INTO rtp.sample (watch, chain, entity, value, sampled_at, changed_at, confidence, provenance,"
        " traceparent, tracestate) VALUES (1, 'ethereum', 'lido', 102.50, %s, '2024-01-02 03:04:05Z', 0.5, 'llama',"
        " 'parent', 'state')",
        [NOON],
    )
    portion = log.read()
    assert portion is not None
    (row,) = portion.rows
    assert (*row[1:5], str(row.value), row.sampled_at) == (1, "ethereum", "lido", "sample", "102.50", NOON)
    assert row.testimony == (datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), 0.5, "llama")
    assert (row.traceparent, row.tracestate) == ("parent", "state")
    assert row.appended_at > NOON


def test_an_end_is_read_without_a_value(log: SampleLog, writer: psycopg.Connection) -> None:
    writer.execute(
        "INSERT INTO rtp.sample (watch, chain, entity, what, sampled_at, changed_at, confidence)"
        " VALUES (1, 'ethereum', 'lido', 'deleted', now(), now(), 1)"
    )
    portion = log.read()
    assert portion is not None
    assert [(row.what, row.value) for row in portion.rows] == [("deleted", None)]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e131071", "-1e-16383"])
def test_every_number_is_read_as_it_is(log: SampleLog, writer: psycopg.Connection, value: str) -> None:
    writer.execute(
        "INSERT INTO rtp.sample (watch, chain, entity, value, sampled_at, changed_at, confidence)"
        " VALUES (1, 'c', 'e', %s, now(), now(), 1)",
        [value],
    )
    portion = log.read()
    assert portion is not None
    assert format(portion.rows[0].value, "f") == format(Decimal(value), "f")


def test_an_empty_log_is_level(log: SampleLog) -> None:
    assert (log.read(), log.is_level) == (None, True)


def test_a_log_that_brought_samples_is_not_known_to_be_level(log: SampleLog, writer: psycopg.Connection) -> None:
    log.read()
    append(writer)
    judge_some(log)
    assert not log.is_level


def test_all_watches_that_keep_up_are_read_at_once(log: SampleLog, writer: psycopg.Connection) -> None:
    samples = append(writer, LATEST) + append(writer, HISTORY) + append(writer, OTHER)
    portion = log.read()
    assert portion is not None
    assert (ids(portion), portion.watch) == (samples, None)


# In which order


def test_samples_come_watch_by_watch_and_entity_by_entity(log: SampleLog, writer: psycopg.Connection) -> None:
    for watch, entity in ((OTHER, "a"), (LATEST, "b"), (LATEST, "a"), (LATEST, "b")):
        append(writer, watch, entity=entity)
    portion = log.read()
    assert portion is not None
    assert [(row.watch, row.entity) for row in portion.rows] == [(1, "a"), (1, "b"), (1, "b"), (3, "a")]


def test_samples_of_a_history_come_by_their_own_time_and_then_as_logged(
    log: SampleLog, writer: psycopg.Connection
) -> None:
    (third,), (first,), (fourth,), (second,) = (append(writer, HISTORY, minute=minute) for minute in (2, 0, 2, 1))
    assert ids(log.read()) == [first, second, third, fourth]


def test_samples_of_a_table_updated_in_place_come_as_logged(log: SampleLog, writer: psycopg.Connection) -> None:
    samples = append(writer, LATEST, minute=2) + append(writer, LATEST, minute=1)
    assert ids(log.read()) == samples


# Out of order


def test_a_rolled_back_sample_is_never_read(log: SampleLog, begin: Connect, writer: psycopg.Connection) -> None:
    lost = begin()
    append(lost)
    lost.rollback()
    assert ids(*judge_all(log), *judge_all(log)) == []
    kept = append(writer)
    assert ids(*judge_all(log)) == kept


def test_a_transaction_that_commits_after_later_ids_is_read_when_it_commits(
    log: SampleLog, begin: Connect, writer: psycopg.Connection
) -> None:
    early = begin()
    early_ids, late_ids = append(early), append(writer)
    before = ids(*judge_all(log))
    early.commit()
    assert (before, ids(*judge_all(log))) == (late_ids, early_ids)


def test_a_sample_of_a_watch_that_is_behind_is_read_though_it_commits_late(
    open_log: Open, begin: Connect, writer: psycopg.Connection
) -> None:
    log, early = open_log(limits=FEW), begin()
    late = append(early, LATEST, entity="late")
    many = append(writer, LATEST, 100)
    read = [judge_some(log)]
    early.commit()
    assert sorted(ids(*read, *judge_all(log))) == late + many


def test_a_transaction_that_commits_between_counting_a_window_and_reading_it_is_read_once(
    open_log: Open, begin: Connect, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, early, count = open_log(limits=FEW), begin(), SampleWindows.count

    def count_and_commit(windows: SampleWindows, way: str, values: dict[str, Any]) -> tuple[Reach, SampleCounts]:
        counted = count(windows, way, values)
        early.commit()
        return counted

    written = append(early, OTHER) + append(writer, OTHER) + append(writer, LATEST, 20)
    monkeypatch.setattr(SampleWindows, "count", count_and_commit)
    assert sorted(ids(*judge_all(log))) == written


# Falling behind


def portions_of(log: SampleLog) -> list[tuple[int | None, int]]:
    """Whose portions come, and how many samples each has."""
    return [(portion.watch, len(portion.rows)) for portion in judge_all(log)]


def test_as_many_samples_as_one_read_may_bring_are_one_portion(open_log: Open, writer: psycopg.Connection) -> None:
    log = open_log(limits=FEW)
    append(writer, LATEST, 10)
    assert portions_of(log) == [(None, 10)]


def test_a_watch_with_more_than_its_share_is_read_piece_by_piece(open_log: Open, writer: psycopg.Connection) -> None:
    log = open_log(limits=FEW)
    append(writer, LATEST, 47)
    assert portions_of(log) == [*[(LATEST, 4)] * 7, (LATEST, 2), *[(LATEST, 4)] * 4, (LATEST, 1)]


def test_the_other_watches_samples_come_first(open_log: Open, writer: psycopg.Connection) -> None:
    log = open_log(limits=FEW)
    append(writer, LATEST, 20)
    other = append(writer, OTHER, 5)
    portion = log.read()
    assert portion is not None
    assert (portion.watch, ids(portion), set(log.behind)) == (None, other, {LATEST})


def test_what_is_left_of_a_watch_is_one_portion_where_one_read_can_bring_it(
    open_log: Open, writer: psycopg.Connection
) -> None:
    log = open_log(limits=FEW)
    append(writer, LATEST, 9)
    append(writer, OTHER, 3)
    assert portions_of(log) == [(None, 3), (LATEST, 9)]


def test_a_watch_that_has_caught_up_is_read_with_the_others(open_log: Open, writer: psycopg.Connection) -> None:
    log = open_log(limits=FEW)
    append(writer, LATEST, 20)
    judge_all(log)
    append(writer, LATEST)
    assert (portions_of(log), list(log.behind)) == ([(None, 1)], [])


def test_it_is_news_to_be_saved_that_a_watch_has_fallen_behind_or_caught_up(
    open_log: Open, writer: psycopg.Connection
) -> None:
    log = open_log(limits=FEW)
    append(writer, LATEST, 20)
    news = [log.is_news_who_is_behind]
    judge_some(log)
    news.append(log.is_news_who_is_behind)
    save(log)
    news.append(log.is_news_who_is_behind)
    judge_all(log)
    assert [*news, log.is_news_who_is_behind] == [False, True, False, True]


def test_a_watch_that_has_caught_up_has_no_cursor_of_its_own(open_log: Open, writer: psycopg.Connection) -> None:
    log = open_log(limits=FEW)
    append(writer, LATEST, 20)
    watches = []
    for _ in range(2):
        judge_some(log)
        save(log)
        watches.append(writer.execute("SELECT watch FROM rtp.judge_cursor ORDER BY watch").fetchall())
        judge_all(log)
    assert watches == [[(0,), (LATEST,)], [(0,)]]


def test_a_watch_catches_up_while_others_go_on(open_log: Open, writer: psycopg.Connection) -> None:
    log = open_log(limits=FEW)
    written, read = append(writer, LATEST, 200), []
    while True:
        written += append(writer, OTHER) + append(writer, LATEST)
        read.append(judge_some(log))
        if not log.behind:
            break
    assert sorted(ids(*read, *judge_all(log))) == written


def test_a_piece_is_read_entity_by_entity(open_log: Open, writer: psycopg.Connection) -> None:
    log = open_log(limits=FEW)
    for entity in "cba" * 6:
        append(writer, LATEST, entity=entity)
    rows = [row for portion in judge_all(log) for row in portion.rows]
    assert [row.entity for row in rows] == ["a"] * 6 + ["b"] * 6 + ["c"] * 6


def test_a_piece_of_a_history_is_read_by_time(open_log: Open, writer: psycopg.Connection) -> None:
    log = open_log(limits=FEW)
    samples = [append(writer, HISTORY, minute=minute)[0] for minute in range(20, 0, -1)]
    assert ids(*judge_all(log)) == samples[::-1]


def test_a_sample_is_not_held_up_by_100000_of_another_watch(log: SampleLog, writer: psycopg.Connection) -> None:
    append(writer, LATEST, 100_000)
    own = append(writer, OTHER)
    before = ids(judge_some(log), judge_some(log), judge_some(log))
    again = append(writer, OTHER)
    assert own[0] in before
    assert again[0] in ids(judge_some(log), judge_some(log))


def test_100000_samples_of_one_watch_are_read_once_each(log: SampleLog, writer: psycopg.Connection) -> None:
    written = append(writer, LATEST, 100_000)
    assert ids(*judge_all(log)) == written


# What a read costs

FEW_ENTRIES = 20


def entries_read(log: SampleLog, writer: psycopg.Connection) -> int:
    """How many entries of the sample log's indexes were read so far."""
    if writer.info.server_version >= 150000:
        log.connection.execute("SELECT pg_stat_force_next_flush()")
    row = writer.execute(
        "SELECT sum(idx_tup_read)::int FROM pg_stat_user_indexes WHERE relname LIKE 'sample%%'", prepare=False
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_read_that_finds_nothing_costs_the_same_however_long_the_log(
    log: SampleLog, begin: Connect, writer: psycopg.Connection
) -> None:
    append(begin(), OTHER, 5000)  # and stays open
    for _ in range(3):
        append(writer, LATEST, 5000)
        judge_all(log)
    before = entries_read(log, writer)
    log.read()
    assert entries_read(log, writer) - before < FEW_ENTRIES


# Where the judge goes on


def test_what_was_passed_but_not_saved_is_read_again_after_a_restart(
    open_log: Open, log: SampleLog, writer: psycopg.Connection
) -> None:
    samples = append(writer)
    judge_all(log)
    assert ids(*judge_all(open_log())) == samples


def test_what_was_saved_is_not_read_again(open_log: Open, log: SampleLog, writer: psycopg.Connection) -> None:
    append(writer)
    judge_all(log)
    save(log)
    assert ids(*judge_all(open_log())) == []


def test_what_was_saved_in_a_transaction_that_failed_is_read_again(
    open_log: Open, log: SampleLog, writer: psycopg.Connection
) -> None:
    samples = append(writer)
    judge_all(log)
    with log.connection.transaction(force_rollback=True):
        execute_all(log.connection, [log.saving()])
    assert ids(*judge_all(open_log())) == samples


@pytest.mark.parametrize("watch", [LATEST, HISTORY])
def test_a_judge_that_is_restarted_after_every_portion_loses_and_repeats_nothing(
    open_log: Open, writer: psycopg.Connection, watch: int
) -> None:
    for minute, entity in enumerate("cabbacacbcab" * 7):
        append(writer, watch, entity=entity, minute=minute * 5 % 7)
        append(writer, OTHER)
    unbroken = judge_all(open_log(limits=FEW))
    read = []
    while True:
        log = open_log(limits=FEW)
        while (portion := judge_some(log)) is None and not log.is_level:
            save(log)
        save(log)
        log.close()
        if portion is None:
            break
        read.append(portion)
    assert per_watch(read) == per_watch(unbroken)


def per_watch(portions: list[Portion]) -> dict[int, list[int]]:
    rows = [row for portion in portions for row in portion.rows]
    return {watch: [row.id for row in rows if row.watch == watch] for watch in {row.watch for row in rows}}


def test_a_watch_that_is_restarted_within_its_window_goes_on_with_what_the_front_has_left_to_it_since(
    open_log: Open, writer: psycopg.Connection
) -> None:
    log, written, read = open_log(limits=FEW), append(writer, LATEST, 50), list[Portion | None]()
    while not ids(*read):
        read.append(judge_some(log))
    written += append(writer, LATEST, 5)
    read += [judge_some(log), judge_some(log)]  # the front and the watch have their turn
    save(log)
    assert sorted(ids(*read, *judge_all(open_log(limits=FEW)))) == written


def test_a_watch_that_became_a_history_goes_on_in_the_order_in_which_its_piece_was_begun(
    open_log: Open, writer: psycopg.Connection
) -> None:
    samples = [append(writer, OTHER, minute=minute)[0] for minute in range(20, 0, -1)]
    read: list[Portion | None] = []
    for _ in range(3):
        log = open_log(limits=FEW)
        while (portion := judge_some(log)) is None:
            pass
        read.append(portion)
        save(log)
        log.close()
        writer.execute('UPDATE rtp.watch SET settings = settings || \'{"shape": "history"}\' WHERE id = %s', [OTHER])
    assert ids(*read, *judge_all(open_log(limits=FEW))) == samples


# Fencing


def test_a_judge_of_an_earlier_epoch_cannot_save(open_log: Open, writer: psycopg.Connection) -> None:
    earlier, later = open_log(epoch=1), open_log(epoch=2)
    append(writer)
    judge_all(earlier)
    with pytest.raises(LeadershipLost) as error:
        save(earlier)
    assert error.value.surpassed_by == 2
    save(later)


def test_a_judge_of_an_earlier_epoch_cannot_save_though_nothing_has_moved(open_log: Open) -> None:
    earlier = open_log(epoch=1)
    open_log(epoch=2)
    with pytest.raises(LeadershipLost):
        save(earlier)


def test_a_judge_of_an_earlier_epoch_leaves_no_watch_behind(open_log: Open, writer: psycopg.Connection) -> None:
    earlier = open_log(epoch=1, limits=FEW)
    append(writer, LATEST, 20)
    judge_some(earlier)
    open_log(epoch=2)
    with pytest.raises(errors.DivisionByZero):
        execute_all(earlier.connection, [earlier.saving()])  # and not even in a transaction
    assert writer.execute("SELECT watch FROM rtp.judge_cursor").fetchall() == [(0,)]


def test_a_judge_of_an_earlier_epoch_cannot_open(open_log: Open) -> None:
    open_log(epoch=2)
    with pytest.raises(LeadershipLost):
        open_log(epoch=1)


def test_a_standby_goes_on_where_the_leader_has_saved(open_log: Open, writer: psycopg.Connection) -> None:
    leader, written = open_log(epoch=1, limits=FEW), append(writer, LATEST, 50)
    read: list[Portion | None] = []
    while len(ids(*read)) < 20:
        read.append(judge_some(leader))
    save(leader)
    assert sorted(ids(*read, *judge_all(open_log(epoch=2, limits=FEW)))) == written


# What can be wrong


def test_a_database_without_rtp_is_not_installed(database: str) -> None:
    with pytest.raises(NotInstalled, match="no rtp schema"):
        SampleLog(DatabaseServer(database)).open(0)


def test_a_cut_connection_is_an_outage_that_may_pass(log: SampleLog, writer: psycopg.Connection) -> None:
    cut(writer)
    with pytest.raises(ServiceUnavailable):
        log.read()


# All of it at once

WRITERS, TRANSACTIONS = 4, 60


class RandomWriter(threading.Thread):
    """Appends in transactions of every size, some of which roll back."""

    def __init__(self, connection: psycopg.Connection, seed: int) -> None:
        super().__init__(name=f"writer-{seed}")
        self._connection = connection
        self._random = random.Random(seed)

    def run(self) -> None:
        for _ in range(TRANSACTIONS):
            with self._connection.transaction(force_rollback=self._random.random() < 0.2):
                for _ in range(self._random.randint(1, 3)):
                    watch, count = self._random.choice([LATEST, HISTORY, OTHER]), self._random.choice([1, 1, 1, 2, 20])
                    append(self._connection, watch, count, entity=self._random.choice("abc"))


@pytest.mark.parametrize("seed", seeds(3, 100))
def test_random_writers_and_a_restarting_judge_lose_nothing_and_repeat_nothing(
    open_log: Open, connect_again: Connect, writer: psycopg.Connection, seed: int
) -> None:
    dice = random.Random(seed)
    writers = [RandomWriter(connect_again(), seed + number) for number in range(WRITERS)]
    for thread in writers:
        thread.start()
    log, read = open_log(limits=FEW), list[Portion | None]()
    while any(thread.is_alive() for thread in writers):
        read.append(judge_some(log))
        save(log)
        if dice.random() < 0.05:
            log.close()
            log = open_log(limits=FEW)
    read += judge_all(log)
    for thread in writers:
        thread.join()
    committed = [row[0] for row in writer.execute("SELECT id FROM rtp.sample ORDER BY id")]
    assert sorted(ids(*read)) == committed


@dataclass
class Written:
    """A sample that was appended, and when it committed, in steps; None: not yet, or never."""

    id: int
    watch: int
    entity: str
    minute: int
    appended: int
    committed: int | None = None


@dataclass
class Interleaving:
    """Three writers and a judge that is killed now and then, step by step."""

    writers: list[psycopg.Connection]
    open_log: Callable[[], SampleLog]
    steps: int = 0
    written: list[Written] = field(default_factory=list)
    open_samples: dict[int, list[Written]] = field(default_factory=dict)
    kept: list[SampleRow] = field(default_factory=list)
    unsaved: list[SampleRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = self.open_log()

    def append(self, number: int, watch: int, count: int, entity: str, minute: int) -> None:
        rows = append(self.writers[number], watch, count, entity=entity, minute=minute)
        new = [Written(row, watch, entity, minute, self.steps) for row in rows]
        self.written += new
        self.open_samples.setdefault(number, []).extend(new)

    def commit(self, number: int) -> None:
        self.writers[number].commit()
        for sample in self.open_samples.pop(number, []):
            sample.committed = self.steps

    def roll_back(self, number: int) -> None:
        self.writers[number].rollback()
        self.open_samples.pop(number, None)

    def judge(self) -> None:
        portion = judge_some(self.log)
        self.unsaved += portion.rows if portion is not None else []

    def save(self) -> None:
        save(self.log)
        self.kept += self.unsaved
        self.unsaved = []

    def kill(self) -> None:
        self.log.close()
        self.log, self.unsaved = self.open_log(), []

    def finish(self) -> None:
        for number in range(len(self.writers)):
            self.commit(number)
        for portion in judge_all(self.log):
            self.unsaved += portion.rows
        self.save()
        self.log.close()


NUMBERS, FEW_TIMES = st.integers(0, 2), st.integers(0, 3)
APPENDS = st.tuples(
    st.just("append"), NUMBERS, st.sampled_from([LATEST, HISTORY]), st.integers(1, 9), st.sampled_from("ab"), FEW_TIMES
)
STEPS: st.SearchStrategy[tuple[Any, ...]] = st.one_of(
    APPENDS,
    APPENDS,
    st.tuples(st.sampled_from(["commit", "commit", "roll_back"]), NUMBERS),
    st.tuples(st.sampled_from(["judge", "judge", "judge", "save", "kill"])),
)


@given(st.lists(STEPS, max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_writers_and_a_judge_that_is_killed_do_all_is_judged_once_and_in_order(
    open_log: Open, begin: Connect, steps: list[tuple[Any, ...]]
) -> None:
    run = Interleaving([begin() for _ in range(3)], lambda: open_log(limits=Limits(rows=6, portion=3, piece=12)))
    for run.steps, (step, *arguments) in enumerate(steps):
        getattr(run, step)(*arguments)
    run.finish()
    for writer in run.writers:
        writer.close()
    committed = {sample.id: sample for sample in run.written if sample.committed is not None}
    assert sorted(row.id for row in run.kept) == sorted(committed)
    assert misplaced([committed[row.id] for row in run.kept]) == []


def misplaced(judged: list[Written]) -> list[tuple[Written, Written]]:
    """Samples of one entity that are judged before another which had committed before they were even appended.

    In a history the one with the later time may come first.
    """
    return [
        (earlier, later)
        for number, later in enumerate(judged)
        for earlier in judged[number + 1 :]
        if (earlier.watch, earlier.entity) == (later.watch, later.entity)
        and earlier.committed is not None
        and earlier.committed < later.appended
        and (earlier.watch != HISTORY or earlier.minute <= later.minute)
    ]
