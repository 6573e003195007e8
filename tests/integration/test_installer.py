"""Installing, changing and removing: all of it or nothing, and nothing of the user's is ever harmed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from core.demo.tables import create_tables
from core.errors import InstallError
from core.judging.ledger import Overtaken
from core.services.postgres import connect
from core.sinks.settings import load_settings
from tests.catalog_snapshot import catalog_of, table_of
from tests.effort import amount
from tests.eventually import eventually
from tests.judging import judge_waiting
from tests.tvl_table import write
from tests.watching import TVL, install, settings_of
from triggers import installer
from triggers.catalog import read_triggers
from triggers.installer import apply, plan_installation, plan_removal, render
from triggers.steps import Step

if TYPE_CHECKING:
    pass

DEFAULT = load_settings(None, environ={}, options={})
PRICES = {"kind": "price", "table": "prices", "columns": {"chain": "chain", "token": "token", "value": "price_usd"}}
PROTOCOLS = {"kind": "protocol", "table": "protocols", "columns": {"protocol": "protocol"}, "watched": ["name"]}


@pytest.fixture
def bare(database: str) -> Iterator[psycopg.Connection]:
    """A connection to a database with the demo's tables and without rtp."""
    with closing(connect(database, role="test")) as connection:
        create_tables(connection)
        yield connection


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The installer gives up soon where a lock is not free."""
    monkeypatch.setattr(installer, "LOCK_TIMEOUT", "200ms")


def actions(steps: list[Step]) -> dict[str, str]:
    return {step.action.subject: step.action.what for step in steps}


def reported(connection: psycopg.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT previous::text, current::text FROM rtp.event ORDER BY id").fetchall()


# Installing


def test_a_first_installation_creates_everything(bare: psycopg.Connection) -> None:
    assert set(actions(plan_installation(bare, DEFAULT)).values()) == {"created", "replaced"}


def test_installing_again_finds_everything_unchanged(writer: psycopg.Connection) -> None:
    planned = actions(plan_installation(writer, DEFAULT))
    assert {planned[f"watch {name}"] for name in DEFAULT.watches} == {"unchanged"}


def test_installing_again_changes_nothing(writer: psycopg.Connection) -> None:
    before = catalog_of(writer)
    apply(writer, plan_installation(writer, DEFAULT))
    assert catalog_of(writer) == before


def test_planning_changes_nothing(bare: psycopg.Connection) -> None:
    before = catalog_of(bare)
    plan_installation(bare, DEFAULT)
    assert catalog_of(bare) == before


def test_what_is_in_the_tables_is_the_first_baseline(bare: psycopg.Connection) -> None:
    write(bare, 100)
    install(bare, tvl=TVL)
    assert table_of(bare, "rtp.baseline")[0].startswith("(1,ethereum,lido,100,")


def test_a_table_in_another_schema_can_be_watched(bare: psycopg.Connection) -> None:
    bare.execute("CREATE SCHEMA defi; ALTER TABLE tvl SET SCHEMA defi")
    install(bare, tvl=TVL | {"table": "defi.tvl"})
    assert {(trigger.schema, trigger.table) for trigger in read_triggers(bare)} == {("defi", "tvl")}


def test_settings_that_do_not_fit_are_refused_with_every_finding(bare: psycopg.Connection) -> None:
    settings = settings_of(tvl=TVL | {"table": "tvls"}, prices=PRICES | {"table": "price"})
    with pytest.raises(InstallError, match=r"(?s)tvls does not exist.*price does not exist"):
        plan_installation(bare, settings)


# What is printed is what is done


def test_the_printed_installation_does_what_applying_does(bare: psycopg.Connection, writer: psycopg.Connection) -> None:
    bare.execute(render(bare, plan_installation(bare, DEFAULT)).encode())
    assert catalog_of(bare) == catalog_of(writer)


def test_the_printed_installation_registers_the_same_watches(
    bare: psycopg.Connection, writer: psycopg.Connection
) -> None:
    bare.execute(render(bare, plan_installation(bare, DEFAULT)).encode())
    for connection in (bare, writer):
        connection.execute("UPDATE rtp.watch SET table_oid = NULL, noted_in = NULL, installed_at = NULL")
    assert table_of(bare, "rtp.watch") == table_of(writer, "rtp.watch")


def test_the_printed_removal_does_what_applying_does(database: str, writer: psycopg.Connection) -> None:
    with closing(connect(database, role="test")) as untouched:
        create_tables(untouched)
        before = catalog_of(untouched)
    writer.execute(render(writer, plan_removal(writer)).encode())
    assert catalog_of(writer) == before


def test_a_table_cannot_smuggle_statements_into_what_is_printed(writer: psycopg.Connection) -> None:
    name = "t\nDROP TABLE prices; --\r'\""
    writer.execute(sql.SQL("ALTER TABLE tvl RENAME TO {}").format(sql.Identifier(name)))
    writer.execute(render(writer, plan_removal(writer)).encode())
    assert table_of(writer, "prices") == []


# All or nothing


def test_a_watch_that_fails_undoes_those_before_it(bare: psycopg.Connection) -> None:
    steps = plan_installation(bare, DEFAULT)
    bare.execute("ALTER TABLE protocols RENAME TO moved")
    before = catalog_of(bare)
    with pytest.raises(InstallError, match="watch protocols"):
        apply(bare, steps)
    assert catalog_of(bare) == before


@pytest.fixture
def busy_tvl(database: str, bare: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A transaction of somebody's that has written to tvl and does not end."""
    with closing(psycopg.connect(database, application_name="loader")) as connection:
        write(connection, 100)
        yield connection


@pytest.mark.usefixtures("busy_tvl", "short_patience")
def test_a_busy_table_is_waited_for_only_a_moment_and_who_uses_it_is_named(bare: psycopg.Connection) -> None:
    told = r"could not lock watch tvl within 200ms; nothing was changed\. pid \d+ \(loader, role rtp_owner\) is using"
    with pytest.raises(InstallError, match=told):
        apply(bare, plan_installation(bare, DEFAULT))


@pytest.mark.usefixtures("busy_tvl", "short_patience")
def test_a_busy_table_leaves_nothing_half_installed(bare: psycopg.Connection) -> None:
    before = catalog_of(bare)
    with pytest.raises(InstallError):
        apply(bare, plan_installation(bare, DEFAULT))
    assert catalog_of(bare) == before


@pytest.mark.usefixtures("short_patience")
def test_two_installations_do_not_mix(bare: psycopg.Connection, database: str) -> None:
    apply(bare, plan_installation(bare, DEFAULT))
    with closing(psycopg.connect(database, application_name="other")) as other:
        other.execute("LOCK TABLE rtp.installation IN EXCLUSIVE MODE")
        with pytest.raises(InstallError, match=r"could not lock rtp.installation .* \(other, role rtp_owner\)"):
            apply(bare, plan_installation(bare, DEFAULT))


def test_a_role_without_the_right_is_told_where_the_rights_are_named(bare: psycopg.Connection) -> None:
    steps = plan_installation(bare, DEFAULT)
    role = sql.Identifier(f"weak_{bare.info.dbname}")
    bare.execute(sql.SQL("CREATE ROLE {}").format(role))
    try:
        bare.execute(sql.SQL("SET ROLE {}").format(role))
        with pytest.raises(InstallError, match="rtp grants"):
            apply(bare, steps)
    finally:
        bare.execute("RESET ROLE")
        bare.execute(sql.SQL("DROP ROLE {}").format(role))


# Changing


def trigger_oids(connection: psycopg.Connection) -> list[Any]:
    return connection.execute("SELECT tgname, oid FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1").fetchall()


def test_a_changed_threshold_leaves_the_triggers_alone(writer: psycopg.Connection) -> None:
    install(writer, tvl=TVL)
    before = trigger_oids(writer)
    install(writer, tvl=TVL | {"percent": 5})
    assert trigger_oids(writer) == before


def test_a_changed_threshold_is_in_force(writer: psycopg.Connection) -> None:
    install(writer, tvl=TVL)
    write(writer, 100)
    install(writer, tvl=TVL | {"percent": 5})
    write(writer, 104)
    assert reported(writer) == []


def test_a_changed_threshold_keeps_the_baselines(writer: psycopg.Connection) -> None:
    install(writer, tvl=TVL)
    write(writer, 1000)
    write(writer, 1009)
    install(writer, tvl=TVL | {"percent": 1.5})
    write(writer, 1015)
    assert reported(writer) == [("1000", "1015")]


@pytest.mark.usefixtures("short_patience")
def test_a_changed_threshold_waits_for_nobody(
    writer: psycopg.Connection, connect_again: Callable[[], psycopg.Connection]
) -> None:
    install(writer, tvl=TVL)
    busy = connect_again()
    busy.autocommit = False
    write(busy, 100)
    install(writer, tvl=TVL | {"percent": 5})
    assert actions(plan_installation(writer, settings_of(tvl=TVL | {"percent": 5})))["watch tvl"] == "unchanged"


def test_thresholds_change_while_writers_write(
    writer: psycopg.Connection, connect_again: Callable[[], psycopg.Connection]
) -> None:
    install(writer, tvl=TVL)
    is_over = threading.Event()
    failures: list[BaseException] = []

    def keep_writing(connection: psycopg.Connection, protocol: str) -> None:
        value = 100
        try:
            while not is_over.is_set():
                value *= 2 if value < 10**9 else 1
                write(connection, value, entity=protocol)
        except psycopg.Error as error:
            failures.append(error)

    writers = [threading.Thread(target=keep_writing, args=(connect_again(), f"p{n}")) for n in range(3)]
    for thread in writers:
        thread.start()
    for percent in range(1, amount(7, 20)):
        install(writer, tvl=TVL | {"percent": percent})
    is_over.set()
    for thread in writers:
        thread.join()
    assert (failures, table_of(writer, "rtp.trigger_error")) == ([], [])


def test_installing_while_writers_write_misses_no_change(bare: psycopg.Connection, database: str) -> None:
    is_over = threading.Event()
    written: list[int] = []

    def keep_doubling() -> None:
        with closing(psycopg.connect(database, autocommit=True)) as connection:
            while not is_over.is_set():
                written.append(written[-1] + 10 if written else 1)
                write(connection, written[-1])

    thread = threading.Thread(target=keep_doubling)
    thread.start()
    eventually(lambda: len(written) > 5)
    install(bare, tvl=TVL | {"percent": 0})
    seen = len(written)
    eventually(lambda: len(written) > seen + 5)
    is_over.set()
    thread.join()
    values = [int(current) for _, current in reported(bare)]
    assert values == written[-len(values) :]


def test_a_mapping_to_another_column_starts_from_that_columns_values(writer: psycopg.Connection) -> None:
    install(writer, tvl=TVL)
    write(writer, 100)
    writer.execute("ALTER TABLE tvl ADD tvl_eth numeric; UPDATE tvl SET tvl_eth = 5")
    columns = {"chain": "chain", "protocol": "protocol", "value": "tvl_eth"}
    install(writer, tvl=TVL | {"columns": columns})
    writer.execute("UPDATE tvl SET tvl_eth = 5.01")
    assert reported(writer) == []


def test_a_watch_that_moves_to_another_table_leaves_the_old_one(writer: psycopg.Connection) -> None:
    install(writer, tvl=TVL)
    writer.execute("CREATE TABLE public.other (LIKE tvl INCLUDING ALL)")
    install(writer, tvl=TVL | {"table": "other"})
    assert {trigger.table for trigger in read_triggers(writer)} == {"other"}


def test_a_watch_that_changes_its_kind_keeps_no_trigger_of_the_old_one(writer: psycopg.Connection) -> None:
    install(writer, it=TVL)
    install(
        writer,
        it=PROTOCOLS | {"table": "tvl", "columns": {"chain": "chain", "protocol": "protocol"}, "watched": ["tvl_usd"]},
    )
    assert [trigger.name for trigger in read_triggers(writer)] == [
        *("rtp_it_before_truncate", "rtp_it_delete", "rtp_it_insert", "rtp_it_update")
    ]


def test_a_trigger_that_somebody_dropped_is_put_back(writer: psycopg.Connection) -> None:
    before = catalog_of(writer)
    writer.execute("DROP TRIGGER rtp_tvl_update ON tvl")
    apply(writer, plan_installation(writer, DEFAULT))
    assert catalog_of(writer) == before


def test_a_removed_watch_leaves_no_trigger(writer: psycopg.Connection) -> None:
    install(writer, prices=PRICES)
    assert {trigger.function for trigger in read_triggers(writer)} == {"watch_prices"}


def test_a_removed_watch_leaves_no_baseline(writer: psycopg.Connection) -> None:
    write(writer, 100)
    install(writer, prices=PRICES)
    assert table_of(writer, "rtp.baseline") == []


def test_a_removed_watch_leaves_nothing_to_judge(writer: psycopg.Connection) -> None:
    install(writer, tvl=TVL | {"heartbeat": "1h"})
    write(writer, 100)
    writer.execute(
        "INSERT INTO rtp.judge_cursor (watch, snapshot, table_oid) SELECT 1, snapshot, table_oid FROM rtp.judge_cursor"
    )
    install(writer, prices=PRICES)
    assert [table_of(writer, table) for table in ("rtp.sample", "rtp.baseline")] == [[], []]
    assert writer.execute("SELECT watch FROM rtp.judge_cursor").fetchall() == [(0,)]


def test_a_removed_watch_is_still_named_by_its_events(writer: psycopg.Connection) -> None:
    write(writer, 100)
    write(writer, 200)
    install(writer, prices=PRICES)
    names = writer.execute("SELECT w.name FROM rtp.event AS e JOIN rtp.watch AS w ON w.id = e.watch").fetchall()
    assert names == [("tvl",)]


def test_a_watch_is_removed_once(writer: psycopg.Connection) -> None:
    install(writer, prices=PRICES)
    assert "watch tvl" not in actions(plan_installation(writer, settings_of(prices=PRICES)))


def test_a_watch_that_returns_has_its_old_number(writer: psycopg.Connection) -> None:
    before = table_of(writer, "(SELECT id, name, removed_at FROM rtp.watch)")
    install(writer, prices=PRICES)
    apply(writer, plan_installation(writer, DEFAULT))
    assert table_of(writer, "(SELECT id, name, removed_at FROM rtp.watch)") == before


# A watch whose samples rtp run judges


def revision(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT revision FROM rtp.installation").fetchone()
    assert row is not None
    return int(row[0])


def test_an_installation_that_changes_anything_is_counted(writer: psycopg.Connection) -> None:
    before = revision(writer)
    install(writer, tvl=TVL, prices=PRICES)
    assert revision(writer) == before + 1


def test_an_installation_that_changes_nothing_is_not_counted(writer: psycopg.Connection) -> None:
    before = revision(writer)
    apply(writer, plan_installation(writer, DEFAULT))
    assert revision(writer) == before


def test_an_entity_with_samples_in_the_log_is_left_to_those(writer: psycopg.Connection) -> None:
    watch = TVL | {"heartbeat": "1h", "emit_first": True}
    install(writer, tvl=watch)
    write(writer, 100)
    writer.execute("DROP TRIGGER rtp_tvl_update ON tvl")
    install(writer, tvl=watch)
    judge_waiting(writer)
    assert writer.execute("SELECT reason, current::text FROM rtp.event").fetchall() == [("first_seen", "100")]


def test_what_was_written_without_a_trigger_is_the_first_baseline(writer: psycopg.Connection) -> None:
    install(writer, tvl=TVL | {"heartbeat": "1h"})
    writer.execute("DROP TRIGGER rtp_tvl_insert ON tvl")
    write(writer, 100)
    install(writer, tvl=TVL | {"heartbeat": "1h"})
    write(writer, 200)
    judge_waiting(writer)
    assert reported(writer) == [("100", "200")]


def has_written(written: list[int], count: int) -> bool:
    return len(written) > count


def test_who_judges_changes_while_somebody_writes(
    writer: psycopg.Connection, connect_again: Callable[[], psycopg.Connection]
) -> None:
    install(writer, tvl=TVL | {"percent": 0})
    is_over = threading.Event()
    written: list[int] = []

    def keep_writing(connection: psycopg.Connection) -> None:
        while not is_over.is_set():
            written.append(len(written) + 1)
            write(connection, written[-1])

    thread = threading.Thread(target=keep_writing, args=(connect_again(),))
    thread.start()
    for number in range(amount(5, 10)):
        eventually(partial(has_written, written, 5 * number))
        install(writer, tvl=TVL | {"percent": 0} | ({} if number % 2 else {"heartbeat": "1h"}))
        with suppress(Overtaken):
            judge_waiting(writer)
    is_over.set()
    thread.join()
    judge_waiting(writer)
    steps = reported(writer)
    assert [previous for previous, _ in steps[1:]] == [current for _, current in steps[:-1]]
    assert steps[-1][1] == str(written[-1])


@pytest.mark.parametrize("rows", ["single", "several"])
def test_a_trigger_that_waited_for_the_judge_goes_on_from_what_that_has_left(
    writer: psycopg.Connection, connect_again: Callable[[], psycopg.Connection], rows: str
) -> None:
    install(writer, tvl=TVL | {"heartbeat": "1h"})
    write(writer, 100)
    if rows == "several":
        writer.execute("INSERT INTO tvl VALUES ('ethereum', 'aave', 100, 'llama')")
    judge_waiting(writer)
    install(writer, tvl=TVL)
    with connect_again() as judge, connect_again() as other:
        with judge.transaction():
            judge.execute("UPDATE rtp.baseline SET value = 150")
            thread = threading.Thread(target=other.execute, args=("UPDATE tvl SET tvl_usd = 200",))
            thread.start()
            query = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
            eventually(lambda: writer.execute(query, [other.info.backend_pid]).fetchall() != [])
        thread.join()
    assert set(reported(writer)) == {("150", "200")}


def test_no_sample_of_another_column_is_judged_after_a_new_mapping(writer: psycopg.Connection) -> None:
    install(writer, tvl=TVL | {"heartbeat": "1h"})
    write(writer, 100)
    writer.execute("ALTER TABLE tvl ADD tvl_eth numeric DEFAULT 5")
    columns = {"chain": "chain", "protocol": "protocol", "value": "tvl_eth"}
    install(writer, tvl=TVL | {"heartbeat": "1h", "columns": columns})
    writer.execute("UPDATE tvl SET tvl_eth = 6")
    judge_waiting(writer)
    assert reported(writer) == [("5", "6")]


# Removing


def test_removing_leaves_nothing_behind(bare: psycopg.Connection) -> None:
    before = catalog_of(bare)
    apply(bare, plan_installation(bare, DEFAULT))
    write(bare, 100)
    write(bare, 200)
    apply(bare, plan_removal(bare))
    assert catalog_of(bare) == before


def test_removing_keeps_the_users_rows(writer: psycopg.Connection) -> None:
    write(writer, 100)
    before = table_of(writer, "tvl")
    apply(writer, plan_removal(writer))
    assert table_of(writer, "tvl") == before


def test_removing_what_is_not_there_is_nothing_to_do(bare: psycopg.Connection) -> None:
    assert plan_removal(bare) == []


def test_removing_spares_tables_that_somebody_made_in_rtps_schema(writer: psycopg.Connection) -> None:
    writer.execute("CREATE TABLE rtp.mine ()")  # as one does whose role is called rtp
    with pytest.raises(InstallError, match=r"not rtp's: mine\. Move them"):
        plan_removal(writer)


def test_removing_names_every_trigger(writer: psycopg.Connection) -> None:
    removed = [step.action.detail for step in plan_removal(writer)]
    assert "trigger rtp_tvl_before_truncate" in removed


# Names that mean harm

HOSTILE = [
    'quo"te',
    "apo'strophe",
    "{brace}",
    "{}",
    "per%cent %s %(x)s",
    "$rtp$",
    "$rtp_$ $rtp$",
    "; DROP TABLE prices; --",
    "back\\slash",
    "new_rows",
    "r",
    "SELECT",
    "Ünï",
    "/* comment",
    "-- comment",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_of_a_table_and_its_columns_is_only_a_name(bare: psycopg.Connection, name: str) -> None:
    columns = {role: f"{number}{name}" for number, role in enumerate(("chain", "protocol", "value", "provenance"))}
    identifiers = {role: sql.Identifier(column) for role, column in columns.items()}
    bare.execute(
        sql.SQL(
            "CREATE TABLE {table} ({chain} text, {protocol} text, {value} numeric, {provenance} text,"
            " UNIQUE ({chain}, {protocol}))"
        ).format(table=sql.Identifier(name), **identifiers)
    )
    install(bare, it={"kind": "tvl", "table": name, "columns": columns, "provenance": name})
    bare.execute(sql.SQL("INSERT INTO {} VALUES ('c', 'p', 100, NULL)").format(sql.Identifier(name)))
    bare.execute(sql.SQL("UPDATE {} SET {value} = 200").format(sql.Identifier(name), value=identifiers["value"]))
    assert bare.execute("SELECT current, provenance FROM rtp.event").fetchall() == [(200, name)]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_of_a_watched_field_is_only_a_name(bare: psycopg.Connection, name: str) -> None:
    table, column = sql.Identifier(f"t{name}"), sql.Identifier(name)
    bare.execute(sql.SQL("CREATE TABLE {} (id text PRIMARY KEY, {} text)").format(table, column))
    watch = {"kind": "protocol", "table": f"t{name}", "columns": {"protocol": "id", "chain": {"const": name}}}
    install(bare, it=watch | {"watched": [name]})
    bare.execute(sql.SQL("INSERT INTO {} VALUES ('p', 'x')").format(table))
    assert bare.execute("SELECT chain, fields FROM rtp.event").fetchall() == [
        (name, {name: {"previous": None, "current": "x"}})
    ]
