"""Whether a watch is armed: whatever keeps writes from its triggers is found by a look at the catalogs, and named."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from core.arming.look import WatchArming, read_arming, read_obstacles
from core.services.postgres import connect
from tests.watching import install

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = {"chain": "chain", "token": "token", "value": "price"}
RATES: dict[str, Any] = {"kind": "price", "table": "shop.Rates", "columns": COLUMNS}
PARTS: dict[str, Any] = {**RATES, "table": "shop.parts", "shape": "history", "columns": {**COLUMNS, "changed_at": "at"}}
META: dict[str, Any] = {
    "kind": "protocol",
    "table": "shop.Rates",
    "watched": ["nets"],
    "columns": {"chain": "chain", "protocol": "token"},
}
WATCHES = {"rates": RATES, "parts": PARTS, "meta": META}
TABLES = """CREATE SCHEMA shop;
CREATE DOMAIN shop.symbol AS text;
CREATE TYPE shop.net AS ENUM ('base', 'op');
CREATE TABLE shop."Rates" (
    chain shop.net, token shop.symbol, price numeric, nets shop.net[], PRIMARY KEY (chain, token)
);
CREATE TABLE shop.parts (chain text, token text, price numeric, at timestamptz) PARTITION BY LIST (chain);
CREATE TABLE shop.parts_base PARTITION OF shop.parts FOR VALUES IN ('base') PARTITION BY LIST (token);
CREATE TABLE shop.parts_eth PARTITION OF shop.parts_base FOR VALUES IN ('eth')"""
INSTALL = "Run `rtp install-triggers`"
INSTALL_OR_REARM = f"{INSTALL}, or let rtp run do so by itself (triggers.rearm)"


@pytest.fixture(scope="module")
def owner(module_database: str) -> Iterator[psycopg.Connection]:
    """The superuser's connection to a database with three watches; no test commits anything there."""
    with closing(connect(module_database, role="test")) as connection:
        connection.execute(TABLES.encode())
        install(connection, **WATCHES)
        yield connection


@contextmanager
def after(connection: psycopg.Connection, statements: str) -> Iterator[dict[str, WatchArming]]:
    """The watches as they are after these statements, which are undone."""
    with connection.transaction(force_rollback=True):
        connection.execute(statements.encode())
        yield {watch.watch: watch for watch in read_arming(connection)}


def test_what_was_just_installed_is_armed(owner: psycopg.Connection) -> None:
    assert [(watch.watch, watch.table, watch.cause, watch.remedy) for watch in read_arming(owner)] == [
        ("rates", "shop.Rates", "", ""),
        ("parts", "shop.parts", "", ""),
        ("meta", "shop.Rates", "", ""),
    ]


@pytest.mark.parametrize(
    ("trouble", "cause", "remedy"),
    [
        (
            'DROP TABLE shop."Rates"; CREATE TABLE shop."Rates" (chain text, token text, price numeric)',
            "shop.Rates is another table, and not what rtp was installed on, which is gone now",
            INSTALL_OR_REARM,
        ),
        (
            'ALTER TABLE shop."Rates" RENAME TO old; CREATE TABLE shop."Rates" (LIKE shop.old)',
            "shop.Rates is another table, and not what rtp was installed on, which is called shop.old now",
            INSTALL_OR_REARM,
        ),
        (
            'DROP TABLE shop."Rates"; CREATE VIEW shop."Rates" AS SELECT 1',
            "shop.Rates is a view, and not what rtp was installed on, which is gone now",
            "Name the table below it in the settings, then run `rtp install-triggers`",
        ),
        (
            'DROP TABLE shop."Rates"',
            "shop.Rates does not exist any more",
            "Create it and run `rtp install-triggers`, or take the watch out of the settings",
        ),
        (
            "DROP SCHEMA shop CASCADE",
            "shop.Rates does not exist any more",
            "Create it and run `rtp install-triggers`, or take the watch out of the settings",
        ),
        (
            'ALTER TABLE shop."Rates" RENAME TO old',
            "shop.Rates is called shop.old now",
            "Rename it back, or correct `table` in the settings and run `rtp install-triggers`",
        ),
        (
            'ALTER TABLE shop."Rates" SET SCHEMA public',
            "shop.Rates is called public.Rates now",
            "Rename it back, or correct `table` in the settings and run `rtp install-triggers`",
        ),
        (
            'ALTER TABLE shop."Rates" DISABLE TRIGGER rtp_rates_update',
            "triggers of shop.Rates are disabled: rtp_rates_update",
            INSTALL,
        ),
        (
            'ALTER TABLE shop."Rates" ENABLE REPLICA TRIGGER rtp_rates_update',
            "triggers of shop.Rates are disabled: rtp_rates_update",
            INSTALL,
        ),
        (
            'DROP TRIGGER rtp_rates_update ON shop."Rates"',
            "triggers of shop.Rates are missing: rtp_rates_update",
            INSTALL_OR_REARM,
        ),
        (
            "CREATE FUNCTION shop.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            'CREATE OR REPLACE TRIGGER rtp_rates_update AFTER UPDATE ON shop."Rates" EXECUTE FUNCTION shop.nothing()',
            "triggers of shop.Rates are not rtp's any more: rtp_rates_update",
            INSTALL,
        ),
        (
            "CREATE OR REPLACE FUNCTION rtp.watch_rates() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "rtp.watch_rates is not the function that was installed",
            INSTALL,
        ),
        (
            'ALTER TABLE shop."Rates" ALTER price TYPE double precision',
            "shop.Rates has changed: column price was numeric and is double precision",
            INSTALL_OR_REARM,
        ),
        (
            'ALTER TABLE shop."Rates" RENAME price TO usd',
            "shop.Rates has no such column any more: price",
            "Correct `columns` in the settings and run `rtp install-triggers`",
        ),
        (
            'CREATE TABLE shop.child () INHERITS (shop."Rates")',
            "what is written to shop.child, below shop.Rates, fires none of its triggers",
            'ALTER TABLE shop.child NO INHERIT shop."Rates", or make it a partition, or watch it, too',
        ),
        (
            "CREATE TABLE shop.above (chain shop.net, token shop.symbol, price numeric);"
            'ALTER TABLE shop."Rates" INHERIT shop.above',
            "shop.Rates is a part of shop.above, and what is written to that fires no trigger here",
            "Watch shop.above",
        ),
        (
            # Who connects to no publisher can be told of no table: a superuser writes it down.
            "CREATE SUBSCRIPTION mirror CONNECTION 'dbname=none' PUBLICATION none"
            " WITH (connect = false, slot_name = NONE, enabled = false);"
            "INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate)"
            " SELECT oid, 'shop.\"Rates\"'::regclass, 'r' FROM pg_subscription WHERE subname = 'mirror'",
            "shop.Rates is filled by subscription mirror, which fires no such triggers",
            "Watch the table in the publisher's database, where it is written",
        ),
        (
            "CREATE SCHEMA _timescaledb_catalog;"
            "CREATE TABLE _timescaledb_catalog.hypertable AS SELECT 'shop' AS schema_name, 'Rates' AS table_name;"
            'CREATE TABLE shop.chunk () INHERITS (shop."Rates")',
            "shop.Rates is a hypertable, which keeps its rows in tables of their own",
            "Watch a plain or partitioned table",
        ),
    ],
)
def test_what_keeps_writes_from_the_triggers_is_named(
    owner: psycopg.Connection, trouble: str, cause: str, remedy: str
) -> None:
    with after(owner, trouble) as watches:
        assert (watches["rates"].cause, watches["rates"].remedy) == (cause, remedy)


@pytest.mark.parametrize(
    ("trouble", "cause", "remedy"),
    [
        (
            "CREATE TABLE shop.parts_op PARTITION OF shop.parts FOR VALUES IN ('op');"
            "CREATE TABLE shop.parts_btc PARTITION OF shop.parts_base FOR VALUES IN ('btc')",
            "partitions of shop.parts have no triggers: shop.parts_btc, shop.parts_op",
            INSTALL_OR_REARM,
        ),
        (
            "DROP TRIGGER rtp_parts_insert ON shop.parts_eth",
            "triggers of shop.parts_eth are missing: rtp_parts_insert",
            INSTALL_OR_REARM,
        ),
        (
            "ALTER TABLE shop.parts DISABLE TRIGGER USER; ALTER TABLE shop.parts_eth DISABLE TRIGGER USER",
            "triggers of shop.parts, shop.parts_eth are disabled: rtp_parts_insert, rtp_parts_update",
            INSTALL,
        ),
        (
            "CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far;"
            "CREATE FOREIGN TABLE shop.parts_far PARTITION OF shop.parts FOR VALUES IN ('far') SERVER far",
            "partitions of shop.parts are foreign tables, written elsewhere: shop.parts_far",
            "Watch that table where it is written, and detach it from shop.parts",
        ),
    ],
)
def test_every_partition_on_every_level_counts(
    owner: psycopg.Connection, trouble: str, cause: str, remedy: str
) -> None:
    with after(owner, trouble) as watches:
        assert (watches["parts"].cause, watches["parts"].remedy) == (cause, remedy)


@pytest.mark.parametrize(
    "harmless",
    [
        "ALTER TABLE shop.parts DETACH PARTITION shop.parts_base",
        'ALTER TABLE shop."Rates" ADD COLUMN note text, ALTER price TYPE numeric(40, 2)',
        'ALTER TABLE shop."Rates" ENABLE ALWAYS TRIGGER rtp_rates_update',
        'CREATE POLICY own ON shop."Rates" USING (false)',
        'ALTER TABLE shop."Rates" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
        'CREATE TRIGGER own AFTER UPDATE ON shop."Rates" EXECUTE FUNCTION rtp.watch_rates()',
        'GRANT EXECUTE ON FUNCTION rtp.watch_rates() TO PUBLIC; CLUSTER shop."Rates" USING "Rates_pkey"',
    ],
)
def test_what_does_not_keep_writes_away_is_nothing_to_speak_of(owner: psycopg.Connection, harmless: str) -> None:
    with after(owner, harmless) as watches:
        assert [(watch.watch, watch.cause) for watch in watches.values() if watch.watch == "rates"] == [("rates", "")]


def test_several_troubles_are_all_named_with_a_remedy_for_the_first(owner: psycopg.Connection) -> None:
    trouble = 'ALTER TABLE shop."Rates" DISABLE TRIGGER USER; CREATE TABLE shop.child () INHERITS (shop."Rates")'
    with after(owner, trouble) as watches:
        line = str(watches["rates"])
    assert line.startswith("watch rates is not armed: triggers of shop.Rates are disabled: ")
    assert line.endswith(f"; what is written to shop.child, below shop.Rates, fires none of its triggers. {INSTALL}")


def test_a_child_that_is_watched_too_hides_nothing(owner: psycopg.Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute('CREATE TABLE shop.child (PRIMARY KEY (chain, token)) INHERITS (shop."Rates")')
        install(owner, **WATCHES, child={**RATES, "table": "shop.child"})
        assert [watch.cause for watch in read_arming(owner)] == [""] * 4


def test_writers_that_fire_no_usual_trigger_are_named(owner: psycopg.Connection) -> None:
    name = owner.execute("SELECT current_database()").fetchone()
    assert name is not None
    setting = sql.SQL("ALTER DATABASE {} SET session_replication_role TO replica").format(sql.Identifier(name[0]))
    with after(owner, setting.as_string(None)) as watches:
        assert watches["rates"].cause == (
            "session_replication_role is replica for every role, whose writes do not fire the triggers of shop.Rates"
        )


@pytest.mark.parametrize(
    ("policies", "is_hidden"),
    [
        ("", True),
        ("CREATE POLICY one ON shop.\"Rates\" USING (chain = 'base')", True),
        ('CREATE POLICY one ON shop."Rates" FOR SELECT USING (true)', False),
        ('CREATE POLICY one ON shop."Rates" FOR UPDATE USING (true)', True),
        (
            'CREATE POLICY one ON shop."Rates" USING (true);'
            'CREATE POLICY two ON shop."Rates" AS RESTRICTIVE USING (price > 0)',
            True,
        ),
    ],
    ids=["no policy", "some rows", "all rows", "all rows, to change", "all but some rows"],
)
def test_row_level_security_that_hides_rows_from_rtps_role_is_found(
    owner: psycopg.Connection, policies: str, is_hidden: bool
) -> None:
    guest = 'CREATE ROLE rtp_guest; GRANT USAGE ON SCHEMA shop TO rtp_guest; GRANT SELECT ON shop."Rates" TO rtp_guest;'
    secured = 'ALTER TABLE shop."Rates" ENABLE ROW LEVEL SECURITY; ALTER FUNCTION rtp.watch_rates() OWNER TO rtp_guest;'
    with after(owner, guest + secured + policies) as watches:
        expected = "row level security hides rows of shop.Rates from role rtp_guest" if is_hidden else ""
        assert watches["rates"].cause == expected


def test_the_role_that_runs_rtp_needs_no_right_to_look_but_those_of_rtps_schema(owner: psycopg.Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("CREATE ROLE rtp_guest; GRANT USAGE ON SCHEMA rtp TO rtp_guest")
        owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA rtp TO rtp_guest; SET LOCAL ROLE rtp_guest")
        assert [watch.cause for watch in read_arming(owner)] == [""] * 3


def test_a_role_that_may_not_read_the_table_any_more_is_named(owner: psycopg.Connection) -> None:
    with after(owner, "CREATE ROLE rtp_guest; ALTER FUNCTION rtp.watch_rates() OWNER TO rtp_guest") as watches:
        assert watches["rates"].cause == "role rtp_guest may not read shop.Rates"


def test_obstacles_are_found_before_anything_is_installed(owner: psycopg.Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("CREATE TABLE shop.plain (a int); CREATE TABLE shop.child () INHERITS (shop.plain)")
        owner.execute("CREATE TABLE shop.other (a int); CREATE TABLE shop.heir () INHERITS (shop.child)")
        names = ("shop.plain", "shop.other", "shop.child")
        rows = owner.execute("SELECT unnest(%s::regclass[])::oid", [list(names)]).fetchall()
        tables = {oid: name for (oid,), name in zip(rows, names, strict=True)}
        found = read_obstacles(owner, tables, watched=[])
    assert {tables[oid]: sorted((one.what, one.place) for one in obstacles) for oid, obstacles in found.items()} == {
        "shop.plain": [("inherited", "shop.child"), ("inherited", "shop.heir")],
        "shop.other": [],
        "shop.child": [("below", "shop.plain"), ("inherited", "shop.heir")],
    }


def test_a_look_waits_for_no_lock_on_a_watched_table(owner: psycopg.Connection, module_database: str) -> None:
    with closing(connect(module_database, role="etl")) as etl, etl.transaction(force_rollback=True):
        etl.execute('LOCK TABLE shop."Rates", shop.parts IN ACCESS EXCLUSIVE MODE')
        owner.execute("SET statement_timeout TO '5s'")
        assert all(watch.is_armed for watch in read_arming(owner))
        owner.execute("RESET statement_timeout")
