"""What the triggers find significant, to the last digit; and that they never get in a writer's way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from core.settings.models import Settings, postgres_dsn
from tests.eventually import eventually
from tests.judging import judge_waiting
from tests.steps import STEPS, STEPS_WITH_A_FLOOR_OF_5, Step
from tests.tvl_table import write
from tests.watching import TVL, install

if TYPE_CHECKING:
    from decimal import Decimal

Seen = list[tuple[str | None, str | None, str]]


def events(connection: psycopg.Connection) -> Seen:
    """What was reported, in order: the previous and the current value, and the reason."""
    return connection.execute("SELECT previous::text, current::text, reason FROM rtp.event ORDER BY id").fetchall()


def errors(connection: psycopg.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT watch, sqlstate FROM rtp.trigger_error ORDER BY id").fetchall()


# Steps of a value (the threshold is 1 percent of the last reported one)


@pytest.mark.parametrize(
    ("rule", "steps"),
    [({}, STEPS), ({"min_change": 5}, STEPS_WITH_A_FLOOR_OF_5)],
    ids=["percent", "percent and floor"],
)
@pytest.mark.parametrize("is_at_once", [False, True], ids=["a row a statement", "all rows in a statement"])
def test_a_step_is_reported_as_the_detector_does(
    writer: psycopg.Connection, rule: dict[str, Any], steps: tuple[Step, ...], is_at_once: bool
) -> None:
    install(writer, tvl=TVL | rule)
    for column in (0, 1):
        rows = [(f"entity {number}", step[column]) for number, step in enumerate(steps)]
        for some in [rows] if is_at_once else [[row] for row in rows]:
            writer.execute(
                "INSERT INTO tvl SELECT 'ethereum', n.entity, n.value, 'llama' FROM unnest(%s::text[], %s::numeric[])"
                " AS n (entity, value) ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = excluded.tvl_usd",
                [list(column) for column in zip(*some, strict=True)],
            )
    reported: dict[str, str] = dict(writer.execute("SELECT entity, reason FROM rtp.event").fetchall())
    assert [(*step[:2], reported.get(f"entity {number}")) for number, step in enumerate(steps)] == list(steps)


def test_many_small_steps_add_up(writer: psycopg.Connection) -> None:
    write(writer, "100", "100.4", "100.8", "101.2", "101.6")
    assert events(writer) == [("100", "101.2", "deviation")]


def test_steps_back_and_forth_do_not_add_up(writer: psycopg.Connection) -> None:
    write(writer, "100", *["100.9", "99.1"] * 10)
    assert events(writer) == []


def test_the_next_change_is_measured_from_the_last_reported_one(writer: psycopg.Connection) -> None:
    write(writer, "100", "200", "201", "202")
    assert events(writer) == [("100", "200", "deviation"), ("200", "202", "deviation")]


# Exactness


def test_a_numeric_of_thirty_digits_keeps_every_digit(writer: psycopg.Connection) -> None:
    write(writer, "1", "123456789012345678901234567890.123456789012345678")
    assert [event[1] for event in events(writer)] == ["123456789012345678901234567890.123456789012345678"]


def test_trailing_zeros_are_kept(writer: psycopg.Connection) -> None:
    write(writer, "1.0", "2.500")
    assert events(writer) == [("1.0", "2.500", "deviation")]


@pytest.mark.parametrize(
    ("column_type", "value"), [("double precision", "0.12345678901234568"), ("real", "0.12345679")]
)
def test_a_float_keeps_every_digit_it_has(writer: psycopg.Connection, column_type: str, value: str) -> None:
    writer.execute(f"ALTER TABLE tvl ALTER tvl_usd TYPE {column_type}".encode())
    install(writer, tvl=TVL)
    write(writer, "1", value)
    assert [event[1] for event in events(writer)] == [value]


@pytest.mark.parametrize("shape", ["latest", "history"])
def test_a_float_does_not_depend_on_how_its_writer_likes_floats_printed(writer: psycopg.Connection, shape: str) -> None:
    writer.execute("ALTER TABLE tvl ALTER tvl_usd TYPE double precision")
    columns = TVL["columns"] | {"changed_at": "updated_at"}  # type: ignore[operator]
    install(writer, tvl=TVL | {"shape": shape, "columns": columns})
    write(writer, "1000.5")
    judge_waiting(writer)
    writer.execute("SET extra_float_digits TO -15")
    writer.execute("UPDATE tvl SET tvl_usd = 1015.25, updated_at = clock_timestamp()")
    writer.execute("RESET extra_float_digits")
    judge_waiting(writer)
    assert [event[:2] for event in events(writer)] == [("1000.5", "1015.25")]


@pytest.mark.parametrize("column_type", ["smallint", "integer", "bigint", "numeric(10, 2)"])
def test_every_type_of_number_can_be_watched(writer: psycopg.Connection, column_type: str) -> None:
    writer.execute(f"ALTER TABLE tvl ALTER tvl_usd TYPE {column_type}".encode())
    install(writer, tvl=TVL)
    write(writer, "100", "102")
    assert [event[2] for event in events(writer)] == ["deviation"]


# Entities that come and go


def test_a_first_sighting_is_silent(writer: psycopg.Connection) -> None:
    write(writer, "100")
    assert events(writer) == []


def test_a_first_sighting_is_reported_where_wanted(writer: psycopg.Connection) -> None:
    install(writer, tvl=TVL | {"emit_first": True})
    write(writer, "100")
    assert events(writer) == [(None, "100", "first_seen")]


def test_a_deletion_is_reported_with_the_last_reported_value(writer: psycopg.Connection) -> None:
    write(writer, "100", "100.5")
    writer.execute("DELETE FROM tvl")
    judge_waiting(writer)
    assert events(writer) == [("100", None, "deleted")]


def test_an_entity_that_returns_after_a_deletion_is_new(writer: psycopg.Connection) -> None:
    write(writer, "100")
    writer.execute("DELETE FROM tvl")
    judge_waiting(writer)
    write(writer, "500")
    judge_waiting(writer)
    assert [event[2] for event in events(writer)] == ["deleted"]


def test_a_truncation_reports_every_entity(writer: psycopg.Connection) -> None:
    write(writer, "100", entity="aave")
    write(writer, "200", entity="lido")
    writer.execute("TRUNCATE tvl")
    judge_waiting(writer)
    assert events(writer) == [("100", None, "deleted"), ("200", None, "deleted")]


def test_a_changed_key_is_another_name_of_the_same_entity(writer: psycopg.Connection) -> None:
    write(writer, "100")
    writer.execute("UPDATE tvl SET protocol = 'lido-v2'")
    judge_waiting(writer)
    write(writer, "102", entity="lido-v2")
    assert writer.execute("SELECT entity, reason FROM rtp.event ORDER BY id").fetchall() == [
        ("lido-v2", "renamed"),
        ("lido-v2", "deviation"),
    ]


def test_keys_that_are_exchanged_in_a_table_that_could_not_do_so_at_installation_are_changes_of_both_values(
    writer: psycopg.Connection,
) -> None:
    write(writer, "100", entity="aave")
    write(writer, "200", entity="lido")
    writer.execute("ALTER TABLE tvl DROP CONSTRAINT tvl_pkey, ADD UNIQUE (chain, protocol) DEFERRABLE")
    writer.execute("UPDATE tvl SET protocol = CASE protocol WHEN 'aave' THEN 'lido' ELSE 'aave' END")
    assert sorted(events(writer)) == [("100", "200", "deviation"), ("200", "100", "deviation")]


def test_a_row_from_before_the_installation_has_its_first_change_judged(database: str) -> None:
    with closing(psycopg.connect(database, autocommit=True)) as connection:
        connection.execute("CREATE TABLE tvl (chain text, protocol text, tvl_usd numeric, source text)")
        connection.execute("CREATE UNIQUE INDEX ON tvl (chain, protocol)")
        write(connection, "100")
        install(connection, tvl=TVL)
        write(connection, "102")
        assert events(connection) == [("100", "102", "deviation")]


def test_a_row_whose_baseline_is_missing_is_compared_with_its_previous_value(writer: psycopg.Connection) -> None:
    write(writer, "100")
    writer.execute("DELETE FROM rtp.baseline")
    write(writer, "102")
    assert events(writer) == [("100", "102", "deviation")]


def test_two_chains_of_a_protocol_are_two_entities(writer: psycopg.Connection) -> None:
    writer.execute("INSERT INTO tvl VALUES ('ethereum', 'lido', 100, ''), ('solana', 'lido', 500, '')")
    writer.execute("UPDATE tvl SET tvl_usd = 501 WHERE chain = 'solana'")
    assert events(writer) == []


# Every way of writing


def test_every_significant_row_of_a_statement_is_reported(writer: psycopg.Connection) -> None:
    writer.execute("INSERT INTO tvl SELECT 'ethereum', 'p' || n, 100, '' FROM generate_series(1, 50) AS n")
    writer.execute("UPDATE tvl SET tvl_usd = CASE WHEN protocol LIKE '%0' THEN 200 ELSE 100.1 END")
    assert events(writer) == [("100", "200", "deviation")] * 5


def test_an_upsert_reports_what_it_changed_and_not_what_it_inserted(writer: psycopg.Connection) -> None:
    write(writer, "100", entity="aave")
    writer.execute(
        "INSERT INTO tvl VALUES ('ethereum', 'aave', 102, ''), ('ethereum', 'lido', 500, '')"
        " ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = excluded.tvl_usd"
    )
    assert events(writer) == [("100", "102", "deviation")]


def test_a_merge_is_seen(writer: psycopg.Connection) -> None:
    write(writer, "100")
    writer.execute(
        "MERGE INTO tvl USING (VALUES ('lido', 102)) AS new (name, value) ON tvl.protocol = new.name"
        " WHEN MATCHED THEN UPDATE SET tvl_usd = new.value"
    )
    assert events(writer) == [("100", "102", "deviation")]


def test_copied_rows_are_seen(writer: psycopg.Connection) -> None:
    with writer.cursor().copy("COPY tvl (chain, protocol, tvl_usd, source) FROM STDIN") as copy:
        copy.write_row(("ethereum", "lido", "100", ""))
    write(writer, "102")
    assert events(writer) == [("100", "102", "deviation")]


def test_each_statement_of_a_transaction_is_judged(writer: psycopg.Connection) -> None:
    with writer.transaction():
        write(writer, "100", "102", "105")
    assert events(writer) == [("100", "102", "deviation"), ("102", "105", "deviation")]


def test_a_rollback_leaves_no_event(writer: psycopg.Connection) -> None:
    write(writer, "100")
    with writer.transaction(force_rollback=True):
        write(writer, "200")
    assert events(writer) == []


def test_a_rollback_leaves_the_baseline(writer: psycopg.Connection) -> None:
    write(writer, "100")
    with writer.transaction(force_rollback=True):
        write(writer, "200")
    write(writer, "102")
    assert events(writer) == [("100", "102", "deviation")]


def test_a_rollback_to_a_savepoint_takes_back_only_what_came_after_it(writer: psycopg.Connection) -> None:
    write(writer, "100")
    with writer.transaction():
        write(writer, "102")
        with writer.transaction(force_rollback=True):
            write(writer, "500")
    assert events(writer) == [("100", "102", "deviation")]


def test_the_second_of_two_concurrent_writers_is_compared_with_the_first(
    writer: psycopg.Connection, connect_again: Callable[[], psycopg.Connection]
) -> None:
    write(writer, "100")
    first, second = connect_again(), connect_again()
    first.autocommit = False
    first.execute("UPDATE tvl SET tvl_usd = 200")
    waiting = threading.Thread(target=second.execute, args=["UPDATE tvl SET tvl_usd = tvl_usd + 1"])
    waiting.start()
    eventually(lambda: is_blocked(second, writer))
    first.commit()
    waiting.join()
    assert events(writer) == [("100", "200", "deviation")]


def is_blocked(connection: psycopg.Connection, watcher: psycopg.Connection) -> bool:
    blockers = watcher.execute("SELECT pg_blocking_pids(%s)", [connection.info.backend_pid]).fetchone()
    return blockers != ([],)


# Columns besides the value


def about(connection: psycopg.Connection, column: str) -> Any:
    row = connection.execute(f"SELECT {column} FROM rtp.event".encode()).fetchone()
    assert row is not None
    return row[0]


PRICES: dict[str, Any] = {
    "kind": "price",
    "table": "prices",
    "columns": {
        **{"chain": "chain", "token": "token", "value": "price_usd", "changed_at": "updated_at"},
        **{"confidence": "confidence", "provenance": "source"},
    },
}


@pytest.fixture(params=[{}, {"heartbeat": "1d"}], ids=["judged by the trigger", "sampled"])
def usdc(writer: psycopg.Connection, request: pytest.FixtureRequest) -> psycopg.Connection:
    install(writer, prices=PRICES | request.param)
    writer.execute("INSERT INTO prices VALUES ('ethereum', 'usdc', 1, 0.9, 'llama')")
    return writer


def update(connection: psycopg.Connection, assignments: str, *values: str) -> None:
    """Change the row; whoever judges it has."""
    connection.execute(f"UPDATE prices SET {assignments}".encode(), values)
    judge_waiting(connection)


def test_confidence_and_provenance_are_the_rows_own(usdc: psycopg.Connection) -> None:
    update(usdc, "price_usd = 2, confidence = 0.25, source = 'desk'")
    assert (about(usdc, "confidence"), about(usdc, "provenance")) == (0.25, "desk")


@pytest.mark.parametrize("confidence", ["NULL", "'NaN'", "-0.1", "1.5", "'Infinity'"])
def test_an_impossible_confidence_is_replaced_by_the_watchs_own(usdc: psycopg.Connection, confidence: str) -> None:
    usdc.execute("ALTER TABLE prices DROP CONSTRAINT prices_confidence_check")
    update(usdc, f"price_usd = 2, confidence = {confidence}")
    assert about(usdc, "confidence") == 1


def test_a_change_carries_the_rows_own_time(usdc: psycopg.Connection) -> None:
    update(usdc, "price_usd = 2, updated_at = '2024-03-19 12:00:00.123456Z'")
    assert about(usdc, "changed_at = '2024-03-19 12:00:00.123456Z'")


@pytest.mark.parametrize("moment", ["-infinity", "0044-03-15 12:00:00+00 BC"])
def test_a_time_before_all_that_readers_can_hold_is_the_clocks(usdc: psycopg.Connection, moment: str) -> None:
    update(usdc, "price_usd = 2, updated_at = %s", moment)
    assert about(usdc, "changed_at BETWEEN now() - interval '1 minute' AND now()")


# Never in a writer's way


@pytest.fixture
def feeder(installed: Settings, writer: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A connection whose role may write to tvl, and may do nothing in rtp's schema."""
    role = sql.Identifier(f"feeder_{writer.info.dbname}")
    writer.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'pw'").format(role))
    writer.execute(sql.SQL("GRANT INSERT, UPDATE, SELECT ON tvl TO {}").format(role))
    address = postgres_dsn(installed).rpartition("@")[2]
    try:
        with closing(
            psycopg.connect(f"postgresql://feeder_{writer.info.dbname}:pw@{address}", autocommit=True)
        ) as connection:
            yield connection
    finally:
        writer.execute(sql.SQL("DROP OWNED BY {}").format(role))
        writer.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_writer_needs_no_rights_of_rtps(feeder: psycopg.Connection, writer: psycopg.Connection) -> None:
    write(feeder, "100", "102")
    assert (events(writer), errors(writer)) == ([("100", "102", "deviation")], [])


def test_a_writers_own_search_path_does_not_reach_the_trigger(writer: psycopg.Connection) -> None:
    writer.execute("CREATE SCHEMA evil")
    writer.execute("CREATE FUNCTION evil.abs(numeric) RETURNS numeric LANGUAGE sql AS 'SELECT 0::numeric'")
    write(writer, "100")
    writer.execute("SET search_path = evil, pg_catalog, public")
    write(writer, "102")
    assert events(writer) == [("100", "102", "deviation")]


def value_of(connection: psycopg.Connection, protocol: str = "lido") -> Decimal:
    row = connection.execute("SELECT tvl_usd FROM tvl WHERE protocol = %s", [protocol]).fetchone()
    assert row is not None
    found: Decimal = row[0]
    return found


BREAKAGES = {
    "a mapped column is gone": "ALTER TABLE tvl DROP source",
    "a mapped column is of another type": "ALTER TABLE tvl ALTER source TYPE text, ALTER tvl_usd TYPE text",
    "the log is gone": "DROP TABLE rtp.event",
    "the baselines are gone": "DROP TABLE rtp.baseline CASCADE",
    "a shared function is gone": "DROP FUNCTION rtp.verdict",
    "the log is full": "ALTER TABLE rtp.event ADD CHECK (id < 0)",
}


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES)
def test_a_trigger_that_fails_does_not_abort_its_writer(writer: psycopg.Connection, breakage: str) -> None:
    write(writer, "100")
    writer.execute(breakage.encode())
    writer.execute("UPDATE tvl SET tvl_usd = '0'")
    assert str(value_of(writer)) == "0"


@pytest.mark.parametrize("breakage", BREAKAGES.values(), ids=BREAKAGES)
def test_a_trigger_that_fails_at_several_significant_rows_does_not_abort_their_writer(
    writer: psycopg.Connection, breakage: str
) -> None:
    write(writer, "100")
    write(writer, "100", entity="aave")
    with writer.transaction(force_rollback=True):
        writer.execute("UPDATE tvl SET tvl_usd = 200")  # the plans for it are kept
    writer.execute(breakage.encode())
    writer.execute("UPDATE tvl SET tvl_usd = '300'")
    assert str(value_of(writer)) == "300"


@pytest.mark.parametrize("breakage", [text for text in BREAKAGES.values() if "TYPE" not in text])
def test_a_trigger_that_fails_says_so(writer: psycopg.Connection, breakage: str) -> None:
    write(writer, "100")
    writer.execute(breakage.encode())
    writer.execute("UPDATE tvl SET tvl_usd = '0'")
    assert [watch for watch, _ in errors(writer)] == ["tvl"]


def test_a_failure_that_cannot_be_noted_does_not_abort_the_writer(writer: psycopg.Connection) -> None:
    write(writer, "100")
    writer.execute("DROP TABLE rtp.event, rtp.trigger_error")
    write(writer, "200")
    assert value_of(writer) == 200


def test_what_was_missed_is_judged_at_the_next_change(writer: psycopg.Connection) -> None:
    write(writer, "100")
    writer.execute("ALTER TABLE rtp.event ADD CONSTRAINT full_up CHECK (id < 0)")
    write(writer, "102")
    writer.execute("ALTER TABLE rtp.event DROP CONSTRAINT full_up")
    write(writer, "102.1")
    assert events(writer) == [("100", "102.1", "deviation")]


def test_many_plain_changes_of_one_transaction_are_no_subtransactions(writer: psycopg.Connection) -> None:
    """PostgreSQL keeps 64 of them at hand; one more in any session slows every snapshot on the server."""
    write(writer, "100")
    with writer.transaction():
        for value in range(200, 270, 10):
            write(writer, str(value), str(value + 1))
        ids = writer.execute("SELECT xmin::text FROM rtp.event UNION SELECT xmin::text FROM rtp.baseline").fetchall()
        assert ids == writer.execute("SELECT (pg_current_xact_id()::text::bigint % (1::bigint << 32))::text").fetchall()


def test_several_plain_changes_of_one_statement_are_no_subtransaction(writer: psycopg.Connection) -> None:
    for entity in ("aave", "lido", "maker"):
        write(writer, "100", entity=entity)
    with writer.transaction():
        writer.execute("UPDATE tvl SET tvl_usd = tvl_usd + 100")
        writer.execute("INSERT INTO tvl SELECT * FROM tvl ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = 300")
        ids = writer.execute("SELECT xmin::text FROM rtp.event UNION SELECT xmin::text FROM rtp.baseline").fetchall()
        assert ids == writer.execute("SELECT (pg_current_xact_id()::text::bigint % (1::bigint << 32))::text").fetchall()
    assert events(writer) == [("100", "200", "deviation")] * 3 + [("200", "300", "deviation")] * 3


@pytest.mark.parametrize("odd", ["NULL", "'NaN'", "0", "-5", "'1e1001'"])
def test_plain_changes_beside_one_that_is_not_are_all_reported(writer: psycopg.Connection, odd: str) -> None:
    for entity in ("aave", "lido", "maker"):
        write(writer, "100", entity=entity)
    writer.execute(f"UPDATE tvl SET tvl_usd = CASE protocol WHEN 'lido' THEN {odd} ELSE numeric '200' END".encode())
    assert sorted(reason for _, current, reason in events(writer) if current == "200") == ["deviation", "deviation"]
    assert len(events(writer)) == 3
    assert errors(writer) == []


def test_a_watched_table_without_rtps_schema_can_be_written(writer: psycopg.Connection) -> None:
    writer.execute("DROP SCHEMA rtp CASCADE")
    write(writer, "100", "200")
    assert value_of(writer) == 200


@pytest.mark.parametrize(
    ("entity", "trouble", "shown"),
    [
        ("", "is empty", "''"),
        ("x" * 501, "is longer than 500 bytes, the most that a name may have", f"'{'x' * 77}...'"),
    ],
    ids=["empty", "long"],
)
def test_an_entity_without_a_usable_name_is_noted_with_its_row(
    writer: psycopg.Connection, entity: str, trouble: str, shown: str
) -> None:
    write(writer, "100", entity=entity)
    assert errors(writer) == [("tvl", "22023")]
    (message,) = writer.execute("SELECT message FROM rtp.trigger_error").fetchone() or ()
    assert message == (
        f"1 row has no usable chain, entity or value: the entity (protocol) {trouble},"
        f" in the row with chain 'ethereum', protocol {shown}, tvl_usd '100'"
    )


def test_of_many_rows_without_a_usable_name_one_is_told(writer: psycopg.Connection) -> None:
    writer.execute("INSERT INTO protocols (chain, protocol, name, source) VALUES ('', '', '', 's'), ('', 'y', '', 's')")
    (message,) = writer.execute("SELECT message FROM rtp.trigger_error").fetchone() or ()
    assert message == (
        "2 rows have no usable chain, entity or value, one of them: the chain (chain) is empty"
        " and the entity (protocol) is empty, in the row with chain '', protocol ''"
    )


def test_an_entity_without_a_usable_name_does_not_hide_the_others(writer: psycopg.Connection) -> None:
    write(writer, "100")
    write(writer, "100", entity="")
    writer.execute("UPDATE tvl SET tvl_usd = 200")
    assert events(writer) == [("100", "200", "deviation")]


def test_a_value_beyond_all_measure_does_not_abort_the_writer(writer: psycopg.Connection) -> None:
    write(writer, "9e131071", "1e131070", "-9e131071")
    assert value_of(writer) < 0


def test_an_insignificant_statement_writes_nothing(writer: psycopg.Connection) -> None:
    write(writer, "100")
    before = writer.execute("SELECT xmin::text FROM rtp.baseline").fetchall()
    write(writer, "100.5")
    assert writer.execute("SELECT xmin::text FROM rtp.baseline").fetchall() == before


# Metadata


@pytest.fixture
def aave(writer: psycopg.Connection) -> psycopg.Connection:
    """A connection to a database that knows a protocol, with nothing reported."""
    writer.execute(
        "INSERT INTO protocols (protocol, name, category, url, audits, source)"
        " VALUES ('aave', 'Aave', 'Lending', NULL, 2, 'llama')"
    )
    writer.execute("DELETE FROM rtp.event")
    return writer


def test_a_changed_field_is_reported_with_both_values(aave: psycopg.Connection) -> None:
    aave.execute("UPDATE protocols SET audits = 3")
    assert about(aave, "fields") == {"audits": {"previous": 2, "current": 3}}


def test_only_changed_fields_are_listed(aave: psycopg.Connection) -> None:
    aave.execute("UPDATE protocols SET name = name, category = 'CDP', url = 'https://aave.com'")
    assert about(aave, "fields") == {
        "category": {"previous": "Lending", "current": "CDP"},
        "url": {"previous": None, "current": "https://aave.com"},
    }


def test_a_change_of_an_unwatched_column_is_not_reported(aave: psycopg.Connection) -> None:
    aave.execute("UPDATE protocols SET updated_at = now()")
    assert events(aave) == []


def test_a_new_protocol_is_reported(writer: psycopg.Connection) -> None:
    writer.execute("INSERT INTO protocols (protocol, name, source) VALUES ('aave', 'Aave', 'llama')")
    assert (about(writer, "reason"), about(writer, "fields")) == (
        "added",
        {"name": {"previous": None, "current": "Aave"}},
    )


def test_a_removed_protocol_is_reported(aave: psycopg.Connection) -> None:
    aave.execute("DELETE FROM protocols")
    judge_waiting(aave)
    assert (about(aave, "reason"), about(aave, "fields -> 'audits'")) == ("removed", {"previous": 2, "current": None})


def test_a_protocol_that_rtp_run_forgot_while_its_deletion_waited_is_new_with_all_its_fields(
    aave: psycopg.Connection, connect_again: Callable[[], psycopg.Connection]
) -> None:
    forgetting, writing = connect_again(), connect_again()
    forgetting.autocommit = writing.autocommit = False
    forgetting.execute("SELECT FROM rtp.baseline WHERE entity = 'aave' FOR UPDATE")
    waiting = threading.Thread(target=writing.execute, args=["DELETE FROM protocols"])
    waiting.start()
    eventually(lambda: is_blocked(writing, aave))
    forgetting.execute("DELETE FROM rtp.baseline WHERE entity = 'aave'")
    forgetting.commit()
    waiting.join()
    writing.execute("INSERT INTO protocols (protocol, name, source) VALUES ('aave', 'Aave', 'llama')")
    writing.commit()
    assert (about(aave, "reason"), about(aave, "fields")) == ("added", {"name": {"previous": None, "current": "Aave"}})


def test_a_renamed_protocol_is_told_by_its_name_of_before(aave: psycopg.Connection) -> None:
    aave.execute("UPDATE protocols SET protocol = 'aave-v3'")
    judge_waiting(aave)
    (event,) = aave.execute("SELECT entity, reason, details ->> 'previous_entity' FROM rtp.event").fetchall()
    assert event == ("aave-v3", "renamed", "aave")


@pytest.mark.parametrize("column_type", ["json", "jsonb", "point", "text[]"])
def test_a_field_of_any_type_can_be_watched(writer: psycopg.Connection, column_type: str) -> None:
    samples = {
        "json": ('{"a": 1}', "[]"),
        "point": ("(1,2)", "(3,4)"),
        "text[]": ("{a}", "{b}"),
    }
    before, after = samples.get(column_type, samples["json"])
    writer.execute(f"ALTER TABLE protocols ADD extra {column_type}".encode())
    install(
        writer,
        protocols={
            "kind": "protocol",
            "table": "protocols",
            "columns": {"protocol": "protocol"},
            "watched": ["extra"],
        },
    )
    writer.execute("INSERT INTO protocols (protocol, name, source, extra) VALUES ('a', '', '', %s)", [before])
    writer.execute(f"UPDATE protocols SET extra = %s::{column_type}".encode(), [after])
    writer.execute("UPDATE protocols SET extra = extra")
    assert ([event[2] for event in events(writer)], errors(writer)) == (["added", "changed"], [])


def test_a_protocol_without_a_usable_name_is_noted(writer: psycopg.Connection) -> None:
    writer.execute("INSERT INTO protocols (protocol, name, source) VALUES ('', 'Aave', 'llama')")
    assert errors(writer) == [("protocols", "22023")]


def test_a_metadata_trigger_that_fails_does_not_abort_its_writer(aave: psycopg.Connection) -> None:
    aave.execute("ALTER TABLE protocols DROP audits")
    aave.execute("UPDATE protocols SET name = 'AAVE'")
    assert (aave.execute("SELECT name FROM protocols").fetchone(), errors(aave)) == (
        ("AAVE",),
        [("protocols", "42703")],
    )
