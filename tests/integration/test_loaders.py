"""Who loads a whole table: what goes and comes back has changed, what stays away is deleted, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from core.judging.waiting import read_waiting
from core.services.prepared import Call
from tests.eventually import eventually
from tests.judging import judge_ticks, judge_until_level, judge_waiting, judging, server_of
from tests.watching import TVL, install

Connect = Callable[[], psycopg.Connection]
Told = list[tuple[str, str, str | None, str | None]]
PLAIN: dict[str, Any] = {**TVL, "percent": 1}
SAMPLED: dict[str, Any] = {**PLAIN, "heartbeat": "1d"}
FIELDS: dict[str, Any] = {
    "kind": "protocol",
    "table": "tvl",
    "columns": {"chain": "chain", "protocol": "protocol"},
    "watched": ["tvl_usd", "source"],
}
BOTH = pytest.mark.parametrize("rules", [PLAIN, SAMPLED], ids=["judged by its trigger", "sampled"])
EMPTY = pytest.mark.parametrize("statement", ["TRUNCATE tvl", "DELETE FROM tvl"])
INSERT_AT = "INSERT INTO tvl (chain, protocol, tvl_usd, source, changed_at) VALUES"
LEVELS = pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])


def load(connection: psycopg.Connection, **values: float) -> None:
    for entity, value in values.items():
        connection.execute("INSERT INTO tvl VALUES ('ethereum', %s, %s, 'llama')", [entity, value])


def told(connection: psycopg.Connection) -> Told:
    return connection.execute(
        "SELECT entity, reason, previous::text, current::text FROM rtp.event ORDER BY entity, id"
    ).fetchall()


def told_fields(connection: psycopg.Connection) -> list[tuple[str, str, dict[str, Any]]]:
    return connection.execute("SELECT entity, reason, fields FROM rtp.event ORDER BY entity, id").fetchall()


@pytest.fixture
def watch(writer: psycopg.Connection) -> Callable[[dict[str, Any]], psycopg.Connection]:
    """Has the table watched by rules; aave and lido are at 100, and have been seen."""

    def watch_it(rules: dict[str, Any]) -> psycopg.Connection:
        install(writer, it=rules)
        load(writer, aave=100, lido=100)
        judge_waiting(writer)
        writer.execute("DELETE FROM rtp.event")
        return writer

    return watch_it


@contextmanager
def at(connection: psycopg.Connection, level: str) -> Iterator[psycopg.Connection]:
    with connection.transaction():
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
        yield connection


# A table is loaded anew in one transaction


@LEVELS
@EMPTY
@BOTH
def test_a_table_that_is_loaded_anew_has_changed(
    watch: Callable[..., psycopg.Connection], rules: dict[str, Any], statement: str, level: str
) -> None:
    loader = watch(rules)
    with at(loader, level):
        loader.execute(statement.encode())
        load(loader, aave=150, lido=100)
    judge_waiting(loader)
    assert told(loader) == [("aave", "deviation", "100", "150")]


@LEVELS
@EMPTY
@BOTH
def test_what_is_not_in_the_table_any_more_is_deleted_once(
    watch: Callable[..., psycopg.Connection], rules: dict[str, Any], statement: str, level: str
) -> None:
    loader = watch(rules)
    for _ in range(2):
        with at(loader, level):
            loader.execute(statement.encode())
            load(loader, aave=100)
        judge_waiting(loader)
    assert told(loader) == [("lido", "deleted", "100", None)]


@LEVELS
@EMPTY
def test_metadata_that_is_loaded_anew_has_changed_in_the_fields_that_differ(
    watch: Callable[..., psycopg.Connection], statement: str, level: str
) -> None:
    loader = watch(FIELDS)
    with at(loader, level):
        loader.execute(statement.encode())
        load(loader, aave=150, maker=5)
    judge_waiting(loader)
    assert told_fields(loader) == [
        ("aave", "changed", {"tvl_usd": {"previous": 100, "current": 150}}),
        (
            "lido",
            "removed",
            {"tvl_usd": {"previous": 100, "current": None}, "source": {"previous": "llama", "current": None}},
        ),
        (
            "maker",
            "added",
            {"tvl_usd": {"previous": None, "current": 5}, "source": {"previous": None, "current": "llama"}},
        ),
    ]


def test_a_large_table_that_is_loaded_anew_is_judged_in_pieces(watch: Callable[..., psycopg.Connection]) -> None:
    loader = watch(SAMPLED)
    loader.execute("INSERT INTO tvl SELECT 'base', 'pool ' || n, 100, 'llama' FROM generate_series(1, 3000) AS n")
    judge_waiting(loader)
    with loader.transaction():
        loader.execute("TRUNCATE tvl")
        loader.execute("INSERT INTO tvl SELECT 'base', 'pool ' || n, 101, 'llama' FROM generate_series(1, 2999) AS n")
    judge_waiting(loader)
    found = loader.execute("SELECT reason, count(*) FROM rtp.event GROUP BY reason ORDER BY reason").fetchall()
    assert found == [("deleted", 3), ("deviation", 2999)]


@BOTH
def test_a_key_that_a_statement_gives_away_and_another_takes_is_another_entitys(
    watch: Callable[..., psycopg.Connection], rules: dict[str, Any]
) -> None:
    loader = watch(rules)
    with loader.transaction():
        loader.execute("DELETE FROM tvl WHERE protocol = 'lido'")
        loader.execute("UPDATE tvl SET protocol = 'lido' WHERE protocol = 'aave'")
    judge_waiting(loader)
    assert told(loader) == [("lido", "deleted", "100", None), ("lido", "renamed", "100", "100")]


@BOTH
def test_whose_row_is_loaded_anew_with_a_time_of_the_future_is_not_deleted(
    writer: psycopg.Connection, rules: dict[str, Any]
) -> None:
    writer.execute("ALTER TABLE tvl ADD COLUMN changed_at timestamptz")
    install(writer, it={**rules, "columns": {**rules["columns"], "changed_at": "changed_at"}})
    writer.execute(f"{INSERT_AT} ('ethereum', 'lido', 100, 'llama', now())")
    judge_waiting(writer)
    with writer.transaction():
        writer.execute("DELETE FROM tvl")
        writer.execute(f"{INSERT_AT} ('ethereum', 'lido', 200, 'llama', now() + '1h')")
    writer.execute("UPDATE tvl SET tvl_usd = 120, changed_at = now()")
    judge_waiting(writer)
    assert told(writer) == [("lido", "deviation", "100", "120")]


@BOTH
def test_a_deleted_row_says_of_itself_what_it_said(
    watch: Callable[..., psycopg.Connection], rules: dict[str, Any]
) -> None:
    loader = watch(rules)
    loader.execute("DELETE FROM tvl WHERE protocol = 'lido'")
    judge_waiting(loader)
    said = loader.execute("SELECT reason, provenance, changed_at <= detected_at FROM rtp.event").fetchall()
    assert said == [("deleted", "llama", True)]


# ... or in two transactions, seconds apart


@pytest.fixture
def patient(watch: Callable[..., psycopg.Connection]) -> psycopg.Connection:
    """Whoever is away for less than an hour is not gone."""
    return watch({**PLAIN, "delete_grace": "1h", "overrides": [{"protocol": "aave", "delete_grace": "0s"}]})


def let_two_hours_pass(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE rtp.baseline SET gone_at = gone_at - '2h'::interval, due_at = due_at - '2h'::interval")


def test_who_is_back_within_the_grace_has_changed(patient: psycopg.Connection) -> None:
    patient.execute("DELETE FROM tvl")
    judge_waiting(patient)
    load(patient, aave=150, lido=150)
    judge_ticks(patient)
    assert told(patient) == [("aave", "deleted", "100", None), ("lido", "deviation", "100", "150")]


def test_who_stays_away_for_longer_is_deleted_once(patient: psycopg.Connection) -> None:
    patient.execute("DELETE FROM tvl WHERE protocol = 'lido'")
    judge_ticks(patient)
    assert told(patient) == []
    let_two_hours_pass(patient)
    judge_ticks(patient)
    judge_ticks(patient)
    assert told(patient) == [("lido", "deleted", "100", None)]


def test_who_comes_back_after_that_is_another_one(patient: psycopg.Connection) -> None:
    patient.execute("DELETE FROM tvl WHERE protocol = 'lido'")
    judge_waiting(patient)
    let_two_hours_pass(patient)
    load(patient, lido=150)
    judge_waiting(patient)
    patient.execute("UPDATE tvl SET tvl_usd = 160 WHERE protocol = 'lido'")
    judge_waiting(patient)
    assert told(patient) == [("lido", "deleted", "100", None), ("lido", "deviation", "150", "160")]


# Writers above READ COMMITTED


def test_who_inserts_by_a_snapshot_of_before_the_deletion_is_judged(
    watch: Callable[..., psycopg.Connection], connect_again: Connect
) -> None:
    writer, old = watch({**PLAIN, "emit_first": True}), connect_again()
    with at(old, "REPEATABLE READ"):
        old.execute("SELECT FROM tvl")
        writer.execute("DELETE FROM tvl WHERE protocol = 'lido'")
        judge_waiting(writer)
        load(old, lido=200)
    judge_waiting(writer)
    assert told(writer) == [("lido", "deleted", "100", None), ("lido", "first_seen", None, "200")]


def test_every_value_of_such_a_writer_is_judged(watch: Callable[..., psycopg.Connection]) -> None:
    writer = watch(PLAIN)
    for value in (150, 100):
        with at(writer, "SERIALIZABLE"):
            writer.execute("UPDATE tvl SET tvl_usd = %s WHERE protocol = 'lido'", [value])
    judge_waiting(writer)
    assert told(writer) == [("lido", "deviation", "100", "150"), ("lido", "deviation", "150", "100")]


def test_whom_a_snapshot_inserts_and_somebody_else_updates_before_the_look_is_seen_first(
    watch: Callable[..., psycopg.Connection],
) -> None:
    writer = watch({**PLAIN, "emit_first": True})
    with at(writer, "REPEATABLE READ"):
        load(writer, curve=100)
    writer.execute("UPDATE tvl SET tvl_usd = 200 WHERE protocol = 'curve'")
    judge_waiting(writer)
    assert told(writer) == [("curve", "first_seen", None, "200")]


def test_metadata_that_a_snapshot_brings_back_and_somebody_else_changes_before_the_look_is_told_once(
    watch: Callable[..., psycopg.Connection],
) -> None:
    writer = watch(FIELDS)
    writer.execute("DELETE FROM tvl WHERE protocol = 'lido'")
    with at(writer, "REPEATABLE READ"):
        load(writer, lido=150)
    writer.execute("UPDATE tvl SET tvl_usd = 200 WHERE protocol = 'lido'")
    judge_waiting(writer)
    assert told_fields(writer) == [("lido", "changed", {"tvl_usd": {"previous": 100, "current": 200}})]


@LEVELS
@BOTH
def test_names_that_are_exchanged_through_another_one_leave_no_word_of_that(
    watch: Callable[..., psycopg.Connection], rules: dict[str, Any], level: str
) -> None:
    writer = watch(rules)
    writer.execute("UPDATE tvl SET tvl_usd = 150 WHERE protocol = 'lido'")
    judge_waiting(writer)
    writer.execute("DELETE FROM rtp.event")
    with at(writer, level):
        for before, after in (("aave", "other"), ("lido", "aave"), ("other", "lido")):
            writer.execute("UPDATE tvl SET protocol = %s WHERE protocol = %s", [after, before])
    judge_waiting(writer)
    assert told(writer) == [("aave", "renamed", "150", "150"), ("lido", "renamed", "100", "100")]
    assert writer.execute("SELECT FROM rtp.baseline WHERE entity = 'other'").fetchall() == []


def test_a_look_at_such_a_key_that_is_put_off_leaves_no_word_either(
    watch: Callable[..., psycopg.Connection], connect_again: Connect
) -> None:
    writer, other = watch(PLAIN), connect_again()
    with judging(server_of(writer)) as (log, session):
        with writer.transaction():
            load(writer, curve=100)
            writer.execute("DELETE FROM tvl WHERE protocol = 'curve'")
        with other.transaction():
            other.execute("LOCK TABLE tvl")
            judge_until_level(log, session)
            assert writer.execute("SELECT count(*) FROM rtp.look").fetchone() == (1,)
        eventually(lambda: session.judge_next() or not writer.execute("SELECT FROM rtp.look").fetchall())
    assert (told(writer), writer.execute("SELECT FROM rtp.baseline WHERE entity = 'curve'").fetchall()) == ([], [])


@BOTH
def test_whose_change_was_told_is_told_to_be_deleted_within_the_same_transaction(
    watch: Callable[..., psycopg.Connection], rules: dict[str, Any]
) -> None:
    writer = watch(rules)
    with writer.transaction():
        load(writer, curve=100)
        writer.execute("UPDATE tvl SET tvl_usd = 200 WHERE protocol = 'curve'")
        writer.execute("DELETE FROM tvl WHERE protocol = 'curve'")
    judge_waiting(writer)
    assert told(writer) == [("curve", "deviation", "100", "200"), ("curve", "deleted", "200", None)]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("rules", [PLAIN, SAMPLED, FIELDS], ids=["judged by its trigger", "sampled", "metadata"])
def test_two_such_writers_fail_only_where_they_would_without_rtp(
    watch: Callable[..., psycopg.Connection], connect_again: Connect, rules: dict[str, Any], level: str
) -> None:
    owner, writers = watch(rules), (connect_again(), connect_again())
    owner.execute("CREATE TABLE public.bare (LIKE public.tvl INCLUDING ALL)")
    owner.execute("INSERT INTO public.bare SELECT * FROM public.tvl")
    for schedule in (INSERTS, CHANGES):
        watched, bare = (meet(writers, level, schedule, table) for table in ("public.tvl", "public.bare"))
        assert watched == bare
        assert schedule is CHANGES or bare == [None, None]
    judge_waiting(owner)
    assert {("compound",), ("maker",)} <= set(owner.execute("SELECT entity FROM rtp.baseline").fetchall())


INSERTS = (
    (0, "INSERT INTO {} VALUES ('ethereum', 'compound', 1, '')"),
    (1, "INSERT INTO {} VALUES ('ethereum', 'maker', 1, '')"),
)
CHANGES = (
    (0, "UPDATE {} SET tvl_usd = 200 WHERE (chain, protocol) = ('ethereum', 'aave')"),
    (1, "UPDATE {} SET tvl_usd = 300 WHERE (chain, protocol) = ('ethereum', 'lido')"),
    (0, "DELETE FROM {} WHERE (chain, protocol) = ('ethereum', 'aave')"),
)


def meet(
    writers: tuple[psycopg.Connection, ...], level: str, schedule: tuple[tuple[int, str], ...], table: str
) -> list[str | None]:
    """What becomes of transactions that take turns: the class of error that ended each."""
    for writer in writers:
        writer.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
        writer.execute("SELECT count(*) FROM pg_class")
    for number, statement in schedule:
        writers[number].execute(statement.format(table).encode())
    ends: list[str | None] = []
    for writer in writers:
        try:
            writer.execute("COMMIT")
            ends.append(None)
        except psycopg.Error as error:
            writer.execute("ROLLBACK")
            ends.append(type(error).__name__)
    return ends


# Looks


def test_a_look_waits_for_no_writer_and_is_taken_again(
    watch: Callable[..., psycopg.Connection], connect_again: Connect
) -> None:
    owner, other = watch(PLAIN), connect_again()
    owner.execute("DELETE FROM tvl")
    with other.transaction():
        load(other, lido=200)
        judge_waiting(owner)
        assert told(owner) == [("aave", "deleted", "100", None)]
    eventually(lambda: judge_waiting(owner) or not owner.execute("SELECT FROM rtp.look").fetchall())
    assert told(owner) == [("aave", "deleted", "100", None), ("lido", "deviation", "100", "200")]


def test_of_deletions_that_are_put_off_the_last_one_is_told(
    watch: Callable[..., psycopg.Connection], connect_again: Connect
) -> None:
    owner, first, second = watch(PLAIN), connect_again(), connect_again()
    owner.execute("DELETE FROM tvl WHERE protocol = 'lido'")
    with first.transaction():
        first.execute("INSERT INTO tvl VALUES ('ethereum', 'lido', 200, 'of the second row')")
        judge_waiting(owner)
        first.execute("DELETE FROM tvl WHERE protocol = 'lido'")
    with second.transaction(force_rollback=True):
        load(second, lido=300)
        judge_waiting(owner)
    eventually(lambda: judge_waiting(owner) or not owner.execute("SELECT FROM rtp.look").fetchall())
    said = owner.execute("SELECT reason, previous::text, provenance FROM rtp.event ORDER BY id").fetchall()
    assert said == [("deviation", "100", "of the second row"), ("deleted", "200", "of the second row")]


def test_a_judge_that_finds_the_table_locked_goes_on(
    watch: Callable[..., psycopg.Connection], connect_again: Connect
) -> None:
    owner, other = watch(PLAIN), connect_again()
    with judging(server_of(owner)) as (log, session):
        owner.execute("DELETE FROM tvl WHERE protocol = 'aave'")
        judge_until_level(log, session)
        owner.execute("DELETE FROM tvl WHERE protocol = 'lido'")
        with other.transaction():
            other.execute("LOCK TABLE tvl")
            judge_until_level(log, session)
            assert told(owner) == [("aave", "deleted", "100", None)]
        eventually(lambda: session.judge_next() or len(told(owner)) == 2)


def test_a_writer_who_compares_with_what_a_look_has_moved_meanwhile_is_looked_at_again(
    watch: Callable[..., psycopg.Connection], connect_again: Connect
) -> None:
    owner, other = watch(PLAIN), connect_again()
    with at(owner, "REPEATABLE READ"):
        owner.execute("UPDATE tvl SET tvl_usd = 102 WHERE protocol = 'lido'")
    with other.transaction():
        other.execute("UPDATE tvl SET tvl_usd = 100.5 WHERE protocol = 'lido'")  # within the band of 100
        judge_waiting(owner)
        assert told(owner) == [("lido", "deviation", "100", "102")]
        assert owner.execute("SELECT cardinality(waits_for) FROM rtp.look").fetchall() == [(1,)]
    eventually(lambda: judge_waiting(owner) or not owner.execute("SELECT FROM rtp.look").fetchall())
    assert told(owner)[1:] == [("lido", "deviation", "102", "100.5")]


def test_looks_are_all_taken_where_they_are_more_than_are_asked_about_at_once(
    watch: Callable[..., psycopg.Connection],
) -> None:
    owner = watch(PLAIN)
    owner.execute(
        "INSERT INTO rtp.look (watch, chain, entity)"
        " SELECT id, 'ethereum', n FROM rtp.watch, generate_series(1, 5500) AS n"
    )
    with judging(server_of(owner)) as (log, session):
        judge_until_level(log, session)
        eventually(lambda: session.judge_next() or not owner.execute("SELECT FROM rtp.look LIMIT 1").rowcount)
    assert told(owner) == []


@pytest.mark.parametrize("rules", [PLAIN, FIELDS], ids=["values", "metadata"])
def test_a_table_that_is_not_there_is_noted_and_looked_at_when_it_is_back(
    watch: Callable[..., psycopg.Connection], rules: dict[str, Any]
) -> None:
    owner = watch(rules)
    owner.execute("DELETE FROM tvl WHERE protocol = 'lido'")
    owner.execute("ALTER TABLE tvl RENAME TO other")
    judge_waiting(owner)
    (noted,) = owner.execute("SELECT operation, message FROM rtp.trigger_error").fetchall()
    assert noted[0] == "JUDGE"
    owner.execute("UPDATE rtp.look SET noted_at = noted_at - '1m'::interval")
    waiting = read_waiting(owner)["it"]
    assert (waiting.samples, waiting.seconds >= 60) == (1, True)
    assert "tvl" in noted[1]
    owner.execute("ALTER TABLE other RENAME TO tvl")
    owner.execute("UPDATE rtp.look SET try_at = now()")
    judge_waiting(owner)
    assert [row[:2] for row in told(owner)] == [("lido", "deleted" if rules is PLAIN else "removed")]


def test_a_table_that_may_be_read_again_is_looked_at_within_seconds_and_its_trouble_noted_once(
    watch: Callable[..., psycopg.Connection],
) -> None:
    owner = watch(PLAIN)
    owner.execute("ALTER TABLE tvl RENAME TO other")
    with judging(server_of(owner)) as (log, session):
        for entity in ("aave", "lido"):
            owner.execute("DELETE FROM other WHERE protocol = %s", [entity])
            judge_until_level(log, session)
        owner.execute("ALTER TABLE other RENAME TO tvl")
        eventually(lambda: session.judge_next() or len(told(owner)) == 2)
    assert owner.execute("SELECT count(*) FROM rtp.trigger_error WHERE operation = 'JUDGE'").fetchone() == (1,)


def test_a_judge_that_stops_in_the_middle_of_a_look_does_not_hold_up_a_writer_for_long(
    watch: Callable[..., psycopg.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = watch(PLAIN)
    owner.execute("DELETE FROM tvl WHERE protocol = 'lido'")
    limits = []
    with judging(server_of(owner)) as (log, session):
        saving = log.saving

        def note_and_save() -> Call:
            limits.append(log.connection.execute("SHOW idle_in_transaction_session_timeout").fetchone())
            return saving()

        monkeypatch.setattr(log, "saving", note_and_save)
        judge_until_level(log, session)
    assert ("5s",) in limits


@BOTH
def test_an_entity_that_is_gone_when_the_rules_change_hands_is_deleted(
    watch: Callable[..., psycopg.Connection], rules: dict[str, Any]
) -> None:
    owner = watch(rules)
    if rules is SAMPLED:
        install(owner, it={**SAMPLED, "delete_grace": "1h"})
    owner.execute("DELETE FROM tvl WHERE protocol = 'lido'")
    if rules is SAMPLED:
        judge_waiting(owner)
    install(owner, it=PLAIN if rules is SAMPLED else SAMPLED)
    judge_waiting(owner)
    assert told(owner) == [("lido", "deleted", "100", None)]
