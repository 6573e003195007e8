"""Whatever the data, and whatever became of the tables since the installation: the writer's statement goes through."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from core.settings.models import Settings, TriggerSettings, postgres_dsn
from tests.command import Command
from tests.eventually import eventually
from tests.watching import TVL, install
from triggers.installer import apply, plan_installation

INSERT = (
    "INSERT INTO tvl (chain, protocol, tvl_usd, source) VALUES (%s, %s, %s, 'llama')"
    " ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = excluded.tvl_usd"
)


@pytest.fixture
def lido(writer: psycopg.Connection) -> psycopg.Connection:
    """An entity that has been seen."""
    writer.execute(INSERT, ["ethereum", "lido", 100])
    return writer


def errors(connection: psycopg.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT watch FROM rtp.trigger_error ORDER BY id")]


def row_count(connection: psycopg.Connection, table: str = "tvl") -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return int(row[0])


# DDL after the installation: what is done to the table, and a statement that then still has to work.
SURPRISES = {
    "the value is dropped": ("ALTER TABLE tvl DROP tvl_usd", "UPDATE tvl SET source = 'x'"),
    "the value is renamed": ("ALTER TABLE tvl RENAME tvl_usd TO usd", "UPDATE tvl SET usd = 200"),
    "the value becomes text": (
        "ALTER TABLE tvl ALTER tvl_usd TYPE text",
        "UPDATE tvl SET tvl_usd = 'much'",
    ),
    "the value becomes jsonb": (
        "ALTER TABLE tvl ALTER tvl_usd TYPE jsonb USING to_jsonb(tvl_usd)",
        """UPDATE tvl SET tvl_usd = '{"usd": 1}'""",
    ),
    "the value becomes an array": (
        "ALTER TABLE tvl ALTER tvl_usd TYPE numeric[] USING ARRAY[tvl_usd]",
        "UPDATE tvl SET tvl_usd = '{1,2}'",
    ),
    "a key is dropped": ("ALTER TABLE tvl DROP protocol CASCADE", "UPDATE tvl SET tvl_usd = 200"),
    "a key becomes a number": (
        "ALTER TABLE tvl ALTER protocol TYPE integer USING 7",
        "UPDATE tvl SET tvl_usd = 200",
    ),
    "the provenance is dropped": ("ALTER TABLE tvl DROP source", "UPDATE tvl SET tvl_usd = 200"),
    "the time becomes a date": (
        "ALTER TABLE tvl ALTER updated_at DROP DEFAULT, ALTER updated_at TYPE date",
        "UPDATE tvl SET tvl_usd = 200",
    ),
    "the table is renamed": ("ALTER TABLE tvl RENAME TO amounts", "UPDATE amounts SET tvl_usd = 200"),
    "a column is added": ("ALTER TABLE tvl ADD note text DEFAULT 'n'", "UPDATE tvl SET tvl_usd = 200, note = 'x'"),
}


@pytest.mark.parametrize(("ddl", "statement"), SURPRISES.values(), ids=SURPRISES)
def test_no_change_of_a_table_fails_its_writers(lido: psycopg.Connection, ddl: str, statement: str) -> None:
    lido.execute(ddl.encode())
    assert lido.execute(statement.encode()).rowcount == 1


JUDGED_STILL = {"the table is renamed", "a column is added"}


@pytest.mark.parametrize(
    ("ddl", "statement"),
    [surprise for name, surprise in SURPRISES.items() if name not in JUDGED_STILL],
    ids=[name for name in SURPRISES if name not in JUDGED_STILL],
)
def test_what_can_no_longer_be_judged_is_counted_or_judged(lido: psycopg.Connection, ddl: str, statement: str) -> None:
    lido.execute(ddl.encode())
    lido.execute(statement.encode())
    assert errors(lido) or lido.execute("SELECT FROM rtp.event").fetchall()


@pytest.mark.parametrize("name", sorted(JUDGED_STILL))
def test_what_does_not_concern_the_watch_is_judged_as_before(lido: psycopg.Connection, name: str) -> None:
    ddl, statement = SURPRISES[name]
    lido.execute(ddl.encode())
    lido.execute(statement.encode())
    assert lido.execute("SELECT current::text FROM rtp.event").fetchall() == [("200",)]


def test_the_status_shows_what_could_not_be_judged(
    lido: psycopg.Connection,
    installed: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lido.execute("ALTER TABLE tvl DROP source")
    lido.execute("UPDATE tvl SET tvl_usd = 200")
    rtp = Command(capsys, monkeypatch)
    document = rtp("status", "--json", environ={"RTP_POSTGRES_DSN": postgres_dsn(installed)}).document
    assert [(error["watch"], error["errors"]) for error in document["trigger_errors"]] == [("tvl", 1)]


def test_a_new_installation_mends_a_renamed_column(lido: psycopg.Connection) -> None:
    lido.execute("ALTER TABLE tvl RENAME tvl_usd TO usd")
    lido.execute("UPDATE tvl SET usd = 150")
    install(lido, tvl={**TVL, "columns": {**TVL["columns"], "value": "usd"}})  # type: ignore[dict-item]
    lido.execute("UPDATE tvl SET usd = 300")
    assert lido.execute("SELECT current::text FROM rtp.event").fetchall() == [("300",)]


# What becomes of rtp's own tables, in a session that has reported plain changes before

BREAKAGES = {
    "a constraint that no event meets": "ALTER TABLE rtp.event ADD CHECK (id < 0) NOT VALID",
    "a constraint that no baseline meets": "ALTER TABLE rtp.baseline ADD CHECK (value < 0) NOT VALID",
    "a part is gone": "DROP TABLE rtp.event_0",
    "a part is detached": "ALTER TABLE rtp.event DETACH PARTITION rtp.event_0",
    "the log is gone": "DROP TABLE rtp.event",
    "the log is renamed": "ALTER TABLE rtp.event RENAME TO away",
    "the baselines are gone": "DROP TABLE rtp.baseline CASCADE",
    "a trigger that fails": "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;"
    "CREATE TRIGGER fail BEFORE INSERT ON rtp.event FOR EACH ROW EXECUTE FUNCTION fail()",
}


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES)
def test_no_change_of_rtps_tables_fails_a_writer(lido: psycopg.Connection, breakage: str) -> None:
    lido.execute("SELECT setval('rtp.event_id', 1)")  # the next ids are the part's that breaks
    lido.execute("UPDATE tvl SET tvl_usd = 150")
    lido.execute(breakage.encode())
    lido.execute("UPDATE tvl SET tvl_usd = 200")
    lido.execute("UPDATE tvl SET tvl_usd = 300")
    assert errors(lido) == ["tvl", "tvl"]


# The same of a watch that only appends samples, one row and many

SAMPLED: dict[str, Any] = {**TVL, "columns": {**TVL["columns"], "changed_at": "updated_at"}, "heartbeat": "1h"}  # type: ignore[dict-item]


@pytest.fixture
def sampled(writer: psycopg.Connection) -> psycopg.Connection:
    """Two entities whose samples rtp run judges; the session has appended some before."""
    install(writer, tvl=SAMPLED)
    writer.execute("INSERT INTO tvl VALUES ('ethereum', 'lido', 100, 'llama'), ('ethereum', 'aave', 100, 'llama')")
    writer.execute("UPDATE tvl SET tvl_usd = 150")
    writer.execute("UPDATE tvl SET tvl_usd = 151 WHERE protocol = 'lido'")
    return writer


def samples(connection: psycopg.Connection, after_id: int = 5) -> list[Any]:
    query = "SELECT entity, what, value FROM rtp.sample WHERE id > %s ORDER BY id"
    return connection.execute(query, [after_id]).fetchall()


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize(("ddl", "statement"), SURPRISES.values(), ids=SURPRISES)
def test_no_change_of_a_table_fails_a_writer_of_samples(
    sampled: psycopg.Connection, ddl: str, statement: str, rows: int
) -> None:
    sampled.execute("ALTER TABLE tvl DROP CONSTRAINT tvl_pkey")  # a surprise makes all keys alike
    sampled.execute("DELETE FROM tvl WHERE protocol = 'aave' AND %s = 1", [rows])
    before = len(samples(sampled))
    sampled.execute(ddl.encode())
    assert sampled.execute(statement.encode()).rowcount == rows
    assert errors(sampled) or len(samples(sampled)) >= before + rows


@pytest.mark.parametrize(
    "breakage",
    [
        "ALTER TABLE rtp.sample ADD CHECK (id < 0) NOT VALID",
        "DROP TABLE rtp.sample_0",
        "ALTER TABLE rtp.sample DETACH PARTITION rtp.sample_0",
        "DROP TABLE rtp.sample",
        "ALTER TABLE rtp.sample RENAME TO away",
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;"
        "CREATE TRIGGER fail BEFORE INSERT ON rtp.sample FOR EACH ROW EXECUTE FUNCTION fail()",
    ],
)
def test_no_change_of_the_sample_log_fails_a_writer(sampled: psycopg.Connection, breakage: str) -> None:
    sampled.execute(breakage.encode())
    sampled.execute("UPDATE tvl SET tvl_usd = 200")
    sampled.execute("UPDATE tvl SET tvl_usd = 300 WHERE protocol = 'lido'")
    assert errors(sampled) == ["tvl", "tvl"]


@pytest.mark.parametrize("text", ["-nan", "1\u2003", "٣", "much"])
def test_what_is_no_number_leaves_the_writer_of_samples_and_its_other_rows_alone(
    writer: psycopg.Connection, text: str
) -> None:
    writer.execute("ALTER TABLE tvl ALTER tvl_usd TYPE text")
    install(writer, tvl=SAMPLED)
    writer.execute(
        "INSERT INTO tvl VALUES ('ethereum', 'lido', %s, 'llama'), ('ethereum', 'aave', '1', 'llama')", [text]
    )
    assert ([row[0] for row in samples(writer, 0)], errors(writer)) == (["aave"], ["tvl"])


@pytest.mark.parametrize(
    ("ending", "entity", "what"),
    [("DELETE FROM tvl", "lido", "deleted"), ("UPDATE tvl SET protocol = 'aave'", "aave", "renamed")],
)
def test_an_entity_whose_last_value_is_no_number_is_deleted_or_renamed_all_the_same(
    writer: psycopg.Connection, ending: str, entity: str, what: str
) -> None:
    writer.execute("ALTER TABLE tvl ALTER tvl_usd TYPE text")
    install(writer, tvl=SAMPLED)
    writer.execute("INSERT INTO tvl VALUES ('ethereum', 'lido', 'much', 'llama')")
    writer.execute(ending.encode())
    assert [row[:2] for row in samples(writer, 0)] == [(entity, what)]


def test_a_writer_of_samples_that_will_not_wait_for_locks_does_not_fail_for_one_of_rtps(
    sampled: psycopg.Connection, connect_again: Callable[[], psycopg.Connection]
) -> None:
    sampled.execute("SET lock_timeout TO '50ms'")
    with connect_again() as upgrade, upgrade.transaction():
        upgrade.execute("LOCK TABLE rtp.sample")
        sampled.execute("UPDATE tvl SET tvl_usd = 200")
    assert errors(sampled) == ["tvl"]


@pytest.mark.parametrize("rows", ["protocol = 'lido'", "true"], ids=["one row", "all rows"])
@pytest.mark.parametrize("code", ["disk_full", "io_error"])
def test_a_sample_that_cannot_be_stored_fails_its_writer_rather_than_be_lost(
    sampled: psycopg.Connection, code: str, rows: str
) -> None:
    sampled.execute(
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE 'no room' USING ERRCODE = '{code}'; END $$;"
        "CREATE TRIGGER no_room BEFORE INSERT ON rtp.sample FOR EACH ROW EXECUTE FUNCTION no_room()"
    )
    with pytest.raises(psycopg.OperationalError, match="no room"):
        sampled.execute(f"UPDATE tvl SET tvl_usd = 200 WHERE {rows}".encode())


def test_rows_without_a_usable_name_are_noted_once_and_keep_no_other_from_the_log(sampled: psycopg.Connection) -> None:
    sampled.execute("INSERT INTO tvl SELECT 'ethereum', left('curve', n), 1, 'llama' FROM generate_series(0, 2) AS n")
    sampled.execute(
        "INSERT INTO tvl SELECT 'ethereum', repeat('x', 600 + n), 1, 'llama' FROM generate_series(1, 3) AS n"
    )
    assert ([row[0] for row in samples(sampled)], errors(sampled)) == (["c", "cu"], ["tvl", "tvl"])


WIDE = (
    "CREATE DOMAIN public.money_of AS numeric; CREATE TYPE public.network AS ENUM ('ethereum', 'base');"
    "CREATE TABLE public.wide"
    " (network public.network, token varchar(40), price public.money_of, at date, trust numeric, note jsonb)"
)
WIDE_WATCH: dict[str, Any] = {
    "kind": "price",
    "table": "wide",
    "shape": "history",
    "columns": {
        "chain": "network",
        "token": "token",
        "value": "price",
        "changed_at": "at",
        "confidence": "trust",
        "provenance": "note",
    },
}


@pytest.mark.parametrize("rows", [1, 3])
def test_the_widest_values_of_every_type_become_samples(writer: psycopg.Connection, rows: int) -> None:
    writer.execute(WIDE.encode())
    install(writer, wide=WIDE_WATCH)
    for price, at, trust in (
        ("NaN", "5874897-12-31", "1e-4000"),
        ("1e131071", "4713-01-01 BC", "1e4000"),
        ("Infinity", "infinity", "NaN"),
        (None, None, None),
    ):
        row = "SELECT 'base', 'eth', %s::numeric, %s::date, %s::numeric, '{}' FROM generate_series(1, %s)"
        writer.execute(f"INSERT INTO wide {row}".encode(), [price, at, trust, rows])
    assert (len(samples(writer, 0)), errors(writer)) == (4 * rows, [])


def test_a_writer_that_will_not_wait_for_locks_does_not_fail_for_one_of_rtps(
    lido: psycopg.Connection, connect_again: Callable[[], psycopg.Connection]
) -> None:
    lido.execute("SET lock_timeout TO '50ms'")
    with connect_again() as upgrade, upgrade.transaction():
        upgrade.execute("LOCK TABLE rtp.event")
        lido.execute("UPDATE tvl SET tvl_usd = 200")
    assert errors(lido) == ["tvl"]


def test_timings_that_cannot_be_noted_fail_no_writer(lido: psycopg.Connection, installed: Settings) -> None:
    measuring = installed.model_copy(update={"triggers": TriggerSettings(statistics="all")})
    apply(lido, plan_installation(lido, measuring))
    lido.execute("DROP TABLE rtp.trigger_timing")
    for value in (100.1, 200):
        assert lido.execute("UPDATE tvl SET tvl_usd = %s", [value]).rowcount == 1
    assert errors(lido) == []


# What a writer is told stays the writer's


def test_a_writer_that_is_cancelled_in_the_trigger_is_cancelled(lido: psycopg.Connection) -> None:
    slow_down(lido)
    thread = threading.Timer(0.3, lido.cancel)
    thread.start()
    with pytest.raises(psycopg.errors.QueryCanceled):
        lido.execute("UPDATE tvl SET tvl_usd = 200")
    thread.join()


def test_a_statement_timeout_reaches_the_writer(lido: psycopg.Connection) -> None:
    slow_down(lido)
    lido.execute("SET statement_timeout TO '200ms'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        lido.execute("UPDATE tvl SET tvl_usd = 200")


def slow_down(connection: psycopg.Connection) -> None:
    """Whatever appends to the log takes very long."""
    connection.execute(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(20); RETURN NEW; END $$;"
        "CREATE TRIGGER dawdle BEFORE INSERT ON rtp.event FOR EACH ROW EXECUTE FUNCTION dawdle()"
    )


def test_a_replica_session_fires_no_trigger(lido: psycopg.Connection) -> None:
    lido.execute("SET session_replication_role TO replica")
    lido.execute("UPDATE tvl SET tvl_usd = 200")
    assert lido.execute("SELECT FROM rtp.event").fetchall() == []


def test_a_writers_own_constraint_still_fails_the_writer(lido: psycopg.Connection) -> None:
    lido.execute("ALTER TABLE tvl ADD CHECK (tvl_usd < 1000)")
    with pytest.raises(psycopg.errors.CheckViolation):
        lido.execute("UPDATE tvl SET tvl_usd = 2000")


# Random data

NAMES = st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)
NUMBERS = st.one_of(
    st.none(),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.integers(-(10**200), 10**200),
    st.sampled_from([math.nan, math.inf, -math.inf, 0]),
)
ROWS = st.lists(st.tuples(NAMES, NAMES, NUMBERS), min_size=1, max_size=8)
TEXTS = st.one_of(
    NAMES,
    st.sampled_from(
        ["1e3", " 5 ", "NaN", "1_000", "0x10", "1e999999", "-", "-nan", "+NaN", "1\u2003", "٣", "∞", "9" * 900]
    ),
)
ANYTHING = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
MEMORY: dict[str, Any] = {"glitch_guard": {"factor": 10}, "cooldown": "1m", "heartbeat": "1h"}


@pytest.mark.parametrize("rules", [{}, MEMORY], ids=["plain", "with a memory"])
@pytest.mark.parametrize("column_type", ["numeric", "double precision"])
def test_no_row_fails_its_writer(writer: psycopg.Connection, column_type: str, rules: dict[str, Any]) -> None:
    writer.execute(f"ALTER TABLE tvl ALTER tvl_usd TYPE {column_type}".encode())
    install(writer, tvl={**TVL, **rules})
    cast = f"%s::text::{column_type}" if column_type == "numeric" else "%s::text::numeric::double precision"

    @given(ROWS)
    @ANYTHING
    def write(rows: list[tuple[str, str, Any]]) -> None:
        written = {(chain, protocol): value for chain, protocol, value in rows}
        try:
            with writer.transaction():
                for value in written.values():
                    writer.execute(f"SELECT {cast}".encode(), [None if value is None else str(value)])
        except psycopg.errors.DataError:
            return  # a number that the column itself cannot hold
        for (chain, protocol), value in written.items():
            number = None if value is None else str(value)
            done = writer.execute(INSERT.replace("%s, 'llama'", f"{cast}, 'llama'").encode(), [chain, protocol, number])
            assert done.rowcount == 1

    write()
    assert row_count(writer)


@pytest.mark.parametrize("rules", [{}, MEMORY], ids=["plain", "with a memory"])
def test_no_text_in_place_of_a_number_fails_its_writer(writer: psycopg.Connection, rules: dict[str, Any]) -> None:
    writer.execute("ALTER TABLE tvl ALTER tvl_usd TYPE text")
    install(writer, tvl={**TVL, **rules})

    @given(st.lists(TEXTS, min_size=1, max_size=5))
    @ANYTHING
    def write(values: list[str]) -> None:
        for value in values:
            assert writer.execute(INSERT, ["ethereum", "lido", value]).rowcount == 1

    write()


@pytest.mark.parametrize("length", [501, 10_000])
def test_a_name_beyond_all_measure_does_not_fail_its_writer(writer: psycopg.Connection, length: int) -> None:
    # Too long for an index of rtp's. The table's own key would not take one of 10 kB that does not compress.
    writer.execute(INSERT, ["ethereum", "x" * length, 100])
    assert errors(writer) == ["tvl"]


def test_broken_writers_leave_whole_ones_alone(lido: psycopg.Connection) -> None:
    for protocol in ("", "x" * 501):
        lido.execute(INSERT, ["ethereum", protocol, 1])
    lido.execute(INSERT, ["ethereum", "lido", 200])
    assert eventually(lambda: lido.execute("SELECT entity FROM rtp.event").fetchall() == [("lido",)])


@pytest.mark.parametrize("code", ["disk_full", "io_error"])
def test_an_event_that_cannot_be_stored_fails_its_writer_rather_than_be_lost(
    lido: psycopg.Connection, code: str
) -> None:
    lido.execute(
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE 'no room' USING ERRCODE = '{code}'; END $$"
    )
    lido.execute("CREATE TRIGGER no_room BEFORE INSERT ON rtp.event FOR EACH ROW EXECUTE FUNCTION no_room()")
    with pytest.raises(psycopg.OperationalError, match="no room"):
        lido.execute("UPDATE tvl SET tvl_usd = 200")
